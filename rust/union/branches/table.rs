// SPDX-License-Identifier: GPL-2.0

//! The branches of a union, in their order.

use crate::{
    union::{
        branch::branch::{let_go, Branch},
        numbers::branch_id::BranchId,
    },
    vfs::{
        admin::log::Log,
        object::{dentry::Dentry, super_block::AnySuperBlock},
        sync::{lockdep::MAX_STACK_DEPTH, rcu::Shared},
    },
};
use kernel::{prelude::*, rbtree::RBTree, str::BStr, sync::Arc};

/// How many branches a union may have: as many as there are identities in wide numbers, which begin
/// with 1 there.
pub(crate) const MAX_BRANCHES: usize = 0xffff;

/// The branches, topmost first. Immutable: a change makes a new table with the next generation.
///
/// # Invariants
///
/// `by_id` has the index of each of the branches, by its number.
pub(crate) struct Table {
    pub(crate) generation: usize,
    pub(crate) branches: KVVec<Arc<Branch>>,
    by_id: RBTree<BranchId, usize>,
}

impl Shared for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        let_go(core::mem::replace(&mut self.branches, KVVec::new()));
    }
}

/// The index of each branch, by its number: many are not gone through for each that is asked for. `ENOMEM`.
fn by_id(branches: &[Arc<Branch>]) -> Result<RBTree<BranchId, usize>> {
    let mut by_id = RBTree::new();
    for (index, branch) in branches.iter().enumerate() {
        by_id.try_create_and_insert(branch.id(), index, GFP_KERNEL)?;
    }
    Ok(by_id)
}

/// Two branches, by their indices, whose directory trees have something in common: one is at or below
/// the other. From each, what is above it is looked for among all, so that many branches are not
/// compared with each other. `ENOMEM`.
fn overlapping(branches: &[Arc<Branch>]) -> Result<Option<(usize, usize)>> {
    let address = |dentry: &Dentry| core::ptr::from_ref(dentry) as usize;
    let mut roots = RBTree::new();
    for (index, branch) in branches.iter().enumerate() {
        let root = address(branch.root());
        if let Some(other) = roots.get(&root) {
            return Ok(Some((index, *other)));
        }
        roots.try_create_and_insert(root, index, GFP_KERNEL)?;
    }
    for (index, branch) in branches.iter().enumerate() {
        let mut above = branch.root().above();
        while let Some(dir) = above {
            if let Some(other) = roots.get(&address(&dir)) {
                return Ok(Some((index, *other)));
            }
            above = dir.above();
        }
    }
    Ok(None)
}

/// Checks that the branch `name`, on `below`, can be one of the union that is mounted as `sb`: `EINVAL` if it is
/// on that union itself, or stacked deeper than what is stacked on the union may know. Before anything is
/// looked up on it: that takes locks of the union, or of one that is as deep.
pub(crate) fn check_beside(
    log: &Log,
    name: &BStr,
    below: &AnySuperBlock,
    sb: &AnySuperBlock,
) -> Result {
    if core::ptr::eq(below, sb) {
        log.error(fmt!("branch '{name}' is in the union itself"));
        return Err(EINVAL);
    }
    if below.stack_depth() >= sb.stack_depth() {
        log.error(fmt!(
            "branch '{name}': more filesystems are stacked below it than below the others"
        ));
        return Err(EINVAL);
    }
    Ok(())
}

impl Table {
    /// Checks that the branches can be one union together: `EINVAL` if there is none, if two
    /// overlap, or if they are stacked too deep already.
    pub(crate) fn new(log: &Log, generation: usize, branches: KVVec<Arc<Branch>>) -> Result<Self> {
        if branches.is_empty() {
            log.error(fmt!("a union needs a branch: br:DIR[=rw|ro|rr][:DIR...]"));
            return Err(EINVAL);
        }
        // From here on they are let go of together if they cannot be a union.
        // INVARIANT: There is none without `by_id` but this one, which is not asked.
        let mut this = Self {
            generation,
            branches,
            by_id: RBTree::new(),
        };
        for branch in &this.branches {
            if branch.mnt().super_block().stack_depth() >= MAX_STACK_DEPTH {
                log.error(fmt!(
                    "branch '{}': too many filesystems are stacked below it",
                    branch.name()
                ));
                return Err(EINVAL);
            }
        }
        if let Some((one, other)) = overlapping(&this.branches)? {
            log.error(fmt!(
                "branch '{}' overlaps with branch '{}'",
                this.branches[one.max(other)].name(),
                this.branches[one.min(other)].name()
            ));
            return Err(EINVAL);
        }
        this.by_id = by_id(&this.branches)?;
        Ok(this)
    }

    /// How many filesystems are stacked below the union.
    pub(crate) fn stack_depth(&self) -> usize {
        let depths = self
            .branches
            .iter()
            .map(|branch| branch.mnt().super_block().stack_depth());
        depths.max().unwrap_or(0) + 1
    }

    /// Whether the branch is one of them.
    pub(crate) fn has(&self, branch: &Branch) -> bool {
        // Another one may have its number by now.
        self.index_of(branch.id())
            .is_some_and(|at| core::ptr::eq::<Branch>(&*self.branches[at], branch))
    }

    /// The branches without the one at `index`: what would be left, for questions.
    pub(crate) fn without(&self, index: usize) -> Result<Self> {
        let mut branches = KVVec::with_capacity(self.branches.len(), GFP_KERNEL)?;
        for (at, branch) in self.branches.iter().enumerate() {
            if at != index {
                branches.push(branch.clone(), GFP_KERNEL)?;
            }
        }
        Ok(Self {
            generation: self.generation,
            by_id: by_id(&branches)?,
            branches,
        })
    }

    /// Where the branch is in the order.
    pub(crate) fn index_of(&self, id: BranchId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Whether new objects may go to more than one branch.
    pub(crate) fn has_choice(&self) -> bool {
        let writable = self.branches.iter().filter(|branch| branch.is_writable());
        writable.take(2).count() > 1
    }

    /// The topmost writable branch. `EROFS` without one.
    pub(crate) fn writable(&self) -> Result<&Arc<Branch>> {
        self.branches
            .iter()
            .find(|branch| branch.is_writable())
            .ok_or(EROFS)
    }
}
