// SPDX-License-Identifier: GPL-2.0

//! Making the index of a directory of many branches: see [`index`](crate::union::object::index).

use crate::{
    union::{
        object::{
            index::{Index, MANY},
            stack::{Layer, Stack},
        },
        text::names::{self, Hides},
    },
    vfs::{
        below::readdir::Entry,
        mount::file::KernelFile,
        object::inode::ChangeStamp,
        sync::rcu::RcuArc,
        value::{errno::EOPNOTSUPP, flags},
    },
};
use kernel::{alloc::flags::GFP_KERNEL_ACCOUNT, prelude::*, sync::atomic::Relaxed};

/// The number of lookups in many branches after which an index is made, if that many pay for it, or
/// else after twice, four times ... as many.
const FIRST_TRY: u32 = 16;

/// Reading an entry costs about a fourth of looking a name up in a branch.
const ENTRIES_PER_LOOKUP: usize = 4;

/// Filesystems that count the changes of each directory, as they happen, in `i_version`.
const COUNTING: &[&[u8]] = &[b"tmpfs", b"ext4", b"xfs", b"btrfs"];

/// Filesystems in which nothing ever changes: their stamps stay, too.
const FIXED: &[&[u8]] = &[b"squashfs", b"erofs"];

/// A lookup in `stack` had to look at `looked` layers: makes an index if that is due. With the
/// mounter's credentials.
pub(crate) fn note_lookup(stack: &Stack, looked: usize) {
    if looked < MANY {
        return;
    }
    // An estimate, which comes with nothing. Of those who count, one gets each number.
    let lookups = stack.index.lookups.fetch_add(1, Relaxed).wrapping_add(1);
    if lookups < FIRST_TRY || !lookups.is_power_of_two() {
        return;
    }
    let budget = (lookups as usize)
        .saturating_mul(looked)
        .saturating_mul(ENTRIES_PER_LOOKUP);
    // Without an index, things are as before.
    if let Ok((index, asked)) = Builder::build(stack, budget) {
        drop(stack.index.index.replace(Some(index)));
        // Where many have to be looked at in any case, another index would be no better: not so soon.
        if asked < MANY {
            stack.index.lookups.store(0, Relaxed);
        }
    }
}

struct Builder {
    index: Index,
    /// Entries that may still be read.
    budget: usize,
}

impl Builder {
    /// An index of the directories of `stack`, and how many of these are looked at in spite of it. `E2BIG` if
    /// they have more than `budget` entries; `EOPNOTSUPP` if it would hold for none of them.
    fn build(stack: &Stack, budget: usize) -> Result<(RcuArc<Index>, usize)> {
        let mut builder = Self {
            index: Index::new(stack.layers.len())?,
            budget,
        };
        let mut asked = 0;
        for (number, layer) in stack.layers.iter().enumerate() {
            let number = u32::try_from(number).map_err(|_| EOVERFLOW)?;
            let stamp = builder.add(number, layer)?;
            asked += usize::from(stamp.is_none());
            builder.index.completed(stamp)?;
        }
        if asked == stack.layers.len() {
            return Err(EOPNOTSUPP);
        }
        Ok((RcuArc::new(builder.index, GFP_KERNEL_ACCOUNT)?, asked))
    }

    /// Reads the directory with number `number`. What it returns is what that holds for.
    fn add(&mut self, number: u32, layer: &Layer) -> Result<Option<ChangeStamp>> {
        let inode = layer.inode()?;
        let fs = layer.branch.mnt().super_block();
        let fs_type = fs.type_name().to_bytes();
        let tells = COUNTING.contains(&fs_type) && fs.counts_changes() || FIXED.contains(&fs_type);
        if !tells || inode.has_other_names() {
            return Ok(None);
        }
        let stamp = inode.change_stamp();
        let mut in_files = false;
        let mut file = KernelFile::open(layer.path(), flags::READ_DIR)?;
        let is_whole = file.read_dir(|entry: Entry<'_>| {
            self.budget = self.budget.checked_sub(1).ok_or(E2BIG)?;
            if !names::is_reserved(entry.name) {
                return self.index.insert(entry.name, number);
            }
            match names::hides(entry.name) {
                Hides::Name(name) => self.index.insert(name, number),
                Hides::InFile => {
                    in_files = true;
                    Ok(())
                }
                Hides::All | Hides::Nothing => Ok(()),
            }
        })?;
        // Which names are hidden by files is not known without reading them.
        Ok((is_whole && !in_files).then_some(stamp))
    }
}
