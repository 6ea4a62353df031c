// SPDX-License-Identifier: GPL-2.0

//! The seventh floor: bringing an object to a branch that can be written to.
//!
//! Lives here: the policies that choose a branch, copy-up, what names of an object that is copied mean,
//! whiteouts and marks that are made, taking back what could not be completed. Must not know what the
//! object is wanted for.

pub(crate) mod copy_up;
pub(crate) mod data;
pub(crate) mod dir_times;
pub(crate) mod hide;
pub(crate) mod job;
pub(crate) mod links;
pub(crate) mod plink;
pub(crate) mod policy;
pub(crate) mod seal;
pub(crate) mod undo;
