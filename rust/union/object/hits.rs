// SPDX-License-Identifier: GPL-2.0

//! Where a name may be, by the [`Index`] of a directory.

use super::{
    index::{fold, Index, MANY},
    stack::{Layer, Stack},
};
use crate::vfs::{sync::rcu::RcuArc, value::name::Name};

/// A name on more branches than this is looked up on all.
pub(crate) const MOST_HITS: usize = 8;

/// Where a name may be.
pub(crate) struct Hits {
    index: Option<RcuArc<Index>>,
    layers: [u32; MOST_HITS],
    count: usize,
}

impl Hits {
    /// Where `name` may be in the directories of `stack`.
    pub(crate) fn of(stack: &Stack, name: &Name) -> Self {
        let mut hits = Self {
            index: None,
            layers: [0; MOST_HITS],
            count: 0,
        };
        if stack.layers.len() < MANY {
            return hits;
        }
        let Some(index) = stack.index.index.get() else {
            return hits;
        };
        let hash = fold(name.as_bytes());
        for layer in index.layers_with(hash) {
            if hits.count == MOST_HITS {
                return hits;
            }
            hits.layers[hits.count] = layer;
            hits.count += 1;
        }
        hits.index = Some(index);
        hits
    }

    /// The first of `layers`, which are the stack's, from the one with number `from` on that the name
    /// may be in. There may be no such layer.
    pub(crate) fn next(&self, layers: &[Layer], from: usize) -> Option<usize> {
        let Some(index) = &self.index else {
            return Some(from);
        };
        let hits = self.layers[..self.count].iter().map(|&hit| hit as usize);
        let hit = hits.filter(|&hit| hit >= from).min();
        // Those before it are to be looked at only if they have changed: a few loads for each.
        let end = hit.unwrap_or(layers.len());
        let before = layers.get(from..end)?.iter();
        let stamps = index.stamps.get(from..end)?.iter();
        let changed = before.zip(stamps).position(|(layer, stamp)| {
            let now = layer.inode().map(|inode| inode.change_stamp()).ok();
            stamp.is_none() || now != *stamp
        });
        changed.map(|at| from + at).or(hit)
    }
}
