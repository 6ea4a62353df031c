// SPDX-License-Identifier: GPL-2.0

//! Lock classes of what is stacked on its like.
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

/// The classes of a lock that a stacked filesystem has in its own objects, one per stacking level. To
/// be a static for each lock: a class belongs to locks of one name only.
pub(crate) struct Classes([LockClassKey; MAX_STACK_DEPTH]);

impl Classes {
    pub(crate) const fn new() -> Self {
        Self([const { new_key() }; MAX_STACK_DEPTH])
    }

    /// The class at the stacking level `depth`; what is not stacked counts as 1.
    pub(crate) fn at(&'static self, depth: usize) -> Pin<&'static LockClassKey> {
        Pin::static_ref(&self.0[depth.clamp(1, MAX_STACK_DEPTH) - 1])
    }
}

static MARKS: LockClassKey = new_key();

/// Puts the lock of a group of marks in a class of its own: other groups' locks are held while
/// memory is waited for, which may take this one.
///
/// # Safety
///
/// The lock is new, so that nobody holds it.
pub(in crate::vfs) unsafe fn classify_marks(lock: *mut bindings::mutex) {
    let key: *mut bindings::lock_class_key = core::ptr::from_ref(&MARKS).cast_mut().cast();
    // SAFETY: By the contract of this function; the key is static.
    unsafe { bindings::lockdep_set_class_of_mutex(lock, key, c"aufs2_mark_mutex".as_char_ptr()) };
}

const fn new_key() -> LockClassKey {
    // SAFETY: The key is only used in statics, which lockdep accepts without registration; a
    // `Classes` gives keys out as a static alone.
    unsafe { LockClassKey::new_static() }
}

/// Puts the `i_rwsem` of a new inode in the class of its stacking level; a directory's has one of its own.
///
/// # Safety
///
/// The lock is new, so that nobody holds it.
pub(in crate::vfs) unsafe fn classify_inode(
    lock: *mut bindings::rw_semaphore,
    depth: usize,
    is_dir: bool,
) {
    let level = depth.clamp(1, MAX_STACK_DEPTH) - 1;
    let (key, name) = match is_dir {
        true => (&DIR[level], c"aufs2_i_mutex_dir_key"),
        false => (&FILE[level], c"aufs2_i_mutex_key"),
    };
    let key: *mut bindings::lock_class_key = core::ptr::from_ref(key).cast_mut().cast();
    // SAFETY: By the contract of this function; the key is static.
    unsafe { bindings::lockdep_set_class_and_name(lock, key, name.as_char_ptr()) };
}
