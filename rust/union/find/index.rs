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

use crate::{
    union::{
        object::node::{Layer, Stack},
        text::names::{self, Hides},
    },
    vfs::{
        file::KernelFile,
        flags,
        inode::ChangeStamp,
        name::Name,
        rcu::{RcuArc, Slot},
        readdir::Entry,
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

/// Looking at fewer branches than this is not worth a thought.
const MANY: usize = 4;

/// The number of lookups in many branches after which an index is made, if that many pay for it, or
/// else after twice, four times ... as many.
const FIRST_TRY: u32 = 16;

/// Reading an entry costs about a fourth of looking a name up in a branch.
const ENTRIES_PER_LOOKUP: usize = 4;

/// A name on more branches than this is looked up on all.
const MOST_HITS: usize = 8;

/// Filesystems that count the changes of each directory, as they happen, in `i_version`.
const COUNTING: &[&[u8]] = &[b"tmpfs", b"ext4", b"xfs", b"btrfs"];

/// Where a stack has its index.
pub(crate) struct Seat {
    index: Slot<Index>,
    /// Lookups that had to look at many branches.
    lookups: Atomic<u32>,
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
struct Index {
    /// For each layer, what its part holds for; none if it is always looked at.
    stamps: KVVec<Option<ChangeStamp>>,
    /// A hash table with open addressing: a hash in the upper half, a layer plus one in the lower.
    /// Its size is a power of two, and a part of it is free.
    slots: KVVec<u64>,
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

impl Index {
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

/// A lookup in `stack` had to look at `looked` layers: makes an index if that is due. With the
/// mounter's credentials.
pub(crate) fn looked_at(stack: &Stack, looked: usize) {
    if looked < MANY {
        return;
    }
    let lookups = stack.index.lookups.fetch_add(1, Relaxed).wrapping_add(1);
    if lookups < FIRST_TRY || !lookups.is_power_of_two() {
        return;
    }
    let budget = (lookups as usize)
        .saturating_mul(looked)
        .saturating_mul(ENTRIES_PER_LOOKUP);
    // Without an index, things are as before.
    if let Ok(index) = Builder::build(stack, budget) {
        drop(stack.index.index.replace(Some(index)));
        stack.index.lookups.store(0, Relaxed);
    }
}

struct Builder {
    index: Index,
    used: usize,
    /// Entries that may still be read.
    budget: usize,
}

impl Builder {
    /// An index of the directories of `stack`. `E2BIG` if they have more than `budget` entries.
    fn build(stack: &Stack, budget: usize) -> Result<RcuArc<Index>> {
        let mut builder = Self {
            index: Index {
                stamps: KVVec::with_capacity(stack.layers.len(), GFP_KERNEL)?,
                slots: KVVec::from_elem(0, 64, GFP_KERNEL)?,
            },
            used: 0,
            budget,
        };
        for (number, layer) in stack.layers.iter().enumerate() {
            let number = u32::try_from(number).map_err(|_| EOVERFLOW)?;
            let stamp = builder.add(number, layer)?;
            builder.index.stamps.push(stamp, GFP_KERNEL)?;
        }
        RcuArc::new(builder.index, GFP_KERNEL)
    }

    /// Reads the directory with number `number`. What it returns is what that holds for.
    fn add(&mut self, number: u32, layer: &Layer) -> Result<Option<ChangeStamp>> {
        let inode = layer.inode()?;
        let fs = layer.branch.mnt().super_block();
        if !COUNTING.contains(&fs.type_name().to_bytes())
            || !fs.counts_changes()
            || inode.has_other_names()
        {
            return Ok(None);
        }
        let stamp = inode.change_stamp();
        let mut in_files = false;
        let mut file = KernelFile::open(
            layer.path(),
            flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE,
        )?;
        file.read_dir(|entry: Entry<'_>| {
            self.budget = self.budget.checked_sub(1).ok_or(E2BIG)?;
            if !names::is_reserved(entry.name) {
                return self.insert(entry.name, number);
            }
            match names::hides(entry.name) {
                Hides::Name(name) => self.insert(name, number),
                Hides::InFile => {
                    in_files = true;
                    Ok(())
                }
                Hides::All | Hides::Nothing => Ok(()),
            }
        })?;
        // Which names are hidden by files is not known without reading them.
        Ok((!in_files).then_some(stamp))
    }

    fn insert(&mut self, name: &[u8], number: u32) -> Result {
        if (self.used + 1) * 2 > self.index.slots.len() {
            let size = self.index.slots.len() * 2;
            let larger = KVVec::from_elem(0, size, GFP_KERNEL)?;
            let old = core::mem::replace(&mut self.index.slots, larger);
            self.used = 0;
            for slot in old.into_iter().filter(|&slot| slot != 0) {
                self.place(slot)?;
            }
        }
        self.place(u64::from(fold(name)) << 32 | u64::from(number + 1))
    }

    /// Puts a slot where it belongs. `E2BIG` if too many names are there, or one name on too many
    /// branches: a lookup would take longer than it saves.
    fn place(&mut self, slot: u64) -> Result {
        let mask = self.index.slots.len() - 1;
        let start = (slot >> 32) as usize;
        let mut same = 0;
        for step in 0..self.index.slots.len() {
            let at = start.wrapping_add(step) & mask;
            let there = self.index.slots[at];
            if there == slot {
                return Ok(());
            }
            if there == 0 {
                self.index.slots[at] = slot;
                self.used += 1;
                return Ok(());
            }
            same += usize::from(there >> 32 == slot >> 32);
            if same > MOST_HITS {
                // One more than can be told: it is looked up everywhere.
                return Ok(());
            }
            if step > 256 {
                break;
            }
        }
        Err(E2BIG)
    }
}
