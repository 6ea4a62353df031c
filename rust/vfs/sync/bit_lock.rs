// SPDX-License-Identifier: GPL-2.0

//! Sleeping locks of one bit each, for many objects at a time that have no room for a lock.
//!
//! C header: [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)
//!
//! Who has to wait does so in one of the kernel's own wait queues, which are shared by hash.

use crate::bindings;
use kernel::{error::to_result, prelude::*, types::Opaque};

/// As many locks as a word has bits. Two objects may happen to share one: nobody may take a second
/// lock of a set.
///
/// # Invariants
///
/// A bit is set as long as there is a [`BitGuard`] of it.
#[repr(transparent)]
pub(in crate::vfs) struct BitLocks(Opaque<c_ulong>);

// SAFETY: The word is only accessed by atomic bit operations.
unsafe impl Send for BitLocks {}
// SAFETY: As above.
unsafe impl Sync for BitLocks {}

/// A lock that is held. Dropping it unlocks, and wakes who waits.
///
/// # Invariants
///
/// The bit was set by this, and is cleared by nobody else.
#[must_use = "the lock is given up when the guard is dropped"]
pub(in crate::vfs) struct BitGuard<'a> {
    locks: &'a BitLocks,
    bit: u32,
}

impl BitLocks {
    /// Locks that nobody holds.
    pub(in crate::vfs) const fn new() -> Self {
        Self(Opaque::new(0))
    }

    /// The lock of the object at `address`, which is at least 64 bytes large.
    fn bit_of(address: usize) -> u32 {
        // Multiplication by the golden ratio spreads what is regular; the topmost bits are best.
        let spread = (address as u64 >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // CAST: Less than the number of bits.
        (spread >> (u64::BITS - c_ulong::BITS.ilog2())) as u32
    }

    /// Takes the lock of the object at `address`. `EINTR` if the task is killed while it waits.
    pub(in crate::vfs) fn lock_killable(&self, address: usize) -> Result<BitGuard<'_>> {
        let bit = Self::bit_of(address);
        // SAFETY: The word lives as long as `self`; the bit is one of its own. The caller may sleep.
        to_result(unsafe {
            bindings::wait_on_bit_lock(self.0.get(), bit as c_int, bindings::TASK_KILLABLE)
        })?;
        // INVARIANT: The bit was just set by us.
        Ok(BitGuard { locks: self, bit })
    }

    /// Takes the lock of the object at `address` if it is free.
    pub(in crate::vfs) fn try_lock(&self, address: usize) -> Option<BitGuard<'_>> {
        let bit = Self::bit_of(address);
        // CAST: The number of a bit.
        // SAFETY: The word lives as long as `self`; the bit is one of its own.
        let taken = unsafe { bindings::test_and_set_bit_lock(bit as c_long, self.0.get()) };
        // A guard that was made for nothing would clear the bit, which is somebody else's.
        // INVARIANT: The bit was just set by us.
        (!taken).then(|| BitGuard { locks: self, bit })
    }
}

impl Drop for BitGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The word is alive; the bit is ours by the type invariant.
        unsafe { bindings::clear_and_wake_up_bit(self.bit as c_int, self.locks.0.get()) };
    }
}
