// SPDX-License-Identifier: GPL-2.0

//! Pages that are filled.

use crate::vfs::mount::file::KernelFile;
use core::marker::PhantomData;
use kernel::prelude::*;

pub(crate) struct EmptyPage<'a>(u64, PhantomData<&'a ()>);

impl<'a> EmptyPage<'a> {
    pub(crate) fn new(index: u64) -> Self {
        Self(index, PhantomData)
    }

    pub(crate) fn index(&self) -> u64 {
        self.0
    }

    pub(crate) fn zero(self) -> FilledPage<'a> {
        FilledPage(0, self)
    }

    pub(crate) fn copy_of(self, file: &KernelFile, index: u64) -> Result<FilledPage<'a>> {
        Ok(FilledPage(file.inode().page(index), self))
    }

    pub(crate) fn fill(self, value: usize) -> FilledPage<'a> {
        FilledPage(value, self)
    }
}

pub(crate) struct FilledPage<'a>(usize, EmptyPage<'a>);

impl FilledPage<'_> {
    /// Nothing of it is in a file of that size, or all.
    pub(crate) fn up_to(self, size: i64) -> Self {
        let is_there = i64::try_from(self.1.index()).unwrap() < size;
        Self(if is_there { self.0 } else { 0 }, self.1)
    }

    pub(crate) fn value(&self) -> usize {
        self.0
    }
}
