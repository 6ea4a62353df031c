// SPDX-License-Identifier: GPL-2.0

//! What is called in C.

pub(crate) use kernel::bindings::*;
