// SPDX-License-Identifier: GPL-2.0

//! Making values: where they are made is where they stay in the kernel, and not here.

use crate::alloc::KBox;
use kernel::alloc::Flags;
use kernel::error::{Error, Result};
use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;

/// What makes a value.
pub trait PinInit<T, E = Infallible> {
    /// Makes it.
    fn make(self) -> Result<T, E>;
}

impl<T, E, F: FnOnce() -> Result<T, E>> PinInit<T, E> for F {
    fn make(self) -> Result<T, E> {
        self()
    }
}

/// Makes it, with a name that infers.
pub fn make<T, E>(init: impl PinInit<T, E>) -> Result<T, E> {
    init.make()
}

/// Values that are made where they stay.
pub trait InPlace<T>: Sized {
    /// What has the value.
    type Pinned;

    /// Makes one.
    fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::Pinned>
    where
        Error: From<E>;
}

impl<T> InPlace<T> for Arc<T> {
    type Pinned = Self;

    fn pin_init<E>(init: impl PinInit<T, E>, _flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        Ok(Self::new(init.make()?))
    }
}

impl<T> InPlace<T> for KBox<T> {
    type Pinned = Pin<Self>;

    fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        Error: From<E>,
    {
        Ok(Self::new(init.make()?, flags)?.into())
    }
}

/// What a pinned value does at its end.
pub trait PinnedDrop {
    /// It ends.
    fn drop(self: Pin<&mut Self>);
}

/// All zeroes.
pub const fn zeroed<T>() -> T {
    // SAFETY: What is asked for in the module may be.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// An array, one element after the other.
pub fn pin_init_array_from_fn<T, I: PinInit<T>, const N: usize>(
    init: impl Fn(usize) -> I,
) -> impl PinInit<[T; N]> {
    move || {
        Ok(std::array::from_fn(|at| match init(at).make() {
            Ok(value) => value,
            Err(never) => match never {},
        }))
    }
}

/// Makes a structure whose fields are made.
#[macro_export]
macro_rules! pin_init {
    (@ $error:ty, $name:tt { $($done:tt)* }) => {
        move || -> ::std::result::Result<_, $error> { Ok($name { $($done)* }) }
    };
    (@ $error:ty, $name:tt { $($done:tt)* } $field:ident <- $init:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $error, $name { $($done)* $field: $crate::init::make($init)?, } $($rest)*)
    };
    (@ $error:ty, $name:tt { $($done:tt)* } $field:ident : $value:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $error, $name { $($done)* $field: $value, } $($rest)*)
    };
    (@ $error:ty, $name:tt { $($done:tt)* } $field:ident, $($rest:tt)*) => {
        $crate::pin_init!(@ $error, $name { $($done)* $field, } $($rest)*)
    };
    ($name:tt { $($fields:tt)* }) => {
        $crate::pin_init!(@ ::std::convert::Infallible, $name {} $($fields)*)
    };
}

/// As [`pin_init!`], where something may fail.
#[macro_export]
macro_rules! try_pin_init {
    ($name:tt { $($fields:tt)* }? $error:ty) => {
        $crate::pin_init!(@ $error, $name {} $($fields)*)
    };
}
