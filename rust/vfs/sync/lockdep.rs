// SPDX-License-Identifier: GPL-2.0

//! Lock classes of what is stacked on its like.
//!
//! A filesystem that is stacked on others takes a lock of its own, then the same one of an object below,
//! which may be on a filesystem of the same type, one level down. lockdep knows classes, not
//! levels: hence one class per level. C counterpart: `fs/overlayfs/inode.c`.

use crate::bindings;
use core::pin::Pin;
use kernel::{prelude::*, sync::LockClassKey};

/// `FILESYSTEM_MAX_STACK_DEPTH` of `include/linux/fs.h`.
pub(crate) const MAX_STACK_DEPTH: usize = 2;

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

/// Puts a mutex of the kernel's in the class `key`, which is that of all locks of this `name`.
///
/// # Safety
///
/// The lock is new, so that nobody holds it.
pub(in crate::vfs) unsafe fn set_mutex_class(
    lock: *mut bindings::mutex,
    key: Pin<&'static LockClassKey>,
    name: &'static CStr,
) {
    // SAFETY: By the contract of this function; key and name are static.
    unsafe { bindings::lockdep_set_class_of_mutex(lock, raw(key), name.as_char_ptr()) };
}

/// As [`set_mutex_class`], for a semaphore.
///
/// # Safety
///
/// The lock is new, so that nobody holds it.
pub(in crate::vfs) unsafe fn set_rwsem_class(
    lock: *mut bindings::rw_semaphore,
    key: Pin<&'static LockClassKey>,
    name: &'static CStr,
) {
    // SAFETY: By the contract of this function; key and name are static.
    unsafe { bindings::lockdep_set_class_and_name(lock, raw(key), name.as_char_ptr()) };
}

fn raw(key: Pin<&'static LockClassKey>) -> *mut bindings::lock_class_key {
    core::ptr::from_ref(key.get_ref()).cast_mut().cast()
}

const fn new_key() -> LockClassKey {
    // SAFETY: The key is only used in statics, which lockdep accepts without registration; a
    // `Classes` gives keys out as a static alone.
    unsafe { LockClassKey::new_static() }
}
