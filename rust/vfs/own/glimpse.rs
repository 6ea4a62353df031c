// SPDX-License-Identifier: GPL-2.0

//! What can be asked of the objects of a filesystem of ours that nobody may be holding any more.

use super::{dentry::OwnDentry, file_system::FileSystem, inode::OwnInode, super_block::SuperBlock};
use crate::vfs::object::{glimpse::Glimpse, inode::Inode};

impl<'a, T: FileSystem> Glimpse<'a, OwnInode<T>> {
    /// The filesystem's data of the inode.
    #[inline]
    pub(crate) fn data(self) -> &'a T::INodeData {
        self.get().data()
    }

    /// The super block that the inode is on.
    pub(crate) fn sb(self) -> Glimpse<'a, SuperBlock<T>> {
        Glimpse::from(self.get().sb())
    }

    /// As [`Inode::ino`].
    pub(super) fn ino(self) -> u64 {
        self.get().ino()
    }

    /// As [`Inode::nlink`].
    pub(crate) fn nlink(self) -> u32 {
        self.get().nlink()
    }

    /// As [`Inode::is_watched`].
    pub(crate) fn is_watched(self) -> bool {
        self.get().is_watched()
    }

    /// As [`OwnInode::has_mode_of`].
    #[inline]
    pub(crate) fn has_mode_of(self, real: Glimpse<'_, Inode>) -> bool {
        self.get().has_mode_of(real.get())
    }
}

impl<'a, T: FileSystem> Glimpse<'a, SuperBlock<T>> {
    /// The filesystem's data of the super block.
    #[inline]
    pub(crate) fn data(self) -> &'a T::SuperData {
        self.get().data()
    }
}

impl<'a, T: FileSystem> Glimpse<'a, OwnDentry<T>> {
    /// The inode, unless the dentry is negative.
    #[inline]
    pub(crate) fn own_inode(self) -> Option<Glimpse<'a, OwnInode<T>>> {
        self.get().own_inode().map(Glimpse::from)
    }

    /// The super block that the dentry is on.
    #[inline]
    pub(crate) fn sb(self) -> Glimpse<'a, SuperBlock<T>> {
        Glimpse::from(self.get().sb())
    }

    /// As [`OwnDentry::stamp`].
    #[inline]
    pub(crate) fn stamp(self) -> usize {
        self.get().stamp()
    }

    /// As [`Dentry::is_positive`](crate::vfs::object::dentry::Dentry::is_positive).
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn is_positive(self) -> bool {
        self.get().is_positive()
    }
}
