// SPDX-License-Identifier: GPL-2.0

//! A safe VFS and memory-management layer for filesystems written in Rust.
//!
//! The `kernel` crate has no super block, inode, dentry, mount or address space abstractions yet;
//! this module brings the ones that a filesystem needs, and nothing about any particular
//! filesystem. The rules of the house:
//!
//! - all `unsafe` code of the module, and every call of a C binding, is in here or in the bindings;
//! - an operation table is a trait, implemented by the filesystem and turned into the C table by a
//!   constant: [`inode_ops`], [`file_ops`], [`dentry_ops`], [`super_block`], [`fs_context`],
//!   [`vm_ops`];
//! - an operation that a filesystem leaves out is left to the VFS: [`vtable`];
//! - a thing that must be undone is a guard: [`mount::WriteAccess`], [`namei::Creating`],
//!   [`namei::Removing`], [`rename::Renaming`];
//! - a lock that the caller holds is a type: [`inode::Locked`], [`inode_lock::InodeLock`],
//!   [`file::LockedFile`], [`backing::LockedPipe`], [`super_block::Reconfigured`];
//! - differences between kernel versions stay behind this module's functions.

pub(crate) mod acl;
pub(crate) mod attr;
pub(crate) mod attr_ops;
pub(crate) mod backing;
mod bit_lock;
pub(crate) mod block;
pub(crate) mod claim;
pub(crate) mod copy;
mod count;
pub(crate) mod cred;
pub(crate) mod debugfs;
pub(crate) mod dentry;
pub(crate) mod dentry_ops;
pub(crate) mod errno;
pub(crate) mod fault;
pub(crate) mod fields;
pub(crate) mod file;
pub(crate) mod file_chain;
pub(crate) mod file_ops;
pub(crate) mod flags;
pub(crate) mod front_file;
pub(crate) mod fs_context;
pub(crate) mod gate;
pub(crate) mod glimpse;
pub(crate) mod idmap;
pub(crate) mod inode;
pub(crate) mod inode_cache;
pub(crate) mod inode_lock;
pub(crate) mod inode_ops;
mod inode_table;
pub(crate) mod inodes;
pub(crate) mod ioctl;
pub(crate) mod kept;
pub(crate) mod killable;
pub(crate) mod kobject;
pub(crate) mod load;
pub(crate) mod lockdep;
pub(crate) mod mode;
pub(crate) mod module_param;
pub(crate) mod mount;
pub(crate) mod name;
pub(crate) mod namei;
pub(crate) mod number_map;
pub(crate) mod path;
#[cfg(aufs2_sample)]
pub(crate) mod prelude;
pub(crate) mod protection;
pub(crate) mod rcu;
pub(crate) mod readdir;
pub(crate) mod rename;
pub(crate) mod seq;
pub(crate) mod shelves;
pub(crate) mod stat;
pub(crate) mod super_block;
pub(crate) mod symlink;
pub(crate) mod task;
pub(crate) mod thread;
pub(crate) mod vm_ops;
pub(crate) mod vma;
pub(crate) mod vtable;
pub(crate) mod watch;
pub(crate) mod xattr;
