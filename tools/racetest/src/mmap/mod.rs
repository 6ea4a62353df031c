// SPDX-License-Identifier: GPL-2.0

//! How files are mapped.

#[path = "../../../../rust/mmap/snapshot/mod.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod snapshot;
