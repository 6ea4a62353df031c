// SPDX-License-Identifier: GPL-2.0

//! The second floor: locks, counts and memory that is shared, and the tasks that share it.
//!
//! Lives here: what is published under RCU, gates, counts and locks that the `kernel` crate does not have,
//! lock classes, the current task and work that a thread does for it. May use [`value`](super::value). Must not
//! know what is locked, counted or published: no inode, no dentry, no open file.

pub(super) mod bit_lock;
mod count;
pub(crate) mod gate;
pub(crate) mod killable;
pub(crate) mod load;
pub(crate) mod lockdep;
pub(crate) mod nofs;
pub(crate) mod number_map;
pub(crate) mod rcu;
pub(crate) mod spells;
pub(crate) mod task;
pub(crate) mod thread;
pub(crate) mod versioned;
pub(crate) mod watch;
