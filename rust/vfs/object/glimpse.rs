// SPDX-License-Identifier: GPL-2.0

//! Objects that are there, but that nobody may be holding any more: as an RCU walk sees them, or the
//! end of an inode.
//!
//! Those of objects of ours have more to show: `own::glimpse`.

use super::{dentry::Dentry, inode::Inode};
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

impl<'a, O> Glimpse<'a, O> {
    /// For what this layer does with it.
    #[inline]
    pub(in crate::vfs) fn get(self) -> &'a O {
        self.0
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
