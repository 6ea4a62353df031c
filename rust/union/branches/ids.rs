// SPDX-License-Identifier: GPL-2.0

//! Giving out the identities of branches.
//!
//! An identity is part of inode numbers, some of which outlive the branch: a directory keeps its
//! number when the branch that it was first seen on goes. So an identity is only used again for the
//! same directory tree, whose numbers mean the same objects again; and not even for that if objects
//! have been moved from it to another branch with their numbers. The ranges of numbers are given out
//! beside them: see [`range`](crate::union::numbers::range).

use super::{spaces::Spaces, table::MAX_BRANCHES};
use crate::{
    union::{
        branch::branch::Branch,
        numbers::{
            branch_id::BranchId,
            range::{Ranges, Space},
        },
    },
    vfs::{mount::path::Path, object::super_block::Uuid},
};
use kernel::{prelude::*, sync::Arc};

/// Tells directory trees apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tree {
    uuid: Uuid,
    dev: u32,
    ino: u64,
    generation: u32,
}

impl Tree {
    /// None if the filesystem has no UUID, as those of squashfs and iso9660 have not: the next one may
    /// be on the same loop device, with the same numbers for other objects.
    fn at(place: Path<'_>) -> Option<Self> {
        let inode = place.inode()?;
        let sb = place.mnt().super_block();
        let uuid = sb.uuid();
        (!uuid.is_null()).then(|| Self {
            uuid,
            dev: sb.dev(),
            ino: inode.ino(),
            generation: inode.generation(),
        })
    }
}

/// The identities that were given out.
pub(crate) struct Ids {
    /// The next one that nobody has had.
    next: usize,
    /// Those of branches that are gone.
    retired: KVVec<(Tree, BranchId)>,
    /// Those of branches that are not the union's yet, and may never be: with the tree that they are
    /// for, if they were retired before.
    taken: KVVec<(Option<Tree>, BranchId)>,
    spaces: Spaces,
}

impl Ids {
    /// None so far.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            next: 0,
            retired: KVVec::new(),
            taken: KVVec::new(),
            spaces: Spaces::new()?,
        })
    }

    /// The ranges of numbers.
    pub(crate) fn ranges(&self) -> &Arc<Ranges> {
        self.spaces.ranges()
    }

    /// As [`Spaces::of`].
    pub(crate) fn space(
        &self,
        root: Path<'_>,
        id: BranchId,
        others: &[Arc<Branch>],
    ) -> Result<Arc<Space>> {
        self.spaces.of(root, id, others)
    }

    /// A request begins: what an earlier one has taken, and did not [commit](Ids::commit), is there
    /// again, for nothing was ever known by it.
    pub(crate) fn begin(&mut self) {
        while let Some((tree, id)) = self.taken.pop() {
            match tree {
                // Without memory the identity is lost.
                Some(tree) => drop(self.retired.push((tree, id), GFP_KERNEL)),
                None => self.next = self.next.min(usize::from(id.0)),
            }
        }
    }

    /// What was taken since [`Ids::begin`] is known by its identity from now on, and the `branches`
    /// that there are have their numbers.
    pub(crate) fn commit(&mut self, branches: &[Arc<Branch>]) {
        self.taken.clear();
        self.spaces.give_ranges(branches);
    }

    /// An identity for the tree at `place`, or for one that cannot come again; until
    /// [`Ids::commit`], for the time being. `ENOSPC` when all have been given out.
    pub(crate) fn take(&mut self, place: Option<Path<'_>>) -> Result<BranchId> {
        self.taken.reserve(1, GFP_KERNEL)?;
        if let Some(tree) = place.and_then(Tree::at) {
            if let Some(at) = self.retired.iter().position(|(other, _)| *other == tree) {
                let last = self.retired.len() - 1;
                self.retired.swap(at, last);
                if let Some((_, id)) = self.retired.pop() {
                    self.taken.push((Some(tree), id), GFP_KERNEL)?;
                    return Ok(id);
                }
            }
        }
        if self.next >= MAX_BRANCHES {
            return Err(ENOSPC);
        }
        // CAST: It is less than the number of identities, which have 16 bits.
        let id = BranchId(self.next as u16);
        self.taken.push((None, id), GFP_KERNEL)?;
        self.next += 1;
        Ok(id)
    }

    /// Makes room for the identities of `count` branches, so that [`Ids::retire`] cannot fail.
    pub(crate) fn reserve(&mut self, count: usize) -> Result {
        Ok(self.retired.reserve(count, GFP_KERNEL)?)
    }

    /// The branch goes, or never came.
    pub(crate) fn retire(&mut self, branch: &Branch) {
        if branch.numbers.any_departed() {
            return;
        }
        let Some(tree) = Tree::at(branch.at(branch.root())) else {
            return;
        };
        // Without memory the identity is lost, and the next one takes another.
        let _ = self.retired.push((tree, branch.id()), GFP_KERNEL);
    }
}

#[kunit_tests(aufs2_ids)]
mod tests {
    use super::*;

    #[test]
    fn none_is_given_out_twice() -> Result {
        let mut ids = Ids::new()?;
        let first = ids.take(None)?;
        let second = ids.take(None)?;
        assert!(first != second);
        ids.commit(&[]);
        assert!(![first, second].contains(&ids.take(None)?));
        Ok(())
    }

    #[test]
    fn refused_requests_use_none_up() -> Result {
        let mut ids = Ids::new()?;
        for _ in 0..=MAX_BRANCHES {
            ids.begin();
            ids.take(None)?;
        }
        Ok(())
    }
}
