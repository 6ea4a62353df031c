// SPDX-License-Identifier: GPL-2.0

//! Where pages are kept, under a lock of its owner's.

use super::folio::{EmptyPage, FilledPage};
use crate::vfs::mount::file::KernelFile;
use core::cell::RefCell;
use core::ops::Range;
use kernel::prelude::*;
use std::collections::HashMap;

pub(crate) struct ShmemFile(RefCell<HashMap<u64, usize>>);

impl ShmemFile {
    pub(crate) fn new(_name: &CStr) -> Result<Self> {
        Ok(Self(RefCell::default()))
    }

    /// Whether it is no hole.
    pub(crate) fn keep(&self, slot: u64, file: &KernelFile, page: u64) -> Result<bool> {
        let value = file.inode().page(page);
        if value != 0 {
            let before = self.0.borrow_mut().insert(slot, value);
            assert!(before.is_none(), "a slot is used twice");
        }
        Ok(value != 0)
    }

    pub(crate) fn read<'a>(&self, slot: u64, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        Ok(page.fill(self.0.borrow()[&slot]))
    }

    pub(crate) fn punch(&self, slots: Range<i64>) {
        for slot in slots {
            let known = self.0.borrow_mut().remove(&slot.unsigned_abs());
            assert!(known.is_some(), "a slot is freed twice");
        }
    }
}

impl Drop for ShmemFile {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.0.borrow().is_empty(),
            "a slot is left"
        );
    }
}
