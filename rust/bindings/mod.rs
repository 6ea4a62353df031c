// SPDX-License-Identifier: GPL-2.0

//! Bindings to what the `kernel` crate's own bindings lack of the VFS.
//!
//! `bindgen` makes them from `bindings.h` during the build; `bindgen_parameters`
//! says what of it.  A type that the kernel's bindings have in full is theirs, so
//! that both crates mean the same type.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unknown_lints,
    unnecessary_transmutes,
    unreachable_pub,
    unused_imports,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;
use pin_init::{MaybeZeroable, Zeroable};

// A name of ours takes precedence over a glob import's.
pub(crate) use kernel::bindings::*;

include!(env!("AUFS2_BINDINGS"));
