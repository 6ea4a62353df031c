// SPDX-License-Identifier: GPL-2.0

//! An index of the names in a directory of many branches, so that a lookup does not ask them all.
//!
//! A directory in which names were looked up in many branches again and again gets one. It says in
//! which branches something may be under a name: what is there, whether it is hidden, and whether the
//! caller may see it is then found out by looking, as without an index. So it may name a branch too
//! many, and does where two names have one hash, but none too few:
//!
//! * each branch's part holds for as long as the directory there has the change stamp that it had
//!   before it was read; after that the branch is looked at, until the index is made anew;
//! * a branch whose filesystem does not count changes of directories (tmpfs, ext4, xfs and btrfs do; in
//!   squashfs and erofs there are none), or which has names that are equal without being the same, is
//!   always looked at.
//!
//! An index belongs to one stack, which never changes, and goes with it when the inode leaves the
//! cache. Making it reads no more entries than there were lookups to make up for.

use super::stack::{Layer, Stack};
use crate::vfs::{
    object::inode::ChangeStamp,
    sync::rcu::{RcuArc, Shared, Slot},
    value::name::Name,
};
use kernel::{alloc::flags::GFP_KERNEL_ACCOUNT, prelude::*, sync::atomic::Atomic};

/// Looking at fewer branches than this is not worth a thought.
pub(crate) const MANY: usize = 4;

/// A name on more branches than this is looked up on all.
const MOST_HITS: usize = 8;

/// The most slots that a name may have to go by.
const MOST_STEPS: usize = 256;

/// Where a stack has its index.
pub(crate) struct IndexSlot {
    pub(crate) index: Slot<Index>,
    /// Lookups that had to look at many branches.
    pub(crate) lookups: Atomic<u32>,
}

impl IndexSlot {
    /// No index yet.
    pub(crate) fn new() -> Self {
        Self {
            index: Slot::new(None),
            lookups: Atomic::new(0),
        }
    }
}

/// Where the names of a directory are.
///
/// # Invariants
///
/// The number of slots is a power of two; at most half of them, which are `used`, are not 0.
pub(crate) struct Index {
    /// For each layer, what its part holds for; none if it is always looked at.
    stamps: KVVec<Option<ChangeStamp>>,
    /// A hash table with open addressing: a hash in the upper half, a layer plus one in the lower.
    slots: KVVec<u64>,
    used: usize,
}

impl Shared for Index {}

impl Index {
    /// Of no names yet, for `layers` layers.
    pub(crate) fn new(layers: usize) -> Result<Self> {
        // INVARIANT: 64 is a power of two, and they are all free.
        Ok(Self {
            stamps: KVVec::with_capacity(layers, GFP_KERNEL_ACCOUNT)?,
            slots: KVVec::from_elem(0, 64, GFP_KERNEL_ACCOUNT)?,
            used: 0,
        })
    }

    /// The next layer is complete: its part holds for as long as it has this `stamp`.
    pub(crate) fn completed(&mut self, stamp: Option<ChangeStamp>) -> Result {
        Ok(self.stamps.push(stamp, GFP_KERNEL_ACCOUNT)?)
    }

    /// Something may be under `name` in the layer with number `layer`. `E2BIG` if too many names have
    /// nearly the same hash: a lookup would take longer than it saves.
    pub(crate) fn insert(&mut self, name: &[u8], layer: u32) -> Result {
        if (self.used + 1) * 2 > self.slots.len() {
            let larger = KVVec::from_elem(0, self.slots.len() * 2, GFP_KERNEL_ACCOUNT)?;
            // INVARIANT: Twice a power of two; they are free, until those of the old ones are put there.
            let old = core::mem::replace(&mut self.slots, larger);
            self.used = 0;
            for slot in old.into_iter().filter(|&slot| slot != 0) {
                self.place(slot)?;
            }
        }
        self.place(u64::from(fold(name)) << 32 | u64::from(layer + 1))
    }

    /// Puts a slot where it belongs.
    fn place(&mut self, slot: u64) -> Result {
        let mask = self.slots.len() - 1;
        let start = (slot >> 32) as usize;
        let mut same = 0;
        for step in 0..self.slots.len().min(MOST_STEPS) {
            let at = start.wrapping_add(step) & mask;
            let there = self.slots[at];
            if there == slot {
                return Ok(());
            }
            if there == 0 {
                // INVARIANT: Whoever inserts has made room for one more.
                self.slots[at] = slot;
                self.used += 1;
                return Ok(());
            }
            same += usize::from(there >> 32 == slot >> 32);
            if same > MOST_HITS {
                // One more than can be told: it is looked up everywhere.
                return Ok(());
            }
        }
        Err(E2BIG)
    }

    /// The layers that have a name with this hash, or another one.
    fn layers_with(&self, hash: u32) -> impl Iterator<Item = u32> + '_ {
        let mask = self.slots.len() - 1;
        (0..self.slots.len())
            .map(move |step| self.slots[(hash as usize).wrapping_add(step) & mask])
            .take_while(|&slot| slot != 0)
            .filter(move |&slot| (slot >> 32) as u32 == hash)
            // CAST: The lower half.
            .map(|slot| slot as u32 - 1)
    }
}

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
    /// may be in.
    pub(crate) fn next(&self, layers: &[Layer], from: usize) -> Option<usize> {
        let Some(index) = &self.index else {
            return (from < layers.len()).then_some(from);
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

/// The hash of a name. Names that a filesystem with a case of its own could take for equal have the
/// same one.
fn fold(name: &[u8]) -> u32 {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        let folded = if byte.is_ascii_alphabetic() || !byte.is_ascii() {
            byte | 0x20
        } else {
            byte
        };
        (hash ^ u64::from(folded)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32) as u32
}
