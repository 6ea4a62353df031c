// SPDX-License-Identifier: GPL-2.0

//! The union: what is made of several directory trees.
//!
//! - [`options`], [`choice`], [`names`]: text and decisions, and nothing else;
//! - [`branch`], [`table`]: the trees that the union is made of, and their order;
//! - [`node`]: what an inode of the union stands for in the branches, an immutable stack under RCU;
//! - [`policy`], [`obstacle`]: which branch is written to, and what is in the way there;
//! - [`change`], [`remove`], [`busy`], [`refresh`]: branches that come and go;
//! - [`lookup`], [`index`], [`whiteout`], [`merge`]: reading the union;
//! - [`copy_up`], [`copy_job`], [`copy_data`], [`links`], [`entry`], [`rename`]: writing to it;
//! - [`sysfs`], [`debug`], [`control`], [`rdu`], [`mvdown`]: what tools ask;
//! - [`context`], [`instance`], [`dir`], [`regular`], [`special`], [`attr`], [`xattr`]: the
//!   operations that the VFS calls.
//!
//! The order of locks is in `Documentation/locking.md`.
#![forbid(unsafe_code)]

pub(crate) mod attr;
pub(crate) mod branch;
pub(crate) mod busy;
pub(crate) mod change;
pub(crate) mod choice;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod copy_data;
pub(crate) mod copy_job;
pub(crate) mod copy_up;
pub(crate) mod debug;
pub(crate) mod dir;
pub(crate) mod entry;
pub(crate) mod few;
pub(crate) mod ids;
pub(crate) mod index;
pub(crate) mod instance;
pub(crate) mod links;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod mvdown;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod number;
pub(crate) mod obstacle;
pub(crate) mod options;
pub(crate) mod policy;
pub(crate) mod rdu;
pub(crate) mod refresh;
pub(crate) mod regular;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod seal;
pub(crate) mod special;
pub(crate) mod sysfs;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod tree_up;
pub(crate) mod whiteout;
pub(crate) mod work;
pub(crate) mod xattr;
