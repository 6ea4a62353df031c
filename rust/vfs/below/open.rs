// SPDX-License-Identifier: GPL-2.0

//! Opening files, and what keeps others from opening them.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    vfs::{
        mount::{file::KernelFile, path::Path, write_access::WriteAccess},
        object::{dentry::Dentry, idmap::Idmap},
        sync::load::once,
        value::mode::Mode,
    },
};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};

impl KernelFile {
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
