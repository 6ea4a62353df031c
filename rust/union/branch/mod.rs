// SPDX-License-Identifier: GPL-2.0

//! The third floor: one of the trees below.
//!
//! Lives here: a branch with its mount, and what the union keeps on it: the work directory, that of
//! pseudo-links, the mark of what is not written out; taking the protection off an object, taking a directory
//! tree apart. May use `text`, `numbers` and [`crate::vfs`]. Must not know that there are other branches above
//! or below, nor what an inode of the union is.

// What a branch is has the name of the floor.
#[allow(clippy::module_inception)]
pub(crate) mod branch;
pub(crate) mod lift;
pub(crate) mod mark;
pub(crate) mod place;
pub(crate) mod plinks;
mod private;
pub(crate) mod records;
pub(crate) mod tree;
pub(crate) mod volatile;
pub(crate) mod work;
