// SPDX-License-Identifier: GPL-2.0

//! The sixth floor: reading the union.
//!
//! Lives here: what a name means, what a directory has in it, the making of an index where there are many
//! branches, whiteouts and opaque marks, and bringing an inode up to date after branches or their contents
//! have changed. Must not copy anything up, nor choose a branch to write to, nor make or remove a mark.

pub(crate) mod indexing;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod refresh;
pub(crate) mod whiteout;
