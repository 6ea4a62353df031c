// SPDX-License-Identifier: GPL-2.0

//! The `direct` engine: the page cache that is mapped is the branch's own, and so are the fault
//! handlers.
//!
//! The mapping's file is a backing file, which the VFS knows to show by the path, device and inode
//! of the union's file. This is the design of aufs since 2011, without a patched kernel.

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

/// Hands the mapping to the file on the branch.
pub(super) fn map(real: &KernelFile, vma: NewMapping<'_>, cred: &Cred) -> Result {
    vma.hand_to(real, cred)?;
    Ok(())
}

/// Hands the mapping to the file on the branch, with a file in front whose own path is the union's.
pub(super) fn map_with_front<H: Held>(
    real: &KernelFile,
    vma: NewMapping<'_>,
    cred: &Cred,
    held: H,
) -> Result {
    let prepared = Prepared::<Swap<H>>::new(&vma, cred, held, FrontPath::User)?;
    let handed = vma.hand_to(real, cred)?;
    if let Some(suited) = suited(handed) {
        prepared.place(suited, ServedBy::Filesystem);
    }
    Ok(())
}
