// SPDX-License-Identifier: GPL-2.0

//! Lists that mostly have one item, or none.

use core::{mem, ops::Deref};
use kernel::{alloc::flags::GFP_KERNEL_ACCOUNT, prelude::*};

/// A list. One item needs no memory of its own, and none is given back for what is empty, which an
/// empty `KVec` asks the allocator for.
pub(crate) enum Few<T> {
    /// None.
    None,
    /// One.
    One(T),
    /// Any number.
    Many(KVec<T>),
}

impl<T> Few<T> {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self::None
    }

    /// None so far, with room for `count`. `ENOMEM`.
    pub(crate) fn with_capacity(count: usize) -> Result<Self> {
        let mut few = Self::None;
        few.reserve(count)?;
        Ok(few)
    }

    /// Makes room for `more`: those can be pushed without a failure. `ENOMEM`.
    pub(crate) fn reserve(&mut self, more: usize) -> Result {
        match self {
            Self::None if more <= 1 => {}
            Self::Many(items) => items.reserve(more, GFP_KERNEL_ACCOUNT)?,
            Self::None | Self::One(_) => {
                let mut items =
                    KVec::with_capacity((self.len() + more).max(4), GFP_KERNEL_ACCOUNT)?;
                if let Self::One(first) = mem::replace(self, Self::None) {
                    // There is room.
                    items.push(first, GFP_KERNEL_ACCOUNT)?;
                }
                *self = Self::Many(items);
            }
        }
        Ok(())
    }

    /// Adds an item after the others. `ENOMEM`.
    pub(crate) fn push(&mut self, item: T) -> Result {
        self.reserve(1)?;
        match self {
            Self::Many(items) => items.push(item, GFP_KERNEL_ACCOUNT)?,
            // There was none: for a second one, `reserve` has made a vector.
            Self::None | Self::One(_) => *self = Self::One(item),
        }
        Ok(())
    }

    /// Takes an item out. The last one takes its place.
    pub(crate) fn swap_remove(&mut self, at: usize) -> Option<T> {
        if at >= self.len() {
            return None;
        }
        if let Self::Many(items) = self {
            let last = items.len() - 1;
            items.swap(at, last);
            return items.pop();
        }
        match mem::replace(self, Self::None) {
            Self::One(item) => Some(item),
            Self::None | Self::Many(_) => None,
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => core::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
