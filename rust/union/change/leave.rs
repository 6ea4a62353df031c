// SPDX-License-Identifier: GPL-2.0

//! Letting go of a branch that is no longer one of the union's.

use super::busy;
use crate::{
    union::{
        branch::{
            branch::{let_go, Branch, Departure},
            patience,
        },
        branches::table::Table,
        find::refresh::{self, remaining},
        numbers::branch_id::BranchId,
        object::{
            instance::Union,
            pins,
            stack::{new_stack, BranchSet, Stack},
        },
    },
    vfs::{
        mount::mount::Mount,
        own::{dentry::OwnDentry, inode::OwnInode, super_block::SuperBlock},
        sync::{
            rcu::{self, RcuArc},
            task::fatal_signal_pending,
        },
    },
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
    time::{delay::fsleep, Delta},
};

/// A stack that was made before any table: it is made again when it is used.
const BEFORE_ANY: usize = 0;

/// A branch that leaves.
struct Leaver {
    id: BranchId,
    departure: Departure,
    /// Outlive the branch: a file that was closed keeps the mount until its closer is back in user
    /// space, without the branch. And whoever gives up the last reference to a mount has its filesystem until
    /// then: that is to be who removes the branch.
    mounts: [Option<ARef<Mount>>; 2],
}

impl Leaver {
    /// Whether the union holds nothing on the filesystem any more.
    fn has_left(&self) -> bool {
        self.departure.is_gone() && !self.mounts.iter().flatten().any(|mount| mount.is_shared())
    }
}

/// The branches that leave.
pub(crate) struct Leaving {
    leavers: KVVec<Leaver>,
    /// References that are given up when the wait for the end begins.
    branches: KVVec<Arc<Branch>>,
}

impl Leaving {
    /// Room for `count`.
    pub(crate) fn new(count: usize) -> Result<Self> {
        Ok(Self {
            leavers: KVVec::with_capacity(count, GFP_KERNEL)?,
            branches: KVVec::with_capacity(count, GFP_KERNEL)?,
        })
    }

    /// Takes over the reference to a branch; there is room.
    pub(crate) fn add(&mut self, branch: Arc<Branch>) {
        drop(branch.work.lock().take());
        branch.place().let_go();
        let leaver = Leaver {
            id: branch.id(),
            departure: branch.departure(),
            mounts: branch.mounts().map(|mount| mount.map(ARef::from)),
        };
        // Nothing is allocated: `new` has made the room.
        let _ = self.leavers.push_within_capacity(leaver);
        let _ = self.branches.push_within_capacity(branch);
    }
}

/// Takes the branches that leave out of all inodes, and waits until they are gone: then the union
/// holds nothing on their filesystems.
pub(crate) fn finish(sb: &SuperBlock<Union>, after: &Table, leaving: Leaving) {
    let Leaving { leavers, branches } = leaving;
    // At once, as far as nothing is on them.
    let_go(branches);
    let mut waited = 0;
    let mut pause = 1;
    loop {
        let there = leavers.iter().filter(|leaver| !leaver.departure.is_gone());
        let mut set: Option<BranchSet> = None;
        for leaver in there {
            set = Some(set.map_or(BranchSet::of(leaver.id), |set| set.with(leaver.id)));
        }
        if let Some(set) = set {
            let mut taken = KVec::new();
            // An inode that there was no memory for is looked at again below, or when it is used.
            let _ = sb.for_each_in(
                set.groups(),
                |node| node.branches().meets(set),
                |inode| {
                    for leaver in &leavers {
                        let _ = leave(inode, leaver.id, after, &mut taken);
                    }
                    Ok(())
                },
            );
            if !taken.is_empty() {
                rcu::synchronize_tasks();
            }
            drop(taken);
        }
        if leavers.iter().all(Leaver::has_left) {
            return;
        }
        if waited >= patience::LEAVING.as_millis() || fatal_signal_pending() {
            pr_warn!("a removed branch is still being used, and goes when that ends\n");
            return;
        }
        fsleep(Delta::from_millis(pause));
        waited += pause;
        pause = (pause * 2).min(100);
    }
}

/// Takes the branch `id` out of what `inode` stands for.
fn leave(
    inode: &OwnInode<Union>,
    id: BranchId,
    after: &Table,
    taken: &mut KVec<RcuArc<Stack>>,
) -> Result {
    let node = inode.data();
    let mut state = node.lock_state();
    node.take_earlier(&mut state, id, taken)?;
    let Ok(stack) = node.stack() else {
        return Ok(());
    };
    if stack.layers.iter().all(|layer| after.has(&layer.branch)) {
        node.forget_branches(&state, &stack);
        return Ok(());
    }
    let dentry = OwnDentry::alias_of(inode);
    let rest = remaining(&stack, |layer| after.has(&layer.branch))?;
    let next = if inode.is_dir() && !rest.is_empty() {
        // What is to be seen of it now is found out when it is used.
        Some(new_stack(BEFORE_ANY, rest)?)
    } else if let Some(dentry) = &dentry {
        let found = busy::elsewhere(inode.sb().data(), dentry, after)?;
        match found.filter(|layers| !layers.is_empty()) {
            Some(layers) => {
                let found = new_stack(after.generation, layers)?;
                refresh::may_become(inode, &stack, &found)?.then_some(found)
            }
            None => None,
        }
    } else {
        None
    };
    match next {
        Some(next) => {
            drop(state.listing.take());
            if next.generation != BEFORE_ANY {
                let top = next.top();
                top.branch.numbers.keep(top.path(), inode)?;
            }
            node.publish(inode, &mut state, next.clone())?;
            if !inode.is_dir() {
                inode.set_nlink(next.top().inode()?.nlink());
            }
            node.take_earlier(&mut state, id, taken)?;
            node.forget_branches(&state, &next);
        }
        None => {
            drop(state);
            pins::forget_names_below(inode, inode.sb().data());
            inode.unhash();
            if let Some(dentry) = dentry {
                dentry.drop_from_cache();
            }
            node.release();
        }
    }
    Ok(())
}
