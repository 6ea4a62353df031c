// SPDX-License-Identifier: GPL-2.0

//! The eighth floor: bringing an object to a branch that can be written to.
//!
//! Lives here: copy-up, and what names of an object that is copied mean, over mounts, too. Must not know of
//! the operation that the object is wanted for, but for what of its data that needs.

pub(crate) mod copy_up;
pub(crate) mod data;
pub(crate) mod job;
pub(crate) mod links;
pub(crate) mod plink;
