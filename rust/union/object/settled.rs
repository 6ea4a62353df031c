// SPDX-License-Identifier: GPL-2.0

//! Since when the stack of an inode is known to be right: by the table of branches and the changes by others that it
//! was last looked at with. As long as both are the same, nothing is looked up again.

use crate::vfs::sync::load::Load;
use kernel::sync::atomic::{Atomic, Relaxed, Release};

/// As good as no count of changes: the first is another one, and the one in four billion that is the same means that
/// what was not looked at yet is not looked at before the next change.
pub(crate) const UNSETTLED: u32 = u32::MAX;

/// No stamp: generations begin with 1.
pub(crate) const STALE: usize = 0;

/// A generation of the branches, with a count of what others did, in one word.
pub(crate) fn stamp(generation: usize, changes: u32) -> usize {
    generation << 32 | changes as usize
}

/// The stamp of an inode's stack. It is stored after the stack is published, and loaded before that: who finds
/// a stamp gets the stack that it is of, or a later one.
pub(crate) struct Settled(Atomic<usize>);

impl Settled {
    /// That of the first stack.
    pub(crate) fn new(generation: usize, changes: u32) -> Self {
        Self(Atomic::new(stamp(generation, changes)))
    }

    /// Whether it is `stamp`.
    #[inline]
    pub(crate) fn is(&self, stamp: usize) -> bool {
        self.0.load_acquire() == stamp
    }

    /// The stack that was published last is of `generation`, and was found to hold when there were so many
    /// `changes`. Callers exclude each other.
    pub(crate) fn settle(&self, generation: usize, changes: u32) {
        self.0.store(stamp(generation, changes), Release);
    }

    /// A stack of `generation` was published. Until somebody says more, it holds with what the one before did. Callers
    /// exclude each other.
    pub(crate) fn publish(&self, generation: usize) {
        // By whoever was last to have the lock, which gives it an order.
        let changes = self.0.load(Relaxed) as u32;
        self.settle(generation, changes);
    }
}
