// SPDX-License-Identifier: GPL-2.0

//! Names of a copy that are not on the disk yet, so that `fdatasync(2)` of it has to write out more than its data.

use crate::vfs::sync::load::Load;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full, Relaxed},
};

/// How many names an object was given, and how many of these are on the disk.
///
/// # Invariants
///
/// The names up to `durable` have been written out. Both only grow, and wrap around: there are never 2^31 names
/// in between.
pub(crate) struct NewNames {
    made: Atomic<u32>,
    durable: Atomic<u32>,
}

impl NewNames {
    /// Whether there may be one.
    pub(crate) fn new(any: bool) -> Self {
        // INVARIANT: There was none before that.
        Self {
            made: Atomic::new(u32::from(any)),
            durable: Atomic::new(0),
        }
    }

    /// Whether there may be a name that is not on the disk. Who has made one, or has learned of it, finds so until
    /// it is: they see `made` with it, and if `durable` is as much, it has been written out.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.durable.load_once() != self.made.load_once()
    }

    /// There is one more.
    pub(crate) fn note(&self) {
        self.made.fetch_add(1, Full);
    }

    /// Makes the names durable by `sync`, which writes out all of the object.
    pub(crate) fn write_out(&self, sync: impl FnOnce() -> Result) -> Result {
        // One that is made from here on may have missed it.
        let seen = self.made.load(Acquire);
        sync()?;
        // A guess, which the exchange corrects.
        let mut durable = self.durable.load(Relaxed);
        while (seen.wrapping_sub(durable) as i32) > 0 {
            // INVARIANT: That many have been written out.
            match self.durable.cmpxchg(durable, seen, Full) {
                Ok(_) => break,
                Err(other) => durable = other,
            }
        }
        Ok(())
    }
}
