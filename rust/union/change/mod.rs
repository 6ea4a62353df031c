// SPDX-License-Identifier: GPL-2.0

//! The tenth floor: branches that come and go.
//!
//! Lives here: what a mount or a remount makes of the branches (`wanted`, `plan`), who keeps one busy, taking one
//! out of every inode (`leave`). Must not know the other settings, but for what a branch is made with, and that
//! `fsync=volatile` ends with it: those are with [`serve::context`](super::serve::context).

pub(crate) mod busy;
pub(crate) mod leave;
pub(crate) mod plan;
pub(crate) mod wanted;
