// SPDX-License-Identifier: GPL-2.0

//! The fourth floor: the branches together.
//!
//! Lives here: the table of branches, in their order; which identity and which numbers each of them gets, what an
//! object is over mounts, how much room there is; what is told of branches in sysfs and debugfs. May use what
//! is below, and [`crate::vfs`]. Must not know what an inode of the union is, nor what is merged with what.

pub(crate) mod debug;
pub(crate) mod ids;
pub(crate) mod origins;
pub(crate) mod room;
pub(crate) mod spaces;
pub(crate) mod sysfs;
pub(crate) mod table;
