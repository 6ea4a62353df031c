// SPDX-License-Identifier: GPL-2.0

//! The ninth floor: the objects of a filesystem of ours.
//!
//! Lives here: what a filesystem is, and its super blocks, inodes, dentries and open files with the data
//! that it keeps in them; how an inode is made and found again. May use all below. Of the calls of the VFS,
//! only those that give an inode its memory and take it back are answered here. Must not know how the
//! others come to be answered: what a filesystem says of its super block (`file_system`) is asked by the
//! floor above.

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
