// SPDX-License-Identifier: GPL-2.0

//! Types for what belongs to C.

use crate::init::{PinInit, zeroed};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Makes a type stay on its thread.
pub type NotThreadSafe = PhantomData<*mut ()>;
/// The value of it.
#[allow(non_upper_case_globals)]
pub const NotThreadSafe: NotThreadSafe = PhantomData;

/// A value of C's.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    /// With a value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)))
    }

    /// Without.
    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// All zeroes.
    pub fn zeroed() -> Self {
        zeroed()
    }

    /// Where it is.
    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }

    /// Has C fill it in.
    pub fn ffi_init(fill: impl FnOnce(*mut T)) -> impl PinInit<Self> {
        move || {
            let this = Self::uninit();
            fill(this.get());
            Ok(this)
        }
    }

    /// As [`Opaque::ffi_init`], which may fail.
    pub fn try_ffi_init<E>(fill: impl FnOnce(*mut T) -> Result<(), E>) -> impl PinInit<Self, E> {
        move || {
            let this = Self::uninit();
            fill(this.get())?;
            Ok(this)
        }
    }
}
