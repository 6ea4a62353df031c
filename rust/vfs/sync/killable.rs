// SPDX-License-Identifier: GPL-2.0

//! What a killed task does not have to wait for: the mutex and the completion of the `kernel` crate have
//! no such way.
//!
//! C headers: [`include/linux/mutex.h`](srctree/include/linux/mutex.h),
//! [`include/linux/completion.h`](srctree/include/linux/completion.h)

use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{Deref, DerefMut},
    pin::Pin,
};
use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::{NotThreadSafe, Opaque},
};

/// Protects a `T` by a `struct mutex`.
///
/// # Invariants
///
/// `raw` is initialised, and `data` is only reached by who holds it.
#[pin_data]
pub(crate) struct KillableMutex<T> {
    #[pin]
    raw: Opaque<bindings::mutex>,
    #[pin]
    _pin: PhantomPinned,
    data: UnsafeCell<T>,
}

// SAFETY: The mutex may be used and given up by any thread, and its data goes with it.
unsafe impl<T: Send> Send for KillableMutex<T> {}
// SAFETY: By the type invariant, one thread at a time reaches the data.
unsafe impl<T: Send> Sync for KillableMutex<T> {}

impl<T> KillableMutex<T> {
    /// A mutex of the class `key`, which nobody holds.
    #[inline(always)]
    pub(crate) fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        // INVARIANT: Initialised here, and not reachable before.
        pin_init!(Self {
            // SAFETY: The place is valid, and pinned from now on; name and key are static.
            raw <- Opaque::ffi_init(|raw| unsafe {
                let key: *mut bindings::lock_class_key =
                    core::ptr::from_ref(key.get_ref()).cast_mut().cast();
                bindings::__mutex_init(raw, name.as_char_ptr(), key)
            }),
            _pin: PhantomPinned,
            data: UnsafeCell::new(data),
        })
    }

    /// Takes the mutex. May sleep.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: By the type invariant.
        unsafe { bindings::mutex_lock(self.raw.get()) };
        // INVARIANT: Just taken.
        Guard(self, NotThreadSafe)
    }

    /// Takes the mutex if nobody has it. Does not wait, so that it may be tried where memory is reclaimed
    /// although memory is asked for with it held.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        // SAFETY: By the type invariant.
        let is_taken = unsafe { bindings::mutex_trylock(self.raw.get()) } != 0;
        // INVARIANT: Just taken.
        is_taken.then(|| Guard(self, NotThreadSafe))
    }

    /// As [`KillableMutex::lock`]. `EINTR` if the task is killed while it waits.
    pub(crate) fn lock_killable(&self) -> Result<Guard<'_, T>> {
        // SAFETY: By the type invariant.
        if unsafe { bindings::mutex_lock_killable(self.raw.get()) } != 0 {
            return Err(EINTR);
        }
        // INVARIANT: Just taken.
        Ok(Guard(self, NotThreadSafe))
    }
}

/// A [`KillableMutex`] that is held; dropping this gives it up.
///
/// # Invariants
///
/// The current task holds the mutex.
#[must_use]
pub(crate) struct Guard<'a, T>(&'a KillableMutex<T>, NotThreadSafe);

// SAFETY: A shared guard gives shared access to the data, and nothing else.
unsafe impl<T: Sync> Sync for Guard<'_, T> {}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::mutex_unlock(self.0.raw.get()) };
    }
}

/// Permissions to go on, which are given one by one: each ends one wait for one, also a later one.
///
/// # Invariants
///
/// `raw` is initialised.
#[pin_data]
pub(crate) struct Permits {
    #[pin]
    raw: Opaque<bindings::completion>,
}

// SAFETY: A completion synchronises itself.
unsafe impl Send for Permits {}
// SAFETY: As above.
unsafe impl Sync for Permits {}

#[cfg_attr(not(aufs2_sample), expect(dead_code))]
impl Permits {
    /// None so far.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: Initialised here, and not reachable before.
        pin_init!(Self {
            // SAFETY: The place is valid, and pinned from now on.
            raw <- Opaque::ffi_init(|raw| unsafe { bindings::init_completion(raw) }),
        })
    }

    /// Gives one.
    pub(crate) fn give(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::complete(self.raw.get()) };
    }

    /// Waits for one and takes it.
    pub(crate) fn take(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::wait_for_completion(self.raw.get()) };
    }

    /// As [`Permits::take`]. `EINTR` if the task is killed while it waits.
    pub(crate) fn take_killable(&self) -> Result {
        // SAFETY: By the type invariant.
        match unsafe { bindings::wait_for_completion_killable(self.raw.get()) } {
            0 => Ok(()),
            _ => Err(EINTR),
        }
    }
}
