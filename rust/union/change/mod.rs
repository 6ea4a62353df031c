// SPDX-License-Identifier: GPL-2.0

//! The ninth floor: branches that come and go.
//!
//! Lives here: what a remount makes of the branches, who keeps one busy, taking one out of every inode. Must
//! not know the grammar of the options that asked for it, nor the other settings: those are with
//! [`serve::context`](super::serve::context).

pub(crate) mod busy;
pub(crate) mod leave;
pub(crate) mod plan;
pub(crate) mod wanted;
