// SPDX-License-Identifier: GPL-2.0

//! The second floor: the trees below, and their order.
//!
//! Lives here: a branch with its mount, the table of branches, identities, inode numbers, the work
//! directory and that of pseudo-links, what is marked as not written out, taking a directory tree apart.
//! May use `text` and [`crate::vfs`]. Must not know what an inode of the union is, nor what is merged
//! with what.

pub(crate) mod branch;
pub(crate) mod debug;
pub(crate) mod identity;
pub(crate) mod ids;
pub(crate) mod lift;
pub(crate) mod number;
pub(crate) mod place;
pub(crate) mod plinks;
mod private;
pub(crate) mod range;
pub(crate) mod records;
pub(crate) mod space;
pub(crate) mod sysfs;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod volatile;
pub(crate) mod work;
