// SPDX-License-Identifier: GPL-2.0

//! Lock classes of inodes that are stacked on inodes.
//!
//! A filesystem that is stacked on others takes its own inode lock, then that of an inode below,
//! which may be on a filesystem of the same type, one level down. lockdep knows classes, not
//! levels: hence one class per level. C counterpart: `fs/overlayfs/inode.c`.

use crate::bindings;
use core::pin::Pin;
use kernel::{prelude::*, sync::LockClassKey};

/// `FILESYSTEM_MAX_STACK_DEPTH` of `include/linux/fs.h`.
pub(crate) const MAX_STACK_DEPTH: usize = 2;

static DIR: [LockClassKey; MAX_STACK_DEPTH] = [const { new_key() }; MAX_STACK_DEPTH];
static FILE: [LockClassKey; MAX_STACK_DEPTH] = [const { new_key() }; MAX_STACK_DEPTH];

static OPEN_DIR: [LockClassKey; MAX_STACK_DEPTH] = [const { new_key() }; MAX_STACK_DEPTH];
static OPEN_FILE: [LockClassKey; MAX_STACK_DEPTH] = [const { new_key() }; MAX_STACK_DEPTH];
static NODE: [LockClassKey; MAX_STACK_DEPTH] = [const { new_key() }; MAX_STACK_DEPTH];

/// The class of a lock that a filesystem at stacking level `depth` has in each of its inodes.
pub(crate) fn node_key(depth: usize) -> Pin<&'static LockClassKey> {
    Pin::static_ref(&NODE[depth.clamp(1, MAX_STACK_DEPTH) - 1])
}

/// The class of a lock that a filesystem at stacking level `depth` has in each of its open
/// directories. A class belongs to locks of one name only.
pub(crate) fn open_dir_key(depth: usize) -> Pin<&'static LockClassKey> {
    Pin::static_ref(&OPEN_DIR[depth.clamp(1, MAX_STACK_DEPTH) - 1])
}

/// As [`open_dir_key`], for open files.
pub(crate) fn open_file_key(depth: usize) -> Pin<&'static LockClassKey> {
    Pin::static_ref(&OPEN_FILE[depth.clamp(1, MAX_STACK_DEPTH) - 1])
}

static MARKS: LockClassKey = new_key();

/// Puts the lock of a group of marks in a class of its own: other groups' locks are held while
/// memory is waited for, which may take this one.
///
/// # Safety
///
/// The lock is new, so that nobody holds it.
pub(super) unsafe fn classify_marks(lock: *mut bindings::mutex) {
    let key: *mut bindings::lock_class_key = core::ptr::from_ref(&MARKS).cast_mut().cast();
    // SAFETY: By the contract of this function; the key is static.
    unsafe { bindings::lockdep_set_class_of_mutex(lock, key, c"aufs2_mark_mutex".as_char_ptr()) };
}

const fn new_key() -> LockClassKey {
    // SAFETY: The key is only used in statics, which lockdep accepts without registration.
    unsafe { LockClassKey::new_static() }
}

/// Puts the `i_rwsem` of a new inode in the class of its stacking level.
///
/// # Safety
///
/// The inode is new, so that nobody holds its lock, and its mode is set.
pub(super) unsafe fn classify_inode(inode: *mut bindings::inode) {
    // SAFETY: By the contract of this function.
    unsafe {
        let depth = ((*(*inode).i_sb).s_stack_depth.max(1) as usize - 1).min(MAX_STACK_DEPTH - 1);
        let dir = super::mode::Mode((*inode).i_mode).is_dir();
        let (key, name) = if dir {
            (&DIR[depth], c"aufs2_i_mutex_dir_key")
        } else {
            (&FILE[depth], c"aufs2_i_mutex_key")
        };
        let key: *mut bindings::lock_class_key = core::ptr::from_ref(key).cast_mut().cast();
        bindings::lockdep_set_class_and_name(&raw mut (*inode).i_rwsem, key, name.as_char_ptr());
    }
}
