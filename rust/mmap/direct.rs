// SPDX-License-Identifier: GPL-2.0

//! The `direct` engine: the page cache that is mapped is the branch's own, and so are the fault
//! handlers.
//!
//! The mapping's file is a backing file, which the VFS knows to show by the path, device and inode
//! of the union's file. This is the design of aufs since 2011, without a patched kernel.

use crate::vfs::{cred::Cred, file::KernelFile, vma::NewMapping};
use kernel::prelude::*;

/// Hands the mapping to the file on the branch.
pub(super) fn map(real: &KernelFile, vma: NewMapping<'_>, cred: &Cred) -> Result {
    vma.hand_to(real, cred)
}
