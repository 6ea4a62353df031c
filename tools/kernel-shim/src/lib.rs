// SPDX-License-Identifier: GPL-2.0

//! As much of the `kernel` crate as the pure modules of aufs2 use, so that they
//! can be tested on the host as they are.
//!
//! The signatures are those of the kernel's `rust/kernel`; behind them are the
//! types of `std`. Allocations can be made to fail, see [`testing`].

pub mod alloc;
pub mod error;
pub mod rbtree;
pub mod testing;

/// Formatting, as in `core`.
pub mod fmt {
    pub use core::fmt::*;
}

/// Strings.
pub mod str {
    pub use core::ffi::CStr;
}

/// What a module of the kernel imports with one line.
pub mod prelude {
    pub use crate::alloc::flags::*;
    pub use crate::alloc::{KBox, KVVec, KVec};
    pub use crate::error::{Error, Result, code::*};
    pub use crate::{build_assert, fmt, static_assert};
    pub use crate::{
        pr_any as pr_alert, pr_any as pr_crit, pr_any as pr_debug, pr_any as pr_emerg,
        pr_any as pr_err, pr_any as pr_info, pr_any as pr_notice, pr_any as pr_warn,
    };
    pub use core::ffi::{
        CStr, c_char, c_int, c_long, c_longlong, c_schar, c_short, c_uchar, c_uint, c_ulong,
        c_ulonglong, c_ushort, c_void,
    };
    pub use core::mem::{align_of, align_of_val, size_of, size_of_val};
    pub use core::pin::Pin;
}

/// Makes `fmt::Arguments`.
#[macro_export]
macro_rules! fmt {
    ($($arg:tt)*) => { ::core::format_args!($($arg)*) };
}

/// Fails the build unless the condition holds.
#[macro_export]
macro_rules! static_assert {
    ($condition:expr $(, $message:literal)?) => {
        const _: () = ::core::assert!($condition $(, $message)?);
    };
}

/// Fails the build in the kernel, the test here.
#[macro_export]
macro_rules! build_assert {
    ($condition:expr $(, $message:literal)?) => { ::core::assert!($condition $(, $message)?) };
}

/// Prints to the test's output: what stands for all of `pr_*`.
#[macro_export]
macro_rules! pr_any {
    ($($arg:tt)*) => { ::std::eprint!("{}", ::core::format_args!($($arg)*)) };
}
