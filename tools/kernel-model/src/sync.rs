// SPDX-License-Identifier: GPL-2.0

//! What is shared: atomics, locks, read-copy-update.

use crate::init::PinInit;
use crate::world::World;
use loom::sync::{Condvar, Mutex as LoomMutex};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

pub use std::sync::Arc;

pub mod atomic;

/// Read-copy-update.
pub mod rcu {
    use crate::types::NotThreadSafe;
    use crate::world::World;

    /// A read-side critical section.
    pub struct Guard(u64, NotThreadSafe);

    /// Begins one.
    pub fn read_lock() -> Guard {
        Guard(World::now().rcu.begin(), NotThreadSafe)
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                World::now().rcu.end(self.0);
            }
        }
    }
}

/// References that are counted.
pub mod aref {
    use std::marker::PhantomData;
    use std::mem::ManuallyDrop;
    use std::ops::Deref;
    use std::ptr::NonNull;

    /// What has a count of its references.
    ///
    /// # Safety
    ///
    /// It lives as long as there is one.
    pub unsafe trait AlwaysRefCounted {
        /// One more.
        fn inc_ref(&self);

        /// One fewer.
        ///
        /// # Safety
        ///
        /// That one was the caller's.
        unsafe fn dec_ref(this: NonNull<Self>);
    }

    /// A reference that is counted.
    pub struct ARef<T: AlwaysRefCounted>(NonNull<T>, PhantomData<T>);

    // SAFETY: It is a reference, by which the last one may end it.
    unsafe impl<T: AlwaysRefCounted + Send + Sync> Send for ARef<T> {}
    // SAFETY: As above.
    unsafe impl<T: AlwaysRefCounted + Send + Sync> Sync for ARef<T> {}

    impl<T: AlwaysRefCounted> ARef<T> {
        /// One that was counted.
        ///
        /// # Safety
        ///
        /// It was, and is the caller's.
        pub unsafe fn from_raw(pointer: NonNull<T>) -> Self {
            Self(pointer, PhantomData)
        }

        /// Its address, which stays counted.
        pub fn into_raw(this: Self) -> NonNull<T> {
            ManuallyDrop::new(this).0
        }
    }

    impl<T: AlwaysRefCounted> Deref for ARef<T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: It was counted.
            unsafe { self.0.as_ref() }
        }
    }

    impl<T: AlwaysRefCounted> Drop for ARef<T> {
        fn drop(&mut self) {
            // SAFETY: The count is this one's.
            unsafe { T::dec_ref(self.0) };
        }
    }
}

/// A class of locks, which are not told apart here.
pub struct LockClassKey;

/// A lock as C has it.
pub struct RawLock {
    is_held: LoomMutex<bool>,
    freed: Condvar,
}

impl Default for RawLock {
    fn default() -> Self {
        Self::new()
    }
}

impl RawLock {
    /// Nobody has it.
    pub fn new() -> Self {
        Self {
            is_held: LoomMutex::new(false),
            freed: Condvar::new(),
        }
    }

    /// Waits for it.
    pub fn lock(&self) {
        let mut is_held = self.is_held.lock().expect("loom's have no poison");
        while *is_held {
            is_held = self.freed.wait(is_held).expect("loom's have no poison");
        }
        *is_held = true;
    }

    /// Takes it if nobody has it.
    pub fn try_lock(&self) -> bool {
        let mut is_held = self.is_held.lock().expect("loom's have no poison");
        !std::mem::replace(&mut *is_held, true)
    }

    /// Gives it up.
    ///
    /// # Panics
    ///
    /// If nobody has it.
    pub fn unlock(&self) {
        let mut is_held = self.is_held.lock().expect("loom's have no poison");
        assert!(
            std::mem::replace(&mut *is_held, false),
            "nobody has the lock"
        );
        drop(is_held);
        self.freed.notify_one();
    }
}

/// A lock with what it protects.
pub struct SpinLock<T> {
    lock: LoomMutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: One has the value at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// Nobody has it.
    pub fn with(value: T) -> impl PinInit<Self> {
        move || {
            Ok(Self {
                lock: LoomMutex::new(()),
                value: UnsafeCell::new(value),
            })
        }
    }

    /// Waits for it.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let guard = self.lock.lock().expect("loom's have no poison");
        World::now().note_spin(1);
        SpinGuard(self, guard)
    }
}

/// A [`SpinLock`] that is held.
pub struct SpinGuard<'a, T>(
    &'a SpinLock<T>,
    #[expect(dead_code)] loom::sync::MutexGuard<'a, ()>,
);

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            World::now().note_spin(-1);
        }
    }
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

/// Makes a [`SpinLock`].
#[macro_export]
macro_rules! new_spinlock {
    ($value:expr $(, $name:literal)?) => {
        $crate::sync::SpinLock::with($value)
    };
}
pub use new_spinlock;

/// The current thread is told apart from others that there are, beginning with 1.
pub fn current() -> usize {
    World::now().current()
}
