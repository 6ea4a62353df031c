// SPDX-License-Identifier: GPL-2.0

//! Mappings of files of the union.
//!
//! This is the one place that decides which engine serves a mapping; an engine is a file.
#![forbid(unsafe_code)]

mod direct;

use crate::vfs::{cred::Cred, file::KernelFile, vma::NewMapping};
use kernel::prelude::*;

/// How a mapping is served.
enum Engine {
    /// By the file on the branch, and nothing of ours in between.
    Direct,
}

fn choose(_real: &KernelFile) -> Engine {
    Engine::Direct
}

/// Maps `real`, the file on a branch that an open file of the union is served by. A mapping keeps
/// the file that it was made with, whatever is copied up later.
pub(crate) fn map(real: &KernelFile, vma: NewMapping<'_>, cred: &Cred) -> Result {
    match choose(real) {
        Engine::Direct => direct::map(real, vma, cred),
    }
}
