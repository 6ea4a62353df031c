// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! The number of an inode of the union is the number of the top object that it was first seen with,
//! with the branch in the upper bits: no two objects have the same one, and no table is needed. What
//! was copied up keeps the number of what it was copied from: only such exceptions are kept, for as
//! long as the branch is part of the union.

use super::branch::BranchId;
use crate::vfs::inode::Inode;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
    xarray::{AllocKind, XArray},
};

/// Bits of a number that are the branch's own.
const BRANCH_BITS: u32 = 48;
/// The identity, which no branch has, in numbers that were given out one by one.
const DYNAMIC: u64 = 0xffff;

static NEXT_DYNAMIC: Atomic<u64> = Atomic::new(1);

struct Exception {
    number: u64,
    /// Of the object on the branch: its number may be used again for another object.
    generation: u32,
}

/// The exceptions of one branch.
#[pin_data]
pub(crate) struct Numbers {
    branch: BranchId,
    /// Whether there ever was one.
    any: Atomic<bool>,
    #[pin]
    exceptions: XArray<KBox<Exception>>,
}

impl Numbers {
    /// No exceptions.
    pub(crate) fn new(branch: BranchId) -> impl PinInit<Self> {
        pin_init!(Self {
            branch,
            any: Atomic::new(false),
            exceptions <- XArray::new(AllocKind::Alloc),
        })
    }

    /// The number in the union of the object with number `ino` on the branch. Its generation is
    /// looked at if `inode` is there.
    ///
    /// A number that leaves no room for the branch is replaced by one that is given out here.
    /// `ENOMEM` if that cannot be remembered.
    pub(crate) fn get(&self, ino: u64, inode: Option<&Inode>) -> Result<u64> {
        if let Some(number) = self.exception(ino, inode) {
            return Ok(number);
        }
        if ino >> BRANCH_BITS == 0 {
            return Ok(u64::from(self.branch.0) << BRANCH_BITS | ino);
        }
        let number = DYNAMIC << BRANCH_BITS | NEXT_DYNAMIC.fetch_add(1, Relaxed);
        let exception = KBox::new(
            Exception {
                number,
                generation: inode.map_or(0, Inode::generation),
            },
            GFP_KERNEL,
        )?;
        self.any.store(true, Release);
        let mut guard = self.exceptions.lock();
        // Somebody else may have been faster.
        if let Some(there) = guard.get(ino as usize) {
            return Ok(there.number);
        }
        guard
            .store(ino as usize, exception, GFP_ATOMIC)
            .map_err(|e| e.error)?;
        Ok(number)
    }

    /// Whether `inode` has a number that is not its own, as what was copied up has.
    pub(crate) fn is_exception(&self, inode: &Inode) -> bool {
        self.exception(inode.ino(), Some(inode)).is_some()
    }

    fn exception(&self, ino: u64, inode: Option<&Inode>) -> Option<u64> {
        if !self.any.load(Acquire) {
            return None;
        }
        let guard = self.exceptions.lock();
        let exception = guard.get(ino as usize)?;
        let same = inode.is_none_or(|inode| inode.generation() == exception.generation);
        same.then_some(exception.number)
    }

    /// Remembers that `inode`, of the branch, has `number` in the union.
    pub(crate) fn set(&self, inode: &Inode, number: u64) -> Result {
        let exception = KBox::new(
            Exception {
                number,
                generation: inode.generation(),
            },
            GFP_KERNEL,
        )?;
        self.any.store(true, Release);
        let old = self
            .exceptions
            .lock()
            .store(inode.ino() as usize, exception, GFP_KERNEL)
            .map_err(|e| e.error)?;
        drop(old);
        Ok(())
    }

    /// Forgets about the object with number `ino`, which is gone.
    pub(crate) fn forget(&self, ino: u64) {
        if self.any.load(Acquire) {
            let old = self.exceptions.lock().remove(ino as usize);
            drop(old);
        }
    }
}
