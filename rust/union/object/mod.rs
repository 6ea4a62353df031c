// SPDX-License-Identifier: GPL-2.0

//! The fifth floor: what an inode and a super block of the union *are*.
//!
//! Lives here: the stack of objects that an inode stands for, its lock and its stamps, the index of where names
//! may be, the data of a mounted union. Data, and what keeps it consistent; no operations: nothing here
//! looks a name up or changes a branch.

pub(crate) mod few;
pub(crate) mod hits;
pub(crate) mod index;
pub(crate) mod instance;
pub(crate) mod listing;
pub(crate) mod node;
pub(crate) mod pins;
pub(crate) mod stack;
