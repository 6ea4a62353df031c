// SPDX-License-Identifier: GPL-2.0

//! What only tests have.

use crate::world::World;
use loom::model::Builder;

pub use loom;
pub use loom::thread;

/// Runs `test` in all interleavings with at most so many `preemptions`: so often a thread is stopped that could
/// go on.
pub fn model(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || World::run(&test));
}

/// Something that has a value, of which loom knows who has seen and changed it.
pub struct Seen<T>(loom::cell::UnsafeCell<T>);

// SAFETY: loom ends the test if two use it at a time.
unsafe impl<T: Send> Sync for Seen<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Send for Seen<T> {}

impl<T: Copy> Seen<T> {
    /// With a value.
    pub fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    /// The value. Whatever has set it must have come before.
    pub fn get(&self) -> T {
        // SAFETY: loom ends the test if anybody is changing it.
        self.0.with(|value| unsafe { *value })
    }

    /// Changes the value. Whoever has seen or set it must have come before.
    pub fn set(&self, new: T) {
        // SAFETY: loom ends the test if anybody is looking at it.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

/// What stands for the current thread, to kill it.
pub struct Victim(loom::thread::ThreadId);

impl Victim {
    /// The current thread.
    pub fn current() -> Self {
        Self(loom::thread::current().id())
    }

    /// Kills it: it waits for nothing that a killed task does not have to wait for.
    pub fn kill(self) {
        World::now().kill(self.0);
    }
}
