// SPDX-License-Identifier: GPL-2.0

//! The objects of a filesystem of ours.

#[path = "../../../../../rust/vfs/own/shelves.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod shelves;

#[cfg(test)]
mod shelves_test;
