// SPDX-License-Identifier: GPL-2.0

//! What keeps an object from being changed: the flags that `chattr(1)` calls `i` and `a`.
//!
//! A filesystem has them on the disk, and the VFS acts upon its copy of them, `i_flags` of the inode.
//! Who has to change a protected object all the same takes them off there for that moment: what the
//! filesystem has, tells and writes to the disk stays as it is; but for those few, as hfsplus, ntfs3 and
//! ocfs2, that have no others than `i_flags`, and are told again.

use super::fileattr::FileAttr;
use crate::{
    bindings,
    vfs::{
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        sync::spells::Spells,
        value::errno::{EOPNOTSUPP, ESTALE},
    },
};
use core::sync::atomic::{fence, Ordering};
use kernel::prelude::*;

/// During which an object is without its protection.
static OFF: Spells = Spells::new();

/// The flags that the VFS acts upon.
pub(in crate::vfs) const FLAGS: u32 = bindings::S_IMMUTABLE | bindings::S_APPEND;

/// That of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protection {
    immutable: bool,
    append_only: bool,
}

impl Protection {
    /// Neither of them.
    pub(crate) const NONE: Self = Self {
        immutable: false,
        append_only: false,
    };

    /// That of `dentry`, as the VFS acts upon it.
    pub(crate) fn known(dentry: &Dentry) -> Self {
        let Some(inode) = dentry.inode() else {
            return Self::NONE;
        };
        let flags = flags_of(inode);
        Self {
            immutable: flags & bindings::S_IMMUTABLE != 0,
            append_only: flags & bindings::S_APPEND != 0,
        }
    }

    /// Whether there is none.
    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Gives `dentry` this protection, whichever it has. `EPERM` without `CAP_LINUX_IMMUTABLE`, and what
    /// filesystems say that have none.
    pub(crate) fn set(self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        let at = access.at(dentry)?;
        let mut new = FileAttr::of(at)?;
        let mut put = |flag: u32, xflag: u32, on: bool| {
            new.flags &= !flag;
            new.fsx_xflags &= !xflag;
            if on {
                new.flags |= flag;
                new.fsx_xflags |= xflag;
            }
        };
        let (immutable, append_only) = (self.immutable, self.append_only);
        put(
            bindings::FS_IMMUTABLE_FL,
            bindings::FS_XFLAG_IMMUTABLE,
            immutable,
        );
        put(
            bindings::FS_APPEND_FL,
            bindings::FS_XFLAG_APPEND,
            append_only,
        );
        FileAttr::set(at, &mut new)
    }

    /// Takes that of `dentry` off, if it has one.
    pub(crate) fn take_off(access: &WriteAccess<'_>, dentry: &Dentry) -> Result<Option<Off>> {
        let off = |was| {
            OFF.begin();
            Off {
                was,
                is_stored: false,
            }
        };
        if acts_below(access, dentry) {
            let was = Self::known(dentry);
            if was.is_none() {
                return Ok(None);
            }
            let off = off(was);
            Self::NONE.set(access, dentry)?;
            return Ok(Some(off));
        }
        // Whoever sets it has the lock.
        let _lock = dentry.inode().ok_or(ESTALE)?.lock();
        let was = Self::known(dentry);
        if was.is_none() {
            return Ok(None);
        }
        let mut off = off(was);
        Self::NONE.act(dentry)?;
        off.is_stored = Self::stored(access, dentry) == Ok(was);
        Ok(Some(off))
    }

    /// That which the filesystem has for `dentry`, where it tells.
    fn stored(access: &WriteAccess<'_>, dentry: &Dentry) -> Result<Self> {
        Ok(Self::of_flags(FileAttr::of(access.at(dentry)?)?.flags))
    }

    /// That in `FS_*_FL` flags.
    pub(crate) fn of_flags(flags: u32) -> Self {
        Self {
            immutable: flags & bindings::FS_IMMUTABLE_FL != 0,
            append_only: flags & bindings::FS_APPEND_FL != 0,
        }
    }

    /// Whether the current task may put any on, or take it off.
    pub(crate) fn may_change() -> bool {
        // SAFETY: May be called by any task; the namespace is static.
        unsafe {
            bindings::ns_capable_noaudit(
                &raw mut bindings::init_user_ns,
                bindings::CAP_LINUX_IMMUTABLE as c_int,
            )
        }
    }

    /// Has the VFS act upon this one.
    pub(crate) fn act(self, dentry: &Dentry) -> Result {
        let inode = dentry.inode().ok_or(ESTALE)?;
        let mut flags = 0;
        if self.immutable {
            flags |= bindings::S_IMMUTABLE;
        }
        if self.append_only {
            flags |= bindings::S_APPEND;
        }
        // SAFETY: The inode is alive, and the flags are changed in one step, as anywhere in the VFS.
        unsafe { bindings::inode_set_flags(inode.as_ptr(), flags, FLAGS) };
        Ok(())
    }
}

/// The protection that an object is without; dropping it changes nothing of that.
pub(crate) struct Off {
    was: Protection,
    /// Whether the filesystem tells of it all the same: some ask the inode, as the VFS does.
    is_stored: bool,
}

impl Off {
    /// Puts it on `dentry` again, which it was taken off.
    pub(crate) fn put_on(&self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        if acts_below(access, dentry) {
            return self.was.set(access, dentry);
        }
        // Where the filesystem asks the inode, it may have written out that there is none.
        let told = match self.is_stored {
            true => Ok(()),
            false => self.was.set(access, dentry),
        };
        let _lock = dentry.inode().ok_or(ESTALE)?.lock();
        // Somebody may have changed it meanwhile. What the filesystem does not say is as it was.
        let now = match self.is_stored {
            true => Protection::stored(access, dentry).unwrap_or(self.was),
            false => self.was,
        };
        now.act(dentry)?;
        match told {
            // It has nothing to be told.
            Err(e) if e == EOPNOTSUPP || e == ENOTTY => Ok(()),
            other => other,
        }
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        OFF.end();
    }
}

fn flags_of(inode: &Inode) -> u32 {
    // SAFETY: The inode is alive; the flags may change at any time, as anywhere in the VFS.
    let flags = unsafe { (&raw const (*inode.as_ptr()).i_flags).read_volatile() };
    // Who finds them off, and asks then, finds out why. No instruction on amd64.
    fence(Ordering::Acquire);
    flags
}

/// Whether the filesystem asks another one, which acts upon flags of its own.
fn acts_below(access: &WriteAccess<'_>, dentry: &Dentry) -> bool {
    let at = access.at(dentry);
    at.is_ok_and(|path| path.mnt.super_block().stack_depth() != 0)
}

/// The flags of `real` that an inode which repeats it, and has had `before`, is to have: while the
/// protection of something is off, those of a protected object stay.
pub(in crate::vfs) fn repeated(real: &Inode, before: u32) -> u32 {
    OFF.outside(|| flags_of(real), before & FLAGS)
}

/// Finds out whether the protection of anything was off for a while.
pub(crate) struct Interval(u32);

impl Interval {
    /// Begins now.
    #[inline]
    pub(crate) fn begin() -> Self {
        Self(OFF.so_far())
    }

    /// Whether it was since, or is.
    #[inline]
    pub(crate) fn was_off(&self) -> bool {
        OFF.any_since(self.0)
    }
}
