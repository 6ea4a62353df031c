// SPDX-License-Identifier: GPL-2.0

//! The seventh floor: what is asked of the filesystems below.
//!
//! Lives here: looking up, making, removing and renaming names, opening files, I/O on them and copying from
//! one to another, noticing changes: further methods of the types of [`object`](super::object) and
//! [`mod@mount`](super::mount), and guards for what has an end. May use [`attr`](super::attr) and below.
//! Must not know of a filesystem of ours: whoever calls may be any part of the kernel.

pub(crate) mod block;
pub(crate) mod claim;
pub(crate) mod copy;
pub(crate) mod extents;
pub(crate) mod io;
pub(crate) mod namei;
pub(crate) mod notice;
pub(crate) mod open;
pub(crate) mod readdir;
pub(crate) mod rename;
pub(crate) mod symlink;
