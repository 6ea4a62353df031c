// SPDX-License-Identifier: GPL-2.0

//! The third floor: one of the trees below.
//!
//! Lives here: a branch with its mount, and where that is (`place`); what the union keeps on it: the work
//! directory, in which what is made waits for its name and goes with its guard if it gets none (`work`),
//! the directory of pseudo-links (`plink_dir`) and what they say (`plink_records`), both in directories that
//! are its own (`private`), the mark of what is not written out (`volatile`); how long those who use it are
//! waited for (`patience`); taking the protection off an object (`lift`), reading and removing a tree. May use
//! `text`, `numbers` and [`crate::vfs`]. Must not know what is above or below the branch, nor what an inode of
//! the union is.

// What a branch is has the name of the floor.
#[allow(clippy::module_inception)]
pub(crate) mod branch;
pub(crate) mod lift;
pub(crate) mod patience;
pub(crate) mod place;
pub(crate) mod plink_dir;
pub(crate) mod plink_records;
mod private;
pub(crate) mod tree;
pub(crate) mod volatile;
pub(crate) mod volatile_mark;
pub(crate) mod work;
