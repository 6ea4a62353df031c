// SPDX-License-Identifier: GPL-2.0

//! The sixth floor: the attributes of objects below.
//!
//! Lives here: reading and changing what `stat(2)` shows, flags of inodes and what they protect, extended
//! attributes, ACLs. May use [`mod@mount`](super::mount) and below. Must not know of a filesystem of ours,
//! but that one may be asked what is asked here of those below (`fileattr`): whoever calls may be any part
//! of the kernel.

pub(crate) mod acl;
// What is changed has the name of the floor.
#[allow(clippy::module_inception)]
pub(crate) mod attr;
pub(crate) mod fileattr;
pub(crate) mod protection;
pub(crate) mod stat;
pub(crate) mod xattr;
