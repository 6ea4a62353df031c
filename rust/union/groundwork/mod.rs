// SPDX-License-Identifier: GPL-2.0

//! The seventh floor: what it takes to make anything on a branch.
//!
//! Lives here: which branch something goes to (`policy`), and that it stays on one while it is renamed (`seal`);
//! hiding what is below, by whiteouts and opaque marks (`hide`); the times of a directory, over what its user did
//! not do (`dir_times`); taking back what could not be completed (`take_back`). Nothing of it is made for a user:
//! what is, is in `copy` and `entries`. Must not know how anything is copied up.

pub(crate) mod dir_times;
pub(crate) mod hide;
pub(crate) mod policy;
pub(crate) mod seal;
pub(crate) mod take_back;
