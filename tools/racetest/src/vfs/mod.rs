// SPDX-License-Identifier: GPL-2.0

//! What is checked of the VFS layer, and stand-ins for what that uses.

pub(crate) mod mount;
pub(crate) mod sync;
#[allow(dead_code)]
pub(crate) mod value;
