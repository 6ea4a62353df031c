// SPDX-License-Identifier: GPL-2.0

//! Which filesystem below a union has which [`Space`] of numbers.

use crate::{
    union::{
        branch::branch::Branch,
        numbers::{
            branch_id::BranchId,
            range::{Ranges, Space, FIRST_SIZE, OTHER_SIZE},
        },
    },
    vfs::{
        mount::path::Path,
        object::super_block::{AnySuperBlock, Uuid},
    },
};
use kernel::{prelude::*, sync::Arc};

/// The filesystems that were below a union.
pub(crate) struct Spaces {
    ranges: Arc<Ranges>,
    /// Those that can be known when they come back.
    known: KVVec<(Uuid, u32, Arc<Space>)>,
}

impl Spaces {
    /// None so far.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            ranges: Ranges::new()?,
            known: KVVec::new(),
        })
    }

    /// The ranges.
    pub(crate) fn ranges(&self) -> &Arc<Ranges> {
        &self.ranges
    }

    /// That of the filesystem at `root`, which is to be a branch with `branch_id` beside the branches
    /// `others`.
    pub(crate) fn of(
        &self,
        root: Path<'_>,
        branch_id: BranchId,
        others: &[Arc<Branch>],
    ) -> Result<Arc<Space>> {
        let sb = root.mnt().super_block();
        let beside = others
            .iter()
            .find(|other| core::ptr::eq::<AnySuperBlock>(other.mnt().super_block(), sb));
        if let Some(other) = beside {
            return Ok(other.numbers.space().clone());
        }
        let came_back = self
            .known
            .iter()
            .find(|(uuid, dev, _)| *uuid == sb.uuid() && *dev == sb.dev());
        match came_back {
            Some((.., space)) => Ok(space.clone()),
            None => Space::new(self.ranges.clone(), branch_id, root),
        }
    }

    /// Gives those of the filesystems below `branches` that have no range one, if there is room. The
    /// same branches get the same ranges when the union is mounted.
    pub(crate) fn give_ranges(&mut self, branches: &[Arc<Branch>]) {
        let is_mount = self.ranges.are_new();
        let ranges = self.ranges.clone();
        let news = || {
            let spaces = branches.iter().map(|branch| branch.numbers.space());
            spaces.filter(|space| space.is_new())
        };
        for branch in branches.iter().filter(|b| b.numbers.space().is_new()) {
            let sb = branch.mnt().super_block();
            if !sb.uuid().is_null() {
                // Without memory it gets another range when it comes back.
                let known = (sb.uuid(), sb.dev(), branch.numbers.space().clone());
                let _ = self.known.push(known, GFP_KERNEL);
            }
        }
        let take = |size| ranges.take(size).map(|start| (start, size));
        if is_mount {
            let mut all = branches.iter().map(|branch| branch.numbers.space());
            if let Some(first) = all.next() {
                let is_alone = all.all(|other| Arc::ptr_eq(first, other));
                first.note_alone(is_alone);
            }
            if let Some(first) = news().find(|space| space.need().is_none()) {
                first.give(take(FIRST_SIZE));
            }
        }
        for (need, space) in news().filter_map(|space| Some((space.need()?, space))) {
            space.give(take(need).or_else(|| take(OTHER_SIZE)));
        }
        for space in news() {
            space.give(take(OTHER_SIZE));
        }
        for branch in branches {
            let (space, root) = (branch.numbers.space(), branch.at(branch.root()));
            // A part that is a branch comes before those that are found later.
            if let Ok(device @ 1..) = space.device(root) {
                space.part(device);
            }
        }
    }
}
