// SPDX-License-Identifier: GPL-2.0

//! Reading and writing a file that the kernel has open, and what else is done with what is in it.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    vfs::{
        mount::{file::KernelFile, write_access::WriteAccess},
        sync::{load::once, thread},
    },
};
use core::mem::MaybeUninit;
use kernel::{error::to_result, prelude::*};

impl KernelFile {
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

    /// Writes out what was done to the names in a directory: of a filesystem that has no way to, there is nothing to
    /// write out.
    pub(crate) fn sync_names(&self) -> Result {
        match self.sync() {
            Err(e) if e == EINVAL => Ok(()),
            result => result,
        }
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
