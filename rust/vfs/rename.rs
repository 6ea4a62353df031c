// SPDX-License-Identifier: GPL-2.0

//! Renaming.

use super::{
    dentry::{DEntry, Dentry},
    inode::Locked,
    mount::WriteAccess,
    name::Name,
    super_block::FileSystem,
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*, types::NotThreadSafe};

/// A rename that the VFS asks of a filesystem. Both directories are locked, and so is every object
/// involved that is not one of them.
pub(crate) struct Rename<'a, T: FileSystem> {
    pub(crate) old_dir: Locked<'a, T>,
    pub(crate) old: &'a DEntry<T>,
    pub(crate) new_dir: Locked<'a, T>,
    pub(crate) new: &'a DEntry<T>,
    /// `RENAME_*`.
    pub(crate) flags: u32,
}

impl<T: FileSystem> Rename<'_, T> {
    /// The rename has happened: moves the dentries, whose names change with that. For a type with
    /// `FS_RENAME_DOES_D_MOVE`, whose operation has to do it itself.
    pub(crate) fn moved(self) {
        // SAFETY: Both are dentries of one filesystem, whose parents are locked, as the VFS does
        // over the operation; the source is positive, and so is the target of an exchange.
        unsafe {
            if self.flags & bindings::RENAME_EXCHANGE != 0 {
                bindings::d_exchange(self.old.as_ptr(), self.new.as_ptr());
            } else {
                bindings::d_move(self.old.as_ptr(), self.new.as_ptr());
            }
        }
    }
}

/// The two names of a rename that the kernel itself does, with their directories locked.
///
/// # Invariants
///
/// `rd` was filled in by `start_renaming`.
pub(crate) struct Renaming<'a> {
    rd: bindings::renamedata,
    _access: PhantomData<&'a WriteAccess<'a>>,
    _not_send: NotThreadSafe,
}

impl<'a> Renaming<'a> {
    /// Locks the directories `old_dir` and `new_dir` and looks both names up. `ENOENT` if there is
    /// no `old_name` (or, to exchange, no `new_name`); `EINVAL` and `ENOTEMPTY` if one is above the
    /// other; `EXDEV` if one is not on the filesystem that `access` is for.
    pub(crate) fn start(
        access: &'a WriteAccess<'_>,
        old_dir: &Dentry,
        old_name: &Name,
        new_dir: &Dentry,
        new_name: &Name,
        flags: u32,
    ) -> Result<Self> {
        old_dir.require_dir()?;
        new_dir.require_dir()?;
        access.at(new_dir)?;
        let mut rd = bindings::renamedata {
            mnt_idmap: access.at(old_dir)?.idmap().as_ptr(),
            old_parent: old_dir.as_ptr(),
            new_parent: new_dir.as_ptr(),
            flags,
            ..pin_init::zeroed()
        };
        let (mut old, mut new) = (old_name.qstr(), new_name.qstr());
        // SAFETY: All are valid during the call; the guard keeps the dentries referenced.
        to_result(unsafe { bindings::start_renaming(&mut rd, 0, &mut old, &mut new) })?;
        // INVARIANT: The call succeeded.
        Ok(Self {
            rd,
            _access: PhantomData,
            _not_send: NotThreadSafe,
        })
    }

    /// What is to be renamed.
    pub(crate) fn source(&self) -> &Dentry {
        // SAFETY: By the type invariant, the dentry is referenced until `end_renaming`.
        unsafe { Dentry::from_raw(self.rd.old_dentry) }
    }

    /// What has the new name now; negative if nothing has.
    pub(crate) fn target(&self) -> &Dentry {
        // SAFETY: As above.
        unsafe { Dentry::from_raw(self.rd.new_dentry) }
    }

    /// Renames.
    pub(crate) fn commit(mut self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::vfs_rename(&mut self.rd) })
    }
}

impl Drop for Renaming<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the end of the guard.
        unsafe { bindings::end_renaming(&mut self.rd) };
    }
}
