// SPDX-License-Identifier: GPL-2.0

//! The top floor: what the VFS and tools call.
//!
//! Lives here: the operations of directories (`dir`), regular files (`regular`, with what `fsync(2)` means in
//! `durable`) and everything else (`special`); attributes (`attr`, `xattr`); whether a name in the cache still
//! holds (`dentry`); mounting and remounting, and what that changes of the settings (`context`); the ioctls
//! (`control`, `mvdown`, `rdu`); `impl FileSystem for Union` (`super_block`). What is done to names and branches is
//! handed to the floors below; what is done to an open file is done here. What sysfs and debugfs show is with the
//! [`branches`](super::branches).

pub(crate) mod attr;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod dentry;
pub(crate) mod dir;
pub(crate) mod durable;
pub(crate) mod mvdown;
pub(crate) mod rdu;
pub(crate) mod regular;
pub(crate) mod special;
pub(crate) mod super_block;
pub(crate) mod xattr;
