// SPDX-License-Identifier: GPL-2.0

//! What is counted in a union. Who shows it is another: [`debug`](super::debug).

use kernel::sync::atomic::{Atomic, Relaxed};

/// A count of what has happened, or of what there is. It is shown, and nothing is decided by it: no order.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One more.
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less.
    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// The count now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What is counted.
pub(crate) struct Counters {
    /// Inodes in the cache.
    pub(crate) inodes: Counter,
    /// Looks at what a name or a directory is made of, after the branches or what is on them have
    /// changed.
    pub(crate) refreshes: Counter,
    /// Objects that were copied up.
    pub(crate) copies_up: Counter,
    /// Files that were moved down.
    pub(crate) moves_down: Counter,
    /// Marks that were made on directories of branches.
    pub(crate) marks: Counter,
    /// Opens that waited for a change of the branches.
    pub(crate) waits: Counter,
}

impl Counters {
    /// Nothing has happened yet.
    pub(super) const fn new() -> Self {
        Self {
            inodes: Counter::new(),
            refreshes: Counter::new(),
            copies_up: Counter::new(),
            moves_down: Counter::new(),
            marks: Counter::new(),
            waits: Counter::new(),
        }
    }
}
