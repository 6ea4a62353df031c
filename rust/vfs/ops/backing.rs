// SPDX-License-Identifier: GPL-2.0

//! I/O on an open file that is served by a file of another filesystem.
//!
//! C header: [`include/linux/backing-file.h`](srctree/include/linux/backing-file.h)

use super::vtable::Without;
use crate::{
    bindings,
    vfs::{
        mount::{
            cred::Cred, file::KernelFile, mount::Mount, path::Path, write_access::WriteAccess,
        },
        object::{dentry::Dentry, super_block::AnySuperBlock},
        own::{
            file::{FsFile, LockedFile, NewFile},
            file_system::FileSystem,
            inode::OwnInode,
        },
        value::{errno::succeeded, mode::Mode},
    },
};
use core::{marker::PhantomData, mem::MaybeUninit, ops::Range};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::aref::ARef,
};

/// What a stacked filesystem does after I/O below it.
pub(crate) trait Hooks: Sized + 'static {
    type Fs: FileSystem;

    /// Data was read; from `lower` if that is known.
    fn accessed(_file: &FsFile<Self::Fs>, _lower: Option<&KernelFile>) {}
    /// A write has ended, well or not; it went to `lower` if that is known.
    fn written(_file: &FsFile<Self::Fs>, _lower: Option<&KernelFile>) {}
}

impl<T: FileSystem> Hooks for Without<T> {
    type Fs = T;
}

/// A read or write of an open file of `T` in progress. It can be passed on once: the I/O below may
/// end it at any time after that, while the caller of the operation still holds the file.
///
/// # Invariants
///
/// The pointer is a control block, valid during `'a`, of a file of `T` that it holds, and that was not
/// passed on before.
pub(crate) struct Iocb<'a, T: FileSystem>(pub(super) *mut bindings::kiocb, PhantomData<&'a T>);

/// The user's side of a read or write: where data goes to or comes from.
///
/// # Invariants
///
/// The pointer is valid, and the owner's alone, during `'a`.
pub(crate) struct Iter<'a>(pub(super) *mut bindings::iov_iter, PhantomData<&'a ()>);

impl Iter<'_> {
    /// # Safety
    ///
    /// `ptr` is valid, and the caller's alone, during `'a`.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::iov_iter) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ptr, PhantomData)
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> usize {
        // As `iov_iter_count()`, which would be a call.
        // SAFETY: The iterator is valid; the field is there for all kinds of iterators.
        unsafe { (*self.0).__bindgen_anon_1.__bindgen_anon_1.as_ref().count }
    }
}

impl<'a, T: FileSystem> Iocb<'a, T> {
    /// # Safety
    ///
    /// `ptr` is a valid control block of a file of `T` during `'a`, which the caller passes on to nobody
    /// else.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::kiocb) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ptr, PhantomData)
    }

    /// The file.
    pub(crate) fn file(&self) -> &'a FsFile<T> {
        // SAFETY: The control block holds a reference to its file.
        unsafe { FsFile::from_raw((*self.0).ki_filp) }
    }

    /// Whether the I/O ends before the call returns, as that of `read(2)` and `write(2)` does.
    fn is_waited_for(&self) -> bool {
        // SAFETY: The control block is valid.
        unsafe { (*self.0).ki_complete.is_none() }
    }

    /// How the I/O is to be done: `IOCB_*`.
    fn flags(&self) -> u32 {
        // SAFETY: The control block is valid.
        unsafe { (*self.0).ki_flags as u32 }
    }

    /// Whether what is written is to be on the disk when the call returns, by the descriptor or the
    /// call.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.flags() & bindings::IOCB_DSYNC != 0
    }

    /// The bytes of `lower` that a write of `len` is to. Those before the end stay the same for as long as the
    /// file is locked.
    pub(crate) fn range(&self, lower: &KernelFile, len: usize) -> Range<i64> {
        let start = match self.flags() & bindings::IOCB_APPEND {
            // SAFETY: The control block is valid.
            0 => unsafe { (*self.0).ki_pos },
            _ => lower.inode().size(),
        };
        start..start.saturating_add(i64::try_from(len).unwrap_or(i64::MAX))
    }

    /// Does I/O that is waited for on `lower` by `op`, at the position of `self`.
    ///
    /// This is what `backing_file_read_iter` and its sibling do with it, but that all of the flags
    /// of the call go down as they are: those would ask for what `RWF_*` flags stand for once more,
    /// on top of what the file below says, which is other than to say less (`RWF_NOAPPEND`). `op`
    /// checks the mode of `lower` and asks security modules (`rw_verify_area`), as it does there.
    fn pass(
        &self,
        lower: &KernelFile,
        cred: &Cred,
        change: Change,
        op: impl FnOnce(*mut bindings::kiocb) -> isize,
    ) -> isize {
        let file = lower.as_ptr();
        // SAFETY: Our control block is valid, and the file is alive; `fcntl(F_SETFL)` may change its
        // flags at any time.
        let mut iocb = unsafe {
            let own = (&raw const (*file).f_iocb_flags).read_volatile();
            // As `init_sync_kiocb()` fills it in, which would be a call; the priority of the I/O is
            // known already.
            bindings::kiocb {
                ki_filp: file,
                ki_pos: (*self.0).ki_pos,
                // Whether it appends is said by the call.
                ki_flags: change.of(own & !bindings::IOCB_APPEND | self.flags() & PASSED) as c_int,
                ki_ioprio: (*self.0).ki_ioprio,
                ..pin_init::zeroed()
            }
        };
        let ret = cred.scope(|| op(&mut iocb));
        // SAFETY: As above; nobody else uses it during the call.
        unsafe { (*self.0).ki_pos = iocb.ki_pos };
        ret
    }

    /// `EPERM` for a write to an append-only file that was opened to append, and now is to be done
    /// elsewhere (`fcntl(F_SETFL)`, `RWF_NOAPPEND`): for that the VFS asked the inode of `T`, which need
    /// not know yet.
    fn check_append(&self, lower: &KernelFile) -> Result {
        match self.flags() & bindings::IOCB_APPEND == 0 {
            true => check_append(lower),
            false => Ok(()),
        }
    }

    /// `EINVAL` for direct I/O that `lower` has none of.
    fn check_direct(&self, lower: &KernelFile) -> Result {
        match self.flags() & bindings::IOCB_DIRECT != 0 && !lower.has_direct_io() {
            true => Err(EINVAL),
            false => Ok(()),
        }
    }
}

/// As [`Iocb::check_append`], for a write that does not append.
fn check_append(lower: &KernelFile) -> Result {
    match lower.flags() & bindings::O_APPEND != 0 && lower.inode().is_append_only() {
        true => Err(EPERM),
        false => Ok(()),
    }
}

/// Flags of a control block that say how the I/O is to be done, and not who has to be told.
const PASSED: u32 = bindings::IOCB_APPEND
    | bindings::IOCB_ATOMIC
    | bindings::IOCB_DIRECT
    | bindings::IOCB_DONTCACHE
    | bindings::IOCB_DSYNC
    | bindings::IOCB_HIPRI
    | bindings::IOCB_NOSIGNAL
    | bindings::IOCB_NOWAIT
    | bindings::IOCB_SYNC;

/// What is done otherwise below: `IOCB_*` flags that go, and that come. Those that are not [`PASSED`] are
/// between who submits the I/O and who does it, and stay as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) without: u32,
    pub(crate) with: u32,
    /// Whether the I/O ends before the call returns, also where the caller does not wait for it.
    pub(crate) waits: bool,
}

impl Change {
    fn of(self, flags: u32) -> u32 {
        flags & !(self.without & PASSED) | self.with & PASSED
    }
}

/// What a call returned that moves data.
pub(super) fn count(ret: isize) -> Result<isize> {
    // `EIOCBQUEUED` is an error that means success to come; it goes through as it is.
    succeeded(ret.min(0) as c_int)?;
    Ok(ret)
}

struct Table<H: Hooks>(PhantomData<H>);

impl<H: Hooks> Table<H> {
    /// # Safety
    ///
    /// Called by backing file I/O with the open file that the I/O was for, a file of `H::Fs`.
    unsafe extern "C" fn accessed(file: *mut bindings::file) {
        // SAFETY: Called back with the file of ours that the I/O was for.
        H::accessed(unsafe { FsFile::from_raw(file) }, None);
    }

    /// # Safety
    ///
    /// Called at the end of a write, in process context, with the control block that it was for, of
    /// a file of `H::Fs`.
    unsafe extern "C" fn end_write(iocb: *mut bindings::kiocb, _ret: isize) {
        // SAFETY: Called back with the control block of ours that the I/O was for.
        H::written(unsafe { FsFile::from_raw((*iocb).ki_filp) }, None);
    }

    fn context(cred: &Cred) -> bindings::backing_file_ctx {
        bindings::backing_file_ctx {
            cred: cred.as_ptr(),
            accessed: Some(Self::accessed),
            end_write: Some(Self::end_write),
        }
    }
}

/// Reads from `lower` for `iocb`.
pub(crate) fn read<H: Hooks>(
    lower: &KernelFile,
    iocb: Iocb<'_, H::Fs>,
    iter: &mut Iter<'_>,
    cred: &Cred,
) -> Result<isize> {
    if iocb.is_waited_for() && iter.len() != 0 {
        iocb.check_direct(lower)?;
        // SAFETY: All are valid during the call.
        let ret = iocb.pass(lower, cred, Change::default(), |passed| unsafe {
            bindings::vfs_iocb_iter_read(lower.as_ptr(), passed, iter.0)
        });
        H::accessed(iocb.file(), Some(lower));
        return count(ret);
    }
    let mut ctx = Table::<H>::context(cred);
    // SAFETY: All are valid during the call; a read that goes on after it has what it needs copied.
    count(unsafe {
        bindings::backing_file_read_iter(
            lower.as_ptr(),
            iter.0,
            iocb.0,
            (*iocb.0).ki_flags,
            &mut ctx,
        )
    })
}

/// Writes to `lower` for `iocb`, whose file is `user`: `EIO` if it is not. `change` says what is asked
/// of the file below.
pub(crate) fn write<H: Hooks>(
    lower: &KernelFile,
    user: &LockedFile<'_, H::Fs>,
    iocb: Iocb<'_, H::Fs>,
    iter: &mut Iter<'_>,
    cred: &Cred,
    change: Change,
) -> Result<isize> {
    if !core::ptr::eq::<FsFile<H::Fs>>(iocb.file(), &**user) {
        return Err(EIO);
    }
    iocb.check_append(lower)?;
    if (iocb.is_waited_for() || change.waits) && iter.len() != 0 {
        user.remove_privileges()?;
        iocb.check_direct(lower)?;
        // SAFETY: All are valid during the call.
        let ret = iocb.pass(lower, cred, change, |passed| unsafe {
            bindings::vfs_iocb_iter_write(lower.as_ptr(), passed, iter.0)
        });
        H::written(user, Some(lower));
        return count(ret);
    }
    let mut ctx = Table::<H>::context(cred);
    // SAFETY: As in `read`; the inode of the file is locked, by the type of `user`.
    count(unsafe {
        bindings::backing_file_write_iter(
            lower.as_ptr(),
            iter.0,
            iocb.0,
            change.of(iocb.flags()) as c_int,
            &mut ctx,
        )
    })
}

/// The pipe of a splice to a file, which whoever writes locks.
///
/// # Invariants
///
/// The pointer is a pipe that is valid during `'a`, and that the current task has not locked.
pub(crate) struct Pipe<'a>(*mut bindings::pipe_inode_info, PhantomData<&'a ()>);

impl Pipe<'_> {
    /// # Safety
    ///
    /// `ptr` is a pipe that is valid during `'a`, and that the current task does not lock meanwhile.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::pipe_inode_info) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ptr, PhantomData)
    }
}

/// The pipe of a splice from a file, which is locked.
///
/// # Invariants
///
/// The pointer is a pipe that is valid during `'a`, and that the current task has locked.
pub(crate) struct LockedPipe<'a>(*mut bindings::pipe_inode_info, PhantomData<&'a ()>);

impl LockedPipe<'_> {
    /// # Safety
    ///
    /// `ptr` is a pipe that is valid during `'a`, and that the current task has locked.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::pipe_inode_info) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ptr, PhantomData)
    }
}

/// Splices from `lower` at `*pos` into `pipe`.
pub(crate) fn splice_read<H: Hooks>(
    lower: &KernelFile,
    user: &FsFile<H::Fs>,
    pos: &mut i64,
    pipe: &LockedPipe<'_>,
    len: usize,
    flags: u32,
    cred: &Cred,
) -> Result<isize> {
    let mut ctx = Table::<H>::context(cred);
    with_iocb(user, pos, |iocb| {
        // SAFETY: All are valid during the call, and the pipe is locked, by its type.
        unsafe {
            bindings::backing_file_splice_read(lower.as_ptr(), iocb, pipe.0, len, flags, &mut ctx)
        }
    })
}

/// Splices from `pipe` to `lower` at `*pos`.
pub(crate) fn splice_write<H: Hooks>(
    lower: &KernelFile,
    user: &LockedFile<'_, H::Fs>,
    pos: &mut i64,
    pipe: &Pipe<'_>,
    len: usize,
    flags: u32,
    cred: &Cred,
) -> Result<isize> {
    check_append(lower)?;
    let mut ctx = Table::<H>::context(cred);
    with_iocb(user, pos, |iocb| {
        // SAFETY: All are valid during the call. The inode of the file is locked, and the pipe is not, by
        // their types.
        unsafe {
            bindings::backing_file_splice_write(pipe.0, lower.as_ptr(), iocb, len, flags, &mut ctx)
        }
    })
}

fn with_iocb<T: FileSystem>(
    user: &FsFile<T>,
    pos: &mut i64,
    f: impl FnOnce(*mut bindings::kiocb) -> isize,
) -> Result<isize> {
    let mut iocb = MaybeUninit::<bindings::kiocb>::zeroed();
    // SAFETY: The call fills the control block in; the file is alive.
    unsafe { bindings::init_sync_kiocb(iocb.as_mut_ptr(), user.as_ptr()) };
    // SAFETY: Just filled in.
    let mut iocb = unsafe { iocb.assume_init() };
    iocb.ki_pos = *pos;
    let ret = f(&mut iocb);
    *pos = iocb.ki_pos;
    count(ret)
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
        // SAFETY: The file is alive, and keeps its path.
        return unsafe {
            open_silently(
                user,
                flags,
                path,
                cred,
                bindings::file_user_path(user.as_ptr()),
            )
        };
    }
    // SAFETY: All are valid during the call.
    let file = from_err_ptr(unsafe {
        bindings::backing_file_open(user.as_ptr(), flags as c_int, &path.to_raw(), cred.as_ptr())
    })?;
    // SAFETY: The call returned a counted file.
    Ok(unsafe { KernelFile::from_raw(file) })
}

/// Opens `inode`, which need not have a name, as the file below `user`, on `mnt`, for reading. `EXDEV` for an inode
/// of another super block, `EINVAL` for one that is no regular file.
pub(crate) fn open_nameless<T: FileSystem, V: FileSystem>(
    user: &FsFile<T>,
    mnt: &Mount,
    inode: ARef<OwnInode<V>>,
    cred: &Cred,
) -> Result<KernelFile> {
    if !core::ptr::eq::<AnySuperBlock>(&**inode.sb(), mnt.super_block()) {
        return Err(EXDEV);
    }
    inode.mode().require_regular()?;
    let inode = ARef::into_raw(inode).as_ptr().cast();
    // SAFETY: The call takes over the count, also when it fails.
    let dentry = from_err_ptr(unsafe { bindings::d_obtain_alias(inode) })?;
    // SAFETY: The call returned a counted dentry.
    let dentry = unsafe { Dentry::from_raw_owned(dentry) };
    let path = mnt.at(&dentry);
    open_backing(user, bindings::O_RDONLY | bindings::O_LARGEFILE, path, cred)
}

/// As [`open_backing`], for a file that may outlive the one above it, and is opened where nobody may be asked, with
/// `mmap_lock` held: no listener of fanotify's is, and it keeps no mount but that of `path`, which procfs shows for it.
pub(crate) fn open_unseen<T: FileSystem>(
    user: &FsFile<T>,
    flags: u32,
    path: Path<'_>,
    cred: &Cred,
) -> Result<KernelFile> {
    path.dentry.require_inode()?;
    // SAFETY: The path is valid during the call.
    unsafe { open_silently(user, flags, path, cred, &path.to_raw()) }
}

/// As [`open_backing`], for a file of which nobody is told, and of which procfs shows the path `shown`: a listener of
/// fanotify's that is to answer for the file on the branch, too, would wait for itself. `backing_file_open` knows that
/// from 7.3.4 on.
///
/// # Safety
///
/// `shown` is a valid path during the call.
unsafe fn open_silently<T: FileSystem>(
    user: &FsFile<T>,
    flags: u32,
    path: Path<'_>,
    cred: &Cred,
    shown: *const bindings::path,
) -> Result<KernelFile> {
    // SAFETY: All are valid during the call.
    let file = from_err_ptr(unsafe {
        bindings::alloc_empty_backing_file(flags as c_int, cred.as_ptr(), user.as_ptr())
    })?;
    // SAFETY: Nobody else knows the file, which is new and counted: dropping it is what is done to one
    // that could not be opened. It takes over the reference to its user path that is taken here, and
    // takes those to `path` itself.
    unsafe {
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
