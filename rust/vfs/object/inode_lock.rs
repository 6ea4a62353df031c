// SPDX-License-Identifier: GPL-2.0

//! The lock of an inode, `i_rwsem`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::inode::Inode;
use crate::bindings;
use core::ops::Deref;
use kernel::types::NotThreadSafe;

impl Inode {
    /// Takes `i_rwsem` for writing. May sleep.
    pub(crate) fn lock(&self) -> InodeLock<'_> {
        // SAFETY: The inode is alive.
        unsafe { bindings::inode_lock(self.as_ptr()) };
        // INVARIANT: Just taken.
        InodeLock(self, NotThreadSafe)
    }

    /// As [`Inode::lock`], in a subclass of lockdep's: `inode_i_mutex_lock_class_*`.
    pub(in crate::vfs) fn lock_nested(&self, subclass: u32) -> InodeLock<'_> {
        // SAFETY: The inode is alive.
        unsafe { bindings::inode_lock_nested(self.as_ptr(), subclass) };
        // INVARIANT: Just taken.
        InodeLock(self, NotThreadSafe)
    }

    /// As [`Inode::lock`]; `None` if somebody has the lock.
    pub(in crate::vfs) fn try_lock(&self) -> Option<InodeLock<'_>> {
        // SAFETY: The inode is alive.
        let locked = unsafe { bindings::inode_trylock(self.as_ptr()) };
        // INVARIANT: Just taken.
        locked.then(|| InodeLock(self, NotThreadSafe))
    }

    /// Takes `i_rwsem` for reading; `None` if somebody has it for writing, or wants to.
    pub(in crate::vfs) fn try_lock_shared(&self) -> Option<SharedInodeLock<'_>> {
        // SAFETY: The inode is alive.
        let locked = unsafe { bindings::inode_trylock_shared(self.as_ptr()) };
        // INVARIANT: Just taken.
        locked.then(|| SharedInodeLock(self, NotThreadSafe))
    }
}

/// `i_rwsem`, held for writing.
///
/// # Invariants
///
/// The current task holds the lock, by this.
pub(crate) struct InodeLock<'a>(&'a Inode, NotThreadSafe);

impl Deref for InodeLock<'_> {
    type Target = Inode;

    fn deref(&self) -> &Inode {
        self.0
    }
}

impl Drop for InodeLock<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock is ours, by the type invariant.
        unsafe { bindings::inode_unlock(self.0.as_ptr()) };
    }
}

/// `i_rwsem`, held for reading.
///
/// # Invariants
///
/// The current task holds the lock, by this.
pub(in crate::vfs) struct SharedInodeLock<'a>(&'a Inode, NotThreadSafe);

impl Drop for SharedInodeLock<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock is ours, by the type invariant.
        unsafe { bindings::inode_unlock_shared(self.0.as_ptr()) };
    }
}
