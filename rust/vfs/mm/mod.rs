// SPDX-License-Identifier: GPL-2.0

//! The eighth floor: mappings of files.
//!
//! Lives here: a mapping that is being made, faults, the file in front of another, the table of a mapping;
//! folios of page caches, and files of shmem's. May use [`mod@mount`](super::mount) and below. Must not know which file serves a mapping: that is told
//! from above.

pub(crate) mod fault;
pub(crate) mod folio;
pub(crate) mod front_file;
pub(crate) mod shmem;
pub(crate) mod vm_ops;
pub(crate) mod vma;
