// SPDX-License-Identifier: GPL-2.0

//! The attributes of inodes, as a filesystem implements them: once, for inodes of any kind.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::vtable::Without;
use crate::vfs::{
    call::{
        acl::{Acl, AclType},
        attr::Attr,
        stat::Stat,
    },
    object::{glimpse::Glimpse, idmap::Idmap, path::Path},
    own::{dentry::DEntry, file_system::FileSystem, inode::INode},
};
use kernel::{error::VTABLE_DEFAULT_ERROR, prelude::*};

/// What an operation is about that may be part of an RCU walk.
pub(crate) enum Walk<'a, O> {
    /// It is: nothing may sleep; answer `ECHILD` to be asked again.
    Rcu(Glimpse<'a, O>),
    /// The usual.
    Ref(&'a O),
}

/// The operations on attributes. Without one of them the VFS does what it does for a filesystem that
/// keeps all attributes in the inode.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;

    /// Changes attributes.
    fn setattr(_idmap: &Idmap, _dentry: &DEntry<Self::Fs>, _attr: Attr) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Reads attributes in `mask` (`STATX_*`), under `AT_*` flags, to `stat`, which is as empty as
    /// the VFS hands it out.
    fn getattr(
        _idmap: &Idmap,
        _dentry: &DEntry<Self::Fs>,
        _stat: &mut Stat,
        _mask: u32,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Whether the current task may do `mask` (`MAY_*`).
    fn permission(_idmap: &Idmap, _inode: Walk<'_, INode<Self::Fs>>, _mask: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The ACL that permission checks use.
    fn get_inode_acl(_inode: Walk<'_, INode<Self::Fs>>, _type: AclType) -> Result<Option<Acl>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The ACL that user space asks for.
    fn get_acl(_idmap: &Idmap, _dentry: &DEntry<Self::Fs>, _type: AclType) -> Result<Option<Acl>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Sets or removes an ACL.
    fn set_acl(
        _idmap: &Idmap,
        _dentry: &DEntry<Self::Fs>,
        _acl: Option<&Acl>,
        _type: AclType,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The access time is due for an update.
    fn update_atime(_inode: &INode<Self::Fs>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Calls `f` with the place below whose `FS_IOC_GETFLAGS` attributes and extents (`FIEMAP`) are
    /// this inode's, made writable first if `write`, and with the right to write to its mount; with
    /// the credentials that count there. The VFS has checked what the caller may do with this one.
    fn with_lower<R>(
        _dentry: &DEntry<Self::Fs>,
        _write: bool,
        _f: impl FnOnce(Path<'_>) -> Result<R>,
    ) -> Result<R> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: FileSystem> Operations for Without<T> {
    type Fs = T;
}
