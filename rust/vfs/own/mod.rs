// SPDX-License-Identifier: GPL-2.0

//! The eighth floor: the objects of a filesystem of ours.
//!
//! Lives here: what a filesystem is, and its super blocks, inodes, dentries and open files with the data that it
//! keeps in them; how an inode is made and found again. May use all below. Must not know which function
//! answers which call of the VFS.

pub(crate) mod dentry;
pub(crate) mod fields;
pub(crate) mod file;
pub(crate) mod file_system;
pub(crate) mod glimpse;
pub(crate) mod inode;
pub(crate) mod inode_cache;
pub(crate) mod inodes;
pub(crate) mod kept;
pub(crate) mod new_inode;
pub(crate) mod new_name;
pub(crate) mod shelves;
pub(crate) mod super_block;
