// SPDX-License-Identifier: GPL-2.0

//! The first floor: what the kernel says in numbers, flags and names.
//!
//! Lives here: errors, flags, file types and permission bits, the name of an entry, lists that are mostly
//! short. Values, and what can be decided by looking at them. May use nothing of this layer. Must not know
//! that there are objects with locks, counts or lives.

pub(crate) mod errno;
pub(crate) mod few;
pub(crate) mod flags;
pub(crate) mod mode;
pub(crate) mod name;
