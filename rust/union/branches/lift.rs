// SPDX-License-Identifier: GPL-2.0

//! Making something in a directory of a branch that is not to be changed, or giving a name to an
//! object that is not.
//!
//! What `chattr(1)` calls `i` and `a` is kept on the objects of the branch themselves. The union
//! makes things that are no changes to its user: the copy of what is in an immutable directory,
//! another name of an append-only file that was copied up under one. For the moment of that
//! the flags are off.

use super::branch::Branch;
use crate::vfs::{attr::Protection, dentry::Dentry, mount::WriteAccess};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{
        atomic::{Acquire, Full},
        MutexGuard,
    },
};

/// Objects whose protection is off; dropping it puts it on again.
pub(crate) struct Lifted<'a, const N: usize> {
    access: &'a WriteAccess<'a>,
    were: [(&'a Dentry, Protection); N],
    /// Nobody else finds it off, and goes on without this.
    _lock: MutexGuard<'a, ()>,
}

/// Takes the protection of the objects off, if they have any. Not twice by one task.
pub(crate) fn lift<'a, const N: usize>(
    access: &'a WriteAccess<'a>,
    branch: &'a Branch,
    objects: [&'a Dentry; N],
) -> Result<Option<Lifted<'a, N>>> {
    let is_off = || {
        objects
            .iter()
            .all(|dentry| Protection::known(dentry).is_none())
    };
    // The flags first: where somebody had them off at that moment, this says so.
    if is_off() && !branch.was_lifted.load(Acquire) {
        return Ok(None);
    }
    let lock = branch.lifting.lock();
    if is_off() {
        return Ok(None);
    }
    branch.was_lifted.xchg(true, Full);
    let lifted = Lifted {
        access,
        were: objects.map(|dentry| (dentry, Protection::known(dentry))),
        _lock: lock,
    };
    for (dentry, was) in &lifted.were {
        if !was.is_none() {
            Protection::NONE.set(access, dentry)?;
        }
    }
    Ok(Some(lifted))
}

impl<const N: usize> Drop for Lifted<'_, N> {
    fn drop(&mut self) {
        for (dentry, was) in &self.were {
            if !was.is_none() && was.set(self.access, dentry).is_err() {
                pr_warn_once!("an object could not be made immutable or append-only again\n");
            }
        }
    }
}
