// SPDX-License-Identifier: GPL-2.0

//! The union: what is made of several directory trees.
//!
//! Its files are on floors. A file uses its own folder, the floors below and [`crate::vfs`]; the top one also
//! [`crate::mmap`] and the module's parameters. What [`crate::mmap`] keeps of a file and of a mount, their objects have.
//! `scripts/house-rules` refuses anything else. From the ground up:
//!
//! - [`text`]: grammar and decisions, and nothing else;
//! - [`numbers`]: which object is which;
//! - [`mod@branch`]: one of the trees that the union is made of;
//! - [`branches`]: all of them, and their order;
//! - [`object`]: what an inode and a super block of the union are;
//! - [`find`]: reading the union: lookup, merging, whiteouts, bringing up to date;
//! - [`groundwork`]: what it takes to make anything on a branch;
//! - [`copy`]: bringing an object to a branch that can be written to;
//! - [`entries`]: changing the union: entries, renames, moves;
//! - [`change`]: branches that come and go;
//! - [`serve`]: what the VFS and tools call.
//!
//! The order of locks is in `Documentation/locking.md`.
#![forbid(unsafe_code)]

pub(crate) mod branch;
pub(crate) mod branches;
pub(crate) mod change;
pub(crate) mod copy;
pub(crate) mod entries;
pub(crate) mod find;
pub(crate) mod groundwork;
pub(crate) mod numbers;
pub(crate) mod object;
pub(crate) mod serve;
pub(crate) mod text;
