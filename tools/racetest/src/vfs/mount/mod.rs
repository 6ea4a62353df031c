// SPDX-License-Identifier: GPL-2.0

//! Files.

pub(crate) mod file;
#[path = "../../../../../rust/vfs/mount/file_chain.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod file_chain;
