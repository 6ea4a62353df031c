// SPDX-License-Identifier: GPL-2.0

//! The eighth floor: bringing an object to a branch that can be written to.
//!
//! Lives here: making sure that an object is on a branch that can be written to, with its parents (`copy_up`); the
//! making of one copy (`job`) and of what is in it (`data`); what the names mean of an object that has several,
//! some of them below its copy (`links`), and what keeps that over mounts (`plink`). It is an open for writing that
//! copies up, not `write(2)`: see `serve`. Must not know of the operation that the object is wanted for, but for
//! what of its data that needs.

pub(crate) mod copy_up;
pub(crate) mod data;
pub(crate) mod job;
pub(crate) mod links;
pub(crate) mod plink;
