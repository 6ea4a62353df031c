// SPDX-License-Identifier: GPL-2.0

//! The seventh floor: what it takes to make anything on a branch.
//!
//! Lives here: which branch something goes to, and which it has to stay on for a moment; hiding what is below,
//! by whiteouts and marks; the times of a directory, over what its user did not do; taking back what could not
//! be completed. Must not know how anything is copied up.

pub(crate) mod dir_times;
pub(crate) mod hide;
pub(crate) mod policy;
pub(crate) mod seal;
pub(crate) mod take_back;
