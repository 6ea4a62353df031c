// SPDX-License-Identifier: GPL-2.0

//! Loads of atomics that are instructions, and not calls.
//!
//! `Atomic::load` calls a C function, since the kernel's own loads are macros. That is ten times what
//! the load takes, and what is cached is found with a dozen of them. On the ways that are gone most,
//! these stand for it.
//!
//! C headers: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)

use core::sync::atomic::{fence, Ordering};
use kernel::sync::atomic::{Atomic, AtomicType};

/// Loads a field of a C structure that others may write meanwhile, once, as `READ_ONCE()` does: a word or
/// less, aligned. What is at the place is never a reference. For `unsafe` code.
macro_rules! once {
    ($place:expr) => {
        (&raw const $place).read_volatile()
    };
}
pub(in crate::vfs) use once;

/// Stores to a field of a C structure that others may read meanwhile, once, as `WRITE_ONCE()` does. Those
/// who store exclude each other. For `unsafe` code.
macro_rules! store {
    ($place:expr, $value:expr) => {
        (&raw mut $place).write_volatile($value)
    };
}
pub(in crate::vfs) use store;

/// See the module.
pub(crate) trait Load {
    /// What is loaded.
    type Value;

    /// As `load(Relaxed)`.
    fn load_once(&self) -> Self::Value;

    /// As `load(Acquire)`: what comes after it in the program sees what was stored before the value.
    fn load_acquire(&self) -> Self::Value;
}

impl<T: AtomicType> Load for Atomic<T> {
    type Value = T;

    #[inline(always)]
    fn load_once(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<usize>()) };
        // SAFETY: The pointer is valid and aligned. An aligned volatile load of a word or less is one
        // access, as `READ_ONCE()` of C is, which `atomic_read()` consists of; and who stores does
        // so atomically.
        unsafe { self.as_ptr().read_volatile() }
    }

    #[inline(always)]
    fn load_acquire(&self) -> T {
        let value = self.load_once();
        // `smp_load_acquire()` is a load with a barrier after it. On amd64, which does not reorder
        // loads, this is one to the compiler alone, and no instruction.
        fence(Ordering::Acquire);
        value
    }
}
