// SPDX-License-Identifier: GPL-2.0

//! The tenth floor: what the VFS calls of one kind.
//!
//! Lives here: the operations on open files, pages, dentries and attributes as traits that a filesystem
//! implements, with what they are called with; the C tables of these; I/O that is passed on to a file
//! below. May use all below. Must not know what else a filesystem answers: which implementations are one
//! filesystem is put together on the floor above.

pub(crate) mod attr_ops;
pub(crate) mod backing;
pub(crate) mod dentry_ops;
pub(crate) mod emitter;
pub(crate) mod file_ops;
pub(crate) mod page_ops;
pub(crate) mod rename;
pub(crate) mod vtable;
pub(crate) mod xattr_ops;
