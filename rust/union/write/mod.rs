// SPDX-License-Identifier: GPL-2.0

//! The fifth floor: changing the union.
//!
//! Lives here: the policies that choose a branch, copy-up, making, linking, removing and renaming
//! entries, moving an object to a lower branch. Must not know which call of the VFS or which ioctl asked
//! for it, nor that branches can come and go, but for the locks that say so.

pub(crate) mod copy_data;
pub(crate) mod copy_job;
pub(crate) mod copy_up;
pub(crate) mod entry;
pub(crate) mod links;
pub(crate) mod mvdown;
pub(crate) mod obstacle;
pub(crate) mod plink;
pub(crate) mod policy;
pub(crate) mod rename;
pub(crate) mod rights;
pub(crate) mod seal;
pub(crate) mod tree_up;
