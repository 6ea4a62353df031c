// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! The number of an inode of the union is computed from that of the top object that it was first seen
//! with, by the [`Space`] of its filesystem: no table is needed, and nothing is remembered of what is
//! only looked at. What was copied up keeps the number of what it was copied from: only such
//! exceptions are kept, for as long as the branch is part of the union. What was moved down keeps its
//! number, too, and the branch that it came from may use the inode again for another object, which
//! then has another number.
//!
//! Where two objects would show one number all the same, the inode cache gives one of them a fresh
//! one for as long as it stays there.

use super::range::{PartDevice, Space};
use crate::vfs::{
    attr::stat::Stat,
    mount::path::Path,
    object::inode::Inode,
    own::{file_system::FileSystem, inode::OwnInode},
    sync::{load::Load, number_map::NumberMap},
    value::errno::ESTALE,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Release},
        Arc,
    },
};

/// What an object has in the union: the number that it shows, and the one that it is looked up by in
/// the inode cache. They are the same, unless another object showed that number when this one came.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) shown: u64,
    pub(crate) hash: u64,
    /// Whether it was noted, and not computed: then whoever shows it is, or is about to become, what
    /// has it.
    pub(crate) is_noted: bool,
}

/// An object on a branch, without a look at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    /// The device that it shows.
    pub(crate) device: u32,
    pub(crate) ino: u64,
    pub(crate) generation: u32,
}

impl Object {
    /// That at `path`.
    pub(crate) fn at(path: Path<'_>) -> Result<Self> {
        let inode = path.inode().ok_or(ESTALE)?;
        Ok(Self {
            device: Stat::of(path)?.dev(),
            ino: inode.ino(),
            generation: inode.generation(),
        })
    }
}

#[derive(Clone, Copy)]
struct Exception {
    number: Number,
    /// Of the object on the branch: its number may be used again for another object.
    generation: u32,
}

/// The numbers of one branch.
#[pin_data]
pub(crate) struct Numbers {
    space: Arc<Space>,
    /// Whether there ever was an exception.
    any: Atomic<bool>,
    /// By computed number.
    #[pin]
    exceptions: NumberMap<Exception>,
}

/// The numbers of what is in one directory of a branch.
#[derive(Clone, Copy)]
pub(crate) struct Entries<'a> {
    numbers: &'a Numbers,
    /// Of the directory: mostly also that of what is in it.
    device: PartDevice,
}

impl Entries<'_> {
    /// The number in the union of the entry that has `ino` on the branch, as far as that can be told
    /// without a look at it.
    pub(crate) fn number(&self, ino: u64) -> u64 {
        let computed = self.numbers.space.compute(ino, self.device);
        match self.numbers.exception(computed, None) {
            Some(number) => number.shown,
            None => self.numbers.space.now(computed),
        }
    }
}

impl Numbers {
    /// No exceptions.
    pub(crate) fn new(space: Arc<Space>) -> impl PinInit<Self> {
        pin_init!(Self {
            space,
            any: Atomic::new(false),
            exceptions <- NumberMap::new(),
        })
    }

    /// That of the branch's filesystem.
    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// The number in the union of the object at `path` on the branch.
    #[inline]
    pub(crate) fn of(&self, path: Path<'_>) -> Result<Number> {
        let (inode, computed) = self.compute(path)?;
        if let Some(number) = self.exception(computed, Some(inode.generation())) {
            return Ok(number);
        }
        Ok(self.ordinary(computed))
    }

    fn ordinary(&self, computed: u64) -> Number {
        let number = self.space.now(computed);
        Number {
            shown: number,
            hash: number,
            is_noted: false,
        }
    }

    /// As [`Self::of`].
    pub(crate) fn of_object(&self, object: Object) -> Number {
        let computed = self.compute_of(object);
        (self.exception(computed, Some(object.generation)))
            .unwrap_or_else(|| self.ordinary(computed))
    }

    fn compute_of(&self, object: Object) -> u64 {
        let device = self.space.device_of(object.device);
        self.space.compute(object.ino, device)
    }

    /// The numbers of what is in the directory at `path` on the branch.
    pub(crate) fn entries(&self, path: Path<'_>) -> Result<Entries<'_>> {
        Ok(Entries {
            numbers: self,
            device: self.space.device(path)?,
        })
    }

    fn compute<'a>(&self, path: Path<'a>) -> Result<(&'a Inode, u64)> {
        let inode = path.inode().ok_or(ESTALE)?;
        let device = self.space.device(path)?;
        Ok((inode, self.space.compute(inode.ino(), device)))
    }

    /// What is at `path` is about to go from the branch to another, and keeps the number that it has
    /// in the union: whatever has its number on the branch next has another one. [`Numbers::forget`]
    /// follows when it has gone, [`Numbers::stay`] if it has not. `ENOMEM`.
    pub(crate) fn leave(&self, path: Path<'_>) -> Result {
        let (inode, computed) = self.compute(path)?;
        match self.exception(computed, Some(inode.generation())) {
            // Its number is not computed.
            Some(_) => Ok(()),
            None => self.space.leave(computed),
        }
    }

    /// What is at `path` has not gone after all.
    pub(crate) fn stay(&self, path: Path<'_>) {
        if let Ok((_, computed)) = self.compute(path) {
            self.space.stay(computed);
        }
    }

    /// Whether objects elsewhere may have numbers that are computed for this branch: then its identity
    /// must not be used again.
    pub(crate) fn any_departed(&self) -> bool {
        self.space.any_departed()
    }

    #[inline]
    fn exception(&self, computed: u64, generation: Option<u32>) -> Option<Number> {
        if !self.any.load_acquire() {
            return None;
        }
        let exception = self.exceptions.get(computed)?;
        let same = generation.is_none_or(|generation| generation == exception.generation);
        same.then_some(exception.number)
    }

    /// What is at `path` on the branch has the number of `inode` from now on, which stands for it, or is
    /// about to: numbers are computed from what is on a branch, and by that of another object nobody would
    /// find the inode that is there, but make a second one. So this comes before `path` can be looked up, or
    /// with the `Node::state` that keeps others from acting on what they find. `ENOMEM`.
    pub(crate) fn keep<T: FileSystem>(&self, path: Path<'_>, inode: &OwnInode<T>) -> Result {
        let (object, computed) = self.compute(path)?;
        let number = Number {
            shown: inode.ino(),
            hash: inode.hash(),
            is_noted: true,
        };
        self.note(computed, object.generation(), number)
    }

    /// Remembers that `object` on the branch has `number` in the union.
    pub(crate) fn set_object(&self, object: Object, number: Number) -> Result {
        self.note(self.compute_of(object), object.generation, number)
    }

    fn note(&self, computed: u64, generation: u32, number: Number) -> Result {
        // Before that: who is told of the object, by whatever comes after this, finds both.
        self.any.store(true, Release);
        let exception = Exception { number, generation };
        self.exceptions.set(computed, exception)
    }

    /// Forgets about what is at `path`, which is gone, or about to go.
    pub(crate) fn forget(&self, path: Path<'_>) {
        if self.any.load_acquire() {
            if let Ok((_, computed)) = self.compute(path) {
                self.exceptions.remove(computed);
            }
        }
    }
}
