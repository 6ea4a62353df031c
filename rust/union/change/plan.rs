// SPDX-License-Identifier: GPL-2.0

//! Changing the branches of a mounted union.
//!
//! The changes of one remount are made from left to right on a copy of the list, and published at
//! once: nobody sees some of them, and if one cannot be made, none is. A branch that goes is closed
//! to new descriptors while it is found out whether anybody needs it, and is there until that is
//! known.

use super::{
    busy,
    leave::{self, Leaving},
    wanted::{BranchMaker, ErrorName, Named, Wanted},
};
use crate::{
    union::{
        branch::{
            branch::{let_go, Branch},
            patience, plink_records, volatile, work,
        },
        branches::{
            lasting,
            table::{Table, MAX_BRANCHES},
        },
        find::refresh,
        object::instance::{Instance, Union},
        text::options::{Access, Change, Permission},
    },
    vfs::{
        admin::log::Log,
        own::{dentry::OwnDentry, kept::Kept, super_block::SuperBlock},
        sync::{gate::Closed, rcu::RcuArc},
    },
};
use kernel::{prelude::*, str::BStr, sync::Arc};

/// The branches as they are to be.
pub(crate) struct Plan {
    pub(crate) branches: KVVec<Arc<Branch>>,
    removed: KVec<Arc<Branch>>,
    modified: KVec<(Arc<Branch>, Permission)>,
    /// Whether there is anything to do.
    pub(crate) changed: bool,
}

impl Drop for Plan {
    fn drop(&mut self) {
        // Those that were made for it: there may be many, when the last one cannot be one.
        let_go(self.take());
    }
}

impl Plan {
    /// Nothing is changed so far.
    pub(crate) fn new(before: Option<&Table>) -> Result<Self> {
        let mut branches = KVVec::new();
        for branch in before.iter().flat_map(|table| &table.branches) {
            branches.push(branch.clone(), GFP_KERNEL)?;
        }
        Ok(Self {
            branches,
            removed: KVec::new(),
            modified: KVec::new(),
            changed: false,
        })
    }

    /// The branches, of which none is left here.
    pub(crate) fn take(&mut self) -> KVVec<Arc<Branch>> {
        core::mem::replace(&mut self.branches, KVVec::new())
    }

    /// Gives branches that nobody uses yet the permissions that they are to have.
    pub(crate) fn set_permissions(&mut self) {
        for (branch, permission) in core::mem::replace(&mut self.modified, KVec::new()) {
            branch.set_permission(permission);
        }
    }

    /// Plans one change. `EINVAL` for an index that is out of range, or a branch that is there
    /// already; `ENOENT` for one that is not.
    pub(crate) fn apply(
        &mut self,
        log: &Log,
        maker: &mut BranchMaker<'_>,
        change: &Change<Wanted, Named>,
    ) -> Result {
        match change {
            Change::Initial(wanted) | Change::Append(wanted) => {
                self.insert(log, maker, self.branches.len(), wanted)?;
            }
            Change::Insert(index, wanted) => self.insert(log, maker, *index, wanted)?,
            Change::Delete(named) => {
                let at = self.index_of(log, named)?;
                let branch = self.branches.remove(at).map_err(|_| EINVAL)?;
                self.removed.push(branch, GFP_KERNEL)?;
                self.changed = true;
            }
            Change::Modify(named, permission) => {
                let at = self.index_of(log, named)?;
                let branch = self.branches[at].clone();
                branch.can_be(log, *permission)?;
                self.modified.push((branch, *permission), GFP_KERNEL)?;
                self.changed = true;
            }
            Change::Move(index, named) => {
                let at = self.index_of(log, named)?;
                self.check_index(log, *index, self.branches.len() - 1)?;
                let branch = self.branches.remove(at).map_err(|_| EINVAL)?;
                self.branches.push(branch, GFP_KERNEL)?;
                self.branches[*index..].rotate_right(1);
                self.changed = true;
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        log: &Log,
        maker: &mut BranchMaker<'_>,
        index: usize,
        wanted: &Wanted,
    ) -> Result {
        self.check_index(log, index, self.branches.len())?;
        if self.branches.len() >= MAX_BRANCHES {
            log.error(fmt!("more than {MAX_BRANCHES} branches"));
            return Err(EINVAL);
        }
        if self.find(&wanted.named).is_some() {
            log.error(fmt!("branch '{}' is there already", wanted.named.shown()));
            return Err(EINVAL);
        }
        let branch = maker.make(log, index, wanted, &self.branches)?;
        self.branches.push(branch, GFP_KERNEL)?;
        self.branches[index..].rotate_right(1);
        self.changed = true;
        Ok(())
    }

    fn check_index(&self, log: &Log, index: usize, most: usize) -> Result {
        if index > most {
            log.error(fmt!("index {index} is out of range: 0 to {most}"));
            return Err(EINVAL);
        }
        Ok(())
    }

    /// The branch of the directory at a place, or the one in memory.
    fn find(&self, named: &Named) -> Option<usize> {
        match &named.path {
            Some(place) => self.branches.iter().position(|branch| branch.is_at(place)),
            None => self.named(named),
        }
    }

    /// The branch that was given a name, or whose path it was, as tools show it.
    fn named(&self, named: &Named) -> Option<usize> {
        let at = |is: &dyn Fn(&Branch) -> bool| self.branches.iter().position(|branch| is(branch));
        at(&|branch| **branch.name() == **named.shown())
            .or_else(|| at(&|branch| branch.place().was_at(&named.name)))
    }

    /// The branch that is meant: what is at the place; else what was given that name, as what was
    /// unmounted or moved there since is not it; else what is at that index.
    fn index_of(&self, log: &Log, named: &Named) -> Result<usize> {
        let by_index = || {
            let text = core::str::from_utf8(&named.name).ok()?;
            let index = text.parse::<usize>().ok()?;
            (index < self.branches.len() && named.path.is_none()).then_some(index)
        };
        let by_name = || self.named(named).or_else(by_index);
        self.find(named)
            .or_else(|| named.may_be_by_name().then(by_name).flatten())
            .ok_or_else(|| {
                let shown = named.shown();
                match named.may_be_by_name() {
                    true => log.error(fmt!(
                        "branch '{shown}': no branch has that place, name or index"
                    )),
                    false => log.error(fmt!("'{shown}' is no branch")),
                }
                ENOENT
            })
    }

    /// The last permission that a branch is to have, if that changes.
    fn permission_of(&self, branch: &Branch) -> Permission {
        let planned = self
            .modified
            .iter()
            .rev()
            .find(|(other, _)| core::ptr::eq::<Branch>(&**other, branch));
        planned.map_or(branch.permission(), |(_, permission)| *permission)
    }

    fn will_be_writable(&self, branch: &Branch) -> bool {
        self.permission_of(branch).access == Access::ReadWrite
    }

    /// `EINVAL` if private mappings are to be snapshots of files that they cannot be made of, or that were mapped as
    /// they are while nobody wrote to them.
    pub(crate) fn check_snapshots(&self, log: &Log, is_mounted: bool) -> Result {
        for branch in self.branches.iter().filter(|b| self.will_be_writable(b)) {
            let (shown, fs) = (branch.name(), branch.mnt().super_block());
            if !fs.keeps_pages() {
                log.error(fmt!(
                    "branch '{shown}': with privmap=snapshot, a {} cannot be =rw",
                    BStr::from_bytes(fs.type_name().to_bytes())
                ));
                return Err(EINVAL);
            }
            let is_modified =
                |(other, _): &(Arc<Branch>, _)| core::ptr::eq::<Branch>(&**other, &**branch);
            if is_mounted && !branch.is_writable() && self.modified.iter().any(is_modified) {
                log.error(fmt!(
                    "branch '{shown}': with privmap=snapshot, it cannot become =rw, for its files may be mapped"
                ));
                return Err(EINVAL);
            }
        }
        Ok(())
    }

    /// Whether there will be a branch to write to.
    pub(crate) fn has_writable(&self) -> bool {
        let mut branches = self.branches.iter();
        branches.any(|branch| self.will_be_writable(branch))
    }

    /// Makes the planned branches those of the union, or changes nothing. `EBUSY` with lines in the
    /// log that say who needs what is to go.
    ///
    /// The union is `readonly` after that. What is `watched` stays the inode that it is, where it can.
    pub(crate) fn carry_out(
        mut self,
        log: &Log,
        sb: &SuperBlock<Union>,
        readonly: bool,
        mut watched: Option<&mut Kept<Union>>,
    ) -> Result {
        let instance = sb.data();
        let mut ids = instance.changing.lock();
        let generation = instance.generation() + 1;
        if self.branches.is_empty() {
            log.error(fmt!("the last branch cannot go"));
            return Err(EBUSY);
        }
        let after = Table::new(log, generation, self.take())?;
        let after = RcuArc::new(after, GFP_KERNEL)?;
        ids.reserve(self.removed.len())?;
        let mut leaving = Leaving::new(self.removed.len())?;
        let shown = match &instance.sysfs {
            Some(entry) => Some(entry.prepare(&after, |branch| self.permission_of(branch))?),
            None => None,
        };
        if let Some(watched) = &mut watched {
            // The watch of what goes goes, too: it is no use of the branch.
            watched.retain(|name| stays(name, &after));
        }
        let will_be = |branch: &Branch| self.will_be_writable(branch);
        // There may be many, so before anybody waits for the change.
        let stays = after.branches.iter().filter(|branch| !will_be(branch));
        load_records(log, instance, stays, will_be)?;
        let written_last = self.written_last(sb)?;
        {
            let gates = self.check(log, sb, &after)?;
            if !readonly {
                take_over(log, instance, &after, will_be)?;
            }
            load_records(log, instance, after.branches.iter(), will_be)
                .inspect_err(|_| restore(&after))?;
            // Before anybody asks for a number on what is new.
            ids.commit(&after.branches);
            instance.cred.scope(|| lasting::keep_numbers(&after));
            self.commit(instance, after.clone());
            if let Some(shown) = shown {
                shown.publish();
            }
            for (gate, stays) in gates {
                if !stays {
                    gate.for_ever();
                }
            }
        }
        for branch in &self.removed {
            ids.retire(branch);
        }
        drop(ids);
        for branch in &self.removed {
            // What it could not write out is told of below, as of any other.
            instance.cred.scope(|| volatile::end(branch));
        }
        for branch in written_last {
            branch.finish_writing(sb);
        }
        for branch in core::mem::replace(&mut self.removed, KVec::new()) {
            leaving.add(branch);
        }
        leave::finish(sb, &after, leaving);
        for name in watched.iter().flat_map(|watched| watched.names()) {
            // What cannot be brought up to date now may be at the next look.
            let _ = settle_watched(name);
        }
        Ok(())
    }

    /// Whether the plan can be carried out. Whoever wants to open a file on a branch that goes, or
    /// becomes read-only, waits from here on.
    fn check(
        &self,
        log: &Log,
        sb: &SuperBlock<Union>,
        after: &Table,
    ) -> Result<KVec<(Closed<'_>, bool)>> {
        let mut gates = KVec::new();
        for branch in &self.removed {
            gates.push((close(log, branch)?, false), GFP_KERNEL)?;
        }
        for (branch, permission) in &self.modified {
            let closed = self
                .removed
                .iter()
                .any(|b| core::ptr::eq::<Branch>(&**b, &**branch));
            if permission.access != Access::ReadWrite && branch.is_writable() && !closed {
                gates.push((close(log, branch)?, true), GFP_KERNEL)?;
            }
        }
        for branch in &self.removed {
            if after.has(branch) {
                return Err(EINVAL);
            }
            busy::check_removal(log, sb, branch, after)?;
        }
        for (branch, _) in &self.modified {
            if after.has(branch) && branch.is_writable() && !self.will_be_writable(branch) {
                busy::check_readonly(log, sb, branch)?;
            }
        }
        Ok(gates)
    }

    /// The branches that are written to, and will not be any more.
    fn written_last(&self, sb: &SuperBlock<Union>) -> Result<KVVec<Arc<Branch>>> {
        let mut branches = KVVec::new();
        if sb.is_readonly() {
            return Ok(branches);
        }
        for branch in self.removed.iter().filter(|b| b.is_writable()) {
            branches.push(branch.clone(), GFP_KERNEL)?;
        }
        for (branch, _) in self.modified.iter().filter(|(b, _)| b.is_writable()) {
            if !self.will_be_writable(branch) {
                branches.push(branch.clone(), GFP_KERNEL)?;
            }
        }
        Ok(branches)
    }

    /// From here on nothing fails.
    fn commit(&self, instance: &Instance, after: RcuArc<Table>) {
        for (branch, _) in &self.modified {
            // The last one at once: what is writable, and stays so, has objects in the making.
            let permission = self.permission_of(branch);
            if permission.access != Access::ReadWrite {
                instance.cred.scope(|| volatile::end(branch));
            }
            branch.set_permission(permission);
        }
        instance.publish(after);
    }
}

/// Claims and sweeps the branches of a union that was read-only, and is not to be any more.
pub(crate) fn take_over_all(log: &Log, instance: &Instance) -> Result {
    let _ids = instance.changing.lock();
    let table = instance.table()?;
    take_over(log, instance, &table, Branch::is_writable)?;
    load_records(log, instance, table.branches.iter(), Branch::is_writable)?;
    instance.cred.scope(|| lasting::keep_numbers(&table));
    Ok(())
}

/// Claims and sweeps the branches of `table` that the union has not written to so far, and is going to,
/// as `will_be` says: before anybody makes something there. If one cannot be, none of them is written
/// to. What was claimed before still is, and what is there is in the making, or keeps what names below
/// mean.
fn take_over(
    log: &Log,
    instance: &Instance,
    table: &Table,
    will_be: impl Fn(&Branch) -> bool,
) -> Result {
    let is_known = |branch: &Branch| branch.is_writable() || branch.is_claimed();
    let is_fresh =
        |branch: &&Arc<Branch>| will_be(branch) && !(branch.is_swept() && is_known(branch));
    for branch in table.branches.iter().filter(is_fresh) {
        branch.let_write(true);
        instance
            .cred
            .scope(|| sweep(log, branch))
            .inspect_err(|_| restore(table))?;
    }
    Ok(())
}

/// Branches that the union does not write to are as before [`take_over`], which let it.
fn restore(table: &Table) {
    for branch in table.branches.iter().filter(|b| !b.is_writable()) {
        branch.let_write(false);
    }
}

/// Has `branches` know what the names of others mean.
fn load_records<'a>(
    log: &Log,
    instance: &Instance,
    branches: impl Iterator<Item = &'a Arc<Branch>>,
    will_be: impl Fn(&Branch) -> bool,
) -> Result {
    for branch in branches {
        let writable = will_be(branch);
        instance
            .cred
            .scope(|| read_records(log, branch, writable))?;
    }
    Ok(())
}

/// As [`plink_records::load`], with a line in the log if it fails. Who does not write to the branch can do without.
pub(crate) fn read_records(log: &Log, branch: &Branch, writable: bool) -> Result {
    match plink_records::load(branch) {
        Err(e) if writable || e == EINTR || e == ENOMEM => {
            log.error(fmt!(
                "branch '{}': its pseudo-links cannot be read: {}",
                branch.name(),
                ErrorName(e)
            ));
            Err(e)
        }
        Err(e) => {
            pr_warn!(
                "branch '{}': its pseudo-links cannot be read ({}), and what they are copies of shows\n",
                branch.name(),
                e.to_errno()
            );
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// As [`work::sweep`], with a line in the log if it fails.
pub(crate) fn sweep(log: &Log, branch: &Branch) -> Result {
    work::sweep(branch).inspect_err(|e| {
        log.error(fmt!("branch '{}': {}", branch.name(), ErrorName(*e)));
    })
}

/// Closes the gate of a branch. `EBUSY`, with a line in the log, if somebody who is opening a file
/// there does not get on.
fn close<'a>(log: &Log, branch: &'a Branch) -> Result<Closed<'a>> {
    branch.gate.close(patience::OPENING).inspect_err(|e| {
        if *e == EBUSY {
            let shown = branch.name();
            log.error(fmt!(
                "branch '{shown}' is busy: somebody has been opening a file there for {} s",
                patience::OPENING.as_millis() / 1000
            ));
        }
    })
}

/// Whether `name` will mean something of the kind that it means now, in a union of the branches in
/// `after`.
fn stays(name: &OwnDentry<Union>, after: &Table) -> bool {
    let Some(inode) = name.own_inode() else {
        return false;
    };
    let found = busy::elsewhere(name.sb().data(), name, after);
    found.is_ok_and(|layers| {
        layers.is_some_and(|layers| !layers.is_empty() && busy::is_dir(&layers) == inode.is_dir())
    })
}

/// Brings what `name` means up to date, and sees to it that it is found by the number that it has,
/// also when the name has left the cache.
fn settle_watched(name: &OwnDentry<Union>) -> Result {
    if !refresh::refresh(name)? {
        return Ok(());
    }
    let inode = name.positive()?;
    let state = inode.data().lock_state_killable()?;
    let stack = inode.data().stack()?;
    let top = stack.top();
    if top.number()?.shown != inode.ino() {
        top.branch.numbers.keep(top.path(), inode)?;
    }
    drop(state);
    Ok(())
}
