// SPDX-License-Identifier: GPL-2.0

//! What operation tables have in common.
//!
//! A table is a `#[vtable]` trait. What an implementation leaves out is a null pointer in the C
//! table, so that the VFS does what it does for any filesystem without the operation.

use core::marker::PhantomData;

/// `Some(f)` if the implementation `O`, or the one that is named, has the operation.
macro_rules! if_has {
    ($has:ident, $f:expr) => {
        if_has!(O: $has, $f)
    };
    ($ops:ty: $has:ident, $f:expr) => {
        if <$ops>::$has {
            Some($f)
        } else {
            None
        }
    };
}
pub(in crate::vfs) use if_has;

/// Stands for the operations of a kind that the filesystem `T` does without.
pub(crate) struct Without<T>(PhantomData<T>);
