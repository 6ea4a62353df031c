// SPDX-License-Identifier: GPL-2.0

//! Inodes, of whatever filesystem.
//!
//! Their lock is in `inode_lock`, their attributes are in `attr`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{idmap::Idmap, super_block::AnySuperBlock};
use crate::{
    bindings,
    vfs::{
        sync::load::once,
        value::mode::{FileType, Mode},
    },
};
use core::ptr::NonNull;
use kernel::{error::to_result, prelude::*, sync::aref::AlwaysRefCounted, types::Opaque};

/// Any `struct inode`.
///
/// # Invariants
///
/// It is an inode for as long as there is a reference: of whoever lends it, or an `ARef`, which holds a
/// count but not the super block. A mount or an open file has to keep that longer.
#[repr(transparent)]
pub(crate) struct Inode(Opaque<bindings::inode>);

// SAFETY: Inodes are shared between threads; what we read of one is either constant or read once.
unsafe impl Send for Inode {}
// SAFETY: As above.
unsafe impl Sync for Inode {}

// SAFETY: `ihold` and `iput` count references, and a counted inode stays alive.
unsafe impl AlwaysRefCounted for Inode {
    fn inc_ref(&self) {
        // SAFETY: `self` is a valid inode with a count.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a count that it owns.
        unsafe { bindings::iput(obj.as_ptr().cast()) };
    }
}

impl Inode {
    /// # Safety
    ///
    /// `ptr` is a valid inode during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the contract of this function, and as `Inode` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// The inode number.
    pub(crate) fn ino(&self) -> u64 {
        // SAFETY: The inode is alive; its number is constant.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// `i_generation`: tells two lives of one inode number apart, where the filesystem keeps it.
    pub(crate) fn generation(&self) -> u32 {
        // SAFETY: The inode is alive; its generation is constant.
        unsafe { (*self.as_ptr()).i_generation }
    }

    /// The file type, which is constant, and the permission bits as they are now.
    pub(crate) fn mode(&self) -> Mode {
        // SAFETY: The inode is alive; `chmod` may race, and either value is a mode.
        Mode(unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() })
    }

    /// Whether this is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.mode().is_dir()
    }

    /// The device number of a device inode.
    pub(crate) fn rdev(&self) -> u32 {
        // SAFETY: The inode is alive; its device number is constant.
        unsafe { (*self.as_ptr()).i_rdev }
    }

    /// Whether it is what `RENAME_WHITEOUT` leaves: a character device with the number 0.
    pub(crate) fn is_whiteout_device(&self) -> bool {
        self.mode().file_type() == FileType::CharDevice && self.rdev() == 0
    }

    /// The number of links, as it is now.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// The size in bytes, as it is now.
    pub(crate) fn size(&self) -> i64 {
        // SAFETY: The inode is alive. The load is that of `i_size_read()`, which would be a call.
        unsafe { (&raw const (*self.as_ptr()).i_size).read_volatile() }
    }

    /// `i_version`, which changes with each change of a directory where the filesystem counts them.
    pub(crate) fn version(&self) -> u64 {
        // SAFETY: The inode is alive. The load is that of `inode_peek_iversion_raw()`, which would be a
        // call, for each branch of a directory.
        unsafe { (&raw const (*self.as_ptr()).i_version.counter).read_volatile() as u64 }
    }

    /// Different after each change of a directory, as far as its filesystem tells changes apart.
    pub(crate) fn change_stamp(&self) -> ChangeStamp {
        let inode = self.as_ptr();
        // SAFETY: The inode is alive; a torn read looks like a change.
        unsafe {
            ChangeStamp {
                seconds: (&raw const (*inode).i_ctime_sec).read_volatile(),
                nanoseconds: (&raw const (*inode).i_ctime_nsec).read_volatile(),
                version: self.version(),
            }
        }
    }

    /// Whether a directory finds names that are written in other cases.
    #[inline]
    pub(crate) fn ignores_case(&self) -> bool {
        // SAFETY: The inode is alive; the flag may change while the directory is empty, and either
        // value is one.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & bindings::S_CASEFOLD != 0
    }

    /// Whether a directory finds names that are written otherwise, by case or by a key.
    pub(crate) fn has_other_names(&self) -> bool {
        // SAFETY: The inode is alive; these flags do not change once it is in use.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & (bindings::S_CASEFOLD | bindings::S_ENCRYPTED) != 0
    }

    /// Whether the filesystem stores POSIX ACLs on this inode.
    pub(crate) fn has_posix_acl(&self) -> bool {
        // SAFETY: The inode and its super block are alive.
        unsafe { bindings::IS_POSIXACL(self.as_ptr()) }
    }

    /// Checks that the current credentials allow `mask` (`MAY_*`). `EACCES`, or what the filesystem
    /// says; `ECHILD` if `MAY_NOT_BLOCK` is asked and the answer needs sleeping.
    pub(crate) fn permission(&self, idmap: &Idmap, mask: u32) -> Result {
        // SAFETY: Both are valid during the call.
        to_result(unsafe {
            bindings::inode_permission(idmap.as_ptr(), self.as_ptr(), mask as c_int)
        })
    }

    /// Whether the current task owns this inode, or may act as if.
    pub(crate) fn owner_or_capable(&self, idmap: &Idmap) -> bool {
        // SAFETY: Both are valid during the call.
        unsafe { bindings::inode_owner_or_capable(idmap.as_ptr(), self.as_ptr()) }
    }

    /// Whether this is a directory that has been removed. What is not stays so for who holds `i_rwsem`.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: The inode is alive; flags may change, and either value is one.
        unsafe { once!((*self.as_ptr()).i_flags) & bindings::S_DEAD != 0 }
    }

    /// Whether the VFS lets nobody write to it but at its end.
    pub(crate) fn is_append_only(&self) -> bool {
        // SAFETY: The inode is alive; the flags may change at any time, as anywhere in the VFS.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & bindings::S_APPEND != 0
    }

    /// Whether what is written to the file is to be on the disk at once, by its own flag or its
    /// filesystem's.
    pub(crate) fn is_synchronous(&self) -> bool {
        // SAFETY: The inode and its super block are alive; flags may change, and either value is one.
        unsafe {
            (&raw const (*self.as_ptr()).i_flags).read_volatile() & bindings::S_SYNC != 0
                || AnySuperBlock::from_raw((*self.as_ptr()).i_sb).is_synchronous()
        }
    }

    /// Whether somebody has the file open for writing.
    pub(crate) fn is_open_for_write(&self) -> bool {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_writecount.counter).read_volatile() > 0 }
    }

    /// Whether somebody has the file open for writing, or is executing it.
    pub(crate) fn is_write_counted(&self) -> bool {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_writecount.counter).read_volatile() != 0 }
    }

    /// Whether the file is mapped into memory by anybody.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: The inode is alive, and so is its mapping.
        unsafe { bindings::mapping_mapped((*self.as_ptr()).i_mapping) }
    }

    /// Whether somebody is told of what is done to the inode (`inotify(7)`, `fanotify(7)`). Does not
    /// sleep.
    pub(crate) fn is_watched(&self) -> bool {
        // SAFETY: The inode is alive; the mask may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_fsnotify_mask).read_volatile() != 0 }
    }

    /// Whether there is a shared map of the file that is writable, or can be made so.
    pub(crate) fn is_mapped_writable(&self) -> bool {
        // SAFETY: The inode is alive, and so is its mapping.
        unsafe { bindings::mapping_writably_mapped((*self.as_ptr()).i_mapping) }
    }

    /// Takes a write reference, as an open for writing does. `ETXTBSY` while it is being executed.
    pub(crate) fn get_write_access(&self) -> Result<WriterCount<'_>> {
        // SAFETY: The inode is alive.
        to_result(unsafe { bindings::get_write_access(self.as_ptr()) })?;
        // INVARIANT: Just counted.
        Ok(WriterCount(self))
    }
}

/// Tells changes of a directory apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeStamp {
    seconds: i64,
    nanoseconds: u32,
    version: u64,
}

/// A count in `i_writecount`, which keeps the file from being executed.
///
/// # Invariants
///
/// This owns the count.
pub(crate) struct WriterCount<'a>(&'a Inode);

impl Drop for WriterCount<'_> {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::put_write_access(self.0.as_ptr()) };
    }
}
