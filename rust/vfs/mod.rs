// SPDX-License-Identifier: GPL-2.0

//! A safe VFS and memory-management layer for filesystems written in Rust.
//!
//! The `kernel` crate has no super block, inode, dentry, mount or address space abstractions yet;
//! this module brings the ones that a filesystem needs, and nothing about any particular
//! filesystem. Its files are on floors. A file uses its own folder and the floors below, and nothing of the
//! other parts of the module. From the ground up:
//!
//! - [`value`]: errors, flags, file types, names;
//! - [`sync`]: locks, counts, RCU, tasks;
//! - [`admin`]: parameters of the module, sysfs, debugfs, ioctls;
//! - [`object`]: inodes, dentries, mounts, files, of whatever filesystem;
//! - [`mod@attr`]: their attributes;
//! - [`call`]: what is asked of the filesystems below;
//! - [`mm`]: mappings of files;
//! - [`own`]: the objects of a filesystem of ours, with its data;
//! - [`table`]: what the VFS calls.
//!
//! The rules of the house:
//!
//! - all `unsafe` code of the module, and every call of a C binding, is in here or in the bindings;
//! - an operation table is a trait, implemented by the filesystem and turned into the C table by a
//!   constant: [`table::inode_ops`], [`table::attr_ops`], [`table::xattr_ops`], [`table::file_ops`],
//!   [`table::dentry_ops`], [`table::super_ops`], [`table::fs_context`], [`mm::vm_ops`]. The functions of C's types
//!   for the three of inodes, which differ between kernels, are in `table::inode_table`;
//! - an operation that a filesystem leaves out is left to the VFS: [`table::vtable`];
//! - a thing that must be undone is a guard: [`object::write_access::WriteAccess`], [`call::namei::Creating`],
//!   [`call::namei::Removing`], [`call::rename::Renaming`];
//! - a lock that the caller holds is a type: [`own::inode::Locked`], [`object::inode_lock::InodeLock`],
//!   [`own::file::LockedFile`], [`table::backing::LockedPipe`], [`own::super_block::Reconfigured`];
//! - differences between kernel versions stay behind this module's functions.

pub(crate) mod admin;
pub(crate) mod attr;
pub(crate) mod call;
pub(crate) mod mm;
pub(crate) mod object;
pub(crate) mod own;
#[cfg(aufs2_sample)]
pub(crate) mod prelude;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod value;
