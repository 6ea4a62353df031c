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
//! - [`object`]: inodes, dentries, super blocks, of whatever filesystem;
//! - [`mod@mount`]: mounts, places on them, files that the kernel opens;
//! - [`mod@attr`]: their attributes;
//! - [`below`]: what is asked of the filesystems below;
//! - [`mm`]: mappings of files;
//! - [`own`]: the objects of a filesystem of ours, with its data;
//! - [`ops`]: what the VFS calls of one kind;
//! - [`fs`]: a whole filesystem.
//!
//! The rules of the house:
//!
//! - all `unsafe` code of the module, and every call of a C binding, is in here or in the bindings;
//! - an operation table is a trait, implemented by the filesystem and turned into the C table by a
//!   constant: [`fs::inode_ops`], [`ops::attr_ops`], [`ops::xattr_ops`], [`ops::file_ops`],
//!   [`ops::dentry_ops`], [`fs::super_ops`], [`fs::fs_context`], [`mm::vm_ops`],
//!   [`ops::page_ops`]. The functions of C's types
//!   for the three of inodes, which differ between kernels, are in `fs::inode_table`;
//! - an operation that a filesystem leaves out is left to the VFS: [`ops::vtable`];
//! - a thing that must be undone is a guard: [`mount::write_access::WriteAccess`], [`below::namei::Creating`],
//!   [`below::namei::Removing`], [`below::rename::Renaming`];
//! - a lock that the caller holds is a type: [`own::inode::Locked`], [`object::inode_lock::InodeLock`],
//!   [`own::file::LockedFile`], [`ops::backing::LockedPipe`], [`own::super_block::Reconfigured`];
//! - differences between kernel versions stay behind this module's functions: `#[cfg(kernel_7_3)]`, which
//!   `Kbuild` sets by the kernel's version, in as few of them as can be.
//!
//! To write a filesystem, begin with [`own::file_system::FileSystem`] (what its inodes and super block are)
//! and [`fs::mountable::Mountable`] (what answers the VFS); `rust/samples/` has one in a page, one with a page
//! cache of its own, and one that is stacked.

pub(crate) mod admin;
pub(crate) mod attr;
pub(crate) mod below;
pub(crate) mod fs;
pub(crate) mod mm;
pub(crate) mod mount;
pub(crate) mod object;
pub(crate) mod ops;
pub(crate) mod own;
#[cfg(aufs2_sample)]
pub(crate) mod prelude;
pub(crate) mod sync;
pub(crate) mod value;
