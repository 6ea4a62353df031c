// SPDX-License-Identifier: GPL-2.0

//! The fifth floor: what an inode and a super block of the union *are*.
//!
//! Lives here: the stack of objects that an inode stands for (`stack`), the inode's data with that and its lock
//! (`node`), since when it is known to be right (`settled`), names that are not on the disk yet (`new_names`), the
//! index of where names may be (`index`; it is made in `find`), the entries of a directory (`listing`), inodes that
//! are kept (`pins`), the data of a mounted union (`instance`). Data, and what keeps it consistent: nothing here
//! decides what a name means, or changes a branch.

pub(crate) mod index;
pub(crate) mod instance;
pub(crate) mod listing;
pub(crate) mod new_names;
pub(crate) mod node;
pub(crate) mod pins;
pub(crate) mod settled;
pub(crate) mod stack;
