// SPDX-License-Identifier: GPL-2.0

//! Who writes to a directory tree past its filesystem's users.
//!
//! C counterpart: `ovl_inuse_trylock` of `fs/overlayfs/util.c`, with which it shares the flag: an
//! overlay and a filesystem of ours notice each other, too.

use crate::{
    bindings,
    vfs::object::{dentry::Dentry, inode::Inode},
};
use kernel::{prelude::*, sync::aref::ARef};

const IN_USE: bindings::inode_state_flags_enum = bindings::inode_state_flags_enum_I_OVL_INUSE;

/// A directory that one stacked filesystem writes to, and no other that asks. Dropping it gives the
/// directory up.
///
/// # Invariants
///
/// `I_OVL_INUSE` of the inode was set by this.
pub(crate) struct Claim(ARef<Inode>);

impl Claim {
    /// Claims `dir`. `EBUSY` if somebody else has, `ENOENT` if there is nothing.
    pub(crate) fn new(dir: &Dentry) -> Result<Self> {
        let inode = dir.inode().ok_or(ENOENT)?;
        let was_free = update(inode, |inode| {
            // SAFETY: The inode is alive, and its `i_lock` is held.
            unsafe {
                let is_free = bindings::inode_state_read(inode.as_ptr()) & IN_USE == 0;
                if is_free {
                    bindings::inode_state_set(inode.as_ptr(), IN_USE);
                }
                is_free
            }
        });
        // INVARIANT: The flag was not set, and is now.
        was_free.then(|| Self(inode.into())).ok_or(EBUSY)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        update(&self.0, |inode| {
            // SAFETY: The inode is alive, and its `i_lock` is held; the flag is ours, by the type
            // invariant.
            unsafe { bindings::inode_state_clear(inode.as_ptr(), IN_USE) };
        });
    }
}

/// Calls `act` with the `i_lock` of `inode` held.
fn update<R>(inode: &Inode, act: impl FnOnce(&Inode) -> R) -> R {
    // SAFETY: The inode is alive.
    unsafe { bindings::spin_lock(&raw mut (*inode.as_ptr()).i_lock) };
    let result = act(inode);
    // SAFETY: The lock was taken above.
    unsafe { bindings::spin_unlock(&raw mut (*inode.as_ptr()).i_lock) };
    result
}
