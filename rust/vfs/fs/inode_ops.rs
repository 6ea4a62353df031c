// SPDX-License-Identifier: GPL-2.0

//! The operations on inodes, that a filesystem implements.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::mountable::Mountable;
use crate::vfs::{
    below::symlink::Target,
    object::idmap::Idmap,
    ops::{rename::Rename, vtable::Without},
    own::{
        dentry::{InLookup, Negative, OwnDentry, Spliced},
        file::NewFile,
        inode::{Locked, OwnInode},
    },
    value::mode::Mode,
};
use kernel::{error::VTABLE_DEFAULT_ERROR, prelude::*, sync::aref::ARef};

/// What inodes of one kind can do that others cannot: directories and symbolic links, that is. What
/// is not implemented is not supported, with the errno that the VFS has for it.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: Mountable;

    /// Finds `dentry`'s name in `dir`.
    fn lookup(
        _dir: &OwnInode<Self::Fs>,
        _dentry: InLookup<'_, Self::Fs>,
    ) -> Result<Spliced<Self::Fs>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The target of the symbolic link `inode`.
    fn get_link(_inode: &OwnInode<Self::Fs>) -> Result<Target> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Makes a regular file.
    fn create(_idmap: &Idmap, _entry: Negative<'_, Self::Fs>, _mode: Mode) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Gives `inode` another name.
    fn link(_old: &OwnDentry<Self::Fs>, _entry: Negative<'_, Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Takes a name from an object that is not a directory.
    fn unlink(_dir: &Locked<'_, Self::Fs>, _dentry: &OwnDentry<Self::Fs>) -> Result {
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
    fn rmdir(_dir: &Locked<'_, Self::Fs>, _dentry: &OwnDentry<Self::Fs>) -> Result {
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
    /// Opens a new file that has no name.
    fn tmpfile(
        _idmap: &Idmap,
        _dir: &OwnInode<Self::Fs>,
        _file: NewFile<'_, Self::Fs>,
        _mode: Mode,
    ) -> Result<ARef<OwnInode<Self::Fs>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: Mountable> Operations for Without<T> {
    type Fs = T;
}
