// SPDX-License-Identifier: GPL-2.0

//! A value that is published under RCU with a generation, which is cheap to read.

use super::{
    load::Load,
    rcu::{RcuArc, Shared, Slot},
};
use kernel::sync::atomic::{Atomic, Release};

/// A place where one value after the other is published, each with a later generation.
///
/// # Invariants
///
/// The generation is that of what is published, or of something before it.
pub(crate) struct Versioned<T: Shared> {
    generation: Atomic<usize>,
    value: Slot<T>,
}

impl<T: Shared> Versioned<T> {
    /// With the first one.
    pub(crate) fn new(generation: usize, value: RcuArc<T>) -> Self {
        // INVARIANT: It is that of the value.
        Self {
            generation: Atomic::new(generation),
            value: Slot::new(Some(value)),
        }
    }

    /// Takes a reference to the value.
    pub(crate) fn get(&self) -> Option<RcuArc<T>> {
        self.value.get()
    }

    /// The generation: who takes a reference after this gets the value of it, or a later one.
    #[inline]
    pub(crate) fn generation(&self) -> usize {
        self.generation.load_acquire()
    }

    /// Publishes `value`, whose `generation` is a later one; returns what was there. Callers exclude each other.
    pub(crate) fn publish(&self, generation: usize, value: RcuArc<T>) -> Option<RcuArc<T>> {
        let old = self.value.replace(Some(value));
        // INVARIANT: The value is there. Who sees the generation sees that, by the order of this store.
        self.generation.store(generation, Release);
        old
    }
}
