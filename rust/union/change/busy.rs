// SPDX-License-Identifier: GPL-2.0

//! Who keeps a branch from being removed.

use crate::{
    union::{
        branch::{branch::Branch, patience},
        branches::table::Table,
        find::refresh,
        object::{
            instance::{Instance, Union},
            stack::{BranchSet, Layer, Layers, Stack},
        },
    },
    vfs::{
        admin::log::Log,
        own::{dentry::OwnDentry, inode::OwnInode, super_block::SuperBlock},
        sync::task::fatal_signal_pending,
    },
};
use kernel::{
    prelude::*,
    str::BStr,
    sync::aref::ARef,
    time::{delay::fsleep, Delta},
};

/// How many users of a branch are named in the log.
const NAMED: usize = 8;

/// Why an object cannot do without a branch.
#[derive(Clone, Copy)]
enum Use {
    Open,
    Mapped,
    Written,
    MappedWritable,
    Directory,
}

impl Use {
    fn text(self) -> &'static str {
        match self {
            Use::Open => "is open",
            Use::Mapped => "is mapped",
            Use::Written => "is open for writing",
            Use::MappedWritable => "is mapped, and may be written to",
            Use::Directory => "is in use, and on no other branch",
        }
    }
}

/// Collects the users of one branch.
struct Users<'a> {
    /// Where they are named, if at all.
    log: Option<&'a Log>,
    branch: &'a Branch,
    found: usize,
}

impl Users<'_> {
    fn add(&mut self, inode: &OwnInode<Union>, how: Use) -> Result {
        self.found += 1;
        let Some(log) = self.log.filter(|_| self.found <= NAMED) else {
            return Ok(());
        };
        let path = match OwnDentry::alias_of(inode) {
            Some(dentry) => dentry.path_within()?,
            None => KVec::new(),
        };
        let path = BStr::from_bytes(&path);
        let (branch, ino, how) = (self.branch.name(), inode.ino(), how.text());
        let pid = inode.data().opener();
        if pid != 0 {
            log.error(fmt!(
                "branch '{branch}' is busy: '{path}' (inode {ino}) {how}; process {pid} opened it last"
            ));
        } else {
            log.error(fmt!(
                "branch '{branch}' is busy: '{path}' (inode {ino}) {how}"
            ));
        }
        Ok(())
    }

    fn finish(self) -> Result {
        if let Some(log) = self.log.filter(|_| self.found > NAMED) {
            let more = self.found - NAMED;
            let branch = self.branch.name();
            log.error(fmt!("branch '{branch}': {more} more are busy"));
        }
        match self.found {
            0 => Ok(()),
            _ => Err(EBUSY),
        }
    }
}

/// Whether `branch`, whose gate is closed, can be taken away so that `after` is left. `EBUSY` with
/// lines in the log that say why not.
pub(crate) fn check_removal(
    log: &Log,
    sb: &SuperBlock<Union>,
    branch: &Branch,
    after: &Table,
) -> Result {
    let mut waited = 0;
    loop {
        // Nobody opens anything on the branch now: what is open goes, or stays.
        let is_last = waited >= patience::ENDING.as_millis();
        let mut users = Users {
            log: is_last.then_some(log),
            branch,
            found: 0,
        };
        let set = BranchSet::of(branch.id());
        sb.for_each_in(
            set.groups(),
            |node| node.branches().meets(set),
            |inode| match why_not(sb.data(), inode, branch, after)? {
                Some(how) => users.add(inode, how),
                None => Ok(()),
            },
        )?;
        if users.found == 0 && !branch.is_held() {
            return Ok(());
        }
        if is_last || fatal_signal_pending() {
            if users.found == 0 {
                // What the union knows nothing of: a branch of another union, say.
                let shown = branch.name();
                log.error(fmt!("branch '{shown}' is busy: somebody else is using it"));
                return Err(EBUSY);
            }
            return users.finish();
        }
        fsleep(Delta::from_millis(5));
        waited += 5;
    }
}

/// What keeps the branch at `index` of `table` from being removed, if `inode` does: the number of the
/// object on that branch.
pub(crate) fn user(inode: &OwnInode<Union>, table: &Table, index: usize) -> Result<Option<u64>> {
    let branch = table.branches.get(index).ok_or(EINVAL)?;
    let after = table.without(index)?;
    if why_not(inode.sb().data(), inode, branch, &after)?.is_none() {
        return Ok(None);
    }
    let node = inode.data();
    if let Some(layer) = node.stack()?.on(branch) {
        return Ok(Some(layer.inode()?.ino()));
    }
    let state = node.lock_state_killable()?;
    let earlier = state.earlier.iter().find_map(|stack| stack.on(branch));
    earlier.map(|layer| Ok(layer.inode()?.ino())).transpose()
}

fn why_not(
    instance: &Instance,
    inode: &OwnInode<Union>,
    branch: &Branch,
    after: &Table,
) -> Result<Option<Use>> {
    let node = inode.data();
    let Ok(stack) = node.stack() else {
        return Ok(None);
    };
    if !inode.is_dir() {
        let mapped = |stack: &Stack| Ok::<_, Error>(stack.top().inode()?.is_mapped());
        let is_here = stack.on(branch).is_some();
        let mut was_here = false;
        let mut is_mapped = is_here && mapped(&stack)?;
        for earlier in node.lock_state_killable()?.earlier.iter() {
            if earlier.on(branch).is_some() {
                was_here = true;
                is_mapped |= mapped(earlier)?;
            }
        }
        // What was on the branch before its copy-up may have been opened since: then nothing is open there.
        let may_be_open = is_here || was_here && branch.is_open();
        return Ok(if may_be_open && node.opens() > 0 {
            Some(Use::Open)
        } else if is_mapped {
            Some(Use::Mapped)
        } else {
            None
        });
    }
    let stays = stack.layers.iter().any(|layer| after.has(&layer.branch));
    if stack.on(branch).is_none() || stays {
        return Ok(None);
    }
    let Some(dentry) = OwnDentry::alias_of(inode) else {
        return Ok(None);
    };
    if elsewhere(instance, &dentry, after)?.is_some_and(|layers| is_dir(&layers)) {
        return Ok(None);
    }
    // Nobody will see it any more: that is all right if nobody is in it.
    dentry.shrink();
    Ok((dentry.count() > 1).then_some(Use::Directory))
}

/// Whether what was found is a directory.
pub(crate) fn is_dir(layers: &[Layer]) -> bool {
    layers
        .first()
        .is_some_and(|layer| layer.inode().is_ok_and(|inode| inode.is_dir()))
}

/// What `dentry` will mean in a union of the branches in `table`; `None` if it has no name.
pub(crate) fn elsewhere(
    instance: &Instance,
    dentry: &OwnDentry<Union>,
    table: &Table,
) -> Result<Option<Layers>> {
    let mut way: KVec<ARef<OwnDentry<Union>>> = KVec::new();
    let mut at: ARef<OwnDentry<Union>> = dentry.into();
    while !at.is_root() {
        if at.is_unhashed() {
            return Ok(None);
        }
        let parent = at.parent_entry();
        way.push(at, GFP_KERNEL)?;
        at = parent;
    }
    instance.cred.scope(|| {
        let mut layers = refresh::root_layers(table)?;
        while let Some(dentry) = way.pop() {
            if !is_dir(&layers) {
                return Ok(Some(Layers::new()));
            }
            let name = dentry.name();
            layers = crate::union::find::lookup::find_in(&layers, name.get()?)?;
        }
        Ok(Some(layers))
    })
}

/// Whether nobody writes to what is on `branch`, so that it can become read-only. `EBUSY` with lines
/// in the log that say who does. A shared map writes without a descriptor.
pub(crate) fn check_readonly(log: &Log, sb: &SuperBlock<Union>, branch: &Branch) -> Result {
    let mut users = Users {
        log: Some(log),
        branch,
        found: 0,
    };
    let set = BranchSet::of(branch.id());
    sb.for_each_in(
        set.groups(),
        |node| node.branches().meets(set),
        |inode| {
            if !inode.mode().is_regular() {
                return Ok(());
            }
            let node = inode.data();
            let Ok(stack) = node.stack() else {
                return Ok(());
            };
            let mapped = |stack: &Stack| {
                let top = stack.top();
                let here = top.branch.id() == branch.id();
                Ok::<_, Error>(here && top.inode()?.is_mapped_writable())
            };
            let here = stack.top().branch.id() == branch.id();
            let mut is_mapped = mapped(&stack)?;
            for earlier in node.lock_state_killable()?.earlier.iter() {
                is_mapped |= mapped(earlier)?;
            }
            if here && inode.is_open_for_write() {
                users.add(inode, Use::Written)?;
            } else if is_mapped {
                users.add(inode, Use::MappedWritable)?;
            }
            Ok(())
        },
    )?;
    users.finish()
}
