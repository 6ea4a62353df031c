// SPDX-License-Identifier: GPL-2.0

//! Mappings of files of the union.
//!
//! This is the one place where an engine is found for a mapping, by what the mount asks for and by what the
//! mapping is; an engine is a file, and knows nothing of the other. What both may put before the file on the
//! branch is in a third, `front`.
#![forbid(unsafe_code)]

mod direct;
mod fault;
mod front;
#[cfg(aufs2_sample)]
pub(crate) mod snapshot;

use crate::vfs::{
    mm::{front_file::FrontPath, vma::NewMapping},
    mount::{cred::Cred, file::KernelFile},
};
use kernel::prelude::*;

/// How a mapping is to be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// By the file on the branch, and nothing of ours in between.
    Direct,
    /// By the file on the branch, on behalf of a file of the union.
    Fault,
}

/// Maps `real`, the file on a branch that an open file of the union is served by. A mapping keeps
/// the file that it was made with, whatever is copied up later. A mapping with a file of the union
/// keeps what `held` returns as long. `shown` is the path that `f_path` of the mapping's file is.
///
/// Where `engine` or `shown` cannot be had, the file on the branch is mapped directly.
pub(crate) fn map<H: front::Held>(
    real: &KernelFile,
    vma: NewMapping<'_>,
    cred: &Cred,
    held: impl FnOnce() -> Result<H>,
    engine: Engine,
    shown: FrontPath,
) -> Result {
    match (engine, shown) {
        (Engine::Direct, FrontPath::Behind) => direct::map(real, vma, cred),
        (Engine::Direct, FrontPath::User) => direct::map_with_front(real, vma, cred, held()?),
        (Engine::Fault, _) => fault::map(real, vma, cred, held()?, shown),
    }
}
