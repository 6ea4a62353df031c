// SPDX-License-Identifier: GPL-2.0

//! Renaming what is on a filesystem below.

use super::namei::{doubtful, NameIn};
use crate::{
    bindings,
    vfs::{
        attr::stat::Stat,
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        value::name::Name,
    },
};
use kernel::{error::to_result, prelude::*, sync::aref::ARef, types::NotThreadSafe};

/// The two names of a rename that the kernel itself does, with their directories locked.
///
/// # Invariants
///
/// `rd` was filled in by `start_renaming` or `start_renaming_dentry`.
pub(crate) struct Renaming<'a> {
    rd: bindings::renamedata,
    access: &'a WriteAccess<'a>,
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
        let mut rd = Self::between(access, old_dir, new_dir, flags)?;
        let (mut old, mut new) = (old_name.qstr(), new_name.qstr());
        // SAFETY: All are valid during the call; the guard keeps the dentries referenced.
        to_result(unsafe { bindings::start_renaming(&mut rd, 0, &mut old, &mut new) })?;
        // INVARIANT: The call succeeded.
        Ok(Self {
            rd,
            access,
            _not_send: NotThreadSafe,
        })
    }

    /// As [`Renaming::start`], for the object `source`, which is not looked up if it is still
    /// `old_name` in `old_dir`. That the directory may be searched is checked with the rest
    /// (`may_delete_dentry`), under the same locks.
    pub(crate) fn start_known(
        access: &'a WriteAccess<'_>,
        (old_dir, source): (&Dentry, &Dentry),
        old_name: &Name,
        new_dir: &Dentry,
        new_name: &Name,
        flags: u32,
    ) -> Result<Self> {
        if !old_dir.is_revalidated() && source.is_in(old_dir) {
            let mut rd = Self::between(access, old_dir, new_dir, flags)?;
            let mut new = new_name.qstr();
            // SAFETY: All are valid during the call; the guard keeps the dentries referenced.
            let ret = to_result(unsafe {
                bindings::start_renaming_dentry(&mut rd, 0, source.as_ptr(), &mut new)
            });
            match ret {
                Ok(()) => {
                    // INVARIANT: The call succeeded.
                    let this = Self {
                        rd,
                        access,
                        _not_send: NotThreadSafe,
                    };
                    // SAFETY: The parent is locked.
                    if unsafe { source.name_in_place() }?.as_bytes() == old_name.as_bytes() {
                        return Ok(this);
                    }
                }
                // It is somewhere else by now, or above the new name.
                Err(e) if e == EINVAL => {}
                Err(e) => return Err(e),
            }
        }
        Self::start(access, old_dir, old_name, new_dir, new_name, flags)
    }

    fn between(
        access: &'a WriteAccess<'_>,
        old_dir: &Dentry,
        new_dir: &Dentry,
        flags: u32,
    ) -> Result<bindings::renamedata> {
        old_dir.require_dir()?;
        new_dir.require_dir()?;
        access.at(new_dir)?;
        Ok(bindings::renamedata {
            mnt_idmap: access.at(old_dir)?.idmap().as_ptr(),
            old_parent: old_dir.as_ptr(),
            new_parent: new_dir.as_ptr(),
            flags,
            ..pin_init::zeroed()
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

    /// Renames. Where that is an error, nothing was renamed, as far as can be told: see
    /// [`Removing::unlink`](super::namei::Removing::unlink).
    pub(crate) fn commit(mut self) -> Result {
        if self.target().is_revalidated() {
            return self.commit_doubtfully();
        }
        // SAFETY: By the type invariant.
        let renamed = to_result(unsafe { bindings::vfs_rename(&mut self.rd) });
        renamed.or_else(|e| {
            let to = NameIn::of(self.target());
            self.unless_done(to, e)
        })
    }

    /// As [`Renaming::commit`], where a server may be behind it: NFS gives what is in use and about to be replaced
    /// another name first.
    #[inline(never)]
    fn commit_doubtfully(mut self) -> Result {
        let to = NameIn::of(self.target());
        // SAFETY: By the type invariant.
        let renamed = to_result(unsafe { bindings::vfs_rename(&mut self.rd) });
        renamed.or_else(|e| self.unless_done(to, e))
    }

    /// `error`, unless the names mean what they were to mean in spite of it.
    #[cold]
    #[inline(never)]
    fn unless_done(self, to: NameIn, error: Error) -> Result {
        let (mnt, flags) = (self.access.mount(), self.rd.flags);
        let (source, target): (ARef<Dentry>, ARef<Dentry>) =
            (self.source().into(), self.target().into());
        let from = NameIn::of(&source);
        source.distrust();
        target.distrust();
        drop(self);
        let is_done = || -> Result<bool> {
            let is_there = to.look(mnt)?.is_some_and(|new| new.has_inode_of(&source));
            if !is_there {
                return Ok(false);
            }
            Ok(match from.look(mnt)? {
                None => flags & (bindings::RENAME_EXCHANGE | bindings::RENAME_WHITEOUT) == 0,
                Some(old) if flags & bindings::RENAME_EXCHANGE != 0 => old.has_inode_of(&target),
                // Two names of one object, of which nothing is to be renamed.
                Some(old) => {
                    flags & bindings::RENAME_WHITEOUT != 0
                        && old.inode().is_some_and(Inode::is_whiteout_device)
                }
            })
        };
        match is_done() {
            Ok(true) => {
                // Who has not been told has not counted it, either.
                let _ = Stat::now(mnt.at(&target));
                Ok(())
            }
            Ok(false) => Err(error),
            Err(unknown) => Err(doubtful(error, unknown)),
        }
    }
}

impl Drop for Renaming<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the end of the guard.
        unsafe { bindings::end_renaming(&mut self.rd) };
    }
}
