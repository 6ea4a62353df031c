// SPDX-License-Identifier: GPL-2.0

//! Open files: those of a filesystem, and those that the kernel itself opens.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    cred::Cred,
    dentry::Dentry,
    idmap::Idmap,
    inode::Inode,
    inode_lock::InodeLock,
    mount::{Mount, WriteAccess},
    path::Path,
};
use crate::{
    bindings,
    vfs::{
        own::{dentry::DEntry, file_system::FileSystem, inode::INode},
        sync::{
            load::{once, store},
            thread,
        },
        value::mode::Mode,
    },
};
use core::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::aref::ARef,
    types::Opaque,
};

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
        let max = self.node().sb().max_bytes();
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
            _lock: self.node().lock(),
        }
    }

    /// The inode.
    pub(crate) fn node(&self) -> &INode<T> {
        // SAFETY: A file of `T` has an inode of `T`.
        unsafe { INode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// Whether those who are asked about each `read(2)`, such as security modules, allow one now.
    /// `EACCES`, or what they say.
    pub(crate) fn check_read(&self) -> Result {
        // SAFETY: The file is alive; there need not be a position.
        to_result(unsafe {
            bindings::rw_verify_area(bindings::READ as c_int, self.as_ptr(), core::ptr::null(), 0)
        })
    }

    /// The mount that the file was opened on.
    pub(crate) fn mount(&self) -> &Mount {
        // SAFETY: The file holds a reference to its path.
        unsafe { Mount::from_raw((*self.as_ptr()).__bindgen_anon_1.f_path.mnt) }
    }

    /// The dentry that the file was opened by.
    pub(crate) fn dentry(&self) -> &DEntry<T> {
        // SAFETY: The file holds a reference to its path.
        unsafe { DEntry::from_raw((*self.as_ptr()).__bindgen_anon_1.f_path.dentry) }
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
pub(crate) struct NewFile<'a, T: FileSystem>(&'a FsFile<T>);

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
    pub(crate) fn dentry(&self) -> &'a DEntry<T> {
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
    /// Closes the file before this returns, where dropping it would leave that to the way back to user
    /// space. For whoever is in `->release`, or holds no locks either.
    pub(in crate::vfs) fn close(self) {
        let file = ManuallyDrop::new(self).0;
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::__fput_sync(file.as_ptr()) };
    }
}

impl Drop for KernelFile {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::fput(self.0.as_ptr()) };
    }
}

/// Nobody opens the file for writing while this lives.
///
/// # Invariants
///
/// A count of those who deny writing, in the inode of the file.
pub(crate) struct WritersKeptOut(KernelFile);

impl Drop for WritersKeptOut {
    fn drop(&mut self) {
        // SAFETY: The file is alive, and the count ours, by the type invariant.
        unsafe { bindings::allow_write_access(self.0.as_ptr()) };
    }
}

impl KernelFile {
    /// Keeps everybody from opening the file for writing, as who executes it does. `ETXTBSY` if
    /// somebody has it open so: by a descriptor, or by a map that was made with one.
    pub(crate) fn keep_writers_out(&self) -> Result<WritersKeptOut> {
        // SAFETY: The file is alive.
        to_result(unsafe { bindings::deny_write_access(self.as_ptr()) })?;
        // INVARIANT: It was just counted.
        // SAFETY: The file is alive; the count is taken here.
        Ok(WritersKeptOut(unsafe {
            Self::from_raw(bindings::get_file(self.as_ptr()))
        }))
    }

    /// # Safety
    ///
    /// `ptr` is a valid file whose count this takes over.
    pub(in crate::vfs) unsafe fn from_raw(ptr: *mut bindings::file) -> Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: As above, it is a file, and so not null.
        Self(unsafe { NonNull::new_unchecked(ptr) })
    }

    /// Opens the object at `path` with the current credentials.
    pub(crate) fn open(path: Path<'_>, flags: u32) -> Result<Self> {
        path.dentry.require_open()?;
        // SAFETY: `path` is valid during the call; the current credentials are alive.
        let file = from_err_ptr(unsafe {
            bindings::dentry_open(&path.to_raw(), flags as c_int, bindings::current_cred())
        })?;
        // SAFETY: The call returned a counted file.
        Ok(unsafe { Self::from_raw(file) })
    }

    /// Makes a file without a name in the directory `dir`, open for reading and writing.
    /// `EOPNOTSUPP` if the filesystem has no such files, `EINVAL` if `mode` is not that of a regular file.
    pub(crate) fn tmpfile(access: &WriteAccess<'_>, dir: &Dentry, mode: Mode) -> Result<Self> {
        dir.require_dir()?;
        mode.require_regular()?;
        let path = access.at(dir)?;
        let flags = bindings::O_RDWR | bindings::O_LARGEFILE | bindings::O_NOATIME;
        // SAFETY: `path` is valid during the call; the current credentials are alive.
        let file = from_err_ptr(unsafe {
            bindings::kernel_tmpfile_open(
                path.idmap().as_ptr(),
                &path.to_raw(),
                mode.0,
                flags as c_int,
                bindings::current_cred(),
            )
        })?;
        // SAFETY: The call returned a counted file.
        Ok(unsafe { Self::from_raw(file) })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }

    /// Gives the file to the current task, under a new descriptor. `EMFILE`; `EINVAL` for a file that
    /// was opened as the one below another.
    pub(crate) fn install(self, flags: u32) -> Result<u32> {
        // SAFETY: The file is alive; the bit asked for is constant.
        if unsafe { once!((*self.as_ptr()).f_mode) } & bindings::FMODE_BACKING != 0 {
            return Err(EINVAL);
        }
        // SAFETY: No requirements.
        let fd = unsafe { bindings::get_unused_fd_flags(flags) };
        to_result(fd)?;
        // CAST: Not negative, as just checked.
        let fd = fd as u32;
        let file = core::mem::ManuallyDrop::new(self);
        // SAFETY: The descriptor was reserved just now; the file's count goes with it.
        unsafe { bindings::fd_install(fd, file.as_ptr()) };
        Ok(fd)
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

    /// Seeks from `pos`; for `SEEK_DATA` and `SEEK_HOLE`. Callers exclude each other. `EISDIR` for a
    /// directory, in which a position may be a place in a list that readers change.
    pub(crate) fn seek(&self, pos: i64, offset: i64, whence: u32) -> Result<i64> {
        if self.inode().is_dir() {
            return Err(EISDIR);
        }
        // SAFETY: The file is alive. Callers that do not exclude each other get each other's position,
        // which filesystems are used to, as `lseek(2)` on a file that is not a regular one has no lock.
        let ret = unsafe {
            (&raw mut (*self.as_ptr()).f_pos).write_volatile(pos);
            bindings::vfs_llseek(self.as_ptr(), offset, whence as c_int)
        };
        to_result(ret.min(0) as c_int)?;
        Ok(ret)
    }

    /// Writes the file out to the device.
    pub(crate) fn sync(&self) -> Result {
        self.sync_range(0, i64::MAX, false)
    }

    /// Writes a range out; only what is needed to read it back if `data_only`.
    pub(crate) fn sync_range(&self, start: i64, end: i64, data_only: bool) -> Result {
        // SAFETY: The file is alive.
        to_result(unsafe { bindings::vfs_fsync_range(self.as_ptr(), start, end, data_only.into()) })
    }

    /// Sets the size.
    pub(crate) fn set_size(&self, size: i64) -> Result {
        // SAFETY: The file holds its path.
        to_result(unsafe {
            bindings::vfs_truncate(&raw const (*self.as_ptr()).__bindgen_anon_1.f_path, size)
        })
    }

    /// `fallocate(2)`.
    pub(crate) fn allocate(&self, mode: u32, offset: i64, len: i64) -> Result {
        // SAFETY: The file is alive.
        to_result(unsafe { bindings::vfs_fallocate(self.as_ptr(), mode as c_int, offset, len) })
    }

    /// `posix_fadvise(2)`.
    pub(crate) fn advise(&self, offset: i64, len: i64, advice: u32) -> Result {
        // SAFETY: The file is alive.
        to_result(unsafe { bindings::vfs_fadvise(self.as_ptr(), offset, len, advice as c_int) })
    }

    /// The file's own `->flush`, at the close of a descriptor.
    pub(in crate::vfs) fn flush(&self, owner: *mut c_void) -> Result {
        // SAFETY: The file is alive, and its operations are.
        unsafe {
            match (*(*self.as_ptr()).f_op).flush {
                Some(flush) => to_result(flush(self.as_ptr(), owner)),
                None => Ok(()),
            }
        }
    }

    /// Reads up to `buf.len()` bytes at `pos`; fewer at the end of the file. `EBADF` if the file is
    /// not open for reading, `EINVAL` if it has no `->read_iter`.
    ///
    /// This is for what a filesystem keeps in files for itself. It goes straight to `->read_iter`, as
    /// `__kernel_read` does: `kernel_read` would send an event that waits for an answer (fanotify's
    /// `FAN_PRE_ACCESS`), which must not be done with a [`WriteAccess`].
    pub(crate) fn read_at(&self, buf: &mut [u8], pos: i64) -> Result<usize> {
        self.require_mode(bindings::FMODE_READ)?;
        require_range(pos, buf.len())?;
        // SAFETY: The file is alive, and its operations are.
        let op = unsafe { (*(*self.as_ptr()).f_op).read_iter }.ok_or(EINVAL)?;
        let mut done = 0;
        while done < buf.len() {
            let rest = bindings::kvec {
                iov_base: buf[done..].as_mut_ptr().cast(),
                iov_len: buf.len() - done,
            };
            // SAFETY: `rest` is writable memory that is borrowed during the call; `op` is the file's
            // own, and it is open for reading.
            match unsafe { self.kvec_io(op, bindings::ITER_DEST, &rest, pos + done as i64) }? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    /// Writes all of `buf` at `pos`, by the right that the caller has: `kernel_write` would ask for it
    /// once more, and wait for ever if a freeze came in between. `EXDEV` if that right is for another
    /// filesystem, `EINVAL` if the file has no `->write_iter`, `EBADF` if it is not open for writing, `EIO` if
    /// the filesystem writes less without saying why.
    ///
    /// Otherwise as [`KernelFile::read_at`].
    /// The file size limit of the current task does not apply.
    pub(crate) fn write_all_at(&self, access: &WriteAccess<'_>, buf: &[u8], pos: i64) -> Result {
        access.at(self.path().dentry)?;
        self.require_mode(bindings::FMODE_WRITE)?;
        require_range(pos, buf.len())?;
        if thread::file_size_limit() < pos as u64 + buf.len() as u64 {
            return thread::run(|| self.write_all(buf, pos))?;
        }
        self.write_all(buf, pos)
    }

    /// Writes by the right to write that the caller, or the task that it works for, has.
    fn write_all(&self, buf: &[u8], pos: i64) -> Result {
        // SAFETY: The file is alive, and its operations are.
        let op = unsafe { (*(*self.as_ptr()).f_op).write_iter }.ok_or(EINVAL)?;
        let mut done = 0;
        while done < buf.len() {
            let rest = bindings::kvec {
                iov_base: buf[done..].as_ptr().cast_mut().cast(),
                iov_len: buf.len() - done,
            };
            // SAFETY: `rest` is memory that is borrowed during the call, and only read; `op` is the
            // file's own, it is open for writing, and there is the right to write.
            match unsafe { self.kvec_io(op, bindings::ITER_SOURCE, &rest, pos + done as i64) }? {
                0 => return Err(EIO),
                count => done += count,
            }
        }
        Ok(())
    }

    fn require_mode(&self, mode: u32) -> Result {
        // SAFETY: The file is alive, and these bits of its mode do not change once it is open.
        match unsafe { once!((*self.as_ptr()).f_mode) } & mode {
            0 => Err(EBADF),
            _ => Ok(()),
        }
    }

    /// # Safety
    ///
    /// `op` is the file's `->read_iter` or `->write_iter`, for which it is open and its superblock
    /// may be written; `direction` says which, and `vec` is memory that it may use so.
    unsafe fn kvec_io(
        &self,
        op: unsafe extern "C" fn(*mut bindings::kiocb, *mut bindings::iov_iter) -> isize,
        direction: u32,
        vec: &bindings::kvec,
        pos: i64,
    ) -> Result<usize> {
        let mut iocb = MaybeUninit::<bindings::kiocb>::uninit();
        let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
        // SAFETY: The calls fill both in. The control block is a synchronous one, so that `op` is done
        // with all when it returns; the rest is the contract of this function.
        let ret = unsafe {
            bindings::init_sync_kiocb(iocb.as_mut_ptr(), self.as_ptr());
            (*iocb.as_mut_ptr()).ki_pos = pos;
            bindings::iov_iter_kvec(iter.as_mut_ptr(), direction, vec, 1, vec.iov_len);
            op(iocb.as_mut_ptr(), iter.as_mut_ptr())
        };
        to_result(ret.min(0) as c_int)?;
        Ok(ret as usize)
    }
}

/// Checks that `len` bytes from `pos` on are where a file can have some, as the VFS does for system
/// calls. `EINVAL`.
fn require_range(pos: i64, len: usize) -> Result {
    let end = i64::try_from(len).ok().and_then(|len| pos.checked_add(len));
    match pos >= 0 && end.is_some() {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// Opens the place `path` as the file below `user`, a file of `T`: procfs shows the name of `user`
/// for it. The current task's permission is checked against `cred`.
pub(crate) fn open_backing<T: FileSystem>(
    user: &FsFile<T>,
    flags: u32,
    path: Path<'_>,
    cred: &Cred,
) -> Result<KernelFile> {
    path.dentry.require_inode()?;
    if user.is_silent() {
        return open_silently(user, flags, path, cred);
    }
    // SAFETY: All are valid during the call.
    let file = from_err_ptr(unsafe {
        bindings::backing_file_open(user.as_ptr(), flags as c_int, &path.to_raw(), cred.as_ptr())
    })?;
    // SAFETY: The call returned a counted file.
    Ok(unsafe { KernelFile::from_raw(file) })
}

/// As [`open_backing`], for a file of which nobody is told: a listener of fanotify's that is to answer
/// for the file on the branch, too, would wait for itself. `backing_file_open` knows that from 7.3.4 on.
fn open_silently<T: FileSystem>(
    user: &FsFile<T>,
    flags: u32,
    path: Path<'_>,
    cred: &Cred,
) -> Result<KernelFile> {
    // SAFETY: All are valid during the call.
    let file = from_err_ptr(unsafe {
        bindings::alloc_empty_backing_file(flags as c_int, cred.as_ptr(), user.as_ptr())
    })?;
    // SAFETY: Nobody else knows the file, which is new and counted: dropping it is what is done to one
    // that could not be opened. It takes over the reference to its user path that is taken here, and
    // takes those to `path` itself.
    unsafe {
        let shown = bindings::file_user_path(user.as_ptr());
        bindings::path_get(shown);
        bindings::backing_file_set_user_path(file, shown);
        let new = KernelFile::from_raw(file);
        (*file).f_mode &= !bindings::FMODE_FSNOTIFY_MASK;
        (*file).f_mode |= bindings::FMODE_NONOTIFY_FLAG;
        (*file).__bindgen_anon_1.__f_path = path.to_raw();
        to_result(bindings::finish_open(file, path.dentry.as_ptr(), None))?;
        Ok(new)
    }
}

/// Makes a nameless file in the directory `dir`, as the file below `user`. `EINVAL` if `mode` is not that
/// of a regular file.
pub(crate) fn open_backing_tmpfile<T: FileSystem>(
    user: &NewFile<'_, T>,
    flags: u32,
    access: &WriteAccess<'_>,
    dir: &Dentry,
    mode: Mode,
) -> Result<KernelFile> {
    dir.require_dir()?;
    mode.require_regular()?;
    let path = access.at(dir)?;
    // SAFETY: All are valid during the call.
    let file = from_err_ptr(unsafe {
        bindings::backing_tmpfile_open(
            user.0.as_ptr(),
            flags as c_int,
            &path.to_raw(),
            mode.0,
            bindings::current_cred(),
        )
    })?;
    // SAFETY: The call returned a counted file.
    Ok(unsafe { KernelFile::from_raw(file) })
}

/// What opening a file with `flags` asks of the inode: the `MAY_*` mask.
pub(crate) fn access_mask(flags: u32) -> u32 {
    let mut mask = match flags & bindings::O_ACCMODE {
        bindings::O_RDONLY => bindings::MAY_READ,
        bindings::O_WRONLY => bindings::MAY_WRITE,
        _ => bindings::MAY_READ | bindings::MAY_WRITE,
    };
    if flags & bindings::O_TRUNC != 0 {
        mask |= bindings::MAY_WRITE;
    }
    if flags & bindings::O_APPEND != 0 {
        mask |= bindings::MAY_APPEND;
    }
    mask
}

/// Checks that the object at `path` may be opened with `flags` by the current credentials, and
/// takes `O_NOATIME` away where they may not ask for it. `EPERM` for what is append-only otherwise.
pub(crate) fn may_open(path: Path<'_>, flags: u32, idmap: &Idmap) -> Result<u32> {
    let inode = path.inode().ok_or(ENOENT)?;
    inode.permission(idmap, bindings::MAY_OPEN | access_mask(flags))?;
    let writes = flags & bindings::O_ACCMODE != bindings::O_RDONLY;
    if writes && flags & bindings::O_APPEND == 0 && inode.is_append_only() {
        return Err(EPERM);
    }
    if inode.owner_or_capable(idmap) {
        Ok(flags)
    } else {
        Ok(flags & !bindings::O_NOATIME)
    }
}

/// A reference to a file is not needed where the dentry will do.
pub(crate) fn dentry_of(file: &KernelFile) -> ARef<Dentry> {
    file.path().dentry.into()
}
