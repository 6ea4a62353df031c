// SPDX-License-Identifier: GPL-2.0

//! Files that the kernel itself opens.
//!
//! Opening one, and what is done with it, is in `below` (`open`, `io`, `copy`, `readdir`) and `ops::emitter`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::path::Path;
use crate::{
    bindings,
    vfs::{
        object::{dentry::Dentry, inode::Inode},
        sync::load::{once, store},
    },
};
use core::{mem::ManuallyDrop, ptr::NonNull};
use kernel::{prelude::*, sync::aref::ARef};

/// A file that the kernel opened for itself. No descriptor refers to it.
///
/// # Invariants
///
/// The pointer is an open file of which this owns a count.
pub(crate) struct KernelFile(NonNull<bindings::file>);

// SAFETY: Files are shared between threads; what uses the position takes care of it: see `seek` and
// `read_dir_once`.
unsafe impl Send for KernelFile {}
// SAFETY: As above.
unsafe impl Sync for KernelFile {}

impl KernelFile {
    /// # Safety
    ///
    /// `ptr` is a valid file whose count this takes over.
    pub(in crate::vfs) unsafe fn from_raw(ptr: *mut bindings::file) -> Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: As above, it is a file, and so not null.
        Self(unsafe { NonNull::new_unchecked(ptr) })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }

    /// Closes the file before this returns, where dropping it would leave that to the way back to user
    /// space. For whoever is in `->release`, or holds no locks either.
    pub(super) fn close(self) {
        let file = ManuallyDrop::new(self).0;
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::__fput_sync(file.as_ptr()) };
    }

    /// The same file, held once more.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: The file is alive; the count is taken here.
        unsafe { Self::from_raw(bindings::get_file(self.as_ptr())) }
    }

    /// The inode.
    pub(crate) fn inode(&self) -> &Inode {
        // SAFETY: An open file has an inode.
        unsafe { Inode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> Path<'_> {
        // SAFETY: An open file holds its path.
        unsafe { Path::from_raw(&raw const (*self.as_ptr()).__bindgen_anon_1.f_path) }
    }

    /// The flags of the file.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: The file is alive.
        unsafe { (&raw const (*self.as_ptr()).f_flags).read_volatile() }
    }

    /// Gives the file those of `flags` that are in `mask`, as `fcntl(F_SETFL)` does for the file
    /// that user space holds. `EINVAL` for `O_DIRECT` where it is not possible. A file that is
    /// append-only goes on being appended to, and I/O fails that is to do otherwise.
    pub(crate) fn set_flags(&self, flags: u32, mut mask: u32) -> Result {
        let file = self.as_ptr();
        if self.inode().is_append_only() {
            mask &= !bindings::O_APPEND;
        }
        // SAFETY: The file is alive; `f_lock` serialises writers of its flags.
        unsafe {
            if flags & mask & bindings::O_DIRECT != 0
                && once!((*file).f_mode) & bindings::FMODE_CAN_ODIRECT == 0
            {
                return Err(EINVAL);
            }
            bindings::spin_lock(&raw mut (*file).f_lock);
            store!((*file).f_flags, ((*file).f_flags & !mask) | (flags & mask));
            store!((*file).f_iocb_flags, bindings::iocb_flags(file) as u32);
            bindings::spin_unlock(&raw mut (*file).f_lock);
        }
        Ok(())
    }

    /// Has the file tell of each error of writing out that its inode has had since it was read in, and not of those
    /// alone that nobody knew of when it was opened: for one that is opened in the place of an older one.
    pub(crate) fn tell_all_errors(&self) {
        let file = self.as_ptr();
        // SAFETY: The file is alive; `f_lock` serialises those who change the field. 0 is what comes before any error.
        unsafe {
            bindings::spin_lock(&raw mut (*file).f_lock);
            store!((*file).f_wb_err, 0);
            bindings::spin_unlock(&raw mut (*file).f_lock);
        }
    }

    /// Whether direct I/O is possible.
    pub(in crate::vfs) fn has_direct_io(&self) -> bool {
        // SAFETY: The file is alive, and this bit of its mode does not change once it is open.
        unsafe { once!((*self.as_ptr()).f_mode) & bindings::FMODE_CAN_ODIRECT != 0 }
    }

    /// Whether the file can seek for data and holes.
    pub(crate) fn can_seek(&self) -> bool {
        // SAFETY: The file is alive.
        unsafe { once!((*self.as_ptr()).f_mode) & bindings::FMODE_LSEEK != 0 }
    }
}

impl Drop for KernelFile {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::fput(self.0.as_ptr()) };
    }
}

/// A reference to a file is not needed where the dentry will do.
pub(crate) fn dentry_of(file: &KernelFile) -> ARef<Dentry> {
    file.path().dentry.into()
}
