// SPDX-License-Identifier: GPL-2.0

//! Moving a file down to a lower writable branch.
//!
//! The copy is complete and on disk under its name before the original is removed: whatever happens
//! in between, the file is there at least once, and a move that fails leaves nothing behind. Nobody
//! else may have it open. The inode stays the one that it is, with its number; whoever was about to
//! open it opens the copy.

use super::entry;
use crate::{
    union::{
        branch::{lift, patience, work::Temporary},
        branches::table::Table,
        copy::{
            copy_up,
            data::Data,
            job::{self, Wanted},
        },
        find::{refresh, whiteout},
        groundwork::{hide, take_back::take_back},
        object::{
            instance::{Instance, Union},
            node::State,
            stack::{new_stack, Layer, Layers, Stack},
        },
    },
    vfs::{
        attr::{attr::Attr, stat::Stat},
        below::namei::{self, Removing},
        mount::write_access::WriteAccess,
        object::dentry::Dentry,
        own::{dentry::OwnDentry, file::FsFile, inode::OwnInode},
        sync::rcu::RcuArc,
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{pr_warn_once, prelude::*, sync::aref::ARef};

/// What is wrong with a move.
#[derive(Clone, Copy)]
pub(crate) enum Reason {
    /// A directory hides what is below it.
    Hidden,
    /// The name is whited out in between.
    Whiteout,
    /// The name means something in between.
    Between,
    /// There is no lower branch to write to.
    Bottom,
    /// The upper branch that is given does not have the file that shows.
    NoUpper,
    /// There is no such lower branch.
    NoLower,
}

/// Why the file was not moved.
pub(crate) struct Refused(pub(crate) Error, pub(crate) Option<Reason>);

impl From<Error> for Refused {
    fn from(e: Error) -> Self {
        Self(e, None)
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self(EINVAL, Some(reason))
    }
}

/// Where the file goes.
struct Move<'a> {
    instance: &'a Instance,
    /// The directory, and its own directories on the two branches.
    dir: &'a OwnDentry<Union>,
    from: Layer,
    to: Layer,
    dentry: &'a OwnDentry<Union>,
    source: Layer,
    overwrite: bool,
}

/// How a file is to be moved.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// A file of the same name on the lower branch is replaced.
    pub(crate) overwrite: bool,
    /// The original stays where it is.
    pub(crate) keep: bool,
}

/// The branches that a file was moved between, by their indices.
pub(crate) struct Moved {
    pub(crate) table: RcuArc<Table>,
    pub(crate) upper: usize,
    pub(crate) lower: usize,
}

/// Moves `file` down, from the branch that it is on, to the one which `choose` says: it gets the table and
/// where the upper one is in it, and gives both.
///
/// `EROFS` for a branch that the union does not write to; `EBUSY` for a file that somebody else has open,
/// that is mapped, open for writing, or has several names; `EPERM` if it, or its directory on either
/// branch, is immutable or append-only; `EEXIST` if the lower branch has the name, unless it may be
/// overwritten; what `choose` says.
pub(crate) fn move_down(
    file: &FsFile<Union>,
    how: How,
    choose: impl FnOnce(&Table, usize) -> Result<(usize, usize), Refused>,
) -> Result<Moved, Refused> {
    let dentry = file.dentry();
    let inode = file.own_inode();
    let instance = dentry.sb().data();
    // What is frozen stays as it is.
    let _access = file.mount().want_write()?;
    let parent = dentry.parent_entry();
    let _dir = parent.positive()?.lock();
    if !core::ptr::eq::<OwnDentry<Union>>(&*parent, &*dentry.parent_entry()) {
        return Err(ESTALE.into());
    }
    if dentry.is_unhashed() {
        return Err(ENOENT.into());
    }
    let _inode = inode.lock();
    // The branches stay what they are, and whoever finds the gate closed below waits for this.
    let _changing = instance.changing.lock();
    let table = instance.table()?;
    let stack = refresh::stack(dentry)?;
    let source = stack.top().clone();
    let at = table.index_of(source.branch.id()).ok_or(ESTALE)?;
    let (upper, lower) = choose(&table, at)?;
    let target = &table.branches[lower];
    if !source.branch.is_writable() || !target.is_writable() {
        return Err(EROFS.into());
    }
    check_idle(inode)?;
    instance
        .cred
        .scope(|| check_way(&parent, dentry, &table, upper, lower))?;
    let from = refresh::stack(&parent)?;
    let from = from.on(&source.branch).ok_or(ESTALE)?.clone();
    let _ours = parent.positive()?.data().own_change();
    let to = copy_up::ensure_dir(&parent, target)?.clone();
    let planned = Move {
        instance,
        dir: &parent,
        from,
        to,
        dentry,
        source,
        overwrite: how.overwrite,
    };
    instance.cred.scope(|| planned.carry_out(how.keep))?;
    Ok(Moved {
        table,
        upper,
        lower,
    })
}

/// `EBUSY` if anybody but the caller's descriptor, which cannot write, uses the file.
fn check_idle(inode: &OwnInode<Union>) -> Result {
    let node = inode.data();
    let top = node.stack()?;
    let top = top.top().inode()?;
    let idle = node.opens() == 1
        && !inode.is_open_for_write()
        && !top.is_open_for_write()
        && !top.is_mapped()
        && inode.nlink() == 1
        && top.nlink() == 1
        && !node.has_names_below();
    if idle {
        Ok(())
    } else {
        Err(EBUSY)
    }
}

/// Whether the file will show once it is on the branch at `lower`: nothing between the two hides it.
fn check_way(
    parent: &OwnDentry<Union>,
    dentry: &OwnDentry<Union>,
    table: &Table,
    upper: usize,
    lower: usize,
) -> Result<(), Refused> {
    let index = |layer: &Layer| table.index_of(layer.branch.id());
    let above = |layer: &&Layer| index(layer).is_some_and(|at| at < lower);
    let stack = refresh::stack(parent)?;
    let name = dentry.name();
    let name = name.get()?;
    let between = |layer: &&Layer| above(layer) && index(layer) > Some(upper);
    for layer in stack.layers.iter().filter(between) {
        if layer.has(name)? {
            return Err(Reason::Between.into());
        }
        if layer.branch.obeys_whiteouts() && whiteout::exists(layer, name)? {
            return Err(Reason::Whiteout.into());
        }
    }
    // Directories that the lower branch does not have will be made, and must show there, too.
    let mut at: ARef<OwnDentry<Union>> = parent.into();
    loop {
        let stack = refresh::stack(&at)?;
        if stack.on(&table.branches[lower]).is_some() {
            return Ok(());
        }
        for layer in stack.layers.iter().filter(above) {
            if layer.branch.obeys_whiteouts() && whiteout::is_opaque(layer)? {
                return Err(Reason::Hidden.into());
            }
        }
        if at.is_root() {
            return Err(ESTALE.into());
        }
        let up = at.parent_entry();
        let around = refresh::stack(&up)?;
        check_free(&around, &stack, &at, |layer| {
            index(layer).is_some_and(|at| at <= lower)
        })?;
        at = up;
    }
}

/// Whether neither a whiteout nor an object that is no directory is in the way of `dir` in those
/// layers of its parent's `stack` that are `concerned`. `here` is what it stands for.
fn check_free(
    stack: &Stack,
    here: &Stack,
    dir: &OwnDentry<Union>,
    concerned: impl Fn(&Layer) -> bool,
) -> Result<(), Refused> {
    let name = dir.name();
    let name = name.get()?;
    for layer in stack.layers.iter().filter(|layer| concerned(layer)) {
        if layer.branch.obeys_whiteouts() && whiteout::exists(layer, name)? {
            return Err(Reason::Whiteout.into());
        }
        if here.on(&layer.branch).is_none() && layer.has(name)? {
            return Err(Reason::Between.into());
        }
    }
    Ok(())
}

impl Move<'_> {
    fn carry_out(&self, keep: bool) -> Result {
        let name = self.dentry.name();
        let name = name.get()?;
        if let Some(there) = namei::lookup(self.to.branch.mnt(), &self.to.dentry, name)? {
            if !self.overwrite || there.inode().is_some_and(|inode| inode.is_dir()) {
                return Err(EEXIST);
            }
        }
        // A move would remove it, or take it from there.
        for part in [&self.source, &self.from, &self.to] {
            if !lift::protection_of(&part.branch, &part.dentry).is_none() {
                return Err(EPERM);
            }
        }
        let inode = self.dentry.positive()?;
        // Not its change stamp, which sharing its blocks with a copy may change.
        let original = Stat::of(self.source.path())?;
        let times = Stat::of(self.to.path())?;
        // Neither a copy-up nor a refresh comes in between.
        let mut state = inode.data().lock_state_killable()?;
        let target = &self.to.branch;
        let copy = job::copy_apart(Wanted::of(self.dentry, Data::All)?, &self.source, target)?;
        let moved = Layer {
            branch: self.to.branch.clone(),
            dentry: copy.dentry().clone(),
        };
        let mut layers = Layers::new();
        layers.push(moved.clone())?;
        let before = inode.data().stack()?;
        if !before.top().is_same_object(&self.source) {
            return Err(EBUSY);
        }
        let after = new_stack(before.generation, layers)?;
        // For both of what is published below, so that it cannot fail.
        state.earlier.reserve(2)?;
        // Before the gate: a freeze is waited for while the file can still be opened.
        let access = self.to.branch.mnt().want_write()?;
        let copy = copy.resume(&access);
        // Nobody opens the file from here on.
        let gate = self.source.branch.gate.close(patience::OPENING)?;
        check_idle(inode)?;
        if !original.is_unchanged(&Stat::of(self.source.path())?) {
            return Err(EBUSY);
        }
        self.place(copy, &moved.dentry, name, &access, &times)?;
        drop(access);
        if keep {
            return Ok(());
        }
        let gone = self.hand_over(inode, &mut state, (before, after), &moved, name);
        drop(state);
        // What is taken back may have to wait for who has frozen the branch; and who opens the original gets that.
        drop(gate);
        if gone.is_err() {
            self.take_back_copy(name, &moved.dentry);
            return gone;
        }
        self.instance.counters().moves_down.up();
        // The original takes room for as long as somebody may have it from `d_real`.
        OwnDentry::mark_dont_cache(inode);
        entry::changed(self.dir.positive()?)
    }

    /// Gives the copy, which is `made`, its name, on disk as well, and the directory its `times` back. Takes all of
    /// that back if it fails.
    fn place(
        &self,
        copy: Temporary<'_>,
        made: &Dentry,
        name: &Name,
        access: &WriteAccess<'_>,
        times: &Stat,
    ) -> Result {
        if self.overwrite {
            // What has other names may have been copied up by them.
            let there = namei::lookup(self.to.branch.mnt(), &self.to.dentry, name)?;
            if there.is_some_and(|there| there.inode().is_some_and(|inode| inode.nlink() > 1)) {
                return Err(EBUSY);
            }
            copy.replace(&self.to.dentry, name)?;
        } else {
            copy.move_to(&self.to.dentry, name)?;
        }
        let shown = || -> Result {
            if made.is_unhashed() {
                // It has the name, and nobody has said so: nor whether that is on the disk.
                return Err(EIO);
            }
            hide::remove(access, &self.to, name)?;
            // On disk before the original goes.
            self.to.write_out_names()?;
            Attr::times(times).apply(access, &self.to.dentry)
        };
        shown().inspect_err(|_| {
            if !self.overwrite {
                take_back(access, &self.to.branch, &self.to.dentry, name, made);
            }
        })
    }

    /// Removes the copy again, if the original is there, and shows: a server that could not answer may have removed
    /// it. What was overwritten is not, so that the copy stays where that was.
    fn take_back_copy(&self, name: &Name, made: &Dentry) {
        if self.overwrite {
            return;
        }
        if !self.has_original(name).is_ok_and(|is_there| is_there) {
            pr_warn!(
                "branch '{}': the copy of a file that could not be moved stays\n",
                self.to.branch.name()
            );
            // Which of them the name means is to be found out.
            self.dentry.drop_from_cache();
            return;
        }
        if let Ok(access) = self.to.branch.mnt().want_write() {
            take_back(&access, &self.to.branch, &self.to.dentry, name, made);
        }
    }

    /// Lets the inode stand for the copy, and removes the original; or changes nothing.
    fn hand_over(
        &self,
        inode: &OwnInode<Union>,
        state: &mut State,
        (before, after): (RcuArc<Stack>, RcuArc<Stack>),
        moved: &Layer,
        name: &Name,
    ) -> Result {
        // Nor is the copy opened by who finds that the inode stands for it, before it is known that it stays.
        let _gate = moved.branch.gate.close(patience::OPENING)?;
        let (original, copied) = (self.source.path(), moved.path());
        let (here, there) = (&self.source.branch.numbers, &moved.branch.numbers);
        here.leave(original)?;
        let done = there.keep(copied, inode).and_then(|()| {
            // Who is about to open what the name meant gets what it means.
            inode.data().publish(inode, state, after)?;
            self.remove(name).inspect_err(|_| {
                // There is room for it.
                let _ = inode.data().publish(inode, state, before);
            })
        });
        match done {
            Ok(()) => {
                here.forget(original);
            }
            Err(_) => {
                there.forget(copied);
                here.stay(original);
            }
        }
        done
    }

    /// Whether the original has its name: its filesystem is asked, and not a cache.
    fn has_original(&self, name: &Name) -> Result<bool> {
        let found = namei::lookup(self.from.branch.mnt(), &self.from.dentry, name)?;
        match found {
            Some(found) if self.source.branch.are_same(&found, &self.source.dentry)? => {
                Stat::now(self.source.path()).map(|stat| stat.nlink() != 0)
            }
            _ => Ok(false),
        }
    }

    /// Removes the original. Its directory keeps its times, for the user of the union has not changed
    /// it.
    fn remove(&self, name: &Name) -> Result {
        // Nobody opens the file meanwhile, who may be the one to end a freeze.
        let access = (self.from.branch.mnt().try_want_write()).map_err(|e| {
            if e == EAGAIN {
                EBUSY
            } else {
                e
            }
        })?;
        let times = Stat::of(self.from.path())?;
        // It has hidden nothing so far.
        hide::remove(&access, &self.from, name)?;
        let removing = Removing::start(&access, &self.from.dentry, name)?;
        let original: &Dentry = &self.source.dentry;
        if !core::ptr::eq::<Dentry>(removing.dentry(), original) {
            return Err(ESTALE);
        }
        removing.unlink()?;
        if Attr::times(&times)
            .apply(&access, &self.from.dentry)
            .is_err()
        {
            pr_warn_once!("the times of a directory could not be kept over a move\n");
        }
        Ok(())
    }
}
