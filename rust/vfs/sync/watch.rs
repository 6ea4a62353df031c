// SPDX-License-Identifier: GPL-2.0

//! A count of what others change.

use super::{load::Load, task};
use kernel::sync::atomic::{Atomic, Full, Relaxed};

/// Counts the changes that others make to something. What the current task does between
/// [`Watch::changing`] and the end of the guard does not count.
///
/// Who takes the count, then looks, and later finds the same count, has seen what there was: a change is made
/// before it is counted, and a count that is seen has the changes before it.
pub(crate) struct Watch {
    changes: Atomic<u32>,
    /// The task that is making a change of its own, or 0. A task looks for itself alone: whatever others store
    /// meanwhile, and whenever it sees that, it finds itself between two stores of its own, and nowhere else.
    /// That is what every order gives.
    changer: Atomic<usize>,
}

impl Watch {
    /// Nothing has been noticed so far.
    pub(crate) fn new() -> Self {
        Self {
            changes: Atomic::new(0),
            changer: Atomic::new(0),
        }
    }

    /// How many changes there were; wraps around. Does not sleep.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load_acquire()
    }

    /// Counts one more change, which was noticed in another way.
    pub(crate) fn note(&self) {
        self.changes.fetch_add(1, Full);
    }

    /// The current task has made a change, which counts unless it is one that it is [making](Watch::changing).
    pub(in crate::vfs) fn notice(&self) {
        if self.changer.load_once() != task::current_token() {
            self.note();
        }
    }

    /// The current task is about to change one of the directories. When several do at once, some of
    /// their changes may count.
    pub(crate) fn changing(&self) -> Changing<'_> {
        self.changer.store(task::current_token(), Relaxed);
        Changing(self)
    }
}

/// See [`Watch::changing`].
pub(crate) struct Changing<'a>(&'a Watch);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changer.store(0, Relaxed);
    }
}
