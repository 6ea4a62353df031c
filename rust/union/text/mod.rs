// SPDX-License-Identifier: GPL-2.0

//! The first floor: grammar and decisions that are pure, and tested on the host.
//!
//! Lives here: what mount options and permissions are made of, which names are reserved, how a
//! branch is chosen of those that can be. May use nothing of the union and nothing of [`crate::vfs`]
//! but [`value`](crate::vfs::value). Must not know that there are inodes, branches or mounts.

pub(crate) mod choice;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod settings;
