// SPDX-License-Identifier: GPL-2.0

//! The files below one open file, one after the other.

use super::file::KernelFile;
use crate::vfs::sync::load::Load;
use core::mem::ManuallyDrop;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
};

/// Owns the [`KernelFile`]s of one open file: the newest is the current one, and all live until the
/// open file is released, so that whoever looked one up may go on using it.
///
/// # Invariants
///
/// `newest` is null or a link that is a box of this chain, and so is `older` of each link. Links are
/// added, and never taken out.
pub(crate) struct FileChain {
    /// Most chains never get another: this one needs no allocation of its own.
    first: ManuallyDrop<KernelFile>,
    /// Null, or the newest of those that were pushed.
    newest: Atomic<*mut Link>,
}

/// One of the files after the first.
///
/// # Invariants
///
/// `older` is null or another link of the chain, and older than this one.
struct Link {
    file: KernelFile,
    older: *mut Link,
}

// SAFETY: Links are immutable once published, and files may be shared.
unsafe impl Send for FileChain {}
// SAFETY: As above.
unsafe impl Sync for FileChain {}

impl FileChain {
    /// A chain of one.
    pub(crate) fn new(file: KernelFile) -> Self {
        // INVARIANT: There are no links.
        Self {
            first: ManuallyDrop::new(file),
            newest: Atomic::new(core::ptr::null_mut()),
        }
    }

    /// The current file.
    pub(crate) fn current(&self) -> &KernelFile {
        // SAFETY: The pointer is null, or what it points at lives as long as `self`.
        unsafe { self.newest.load_acquire().as_ref() }.map_or(&self.first, |link| &link.file)
    }

    /// Makes `file` the current one.
    pub(crate) fn push(&self, file: KernelFile) -> Result {
        // A guess, which the exchange corrects; what it points at is not looked at.
        let older = self.newest.load(Relaxed);
        let mut link = KBox::new(Link { file, older }, GFP_KERNEL)?;
        let new: *mut Link = &raw mut *link;
        // INVARIANT: The box moves into the chain with the exchange, which orders what is in it before that.
        while let Err(newer) = self.newest.cmpxchg(link.older, new, Full) {
            link.older = newer;
        }
        let _ = KBox::into_raw(link);
        Ok(())
    }
}

impl Drop for FileChain {
    fn drop(&mut self) {
        // By whoever has it to itself.
        let mut next = self.newest.load_once();
        while !next.is_null() {
            // SAFETY: The links are boxes that `push` made, and nobody uses them now.
            let link = unsafe { KBox::from_raw(next) };
            next = link.older;
            KBox::into_inner(link).file.close();
        }
        // SAFETY: Nobody uses it after this.
        unsafe { ManuallyDrop::take(&mut self.first) }.close();
    }
}
