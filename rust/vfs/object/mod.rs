// SPDX-License-Identifier: GPL-2.0

//! The fourth floor: the objects of the VFS, of whatever filesystem.
//!
//! Lives here: inodes, dentries, mounts, places, open files and credentials, each with its references and
//! what can be read off it. May use [`sync`](super::sync) and below. Must not know of a filesystem of ours,
//! nor change an object, but for having all of a filesystem written out: that is [`mod@attr`](super::attr)
//! and [`below`](super::below).

pub(crate) mod cred;
pub(crate) mod dentry;
pub(crate) mod file;
pub(crate) mod file_chain;
pub(crate) mod glimpse;
pub(crate) mod idmap;
pub(crate) mod inode;
pub(crate) mod inode_lock;
pub(crate) mod mount;
pub(crate) mod path;
pub(crate) mod private_mount;
pub(crate) mod published;
pub(crate) mod super_block;
pub(crate) mod write_access;
