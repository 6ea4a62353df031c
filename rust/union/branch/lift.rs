// SPDX-License-Identifier: GPL-2.0

//! Making something in a directory of a branch that is not to be changed, or giving a name to an
//! object that is not.
//!
//! What `chattr(1)` calls `i` and `a` is kept on the objects of the branch themselves. The union
//! makes things that are no changes to its user: the copy of what is in an immutable directory,
//! another name of an append-only file that was copied up under one. For the moment of that
//! nobody acts upon the flags, which are on the disk all the time; where the branch is a stacked
//! filesystem itself, they are off, and a crash of the machine in that moment leaves them off.

use super::branch::Branch;
use crate::vfs::{
    attr::protection::{Interval, Off, Protection},
    mount::write_access::WriteAccess,
    object::dentry::Dentry,
};
use kernel::{
    pr_warn,
    prelude::*,
    sync::{
        atomic::{Acquire, Full},
        MutexGuard,
    },
};

/// Objects whose protection is off; dropping it puts it on again.
pub(crate) struct Lifted<'a, const N: usize> {
    access: &'a WriteAccess<'a>,
    branch: &'a Branch,
    were: [(&'a Dentry, Option<Off>); N],
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
    let mut lifted = Lifted {
        access,
        branch,
        were: objects.map(|dentry| (dentry, None)),
        _lock: lock,
    };
    for (dentry, was) in &mut lifted.were {
        *was = Protection::take_off(access, dentry)?;
    }
    Ok(Some(lifted))
}

impl<const N: usize> Drop for Lifted<'_, N> {
    fn drop(&mut self) {
        for (dentry, was) in &self.were {
            let Some(off) = was else {
                continue;
            };
            if let Err(e) = off.put_on(self.access, dentry) {
                pr_warn!(
                    "branch '{}': an object is not immutable or append-only any more ({})\n",
                    self.branch.name(),
                    e.to_errno()
                );
            }
        }
    }
}

/// The protection that `object` of `branch` has, also where somebody has it off for the moment.
pub(crate) fn protection_of(branch: &Branch, object: &Dentry) -> Protection {
    // In this order, as above.
    let known = Protection::known(object);
    if !branch.was_lifted.load(Acquire) {
        return known;
    }
    let _lock = branch.lifting.lock();
    Protection::known(object)
}

/// As long as the guard is there, nothing of `branch` is without its protection.
pub(crate) fn hold_off(branch: &Branch) -> MutexGuard<'_, ()> {
    branch.lifting.lock()
}

/// Has `again` done what may have been done while the protection of an object of `branch` was off:
/// since `interval` began.
#[inline]
pub(crate) fn redo(branch: &Branch, interval: &Interval, again: impl FnOnce()) {
    if interval.was_off() {
        let _lock = branch.lifting.lock();
        again();
    }
}
