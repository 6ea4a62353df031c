// SPDX-License-Identifier: GPL-2.0

//! A filesystem that can be mounted: which implementation answers the calls of each kind.

use super::fs_context;
use crate::vfs::{
    ops::{attr_ops, dentry_ops, xattr_ops},
    own::file_system::FileSystem,
};

/// A filesystem with all that the VFS calls. For kinds of operations that it has none of, there is
/// [`Without`](crate::vfs::ops::vtable::Without); those of inodes and open files are said for each inode, by
/// [`FileSystem::tables`].
pub(crate) trait Mountable: FileSystem {
    /// What a mount or a reconfiguration is asked for.
    type Context: fs_context::Context<Fs = Self>;
    /// The dentry operations.
    type DentryOps: dentry_ops::Operations<Fs = Self>;
    /// The attributes.
    type Attrs: attr_ops::Operations<Fs = Self>;
    /// The extended attributes.
    type Xattrs: xattr_ops::Handler<Fs = Self>;
}
