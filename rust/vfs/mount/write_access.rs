// SPDX-License-Identifier: GPL-2.0

//! The right to write through a mount.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h)

use super::{mount::Mount, path::Path};
use crate::{
    bindings,
    vfs::{object::dentry::Dentry, value::errno::succeeded},
};
use kernel::{error::to_result, prelude::*, types::NotThreadSafe};

impl Mount {
    /// Asks for the right to write through this mount, and keeps it until the guard is dropped.
    ///
    /// Waits while the filesystem is frozen. `EROFS` if it is read-only.
    pub(crate) fn want_write(&self) -> Result<WriteAccess<'_>> {
        // SAFETY: `self` is a valid mount.
        succeeded(unsafe { bindings::mnt_want_write(self.as_ptr()) })?;
        // INVARIANT: Just got.
        Ok(WriteAccess(self, NotThreadSafe))
    }

    /// As [`Mount::want_write`], but `EAGAIN` while the filesystem is frozen, or about to be.
    pub(crate) fn try_want_write(&self) -> Result<WriteAccess<'_>> {
        let sb = self.super_block().as_ptr();
        // SAFETY: `self` is a valid mount, and `sb` its super block. The two are what `mnt_want_write`
        // consists of, and what the guard gives back.
        unsafe {
            if !bindings::sb_start_write_trylock(sb) {
                return Err(EAGAIN);
            }
            to_result(bindings::mnt_get_write_access(self.as_ptr()))
                .inspect_err(|_| bindings::sb_end_write(sb))?;
        }
        // INVARIANT: Just got.
        Ok(WriteAccess(self, NotThreadSafe))
    }
}

/// The right to write through a mount; freezing waits for it. Not to be held while the lock of an
/// inode that is stacked on this mount is taken: see `Documentation/locking.md`.
///
/// # Invariants
///
/// The current task has the right, by this: of the mount, and of its super block.
pub(crate) struct WriteAccess<'a>(&'a Mount, NotThreadSafe);

impl<'a> WriteAccess<'a> {
    /// The mount that may be written.
    pub(crate) fn mount(&self) -> &'a Mount {
        self.0
    }

    /// The place of `dentry` on the mount that may be written. `EXDEV` if it is on another filesystem,
    /// which this is no right for.
    pub(crate) fn at<'d>(&'d self, dentry: &'d Dentry) -> Result<Path<'d>> {
        if dentry.is_on(self.0.super_block()) {
            Ok(self.0.at(dentry))
        } else {
            Err(EXDEV)
        }
    }
}

impl Drop for WriteAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: The right is ours, by the type invariant.
        unsafe { bindings::mnt_drop_write(self.0.as_ptr()) };
    }
}
