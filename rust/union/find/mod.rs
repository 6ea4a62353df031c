// SPDX-License-Identifier: GPL-2.0

//! The sixth floor: reading the union.
//!
//! Lives here: what a name means (`lookup`), what a directory has in it (`merge`), the making of an index where
//! there are many branches (`indexing`), finding whiteouts and opaque marks (`whiteout`), and bringing an inode up
//! to date after branches or their contents have changed (`refresh`). Whether a name in the cache still means what
//! it did is asked by [`serve::dentry`](super::serve::dentry). Must not copy anything up, nor choose a branch to
//! write to, nor make or remove a whiteout or an opaque mark.

pub(crate) mod indexing;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod refresh;
pub(crate) mod whiteout;
