// SPDX-License-Identifier: GPL-2.0

//! The top floor: a whole filesystem.
//!
//! Lives here: which implementation answers the calls of each kind (`mountable`); the operations on its
//! inodes, and the C tables that are made of them; its super block from the beginning to the end; its
//! mounts and remounts; its name in the kernel. May use all below. Must not know of any particular
//! filesystem.

pub(crate) mod fs_context;
pub(crate) mod inode_ops;
mod inode_table;
pub(crate) mod mountable;
pub(crate) mod registration;
pub(crate) mod super_ops;
