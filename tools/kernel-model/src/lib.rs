// SPDX-License-Identifier: GPL-2.0

//! As much of the `kernel` crate, of `core`, of `pin_init` and of the bindings as the module's synchronisation
//! uses, on [loom], so that its own sources are run in all interleavings.
//!
//! loom runs a test again and again: with each order of the atomic operations of its threads, up to a number of
//! preemptions, and with each value that a load may return by the memory model of C11. What the kernel has in C is
//! written down here as weakly ordered as it is there. What is not modelled:
//!
//! * loads that return what is stored after them in the order of execution (load buffering), which C11 allows
//!   for relaxed operations, and arm64 does. There is nothing that rests on control or address dependencies here
//!   either: where the kernel does, the model has no order.
//! * Full orders are two `SeqCst` fences with the operation between them, as weak as the kernel's memory model
//!   allows; a compare-and-exchange that fails orders nothing.
//! * A grace period ends as early as it may: when the last reader has left that was there when it began, or at
//!   once. What is to be done then is done by that reader or by who asked for it, so that those two know more of
//!   it than they would of a thread of its own. Who begins to read after that sees all that was there before.
//! * Memory that is given back stays until the execution ends; who uses it is found out by that loom knows what
//!   has come before what.
//! * Locks are sequential: a lock passes on all that its last holder knew. Nobody is interrupted, and
//!   nobody is killed but by a test.
//! * A `READ_ONCE()` is a relaxed load, of which loom has no two return values in the wrong order.

// What panics ends a test.
#![allow(clippy::missing_panics_doc)]

pub mod alloc;
pub mod bindings;
pub mod init;
pub mod sync;
pub mod testing;
pub mod time;
pub mod types;
mod world;

pub use init::{pin_init_array_from_fn, zeroed};
pub use kernel_shim_reexports::*;
pub use std::{array, cell, marker, mem, ops, pin, ptr};

mod kernel_shim_reexports {
    pub use kernel::{fmt, rbtree, str};
}

/// Errors.
pub mod error {
    pub use kernel::error::*;

    /// What a function of C has returned.
    pub fn to_result(errno: i32) -> Result {
        match errno {
            0 => Ok(()),
            errno => Err(Error::from_errno(errno)),
        }
    }

    /// A pointer that never is an error here.
    pub fn from_err_ptr<T>(pointer: *mut T) -> Result<*mut T> {
        Ok(pointer)
    }
}

/// Strings.
pub trait CStrExt {
    /// Where it begins.
    fn as_char_ptr(&self) -> *const std::ffi::c_char;
}

impl CStrExt for std::ffi::CStr {
    fn as_char_ptr(&self) -> *const std::ffi::c_char {
        self.as_ptr()
    }
}

/// Pages.
pub mod page {
    /// Small, as files are in the model.
    pub const PAGE_SIZE: usize = 1;
}

/// What a module of the kernel imports with one line.
pub mod prelude {
    pub use crate::CStrExt as _;
    pub use crate::alloc::KBox;
    pub use crate::init::{InPlace, PinInit, PinnedDrop};
    pub use crate::{pin_init, try_pin_init};
    pub use kernel::alloc::flags::*;
    pub use kernel::error::code::*;
    pub use kernel::prelude::{
        CStr, Error, KVVec, KVec, Pin, Result, align_of, align_of_val, build_assert, c_char, c_int,
        c_long, c_longlong, c_schar, c_short, c_uchar, c_uint, c_ulong, c_ulonglong, c_ushort,
        c_void, fmt, pr_alert, pr_crit, pr_debug, pr_emerg, pr_err, pr_info, pr_notice, pr_warn,
        size_of, size_of_val, static_assert,
    };
    pub use kernel_model_macros::{kunit_tests, pin_data, pinned_drop};
}
