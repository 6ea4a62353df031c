// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory of the union: those of all its directories, merged.

use super::whiteout;
use crate::{
    union::{
        branches::branch::Branch,
        object::node::{Layer, Stack},
        text::names::{self, Hides},
    },
    vfs::{
        file::KernelFile,
        flags,
        inode::ChangeStamp,
        name::{Name, NAME_MAX},
        namei,
        readdir::{Emitter, Entry},
    },
};
use kernel::{pr_warn_once, prelude::*, sync::Arc};

/// One entry; its name is in the arena.
struct Item {
    ino: u64,
    start: u32,
    len: u8,
    dirent_type: u8,
}

/// The merged entries, in the order in which they are shown.
pub(crate) struct Listing {
    arena: KVVec<u8>,
    items: KVVec<Item>,
    /// Whether there are entries whose names cannot be looked up, and which do not show.
    is_partial: bool,
    /// Of each directory, as it was before it was read.
    stamps: KVec<ChangeStamp>,
    /// That of the stack.
    generation: usize,
}

/// An entry as it is shown.
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) ino: u64,
    pub(crate) dirent_type: u32,
}

impl Listing {
    /// The entries from the one with number `start` on.
    pub(crate) fn from(&self, start: usize) -> impl Iterator<Item = Shown<'_>> {
        let items = self.items.get(start..).unwrap_or(&[]);
        items.iter().map(|item| Shown {
            name: self.name(item),
            ino: item.ino,
            dirent_type: item.dirent_type.into(),
        })
    }

    /// Emits the entries from the one with number `start` on.
    pub(crate) fn emit(&self, start: usize, out: &mut Emitter<'_>) {
        let arena: &[u8] = &self.arena;
        out.emit_all(self.items.get(start..).unwrap_or(&[]), |item| {
            let at = item.start as usize;
            Entry {
                name: &arena[at..at + usize::from(item.len)],
                ino: item.ino,
                dirent_type: item.dirent_type.into(),
            }
        });
    }

    /// Whether there is no entry, shown or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.is_partial
    }

    /// Whether something is left out: names that no caller can use, being empty or longer than
    /// `NAME_MAX`. vfat and FUSE servers have the latter.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether the directories have not changed since they were read, as far as is known. Loads only.
    pub(crate) fn is_current(&self, stack: &Stack) -> bool {
        !stack.is_remote
            && self.generation == stack.generation
            && self.stamps.len() == stack.layers.len()
            && self
                .stamps
                .iter()
                .zip(&stack.layers)
                .all(|(stamp, layer)| layer.inode().is_ok_and(|i| i.change_stamp() == *stamp))
    }

    fn name(&self, item: &Item) -> &[u8] {
        let start = item.start as usize;
        &self.arena[start..start + usize::from(item.len)]
    }

    /// Reads and merges the directories that a stack stands for. With the mounter's credentials.
    ///
    /// `shows` says whether whiteouts show under their own names.
    pub(crate) fn read(stack: &Stack, shows: bool) -> Result<Arc<Self>> {
        let mut merger = Merger::new(shows);
        let mut stamps = KVec::with_capacity(stack.layers.len(), GFP_KERNEL)?;
        for layer in &stack.layers {
            stamps.push(layer.inode()?.change_stamp(), GFP_KERNEL)?;
        }
        let last = stack.layers.len() - 1;
        for (index, layer) in stack.layers.iter().enumerate() {
            merger.add(layer, index as u32, index == last)?;
        }
        merger.finish(stamps, stack.generation)
    }
}

/// Slots of the hash table hold the number of an entry plus one.
type Slot = u32;

/// An entry while merging: also those that only hide others.
struct Candidate {
    item: Item,
    /// The directory that it was found in.
    layer: u32,
    /// Whether it is a whiteout.
    hides: bool,
}

struct Merger {
    arena: KVVec<u8>,
    candidates: KVVec<Candidate>,
    table: KVVec<Slot>,
    /// Whether whiteouts show under their own names.
    shows: bool,
    is_partial: bool,
}

impl Merger {
    fn new(shows: bool) -> Self {
        Self {
            arena: KVVec::new(),
            candidates: KVVec::new(),
            table: KVVec::new(),
            shows,
            is_partial: false,
        }
    }

    fn bytes(&self, candidate: &Candidate) -> &[u8] {
        let start = candidate.item.start as usize;
        &self.arena[start..start + usize::from(candidate.item.len)]
    }

    /// The slot that has `name`, or that it would go to. There is a free one.
    fn slot(&self, name: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut at = names::hash(name) as usize & mask;
        while let Some(number) = (self.table[at] as usize).checked_sub(1) {
            if self.bytes(&self.candidates[number]) == name {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    /// Makes sure that the table is at most half full after one more.
    fn grow(&mut self) -> Result {
        if (self.candidates.len() + 1) * 2 <= self.table.len() {
            return Ok(());
        }
        let size = (self.table.len() * 2).max(64);
        self.table = KVVec::from_elem(0, size, GFP_KERNEL)?;
        for number in 0..self.candidates.len() {
            let at = self.slot(self.bytes(&self.candidates[number]));
            self.table[at] = number as Slot + 1;
        }
        Ok(())
    }

    /// Reads one directory. Only the last one's own whiteouts do not matter.
    fn add(&mut self, layer: &Layer, index: u32, is_last: bool) -> Result {
        let mut file = KernelFile::open(
            layer.path(),
            flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE,
        )?;
        let branch = &layer.branch;
        let counts = branch.has_whiteouts() && (!is_last || self.shows);
        let mut in_files = KVVec::new();
        let mut unknown = KVVec::new();
        file.read_dir(|entry| {
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
                self.insert(branch, &entry, index, false)?;
                return Ok(());
            }
            if !counts || entry.dirent_type == flags::DT_DIR {
                return Ok(());
            }
            if entry.dirent_type == flags::DT_UNKNOWN {
                // A directory is no whiteout. Nothing can be looked up while this one is read.
                let mut name = KVec::new();
                name.extend_from_slice(entry.name, GFP_KERNEL)?;
                unknown.push((name, entry.ino), GFP_KERNEL)?;
                return Ok(());
            }
            self.add_reserved(branch, index, &entry, &mut in_files)
        })?;
        for (name, ino) in unknown {
            let found = namei::lookup(layer.branch.mnt(), &layer.dentry, Name::new(&name)?)?;
            if found.is_some_and(|dentry| !dentry.inode().is_some_and(|inode| inode.is_dir())) {
                let entry = Entry {
                    name: &name,
                    ino,
                    dirent_type: flags::DT_UNKNOWN,
                };
                self.add_reserved(branch, index, &entry, &mut in_files)?;
            }
        }
        for file in in_files {
            self.insert_hidden(layer, index, &file)?;
        }
        Ok(())
    }

    /// Adds what hides something, and is no directory. The names of those that have what they hide in
    /// them go to `in_files`.
    fn add_reserved(
        &mut self,
        branch: &Branch,
        index: u32,
        entry: &Entry<'_>,
        in_files: &mut KVVec<KVec<u8>>,
    ) -> Result {
        let hides = names::hides(entry.name);
        let is_first = match hides {
            Hides::Name(name) => self.insert(branch, &Entry { name, ..*entry }, index, true)?,
            Hides::InFile | Hides::All => true,
            Hides::Nothing => false,
        };
        if self.shows && is_first {
            self.insert(branch, entry, index, false)?;
        }
        if let Hides::InFile = hides {
            let mut name = KVec::new();
            name.extend_from_slice(entry.name, GFP_KERNEL)?;
            in_files.push(name, GFP_KERNEL)?;
        }
        Ok(())
    }

    fn insert_hidden(&mut self, layer: &Layer, index: u32, file: &[u8]) -> Result {
        let found = namei::lookup(layer.branch.mnt(), &layer.dentry, Name::new(file)?)?;
        if let Some(dentry) = found {
            let hidden = whiteout::hidden_name(&layer.branch, &dentry)?;
            if let Some(name) = hidden.get() {
                let entry = Entry {
                    name,
                    ino: 0,
                    dirent_type: 0,
                };
                self.insert(&layer.branch, &entry, index, true)?;
            }
        }
        Ok(())
    }

    /// Whether it is the first of the name.
    fn insert(
        &mut self,
        branch: &Branch,
        entry: &Entry<'_>,
        layer: u32,
        hides: bool,
    ) -> Result<bool> {
        self.grow()?;
        let at = self.slot(entry.name);
        if let Some(number) = (self.table[at] as usize).checked_sub(1) {
            let there = &mut self.candidates[number];
            if there.layer == layer {
                // A name and its whiteout on the same branch: the name shows, and hides.
                if there.hides && !hides {
                    there.hides = false;
                    there.item.ino = branch.numbers.get(entry.ino, None)?.shown;
                    there.item.dirent_type = entry.dirent_type as u8;
                }
            }
            return Ok(false);
        }
        let start = u32::try_from(self.arena.len()).map_err(|_| EOVERFLOW)?;
        self.arena.extend_from_slice(entry.name, GFP_KERNEL)?;
        let ino = if hides {
            0
        } else {
            branch.numbers.get(entry.ino, None)?.shown
        };
        self.candidates.push(
            Candidate {
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
            GFP_KERNEL,
        )?;
        self.table[at] = self.candidates.len() as Slot;
        Ok(true)
    }

    fn finish(self, stamps: KVec<ChangeStamp>, generation: usize) -> Result<Arc<Listing>> {
        let mut items = KVVec::with_capacity(self.candidates.len(), GFP_KERNEL)?;
        for candidate in self.candidates {
            if !candidate.hides {
                items.push(candidate.item, GFP_KERNEL)?;
            }
        }
        Ok(Arc::new(
            Listing {
                arena: self.arena,
                items,
                is_partial: self.is_partial,
                stamps,
                generation,
            },
            GFP_KERNEL,
        )?)
    }
}

/// Whether the directory that a stack stands for has no entry in the union.
pub(crate) fn is_empty(stack: &Stack) -> Result<bool> {
    Ok(Listing::read(stack, false)?.is_empty())
}
