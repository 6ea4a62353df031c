// SPDX-License-Identifier: GPL-2.0

//! Objects that are there, but that nobody may be holding any more: as an RCU walk sees them, or the
//! end of an inode.

use super::{
    dentry::{DEntry, Dentry},
    inode::Inode,
};
use crate::vfs::own::{
    inode::INode,
    super_block::{FileSystem, SuperBlock},
};
use core::ptr::eq;

/// An object whose memory is there during `'a`. It cannot be counted, as the last count may have gone,
/// and has only what can be asked of it then: loads.
///
/// # Invariants
///
/// The memory of what is referred to is not freed during `'a`. The reference is given to nobody who
/// might count it.
pub(crate) struct Glimpse<'a, O>(&'a O);

impl<O> Clone for Glimpse<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Glimpse<'_, O> {}

/// What is held can be looked at, too. Within this layer: also what is not, whose reference is given
/// to nobody.
impl<'a, O> From<&'a O> for Glimpse<'a, O> {
    fn from(object: &'a O) -> Self {
        Self(object)
    }
}

impl<'a> Glimpse<'a, Inode> {
    /// Whether this is `inode`.
    pub(crate) fn is(self, inode: &Inode) -> bool {
        eq(self.0, inode)
    }

    /// As [`Inode::has_posix_acl`].
    pub(crate) fn has_posix_acl(self) -> bool {
        self.0.has_posix_acl()
    }

    /// For what this layer does with it.
    pub(in crate::vfs) fn get(self) -> &'a Inode {
        self.0
    }
}

impl<'a, T: FileSystem> Glimpse<'a, INode<T>> {
    /// The filesystem's data of the inode.
    #[inline]
    pub(crate) fn data(self) -> &'a T::INodeData {
        self.0.data()
    }

    /// The super block that the inode is on.
    pub(crate) fn sb(self) -> Glimpse<'a, SuperBlock<T>> {
        Glimpse(self.0.sb())
    }

    /// As [`Inode::ino`].
    pub(in crate::vfs) fn ino(self) -> u64 {
        self.0.ino()
    }

    /// As [`Inode::nlink`].
    pub(crate) fn nlink(self) -> u32 {
        self.0.nlink()
    }

    /// As [`Inode::is_watched`].
    pub(crate) fn is_watched(self) -> bool {
        self.0.is_watched()
    }

    /// As [`INode::has_mode_of`].
    #[inline]
    pub(crate) fn has_mode_of(self, real: Glimpse<'_, Inode>) -> bool {
        self.0.has_mode_of(real.0)
    }
}

impl<'a, T: FileSystem> Glimpse<'a, SuperBlock<T>> {
    /// The filesystem's data of the super block.
    #[inline]
    pub(crate) fn data(self) -> &'a T::SuperData {
        self.0.data()
    }
}

impl<'a> Glimpse<'a, Dentry> {
    /// The inode, unless the dentry is negative: its memory, too, outlives the walk.
    #[inline]
    pub(crate) fn inode(self) -> Option<Glimpse<'a, Inode>> {
        self.0.inode().map(Glimpse)
    }

    /// Whether the dentry is still what its parent calls by its name.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self.0.is_current()
    }
}

impl<'a, T: FileSystem> Glimpse<'a, DEntry<T>> {
    /// The inode, unless the dentry is negative.
    #[inline]
    pub(crate) fn node(self) -> Option<Glimpse<'a, INode<T>>> {
        self.0.node().map(Glimpse)
    }

    /// The super block that the dentry is on.
    #[inline]
    pub(crate) fn sb(self) -> Glimpse<'a, SuperBlock<T>> {
        Glimpse(self.0.sb())
    }

    /// As [`DEntry::stamp`].
    #[inline]
    pub(crate) fn stamp(self) -> usize {
        self.0.stamp()
    }

    /// As [`Dentry::is_positive`].
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn is_positive(self) -> bool {
        self.0.is_positive()
    }
}
