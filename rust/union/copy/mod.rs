// SPDX-License-Identifier: GPL-2.0

//! The eighth floor: bringing an object to a branch that can be written to.
//!
//! Lives here: making sure that an object is on a branch that can be written to, with its parents (`copy_up`); the
//! making of one copy (`job`) and of what is in it (`data`); what the names mean of an object that has several,
//! some of them below its copy (`links`), and what keeps that over mounts (`plink`). It is an open for writing that
//! copies up, not `write(2)`: see `serve`. Must not know of the operation that the object is wanted for, but for
//! what of its data that needs.
//!
//! A file with several names below, in order: `copy_up` finds out what it is over mounts, its origin
//! (`branches::lasting`); before the copy has its name, `plink` writes that to the branch, with how many names there
//! are, in a pseudo-link (`branch::plink_records`); then the inode, which stands for the copy, counts the names that
//! are still below, and is kept in the cache for their sake (`object::pins`). Whoever changes the file by another of
//! them has that linked from the copy first, or from the pseudo-link where that has no name left (`links`). What is
//! only looked at needs no name: `find::lookup` finds the copy by the inode, or after the next mount by the record.

pub(crate) mod copy_up;
pub(crate) mod data;
pub(crate) mod job;
pub(crate) mod links;
pub(crate) mod plink;
