// SPDX-License-Identifier: GPL-2.0

//! Boxes: those whose address alone is known are accounted for.

use crate::world::World;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

pub use kernel::alloc::{AllocError, Flags, KVVec, KVec, flags};

/// A value of its own allocation.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// Moves `value` into memory of its own.
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(Box::new(value)))
    }

    /// Memory for a value.
    pub fn new_uninit(_flags: Flags) -> Result<KBox<MaybeUninit<T>>, AllocError> {
        Ok(KBox(Box::new(MaybeUninit::uninit())))
    }

    /// Moves the value out.
    pub fn into_inner(this: Self) -> T {
        *this.0
    }

    /// Its address, and nothing else is known of it.
    pub fn into_raw(this: Self) -> *mut T {
        let pointer = Box::into_raw(this.0);
        World::now().note_raw(pointer);
        pointer
    }

    /// What is at the address.
    ///
    /// # Safety
    ///
    /// It came from [`KBox::into_raw`], and belongs to the caller.
    pub unsafe fn from_raw(pointer: *mut T) -> Self {
        World::now().forget_raw(pointer);
        // SAFETY: By the contract of this function.
        Self(unsafe { Box::from_raw(pointer) })
    }
}

impl<T> KBox<MaybeUninit<T>> {
    /// Moves `value` in.
    pub fn write(mut self, value: T) -> KBox<T> {
        self.0.write(value);
        // SAFETY: It was just written.
        KBox(unsafe { self.0.assume_init() })
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

impl<T: ?Sized> From<KBox<T>> for Pin<KBox<T>> {
    fn from(this: KBox<T>) -> Self {
        // SAFETY: The value stays in its box.
        unsafe { Self::new_unchecked(this) }
    }
}
