// SPDX-License-Identifier: GPL-2.0

//! The `fault` engine: the mapping's file is one of the union's, and a fault is served by the file
//! on the branch, which takes its place for that long.
//!
//! This is the design of aufs2 of 2009. What made it hard there is answered here by the front file,
//! which can be taken for the file on the branch at any moment; see `Documentation/mmap.md`.

use super::front::{suited, Held, Swap};
use crate::vfs::{
    mm::{
        front_file::FrontPath,
        vm_ops::{Prepared, ServedBy},
        vma::NewMapping,
    },
    mount::{cred::Cred, file::KernelFile},
};
use kernel::prelude::*;

/// Maps `real` behind a file of the union; without one where that is not possible.
pub(super) fn map<H: Held>(
    real: &KernelFile,
    vma: NewMapping<'_>,
    cred: &Cred,
    held: H,
    shown: FrontPath,
) -> Result {
    // All that can fail comes first: what the branch does in its `->mmap` cannot be undone.
    let prepared = Prepared::<Swap<H>>::new(&vma, cred, held, shown)?;
    let handed = vma.hand_to(real, cred)?;
    if let Some(suited) = suited(handed) {
        prepared.place(suited, ServedBy::Server);
    }
    Ok(())
}
