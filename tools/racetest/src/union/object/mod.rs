// SPDX-License-Identifier: GPL-2.0

//! What an inode is.

#[path = "../../../../../rust/union/object/new_names.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod new_names;
#[path = "../../../../../rust/union/object/settled.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod settled;
