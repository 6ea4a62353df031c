// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory of the union, as they were read: `find/merge.rs` makes them.

use super::stack::Stack;
use crate::vfs::{below::readdir::Entry, object::inode::ChangeStamp, ops::emitter::Emitter};
use kernel::prelude::*;

/// One entry; its name is in the arena.
pub(crate) struct Item {
    pub(crate) ino: u64,
    pub(crate) start: u32,
    pub(crate) len: u8,
    pub(crate) dirent_type: u8,
}

/// The merged entries, in the order in which they are shown.
pub(crate) struct Listing {
    pub(crate) arena: KVVec<u8>,
    pub(crate) items: KVVec<Item>,
    /// Whether there are entries that do not show, as their names cannot be looked up.
    pub(crate) is_partial: bool,
    /// Whether there may be entries that do not show, as an image could not read them.
    pub(crate) is_cut_short: bool,
    /// Of each directory, as it was before it was read.
    pub(crate) stamps: KVec<ChangeStamp>,
    /// That of the stack.
    pub(crate) generation: usize,
    /// How often others were noticed to change the directories before they were read: for filesystems
    /// whose times do not tell two changes in a row apart.
    pub(crate) changes: u32,
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

    /// Whether something is left out: names that no caller can use, being empty or longer than
    /// `NAME_MAX` (vfat and FUSE servers have the latter), and what could not be read.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial || self.is_cut_short
    }

    /// Whether the directories have not changed since they were read, as far as is known, when others
    /// were noticed to have made so many `changes`. Loads only.
    pub(crate) fn is_current(&self, stack: &Stack, changes: u32) -> bool {
        // What could not be read may be readable by now, which is no change of the directory.
        !stack.is_remote
            && !self.is_cut_short
            && self.changes == changes
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
}
