// SPDX-License-Identifier: GPL-2.0

//! Atomics: those of the `kernel` crate, and the one of `core` that is used beside them.

use crate::world::World;
use std::cell::Cell;
use std::marker::PhantomData;

pub use loom::sync::atomic::{Ordering, fence};

/// What an order of the kernel means.
pub trait Order {
    /// In C11.
    const ORDER: Ordering;
    /// Whether there are fences around it.
    const IS_FULL: bool = false;
}

/// No order.
pub struct Relaxed;
/// What follows sees what was before that which is seen.
pub struct Acquire;
/// Who sees it sees what was before it.
pub struct Release;
/// Nothing moves past it.
pub struct Full;

impl Order for Relaxed {
    const ORDER: Ordering = Ordering::Relaxed;
}

impl Order for Acquire {
    const ORDER: Ordering = Ordering::Acquire;
}

impl Order for Release {
    const ORDER: Ordering = Ordering::Release;
}

impl Order for Full {
    const ORDER: Ordering = Ordering::Relaxed;
    const IS_FULL: bool = true;
}

/// What an atomic may be of.
pub trait AtomicType: Copy {
    /// As a word.
    fn to_word(self) -> u64;

    /// Of a word.
    fn from_word(word: u64) -> Self;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl AtomicType for $number {
            #[allow(clippy::cast_lossless, clippy::cast_sign_loss)]
            fn to_word(self) -> u64 {
                self as u64
            }

            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            fn from_word(word: u64) -> Self {
                word as Self
            }
        })*
    };
}
numbers!(u32 i32 u64 usize);

impl AtomicType for bool {
    fn to_word(self) -> u64 {
        self.into()
    }

    fn from_word(word: u64) -> Self {
        word != 0
    }
}

impl<T> AtomicType for *mut T {
    fn to_word(self) -> u64 {
        self.expose_provenance() as u64
    }

    fn from_word(word: u64) -> Self {
        std::ptr::with_exposed_provenance_mut(usize::from_word(word))
    }
}

/// A word of loom's. It can be made where nothing is run, such as in a static: it is had when it is first used,
/// of those that were there before any thread, and holds by how much it differs from what it is made with.
struct Word {
    /// In which execution it was had, and which one it is.
    at: Cell<(u64, usize)>,
}

/// There is no such word any more.
const ENDED: usize = usize::MAX;

impl Word {
    const fn new() -> Self {
        Self {
            at: Cell::new((0, 0)),
        }
    }

    fn with<R>(&self, act: impl FnOnce(&loom::sync::atomic::AtomicU64) -> R) -> R {
        let world = World::now();
        if self.at.get().0 != world.id() {
            self.at.set((world.id(), world.take_word()));
        }
        let (_, at) = self.at.get();
        assert!(at != ENDED, "an atomic is used that has gone");
        act(world.word(at))
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        let (world, at) = self.at.replace((u64::MAX, ENDED));
        if world != 0 && !std::thread::panicking() {
            World::now().end_word(at);
        }
        // Whoever uses it all the same is told.
        self.at.set((world, ENDED));
    }
}

/// The kernel's.
pub struct Atomic<T: AtomicType> {
    initial: T,
    word: Word,
}

// SAFETY: All threads of a model are on one of the machine's.
unsafe impl<T: AtomicType> Send for Atomic<T> {}
// SAFETY: As above.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}

/// Does `act`, which is ordered so.
fn ordered<O: Order, R>(act: impl FnOnce() -> R) -> R {
    if O::IS_FULL {
        fence(Ordering::SeqCst);
    }
    let result = act();
    if O::IS_FULL {
        fence(Ordering::SeqCst);
    }
    result
}

impl<T: AtomicType> Atomic<T> {
    /// With a value.
    pub const fn new(initial: T) -> Self {
        Self {
            initial,
            word: Word::new(),
        }
    }

    fn encode(&self, value: T) -> u64 {
        value.to_word().wrapping_sub(self.initial.to_word())
    }

    fn decode(&self, word: u64) -> T {
        T::from_word(word.wrapping_add(self.initial.to_word()))
    }

    /// The value.
    pub fn load<O: Order>(&self, _: O) -> T {
        let value = ordered::<O, _>(|| self.word.with(|word| word.load(O::ORDER)));
        self.decode(value)
    }

    /// Puts `value` in its place.
    pub fn store<O: Order>(&self, value: T, _: O) {
        self.word
            .with(|word| word.store(self.encode(value), O::ORDER));
    }

    /// Puts `value` in its place, and returns what was there.
    pub fn xchg<O: Order>(&self, value: T, _: O) -> T {
        let value = self.encode(value);
        self.decode(ordered::<O, _>(|| {
            self.word.with(|word| word.swap(value, O::ORDER))
        }))
    }

    /// Puts `new` in the place of `old`, if that is there. One that fails orders nothing.
    pub fn cmpxchg<O: Order>(&self, old: T, new: T, _: O) -> Result<T, T> {
        let (old, new) = (self.encode(old), self.encode(new));
        if O::IS_FULL {
            fence(Ordering::Release);
        }
        let success = if O::IS_FULL {
            Ordering::AcqRel
        } else {
            O::ORDER
        };
        let result = self
            .word
            .with(|word| word.compare_exchange(old, new, success, Ordering::Relaxed));
        if O::IS_FULL && result.is_ok() {
            fence(Ordering::SeqCst);
        }
        result
            .map(|old| self.decode(old))
            .map_err(|other| self.decode(other))
    }

    /// Adds to it, and returns what was there.
    pub fn fetch_add<O: Order>(&self, more: T, _: O) -> T {
        self.decode(ordered::<O, _>(|| {
            self.word
                .with(|word| word.fetch_add(more.to_word(), O::ORDER))
        }))
    }

    /// Takes from it, and returns what was there.
    pub fn fetch_sub<O: Order>(&self, less: T, _: O) -> T {
        self.decode(ordered::<O, _>(|| {
            self.word
                .with(|word| word.fetch_sub(less.to_word(), O::ORDER))
        }))
    }

    /// Where it is, for `load.rs`.
    pub fn as_ptr(&self) -> Place<'_, T> {
        Place(self, PhantomData)
    }
}

/// Where an atomic is.
pub struct Place<'a, T: AtomicType>(&'a Atomic<T>, PhantomData<T>);

impl<T: AtomicType> Place<'_, T> {
    /// The value, by a volatile load: that of `READ_ONCE()`.
    ///
    /// # Safety
    ///
    /// None here.
    pub unsafe fn read_volatile(self) -> T {
        self.0.load(Relaxed)
    }
}

/// That of `core`.
pub struct AtomicUsize(Atomic<usize>);

impl AtomicUsize {
    /// With a value.
    pub const fn new(value: usize) -> Self {
        Self(Atomic::new(value))
    }

    /// The value.
    pub fn load(&self, order: Ordering) -> usize {
        self.0.decode(self.0.word.with(|word| word.load(order)))
    }

    /// Puts `value` in its place.
    pub fn store(&self, value: usize, order: Ordering) {
        self.0
            .word
            .with(|word| word.store(self.0.encode(value), order));
    }

    /// Adds to it, and returns what was there.
    pub fn fetch_add(&self, more: usize, order: Ordering) -> usize {
        self.0
            .decode(self.0.word.with(|word| word.fetch_add(more as u64, order)))
    }

    /// Takes from it, and returns what was there.
    pub fn fetch_sub(&self, less: usize, order: Ordering) -> usize {
        self.0
            .decode(self.0.word.with(|word| word.fetch_sub(less as u64, order)))
    }

    /// Puts `new` in the place of `old`, if that is there.
    pub fn compare_exchange_weak(
        &self,
        old: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        let (old, new) = (self.0.encode(old), self.0.encode(new));
        let result = self
            .0
            .word
            .with(|word| word.compare_exchange(old, new, success, failure));
        result
            .map(|old| self.0.decode(old))
            .map_err(|other| self.0.decode(other))
    }
}
