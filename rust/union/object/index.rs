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
//! * a branch whose filesystem does not count changes of directories, or which has names that are
//!   equal without being the same, is always looked at.
//!
//! An index belongs to one stack, which never changes, and goes with it when the inode leaves the
//! cache. Making it reads no more entries than there were lookups to make up for.

use crate::vfs::{
    object::inode::ChangeStamp,
    sync::rcu::{Shared, Slot},
};
use kernel::{prelude::*, sync::atomic::Atomic};

/// Looking at fewer branches than this is not worth a thought.
pub(crate) const MANY: usize = 4;

/// Where a stack has its index.
pub(crate) struct Seat {
    pub(crate) index: Slot<Index>,
    /// Lookups that had to look at many branches.
    pub(crate) lookups: Atomic<u32>,
}

impl Seat {
    /// No index yet.
    pub(crate) fn new() -> Self {
        Self {
            index: Slot::new(None),
            lookups: Atomic::new(0),
        }
    }
}

/// Where the names of a directory are.
pub(crate) struct Index {
    /// For each layer, what its part holds for; none if it is always looked at.
    pub(crate) stamps: KVVec<Option<ChangeStamp>>,
    /// A hash table with open addressing: a hash in the upper half, a layer plus one in the lower.
    /// Its size is a power of two, and a part of it is free.
    pub(crate) slots: KVVec<u64>,
}

impl Shared for Index {}

impl Index {
    /// The layers that have a name with this hash, or another one.
    pub(super) fn layers_with(&self, hash: u32) -> impl Iterator<Item = u32> + '_ {
        let mask = self.slots.len() - 1;
        (0..self.slots.len())
            .map(move |step| self.slots[(hash as usize).wrapping_add(step) & mask])
            .take_while(|&slot| slot != 0)
            .filter(move |&slot| (slot >> 32) as u32 == hash)
            // CAST: The lower half.
            .map(|slot| slot as u32 - 1)
    }
}

/// The hash of a name. Names that a filesystem with a case of its own could take for equal have the
/// same one.
pub(crate) fn fold(name: &[u8]) -> u32 {
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
