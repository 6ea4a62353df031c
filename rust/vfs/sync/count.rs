// SPDX-License-Identifier: GPL-2.0

//! Counts of references that are instructions, and not calls.
//!
//! The kernel's `refcount_t` is inline in C, and so a call of a shim from Rust, which is most of what
//! it takes: see [`load`](super::load). What is counted here is taken and given up a dozen times in an
//! operation.

use core::sync::atomic::{fence, AtomicUsize, Ordering};

/// A count of references. It is a word, and so is never too large: there is no memory for as many
/// references.
pub(super) struct Count(AtomicUsize);

impl Count {
    /// The one of whoever makes it.
    pub(super) const fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// One more, for who has one.
    #[inline(always)]
    pub(super) fn get(&self) {
        // Nothing comes after it that who has one could not do before.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One more, unless there is none any more. Says whether there was.
    #[inline(always)]
    pub(super) fn get_unless_zero(&self) -> bool {
        // A guess, which the exchange corrects. That has no need of an order of its own where the pointer was found
        // with one, as in a `Slot`; `refcount_t` has it for those that were not.
        let mut count = self.0.load(Ordering::Relaxed);
        while count != 0 {
            let more = count.wrapping_add(1);
            match (self.0).compare_exchange_weak(count, more, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// One fewer. Says whether it was the last: then what all others did comes before what follows.
    #[inline(always)]
    pub(super) fn put(&self) -> bool {
        // All uses by this one before that, and all of all others, by the fence, before the end.
        if self.0.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }
}
