// SPDX-License-Identifier: GPL-2.0

//! The first floor: grammar and decisions that are pure, and tested on the host.
//!
//! Lives here: the settings, a row for each (`settings`), and what other options and permissions are made of
//! (`options`); which names are reserved, what whiteouts and pseudo-links are called (`names`, `origin`), how
//! paths are written for tools; how a branch is chosen of those that can be (`policies`). May use nothing of
//! the union and nothing of [`crate::vfs`] but [`value`](crate::vfs::value). Text and numbers: there are no
//! inodes, branches or mounts here, only what is said of them.

pub(crate) mod escape;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod policies;
pub(crate) mod settings;
