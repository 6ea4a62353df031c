// SPDX-License-Identifier: GPL-2.0

//! The sixth floor: branches that come and go.
//!
//! Lives here: the plan of a remount, who keeps a branch busy, taking a branch out of every inode. Must
//! not know the grammar of the options that asked for it.

pub(crate) mod busy;
pub(crate) mod leave;
pub(crate) mod plan;
pub(crate) mod wanted;
