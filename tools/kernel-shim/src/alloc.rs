// SPDX-License-Identifier: GPL-2.0

//! Memory: vectors and boxes. What takes flags fails when a test wants it to.

use crate::testing::allocate;
use core::borrow::{Borrow, BorrowMut};
use core::fmt;
use core::ops::{Deref, DerefMut};

/// No memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

/// How to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

/// The flags that exist.
pub mod flags {
    use super::Flags;

    /// May sleep.
    pub const GFP_KERNEL: Flags = Flags(1);
    /// May not sleep.
    pub const GFP_ATOMIC: Flags = Flags(2);
    /// May neither sleep nor reclaim.
    pub const GFP_NOWAIT: Flags = Flags(3);
    /// May sleep, accounted to the task's memory group.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags(4);
}

/// A growing array.
pub struct KVec<T>(Vec<T>);

/// The same from another allocator.
pub type KVVec<T> = KVec<T>;

/// There is no such element.
#[derive(Debug)]
pub struct RemoveError;

impl<T> KVec<T> {
    /// An empty one, which takes no memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty one with room for `capacity` elements.
    pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(Vec::with_capacity(capacity)))
    }

    /// Makes room for `additional` elements more.
    pub fn reserve(&mut self, additional: usize, _flags: Flags) -> Result<(), AllocError> {
        allocate()?;
        self.0.reserve(additional);
        Ok(())
    }

    /// Appends an element.
    pub fn push(&mut self, value: T, _flags: Flags) -> Result<(), AllocError> {
        allocate()?;
        self.0.push(value);
        Ok(())
    }

    /// Takes the last element.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Takes the element at `index`.
    pub fn remove(&mut self, index: usize) -> Result<T, RemoveError> {
        if index < self.0.len() {
            Ok(self.0.remove(index))
        } else {
            Err(RemoveError)
        }
    }

    /// Drops all elements.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops all elements from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Keeps the elements for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(keep);
    }

    /// How many elements there is room for.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone> KVec<T> {
    /// Appends copies of all elements of `other`.
    pub fn extend_from_slice(&mut self, other: &[T], _flags: Flags) -> Result<(), AllocError> {
        allocate()?;
        self.0.extend_from_slice(other);
        Ok(())
    }

    /// Appends `count` copies of `value`.
    pub fn extend_with(&mut self, count: usize, value: T, flags: Flags) -> Result<(), AllocError> {
        self.resize(self.0.len() + count, value, flags)
    }

    /// A vector of `count` copies of `value`.
    pub fn from_elem(value: T, count: usize, _flags: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(vec![value; count]))
    }

    /// Drops elements or appends copies of `value`, until there are `len`.
    pub fn resize(&mut self, len: usize, value: T, _flags: Flags) -> Result<(), AllocError> {
        allocate()?;
        self.0.resize(len, value);
        Ok(())
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for KVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> Borrow<[T]> for KVec<T> {
    fn borrow(&self) -> &[T] {
        &self.0
    }
}

impl<T> BorrowMut<[T]> for KVec<T> {
    fn borrow_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: PartialEq<U>, U> PartialEq<KVec<U>> for KVec<T> {
    fn eq(&self, other: &KVec<U>) -> bool {
        self.0 == other.0
    }
}

impl<T: PartialEq<U>, U> PartialEq<[U]> for KVec<T> {
    fn eq(&self, other: &[U]) -> bool {
        self.0 == other
    }
}

impl<T: PartialEq<U>, U> PartialEq<&[U]> for KVec<T> {
    fn eq(&self, other: &&[U]) -> bool {
        self.0 == *other
    }
}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U; N]> for KVec<T> {
    fn eq(&self, other: &[U; N]) -> bool {
        self.0 == *other
    }
}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<&[U; N]> for KVec<T> {
    fn eq(&self, other: &&[U; N]) -> bool {
        self.0 == **other
    }
}

impl<T: Eq> Eq for KVec<T> {}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut KVec<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

/// A value of its own allocation.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// Moves `value` into memory of its own.
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(Box::new(value)))
    }

    /// Moves the value out.
    pub fn into_inner(this: Self) -> T {
        *this.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for KBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::{until_enough, with_allocations};

    fn three() -> Result<KVec<u8>> {
        let mut vec = KVec::with_capacity(1, GFP_KERNEL)?;
        vec.push(1, GFP_KERNEL)?;
        vec.extend_from_slice(&[2, 3], GFP_KERNEL)?;
        Ok(vec)
    }

    #[test]
    fn behaves_as_a_vector() {
        let mut vec = three().unwrap();
        assert_eq!(vec, [1, 2, 3]);
        vec.retain(|&mut value| value != 2);
        assert_eq!(vec.remove(1).unwrap(), 3);
        assert!(vec.remove(1).is_err());
        assert_eq!(vec.pop(), Some(1));
        assert!(vec.is_empty());
    }

    #[test]
    fn allocations_fail_on_demand() {
        assert_eq!(with_allocations(2, three).unwrap_err(), ENOMEM);
        assert!(with_allocations(3, three).is_ok());
        let (vec, errors) = until_enough(three);
        assert_eq!(vec, [1, 2, 3]);
        assert_eq!(errors, [ENOMEM; 3]);
        assert!(three().is_ok());
    }
}
