// SPDX-License-Identifier: GPL-2.0

//! Mappings of files: a page is a word.

pub(crate) mod folio;
pub(crate) mod shmem;
