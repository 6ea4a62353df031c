// SPDX-License-Identifier: GPL-2.0

//! Times during which something is not as it is otherwise.

use core::sync::atomic::{fence, Ordering};
use kernel::sync::atomic::{Acquire, Atomic, Full};

/// Counts spells: how many there are at the moment, and how many have ended.
///
/// A spell begins, fully ordered, before anything is changed, and ends when that is as it was: who sees something
/// of it sees that it has begun, and who sees that it has ended sees that all is as it was.
pub(crate) struct Spells {
    now: Atomic<u32>,
    ended: Atomic<u32>,
}

impl Spells {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self {
            now: Atomic::new(0),
            ended: Atomic::new(0),
        }
    }

    /// One begins.
    pub(crate) fn begin(&self) {
        self.now.fetch_add(1, Full);
    }

    /// One ends.
    pub(crate) fn end(&self) {
        // In this order: who finds that it is not there finds that it was.
        self.ended.fetch_add(1, Full);
        self.now.fetch_sub(1, Full);
    }

    /// To find out whether there is any from now on. One that there is already has not ended.
    #[inline]
    pub(crate) fn so_far(&self) -> u32 {
        self.ended.load(Acquire)
    }

    /// Whether there was one since, or is. What was seen before this is asked was seen with an acquire.
    #[inline]
    pub(crate) fn any_since(&self, so_far: u32) -> bool {
        self.now.load(Acquire) != 0 || self.ended.load(Acquire) != so_far
    }

    /// What `load` says outside of any spell: flags, of which some may be off during one. Those of `before` that
    /// are off stay if that cannot be told.
    pub(crate) fn outside(&self, load: impl Fn() -> u32, before: u32) -> u32 {
        let flags = load();
        if before & !flags == 0 {
            return flags;
        }
        // They were off, or are: to be seen when there is no spell.
        let so_far = self.so_far();
        let flags = load();
        fence(Ordering::Acquire);
        match self.any_since(so_far) {
            true => flags | before,
            false => flags,
        }
    }
}
