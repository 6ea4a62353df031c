// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! The number of an inode of the union is the number of the top object that it was first seen with,
//! with the branch in the upper bits: no two objects have the same one, and no table is needed. What
//! was copied up keeps the number of what it was copied from: only such exceptions are kept, for as
//! long as the branch is part of the union. What was moved down keeps its number, too, and the branch
//! that it came from may use the inode again for another object, which then has another number.

use super::branch::BranchId;
use crate::vfs::{
    inode::{INode, Inode},
    load::Load,
    super_block::FileSystem,
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed, Release},
    xarray::{AllocKind, XArray},
};

/// Bits of a number that are the branch's own.
const BRANCH_BITS: u32 = 48;
/// The identity, which no branch has, in numbers that were given out one by one.
const DYNAMIC: u64 = 0xffff;

static NEXT_DYNAMIC: Atomic<u64> = Atomic::new(1);

/// What an object has in the union: the number that it shows, and the one that it is looked up by in
/// the inode cache. They are the same, unless another object showed that number when this one came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Number {
    pub(crate) shown: u64,
    pub(crate) hash: u64,
    /// Whether it was noted, and not computed: then whoever shows it is, or is about to become, what
    /// has it.
    pub(crate) is_noted: bool,
}

impl Number {
    fn computed(number: u64) -> Self {
        Self {
            shown: number,
            hash: number,
            is_noted: false,
        }
    }

    /// That of an inode of the union, to be noted.
    pub(crate) fn of<T: FileSystem>(inode: &INode<T>) -> Self {
        Self {
            shown: inode.ino(),
            hash: inode.hash(),
            is_noted: true,
        }
    }
}

struct Exception {
    number: Number,
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
    /// Whether computed numbers are, or were, those of objects on other branches.
    left: Atomic<bool>,
    /// What takes their place.
    #[pin]
    replaced: XArray<KBox<u64>>,
}

/// A number that is none of those that are computed.
pub(crate) fn fresh() -> u64 {
    DYNAMIC << BRANCH_BITS | NEXT_DYNAMIC.fetch_add(1, Relaxed)
}

impl Numbers {
    /// No exceptions.
    pub(crate) fn new(branch: BranchId) -> impl PinInit<Self> {
        pin_init!(Self {
            branch,
            any: Atomic::new(false),
            exceptions <- XArray::new(AllocKind::Alloc),
            left: Atomic::new(false),
            replaced <- XArray::new(AllocKind::Alloc),
        })
    }

    /// The number in the union of the object with number `ino` on the branch. Its generation is
    /// looked at if `inode` is there.
    ///
    /// A number that leaves no room for the branch is replaced by one that is given out here.
    /// `ENOMEM` if that cannot be remembered.
    pub(crate) fn get(&self, ino: u64, inode: Option<&Inode>) -> Result<Number> {
        if let Some(number) = self.exception(ino, inode) {
            return Ok(number);
        }
        if ino >> BRANCH_BITS == 0 {
            return Ok(Number::computed(self.computed(ino)));
        }
        let number = Number::computed(fresh());
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

    fn computed(&self, ino: u64) -> u64 {
        if self.left.load_acquire() {
            if let Some(number) = self.replaced.lock().get(ino as usize) {
                return *number;
            }
        }
        u64::from(self.branch.0) << BRANCH_BITS | ino
    }

    /// `inode` is about to go from the branch to another, and keeps the number that it has in the
    /// union: whatever has its number on the branch next has another one. [`Numbers::forget`] follows
    /// when it has gone, [`Numbers::stay`] if it has not. `ENOMEM`.
    pub(crate) fn leave(&self, inode: &Inode) -> Result {
        if self.is_exception(inode) {
            return Ok(());
        }
        let number = KBox::new(fresh(), GFP_KERNEL)?;
        self.left.store(true, Release);
        let old = self
            .replaced
            .lock()
            .store(inode.ino() as usize, number, GFP_KERNEL)
            .map_err(|e| e.error)?;
        drop(old);
        Ok(())
    }

    /// `inode` has not gone after all.
    pub(crate) fn stay(&self, inode: &Inode) {
        let old = self.replaced.lock().remove(inode.ino() as usize);
        drop(old);
    }

    /// Whether objects elsewhere may have numbers that are computed for this branch: then its identity
    /// must not be used again.
    pub(crate) fn any_left(&self) -> bool {
        self.left.load_acquire()
    }

    /// Whether `inode` has a number that is not its own, as what was copied up has.
    pub(crate) fn is_exception(&self, inode: &Inode) -> bool {
        self.exception(inode.ino(), Some(inode)).is_some()
    }

    fn exception(&self, ino: u64, inode: Option<&Inode>) -> Option<Number> {
        if !self.any.load_acquire() {
            return None;
        }
        let guard = self.exceptions.lock();
        let exception = guard.get(ino as usize)?;
        let same = inode.is_none_or(|inode| inode.generation() == exception.generation);
        same.then_some(exception.number)
    }

    /// Remembers that `inode`, of the branch, has `number` in the union.
    pub(crate) fn set(&self, inode: &Inode, number: Number) -> Result {
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
        if self.any.load_acquire() {
            let old = self.exceptions.lock().remove(ino as usize);
            drop(old);
        }
    }
}

#[kunit_tests(aufs2_number)]
mod tests {
    use super::*;

    const WIDE: u64 = 1 << BRANCH_BITS;

    fn numbers(id: u16) -> Result<Pin<KBox<Numbers>>> {
        KBox::pin_init(Numbers::new(BranchId(id)), GFP_KERNEL)
    }

    #[test]
    fn what_has_room_is_computed() -> Result {
        let (one, other) = (numbers(1)?, numbers(2)?);
        assert_eq!(one.get(7, None)?, one.get(7, None)?);
        assert!(one.get(7, None)? != one.get(8, None)?);
        assert!(one.get(7, None)? != other.get(7, None)?);
        assert!(one.get(WIDE - 1, None)? != other.get(WIDE - 1, None)?);
        Ok(())
    }

    #[test]
    fn what_has_none_is_given_out_and_kept() -> Result {
        let (one, other) = (numbers(1)?, numbers(2)?);
        let wide = one.get(WIDE | 7, None)?;
        assert_eq!(one.get(WIDE | 7, None)?, wide);
        assert!(wide != one.get(7, None)?);
        assert!(wide != one.get(WIDE | 8, None)?);
        assert!(wide != other.get(WIDE | 7, None)?);
        Ok(())
    }
}
