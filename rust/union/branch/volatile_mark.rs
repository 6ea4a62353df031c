// SPDX-License-Identifier: GPL-2.0

//! Whether a branch is marked as not written out: `fsync=volatile`, see [`volatile`](super::volatile).

use crate::vfs::{object::super_block::WriteErrors, sync::load::Load};
use kernel::sync::atomic::{Atomic, Relaxed, Release};

/// What a branch has to do with it.
pub(crate) struct VolatileMark {
    /// Whether the branch has a mark of this union's.
    is_there: Atomic<bool>,
    /// The errors of writing out before the mark was made.
    errors: Atomic<u32>,
}

impl VolatileMark {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            is_there: Atomic::new(false),
            errors: Atomic::new(0),
        }
    }

    /// There is one from now on, where there were those errors before.
    pub(super) fn set(&self, errors: WriteErrors) {
        self.errors.store(errors.0, Relaxed);
        // Who finds the mark finds the errors of before it.
        self.is_there.store(true, Release);
    }

    /// There is none any more.
    pub(super) fn clear(&self) {
        self.is_there.store(false, Release);
    }

    /// The errors before it, if there is one.
    pub(super) fn errors(&self) -> Option<WriteErrors> {
        let is_there = self.is_there.load_acquire();
        is_there.then(|| WriteErrors(self.errors.load(Relaxed)))
    }
}
