// SPDX-License-Identifier: GPL-2.0

//! The second floor: which object is which.
//!
//! Lives here: the identity of a branch, and of a filesystem over mounts; the inode numbers of the union, in a
//! range for each filesystem below; what is known of copies that have several names. Numbers and tables of
//! them. May use `text` and [`crate::vfs`]. Must not know what a branch is.

pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod known;
pub(crate) mod number;
pub(crate) mod range;
