// SPDX-License-Identifier: GPL-2.0

//! The fourth floor: the objects of the VFS, of whatever filesystem.
//!
//! Lives here: inodes, dentries, super blocks, and mappings of ids, each with its references and what can
//! be read off it. May use [`sync`](super::sync) and below. Must not know of a filesystem of ours, nor
//! change an object, but for having all of a filesystem written out: that is [`mod@attr`](super::attr) and
//! [`below`](super::below).

pub(crate) mod dentry;
pub(crate) mod glimpse;
pub(crate) mod idmap;
pub(crate) mod inode;
pub(crate) mod inode_lock;
pub(crate) mod published;
pub(crate) mod super_block;
