// SPDX-License-Identifier: GPL-2.0

//! The fifth floor: how one gets at objects: mounts, and what is opened.
//!
//! Lives here: mounts, those of our own too, places on them, the right to write through one; files that the
//! kernel opens itself, and the credentials that it acts with. May use [`object`](super::object) and below.
//! Must not know of a filesystem of ours, nor what is done with a place or a file: that is
//! [`mod@attr`](super::attr) and [`below`](super::below).

pub(crate) mod cred;
pub(crate) mod file;
pub(crate) mod file_chain;
// What a place is on has the name of the floor.
#[allow(clippy::module_inception)]
pub(crate) mod mount;
pub(crate) mod path;
pub(crate) mod private_mount;
pub(crate) mod write_access;
