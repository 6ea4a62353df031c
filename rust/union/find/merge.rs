// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory of the union: those of all its directories, merged.

use super::whiteout;
use crate::{
    union::{
        numbers::number::Entries,
        object::{
            listing::{Item, Listing},
            stack::{Layer, Stack},
        },
        text::names::{self, Hides},
    },
    vfs::{
        below::{namei, readdir::Entry},
        mount::file::KernelFile,
        object::inode::ChangeStamp,
        value::{
            errno::ENOTEMPTY,
            flags,
            name::{Name, NAME_MAX},
        },
    },
};
use kernel::{alloc::flags::GFP_KERNEL_ACCOUNT, pr_warn_once, prelude::*, sync::Arc};

/// Reads and merges the directories that a stack stands for. With the mounter's credentials.
///
/// `shows` says whether whiteouts show under their own names; `changes` is what the listing is to have
/// as [`Listing::changes`].
pub(crate) fn read(stack: &Stack, shows: bool, changes: u32) -> Result<Arc<Listing>> {
    let mut merger = Merger::new(shows, false);
    let mut stamps = KVec::with_capacity(stack.layers.len(), GFP_KERNEL_ACCOUNT)?;
    for layer in &stack.layers {
        stamps.push(layer.inode()?.change_stamp(), GFP_KERNEL_ACCOUNT)?;
    }
    merger.add_all(&stack.layers)?;
    merger.finish(stamps, stack.generation, changes)
}

/// Slots of the hash table hold the number of an entry plus one.
type HashSlot = u32;

/// An entry while merging: also those that only hide others.
struct MergedEntry {
    item: Item,
    /// The directory that it was found in.
    layer: u32,
    /// Whether it is a whiteout.
    hides: bool,
}

struct Merger {
    arena: KVVec<u8>,
    merged: KVVec<MergedEntry>,
    table: KVVec<HashSlot>,
    /// Whether whiteouts show under their own names.
    shows: bool,
    /// Whether it ends, by `ENOTEMPTY`, with the first entry that the union shows.
    ends_at_first: bool,
    is_partial: bool,
    is_cut_short: bool,
}

impl Merger {
    fn new(shows: bool, ends_at_first: bool) -> Self {
        Self {
            arena: KVVec::new(),
            merged: KVVec::new(),
            table: KVVec::new(),
            shows,
            ends_at_first,
            is_partial: false,
            is_cut_short: false,
        }
    }

    fn bytes(&self, entry: &MergedEntry) -> &[u8] {
        let start = entry.item.start as usize;
        &self.arena[start..start + usize::from(entry.item.len)]
    }

    /// The slot that has `name`, or that it would go to. There is a free one.
    fn slot(&self, name: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut at = names::hash(name) as usize & mask;
        while let Some(number) = (self.table[at] as usize).checked_sub(1) {
            if self.bytes(&self.merged[number]) == name {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    /// Makes sure that the table is at most half full after one more.
    fn grow(&mut self) -> Result {
        if (self.merged.len() + 1) * 2 <= self.table.len() {
            return Ok(());
        }
        let size = (self.table.len() * 2).max(64);
        self.table = KVVec::from_elem(0, size, GFP_KERNEL_ACCOUNT)?;
        for number in 0..self.merged.len() {
            let at = self.slot(self.bytes(&self.merged[number]));
            self.table[at] = number as HashSlot + 1;
        }
        Ok(())
    }

    /// Reads directories, topmost first: what shows of one does not depend on those that come after it.
    fn add_all(&mut self, layers: &[Layer]) -> Result {
        for (index, layer) in layers.iter().enumerate() {
            self.add(layer, index as u32, index + 1 == layers.len())?;
        }
        Ok(())
    }

    /// Reads one directory. Only the last one's own whiteouts do not matter.
    fn add(&mut self, layer: &Layer, index: u32, is_last: bool) -> Result {
        let mut file = KernelFile::open(layer.path(), flags::READ_DIR)?;
        let entries = layer.branch.numbers.entries(layer.path())?;
        let counts = layer.branch.obeys_whiteouts() && (!is_last || self.shows);
        let mut in_files = KVVec::new();
        let mut unknown = KVVec::new();
        let is_whole = file.read_dir(|entry| {
            if entry.name == b"." || entry.name == b".." {
                return Ok(());
            }
            // One with a slash is for the VFS to refuse, as it does natively.
            if entry.name.is_empty() || entry.name.len() > NAME_MAX {
                pr_warn_once!("a directory of a branch has names that cannot be used\n");
                self.is_partial = true;
                return Ok(());
            }
            if !names::is_reserved(entry.name) {
                self.insert(entries, &entry, index, false)?;
                return Ok(());
            }
            if !counts || entry.dirent_type == flags::DT_DIR {
                return Ok(());
            }
            if entry.dirent_type == flags::DT_UNKNOWN {
                // A directory is no whiteout. Nothing can be looked up while this one is read.
                let mut name = KVec::new();
                name.extend_from_slice(entry.name, GFP_KERNEL_ACCOUNT)?;
                unknown.push((name, entry.ino), GFP_KERNEL_ACCOUNT)?;
                return Ok(());
            }
            self.add_reserved(entries, index, &entry, &mut in_files)
        })?;
        self.is_cut_short |= !is_whole;
        for (name, ino) in unknown {
            let found = namei::lookup(layer.branch.mnt(), &layer.dentry, Name::new(&name)?)?;
            if found.is_some_and(|dentry| !dentry.inode().is_some_and(|inode| inode.is_dir())) {
                let entry = Entry {
                    name: &name,
                    ino,
                    dirent_type: flags::DT_UNKNOWN,
                };
                self.add_reserved(entries, index, &entry, &mut in_files)?;
            }
        }
        for file in in_files {
            self.insert_hidden(layer, entries, index, &file)?;
        }
        Ok(())
    }

    /// Adds what hides something, and is no directory. The names of those that have what they hide in
    /// them go to `in_files`.
    fn add_reserved(
        &mut self,
        entries: Entries<'_>,
        index: u32,
        entry: &Entry<'_>,
        in_files: &mut KVVec<KVec<u8>>,
    ) -> Result {
        let hides = names::hides(entry.name);
        let is_first = match hides {
            Hides::Name(name) => self.insert(entries, &Entry { name, ..*entry }, index, true)?,
            Hides::InFile | Hides::All => true,
            Hides::Nothing => false,
        };
        if self.shows && is_first {
            self.insert(entries, entry, index, false)?;
        }
        if let Hides::InFile = hides {
            let mut name = KVec::new();
            name.extend_from_slice(entry.name, GFP_KERNEL_ACCOUNT)?;
            in_files.push(name, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    fn insert_hidden(
        &mut self,
        layer: &Layer,
        entries: Entries<'_>,
        index: u32,
        file: &[u8],
    ) -> Result {
        let found = namei::lookup(layer.branch.mnt(), &layer.dentry, Name::new(file)?)?;
        if let Some(dentry) = found {
            let hidden = whiteout::hidden_name(&layer.branch, &dentry)?;
            if let Some(name) = hidden.get() {
                let entry = Entry {
                    name,
                    ino: 0,
                    dirent_type: 0,
                };
                self.insert(entries, &entry, index, true)?;
            }
        }
        Ok(())
    }

    /// Whether it is the first of the name.
    fn insert(
        &mut self,
        entries: Entries<'_>,
        entry: &Entry<'_>,
        layer: u32,
        hides: bool,
    ) -> Result<bool> {
        self.grow()?;
        let at = self.slot(entry.name);
        if let Some(number) = (self.table[at] as usize).checked_sub(1) {
            let there = &mut self.merged[number];
            if there.layer == layer {
                // A name and its whiteout on the same branch: the name shows, and hides.
                if there.hides && !hides {
                    if self.ends_at_first {
                        return Err(ENOTEMPTY);
                    }
                    there.hides = false;
                    there.item.ino = entries.number(entry.ino);
                    there.item.dirent_type = entry.dirent_type as u8;
                }
            }
            return Ok(false);
        }
        if self.ends_at_first && !hides {
            return Err(ENOTEMPTY);
        }
        let start = u32::try_from(self.arena.len()).map_err(|_| EOVERFLOW)?;
        self.arena
            .extend_from_slice(entry.name, GFP_KERNEL_ACCOUNT)?;
        let ino = if hides { 0 } else { entries.number(entry.ino) };
        self.merged.push(
            MergedEntry {
                item: Item {
                    ino,
                    start,
                    // CAST: `add` has checked that names have at most 255 bytes.
                    len: entry.name.len() as u8,
                    dirent_type: entry.dirent_type as u8,
                },
                layer,
                hides,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        self.table[at] = self.merged.len() as HashSlot;
        Ok(true)
    }

    fn finish(
        self,
        stamps: KVec<ChangeStamp>,
        generation: usize,
        changes: u32,
    ) -> Result<Arc<Listing>> {
        let mut items = KVVec::with_capacity(self.merged.len(), GFP_KERNEL_ACCOUNT)?;
        for entry in self.merged {
            if !entry.hides {
                items.push(entry.item, GFP_KERNEL_ACCOUNT)?;
            }
        }
        Ok(Arc::new(
            Listing {
                arena: self.arena,
                items,
                is_partial: self.is_partial,
                is_cut_short: self.is_cut_short,
                stamps,
                generation,
                changes,
            },
            GFP_KERNEL_ACCOUNT,
        )?)
    }
}

/// Whether the directory that a stack stands for has no entry in the union. Reads up to the first one that it has.
pub(crate) fn is_empty(stack: &Stack) -> Result<bool> {
    let mut merger = Merger::new(false, true);
    match merger.add_all(&stack.layers) {
        Ok(()) => Ok(!(merger.is_partial || merger.is_cut_short)),
        Err(e) if e == ENOTEMPTY => Ok(false),
        Err(e) => Err(e),
    }
}
