// SPDX-License-Identifier: GPL-2.0

//! The fifth floor: what is asked of the filesystems below.
//!
//! Lives here: looking up, making, removing and renaming names, opening files, I/O on them and copying from one
//! to another, reading and changing attributes, extended attributes and ACLs, noticing changes. May use
//! [`object`](super::object) and below. Must not know of a filesystem of ours: whoever calls may be any part
//! of the kernel.

pub(crate) mod acl;
pub(crate) mod attr;
pub(crate) mod block;
pub(crate) mod claim;
pub(crate) mod copy;
pub(crate) mod extents;
pub(crate) mod fileattr;
pub(crate) mod io;
pub(crate) mod namei;
pub(crate) mod open;
pub(crate) mod protection;
pub(crate) mod readdir;
pub(crate) mod rename;
pub(crate) mod stat;
pub(crate) mod symlink;
pub(crate) mod watch;
pub(crate) mod xattr;
