// SPDX-License-Identifier: GPL-2.0

//! Time, which does not pass: others do something instead.

/// A span of time.
#[derive(Clone, Copy)]
pub struct Delta(i64);

impl Delta {
    /// So many milliseconds.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// How many milliseconds it has.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

/// Sleep.
pub mod delay {
    /// Lets others go on.
    pub fn fsleep(_: super::Delta) {
        loom::thread::yield_now();
    }
}
