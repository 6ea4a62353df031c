// SPDX-License-Identifier: GPL-2.0

//! The open files of a filesystem of ours, as user space holds them.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{dentry::OwnDentry, file_system::FileSystem, inode::OwnInode};
use crate::{
    bindings,
    vfs::{
        mount::{file::KernelFile, mount::Mount},
        object::inode_lock::InodeLock,
        sync::load::{once, store},
    },
};
use core::{marker::PhantomData, ops::Deref};
use kernel::{error::to_result, prelude::*, types::Opaque};

/// An open file of the filesystem `T`, as user space holds it.
///
/// # Invariants
///
/// The file is an open one of a super block of `T` for as long as there is a reference, or one that is
/// being opened: then its place and flags are set, and nobody but [`NewFile`] has it without an inode.
#[repr(transparent)]
pub(crate) struct FsFile<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> FsFile<T> {
    /// # Safety
    ///
    /// `ptr` is a valid file of a super block of `T` during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::file) -> &'a Self {
        // SAFETY: By the contract of this function, and as the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// The `O_*` flags; `fcntl(2)` may change some at any time.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: The file is alive.
        unsafe { (&raw const (*self.as_ptr()).f_flags).read_volatile() }
    }

    /// The file itself, as one that the kernel holds, too.
    #[cfg(aufs2_sample)]
    pub(crate) fn share(&self) -> KernelFile {
        // SAFETY: The file is alive; the count is taken here.
        unsafe { KernelFile::from_raw(bindings::get_file(self.as_ptr())) }
    }

    /// Whether the file may be written.
    pub(crate) fn is_writable(&self) -> bool {
        self.mode() & bindings::FMODE_WRITE != 0
    }

    /// Whether nobody is told of what is done by it: fanotify opens such files for those who are to
    /// answer an event.
    pub(crate) fn is_silent(&self) -> bool {
        self.mode() & bindings::FMODE_FSNOTIFY_MASK == bindings::FMODE_NONOTIFY_FLAG
    }

    fn mode(&self) -> u32 {
        // SAFETY: The file is alive; the bits asked for are constant once it is open.
        unsafe { once!((*self.as_ptr()).f_mode) }
    }

    /// The position of `read(2)` and `getdents(2)`, whose lock the caller of the operation holds.
    pub(crate) fn position(&self) -> i64 {
        // SAFETY: The file is alive; who has no lock gets some position.
        unsafe { once!((*self.as_ptr()).f_pos) }
    }

    /// Sets the position, within the limits of the super block. `EINVAL`.
    pub(crate) fn set_position(&self, pos: i64) -> Result<i64> {
        let max = self.own_inode().sb().max_bytes();
        // SAFETY: The file is alive, and its position locked by the VFS.
        let ret = unsafe { bindings::vfs_setpos(self.as_ptr(), pos, max) };
        to_result(ret.min(0) as c_int)?;
        Ok(ret)
    }

    /// Notes that the file was read, if its time is due for it.
    pub(crate) fn touch_atime(&self) {
        // SAFETY: The file holds its path.
        unsafe { bindings::touch_atime(&raw const (*self.as_ptr()).__bindgen_anon_1.f_path) };
    }

    /// Locks the inode, as what changes the file wants it. May sleep.
    #[inline]
    pub(crate) fn lock(&self) -> LockedFile<'_, T> {
        // INVARIANT: Just locked.
        LockedFile {
            file: self,
            _lock: self.own_inode().lock(),
        }
    }

    /// The inode.
    pub(crate) fn own_inode(&self) -> &OwnInode<T> {
        // SAFETY: A file of `T` has an inode of `T`.
        unsafe { OwnInode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// Whether those who are asked about each `read(2)`, such as security modules, allow one now.
    /// `EACCES`, or what they say.
    pub(crate) fn check_read(&self) -> Result {
        // SAFETY: The file is alive; there need not be a position.
        to_result(unsafe {
            bindings::rw_verify_area(bindings::READ as c_int, self.as_ptr(), core::ptr::null(), 0)
        })
    }

    /// Makes one of the two notes of the errors of writing out that the file and `real` have been told of, if they are
    /// about one page cache: `sync_file_range(2)` has a look at this one, and the filesystem of `real` at the other. Who
    /// knows of the last one knows of all.
    pub(crate) fn share_write_errors(&self, real: &KernelFile) {
        let (file, real) = (self.as_ptr(), real.as_ptr());
        // SAFETY: Both files are alive, and hold the mapping; `f_lock` serialises those who change the fields, which
        // are read once.
        unsafe {
            let (ours, theirs) = (once!((*file).f_wb_err), once!((*real).f_wb_err));
            let mapping = once!((*file).f_mapping);
            if ours == theirs || !core::ptr::eq(mapping, (*real).f_mapping) {
                return;
            }
            let last = once!((*mapping).wb_err);
            let behind = match last {
                last if last == ours => real,
                last if last == theirs => file,
                _ => return,
            };
            bindings::spin_lock(&raw mut (*behind).f_lock);
            store!((*behind).f_wb_err, last);
            bindings::spin_unlock(&raw mut (*behind).f_lock);
        }
    }

    /// The mount that the file was opened on.
    pub(crate) fn mount(&self) -> &Mount {
        // SAFETY: The file holds a reference to its path.
        unsafe { Mount::from_raw((*self.as_ptr()).__bindgen_anon_1.f_path.mnt) }
    }

    /// The dentry that the file was opened by.
    pub(crate) fn dentry(&self) -> &OwnDentry<T> {
        // SAFETY: The file holds a reference to its path.
        unsafe { OwnDentry::from_raw((*self.as_ptr()).__bindgen_anon_1.f_path.dentry) }
    }
}

/// An open file whose inode is locked for writing, by this.
///
/// # Invariants
///
/// `_lock` is that of the inode of `file`.
pub(crate) struct LockedFile<'a, T: FileSystem> {
    file: &'a FsFile<T>,
    _lock: InodeLock<'a>,
}

impl<T: FileSystem> LockedFile<'_, T> {
    /// Takes set-id bits and file capabilities away, as a write does.
    pub(crate) fn remove_privileges(&self) -> Result {
        // What the call finds out first: it is known that there are none.
        // SAFETY: The file is alive, and so is its inode.
        if unsafe { once!((*(*self.as_ptr()).f_inode).i_flags) } & bindings::S_NOSEC != 0 {
            return Ok(());
        }
        // SAFETY: The file is alive, and its inode locked, by the type invariant.
        to_result(unsafe { bindings::file_remove_privs(self.as_ptr()) })
    }
}

impl<T: FileSystem> Deref for LockedFile<'_, T> {
    type Target = FsFile<T>;

    fn deref(&self) -> &FsFile<T> {
        self.file
    }
}

/// A file without a name that is being made, for `O_TMPFILE`: it has a dentry, and no inode yet.
///
/// # Invariants
///
/// The file is the one that `->tmpfile` was called with.
pub(crate) struct NewFile<'a, T: FileSystem>(pub(in crate::vfs) &'a FsFile<T>);

impl<'a, T: FileSystem> NewFile<'a, T> {
    /// # Safety
    ///
    /// `ptr` is the file of a call of `->tmpfile` of `T`, during `'a`.
    pub(in crate::vfs) unsafe fn from_raw(ptr: *mut bindings::file) -> Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: As above. That there is no inode is for this type to say.
        Self(unsafe { FsFile::from_raw(ptr) })
    }

    /// The `O_*` flags.
    pub(crate) fn flags(&self) -> u32 {
        self.0.flags()
    }

    /// The dentry that the file will have: negative, and in no directory.
    pub(crate) fn dentry(&self) -> &'a OwnDentry<T> {
        self.0.dentry()
    }
}

/// A file that is being opened: nobody else knows it yet.
///
/// # Invariants
///
/// Nobody else knows the file.
pub(crate) struct Opening<'a, T: FileSystem>(&'a FsFile<T>);

impl<'a, T: FileSystem> Opening<'a, T> {
    /// # Safety
    ///
    /// Nobody else knows the file during `'a`.
    pub(in crate::vfs) unsafe fn assume(file: &'a FsFile<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(file)
    }

    /// Takes flags away that were for the open only.
    pub(crate) fn clear_flags(&self, flags: u32) {
        // SAFETY: The file is alive, and its flags are ours, by the type.
        unsafe { (*self.0.as_ptr()).f_flags &= !flags };
    }

    /// Whether `O_DIRECT` is possible is not known yet: I/O with it fails if it is not.
    pub(crate) fn allow_direct_io(&self) {
        // SAFETY: The file is alive, and its mode ours, by the type.
        unsafe { (*self.0.as_ptr()).f_mode |= bindings::FMODE_CAN_ODIRECT };
    }

    /// `O_DIRECT`, and writing all or nothing (`RWF_ATOMIC`), are possible if they are on `other`.
    pub(crate) fn copy_direct_io(&self, other: &KernelFile) {
        let bits = bindings::FMODE_CAN_ODIRECT | bindings::FMODE_CAN_ATOMIC_WRITE;
        // SAFETY: The file is alive, and its mode ours, by the type; the other's is constant.
        unsafe {
            (*self.0.as_ptr()).f_mode |= once!((*other.as_ptr()).f_mode) & bits;
        }
    }
}

impl<T: FileSystem> Deref for Opening<'_, T> {
    type Target = FsFile<T>;

    fn deref(&self) -> &FsFile<T> {
        self.0
    }
}
