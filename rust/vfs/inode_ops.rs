// SPDX-License-Identifier: GPL-2.0

//! The operations on inodes, that a filesystem implements.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    acl::{Acl, AclType},
    attr::Attr,
    dentry::{DEntry, InLookup, Negative, Spliced},
    file::FsFile,
    file_ops,
    idmap::Idmap,
    inode::{INode, Locked},
    inode_table::Table,
    mode::Mode,
    rename::Rename,
    stat::Stat,
    super_block::FileSystem,
    symlink::Target,
    xattr::NameList,
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{error::VTABLE_DEFAULT_ERROR, prelude::*, sync::aref::ARef};

/// Whether an operation is part of an RCU walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Nothing may sleep; answer `ECHILD` to be asked again.
    Rcu,
    /// The usual.
    Ref,
}

/// The operations on inodes of one kind. What is not implemented is not supported, with the errno
/// that the VFS has for it.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;

    /// Finds `dentry`'s name in `dir`.
    fn lookup(
        _dir: &INode<Self::Fs>,
        _dentry: InLookup<'_, Self::Fs>,
    ) -> Result<Spliced<Self::Fs>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The target of the symbolic link `inode`.
    fn get_link(_inode: &INode<Self::Fs>) -> Result<Target> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Whether the current task may do `mask` (`MAY_*`).
    fn permission(_idmap: &Idmap, _inode: &INode<Self::Fs>, _mask: u32, _walk: Walk) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The ACL that permission checks use.
    fn get_inode_acl(_inode: &INode<Self::Fs>, _type: AclType, _walk: Walk) -> Result<Option<Acl>> {
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
    /// Makes a regular file.
    fn create(_idmap: &Idmap, _entry: Negative<'_, Self::Fs>, _mode: Mode) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Gives `inode` another name.
    fn link(_old: &DEntry<Self::Fs>, _entry: Negative<'_, Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Takes a name from an object that is not a directory.
    fn unlink(_dir: &Locked<'_, Self::Fs>, _dentry: &DEntry<Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Makes a symbolic link.
    fn symlink(_idmap: &Idmap, _entry: Negative<'_, Self::Fs>, _target: &CStr) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Makes a directory.
    fn mkdir(_idmap: &Idmap, _entry: Negative<'_, Self::Fs>, _mode: Mode) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Removes an empty directory.
    fn rmdir(_dir: &Locked<'_, Self::Fs>, _dentry: &DEntry<Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Makes a device, FIFO or socket node.
    fn mknod(_idmap: &Idmap, _entry: Negative<'_, Self::Fs>, _mode: Mode, _dev: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Renames.
    fn rename(_idmap: &Idmap, _rename: Rename<'_, Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
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
    /// Lists the names of extended attributes.
    fn listxattr(_dentry: &DEntry<Self::Fs>) -> Result<NameList> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The access time is due for an update.
    fn update_atime(_inode: &INode<Self::Fs>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Opens a new file that has no name.
    fn tmpfile(
        _idmap: &Idmap,
        _dir: &INode<Self::Fs>,
        _file: &FsFile<Self::Fs>,
        _mode: Mode,
    ) -> Result<ARef<INode<Self::Fs>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The place below whose `FS_IOC_GETFLAGS` attributes, extents (`FIEMAP`) are this inode's;
    /// made writable first if `write`.
    fn lower(_dentry: &DEntry<Self::Fs>, _write: bool) -> Result<super::path::PathBuf> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// An operations table for inodes of `T`.
pub(super) struct Ops<T: FileSystem>(&'static bindings::inode_operations, PhantomData<T>);

impl<T: FileSystem> Ops<T> {
    /// The table of `O`, for inodes that are opened as `F`.
    pub(super) const fn new<O, F>() -> Self
    where
        O: Operations<Fs = T>,
        F: file_ops::Operations<Fs = T>,
    {
        Self(const { &Table::<O, F>::TABLE }, PhantomData)
    }

    pub(super) fn as_ptr(&self) -> *const bindings::inode_operations {
        self.0
    }
}
