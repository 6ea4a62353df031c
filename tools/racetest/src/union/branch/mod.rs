// SPDX-License-Identifier: GPL-2.0

//! One of the trees.

#[path = "../../../../../rust/union/branch/volatile_mark.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod volatile_mark;

#[cfg(test)]
mod mark_test;
