// SPDX-License-Identifier: GPL-2.0

//! A file that stands in front of another one as the file of a mapping.
//!
//! C headers: [`include/linux/backing-file.h`](srctree/include/linux/backing-file.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)
//!
//! To the kernel's memory management a front file is the file behind it: inode, page cache, mode and
//! private data are the same, so that one can be taken for the other at any moment. What differs is
//! the operations table, the readahead state, and what procfs is told: the path, device and inode of
//! the file that user space mapped. No descriptor ever refers to it.

use crate::{
    bindings,
    vfs::{
        mount::{cred::Cred, file::KernelFile},
        sync::load::once,
    },
};
use core::ptr::NonNull;
use kernel::{error::from_err_ptr, prelude::*};

/// What `f_path` of a front file is. procfs asks for another path and gets the user's in any case;
/// `f_path` is what dumps of memory and security modules look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrontPath {
    /// That of the file behind, as everybody expects of a file with that inode.
    Behind,
    /// The path that user space opened. It names another inode than the file's own.
    User,
}

/// A front file that nothing is behind yet, and that nobody else knows.
///
/// # Invariants
///
/// A valid file, of which this owns the only count. It is a backing file with a user path, and is
/// not marked as opened: dropping the count frees it without a call of its operations.
pub(super) struct FrontFile {
    file: NonNull<bindings::file>,
    shown: FrontPath,
}

impl Drop for FrontFile {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::fput(self.as_ptr()) };
    }
}

impl FrontFile {
    /// Allocates a file that procfs shows as `user`, and whose own path is what `shown` says.
    /// `ENOMEM`, or what a security module says.
    ///
    /// # Safety
    ///
    /// `user` is a valid open file during the call.
    pub(super) unsafe fn new(
        user: *mut bindings::file,
        cred: &Cred,
        shown: FrontPath,
    ) -> Result<Self> {
        // SAFETY: `user` is alive; the mode of the file is set when something is behind it.
        let alloc = || unsafe {
            bindings::alloc_empty_backing_file(
                bindings::O_RDONLY as c_int,
                cred.as_ptr(),
                user.cast_const(),
            )
        };
        // Security modules take whoever allocates a file for the one who opened it, and it is that
        // one whom they ask when the protection of the mapping changes: `cred`, as of the file
        // behind. AppArmor would compare the path on the branch with the rules of the current task
        // otherwise. With the user's path that is what it is to do.
        let file = from_err_ptr(match shown {
            FrontPath::Behind => cred.scope(alloc),
            FrontPath::User => alloc(),
        })?;
        // SAFETY: Both files are alive. The file's user path is empty until here, and takes over the
        // references that are taken here.
        unsafe {
            let path = bindings::file_user_path(user);
            bindings::path_get(path);
            bindings::backing_file_set_user_path(file, path);
        }
        // INVARIANT: Just allocated, with a count that is ours.
        // SAFETY: `from_err_ptr` has excluded errors, and the allocation returns no null pointer.
        let file = unsafe { NonNull::new_unchecked(file) };
        Ok(Self { file, shown })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    /// Puts the file in front of `behind`. Returns its count: from now on, dropping the last one
    /// calls `->release` of `fops`. Cannot fail.
    ///
    /// # Safety
    ///
    /// `fops` belongs to this module, and is valid until its own `->release` has replaced it by a
    /// table that lives as long as the module; until then, whoever `fops` belongs to holds `behind`.
    pub(super) unsafe fn place(
        self,
        behind: &KernelFile,
        fops: *const bindings::file_operations,
    ) -> *mut bindings::file {
        let this = core::mem::ManuallyDrop::new(self);
        let (front, shown) = (this.as_ptr(), this.shown);
        let behind = behind.as_ptr();
        // SAFETY: Both files are alive, and nobody else knows `front`. The references that a file
        // holds, `__fput` gives up: those to the path and the module, and the count of readers of a
        // file that is open for reading only. Write access is counted for files with `FMODE_WRITER`
        // only; `behind` holds it, for as long as `front` lives.
        unsafe {
            let path = match shown {
                FrontPath::Behind => &raw const (*behind).__bindgen_anon_1.f_path,
                FrontPath::User => bindings::file_user_path(front),
            };
            bindings::path_get(path);
            (*front).__bindgen_anon_1.__f_path = *path;
            (*front).f_inode = (*behind).f_inode;
            (*front).f_mapping = (*behind).f_mapping;
            (*front).private_data = (*behind).private_data;
            (*front).f_flags = (*behind).f_flags;
            (*front).f_iocb_flags = (*behind).f_iocb_flags;
            // What the descriptor has not been told of, the mapping tells of.
            (*front).f_wb_err = once!((*behind).f_wb_err);
            (*front).f_sb_err = (*behind).f_sb_err;
            bindings::file_ra_state_init(
                &raw mut (*front).__bindgen_anon_3.f_ra,
                (*behind).f_mapping,
            );
            bindings::__module_get(crate::THIS_MODULE.as_ptr());
            (*front).f_op = fops;
            let not_ours = bindings::FMODE_WRITER
                | bindings::FMODE_NEED_UNMOUNT
                | bindings::FMODE_FSNOTIFY_MASK;
            (*front).f_mode = ((*behind).f_mode & !not_ours)
                | bindings::FMODE_BACKING
                | bindings::FMODE_NOACCOUNT
                | bindings::FMODE_NONOTIFY_FLAG
                | bindings::FMODE_OPENED;
            let access = bindings::FMODE_READ | bindings::FMODE_WRITE;
            if (*front).f_mode & access == bindings::FMODE_READ {
                bindings::i_readcount_inc((*front).f_inode);
            }
        }
        front
    }
}

/// Readies a front file for the end of its `->release`: after it, `__fput` and what it calls still
/// look at the inode, which `behind` may have held alone.
///
/// # Safety
///
/// Called by `->release` of a front file that was placed before `behind`, with that file.
pub(super) unsafe fn retire(front: *mut bindings::file, behind: &KernelFile) {
    // SAFETY: The last count of `front` has gone, and with it everybody who might look at its user
    // path. The memory of the file, and with it the references that are taken here, is given up
    // last of all; those of the old path are given up here.
    unsafe {
        let old = *bindings::file_user_path(front);
        let path = &raw const (*behind.as_ptr()).__bindgen_anon_1.f_path;
        bindings::path_get(path);
        bindings::backing_file_set_user_path(front, path);
        bindings::path_put(&old);
        (*front).f_op = const { &RETIRED };
    }
}

/// Outlives every file that was given it, because those hold the module: `__fput` gives up that
/// reference by this table.
const RETIRED: bindings::file_operations = bindings::file_operations {
    owner: crate::THIS_MODULE.as_ptr(),
    ..pin_init::zeroed()
};
