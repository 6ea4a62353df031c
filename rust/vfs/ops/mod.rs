// SPDX-License-Identifier: GPL-2.0

//! The top floor: what the VFS calls.
//!
//! Lives here: the operations that a filesystem implements, as traits, with what they are called with; the C
//! tables that are made of them; I/O that is passed on to a file below; the registration of a type, its mounts
//! and remounts. May use all below. Must not know of any particular filesystem.

pub(crate) mod attr_ops;
pub(crate) mod backing;
pub(crate) mod dentry_ops;
pub(crate) mod emitter;
pub(crate) mod file_ops;
pub(crate) mod fs_context;
pub(crate) mod inode_ops;
mod inode_table;
pub(crate) mod mountable;
pub(crate) mod page_ops;
pub(crate) mod registration;
pub(crate) mod rename;
pub(crate) mod super_ops;
pub(crate) mod vtable;
pub(crate) mod xattr_ops;
