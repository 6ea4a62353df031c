// SPDX-License-Identifier: GPL-2.0

//! Mappings of files of the union.
//!
//! [`map`] is the one place where an engine is found for a mapping, by what the mount asks for and by what the
//! mapping is; an engine is a file (`direct`, `fault`), and knows nothing of the other. What both may put before
//! the file on the branch, so that the mapping shows the path in the union, is in a third, `front`.
//!
//! Before that, with `privmap=snapshot`, a private mapping of a file that the union may change gets no engine: it
//! maps a view (`views`), whose pages are those of the file until one is changed and what was kept of it then
//! (`pasts`, for a mount and for each file; the pages that are kept, and for which moments, are in `snapshot`).
//!
//! To add an engine: its file, with a `map` like that of `fault`; a variant of [`Engine`], and its arms in [`map`];
//! a word of `mmap=` in `union/text/settings.rs`, and which engine that is in `engine()` of
//! `union/serve/regular.rs`. `tests/mmap.list` is run with each.
#![forbid(unsafe_code)]

mod direct;
mod fault;
mod front;
pub(crate) mod pasts;
pub(crate) mod snapshot;
pub(crate) mod views;

use crate::vfs::{
    mm::{front_file::FrontPath, vma::NewMapping},
    mount::{cred::Cred, file::KernelFile},
    own::{file::FsFile, file_system::FileSystem},
    sync::rcu::RcuArc,
};
use kernel::prelude::*;
use pasts::{Known, Snapshots};

/// How a mapping is to be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// By the file on the branch, and nothing of ours in between.
    Direct,
    /// By the file on the branch, on behalf of a file of the union.
    Fault,
}

/// What is asked for of a mapping.
pub(crate) struct How<'a> {
    pub(crate) engine: Engine,
    /// The path that `f_path` of the mapping's file is.
    pub(crate) shown: FrontPath,
    /// The past of the file, if private mappings are to be snapshots, and the union may change the file. One that it
    /// does not change needs none: any mapping of it is a snapshot.
    pub(crate) past: Option<(&'a Snapshots, RcuArc<Known>)>,
}

/// Maps `real`, the file on a branch that the open file `user` of the union is served by. A mapping keeps
/// the file that it was made with, whatever is copied up later. A mapping with a file of the union
/// keeps what `held` returns as long.
///
/// Where the engine or the path cannot be had, the file on the branch is mapped directly.
pub(crate) fn map<T: FileSystem, H: front::Held>(
    user: &FsFile<T>,
    real: &KernelFile,
    vma: NewMapping<'_>,
    cred: &Cred,
    held: impl FnOnce() -> Result<H>,
    how: How<'_>,
) -> Result {
    if let Some((snapshots, past)) = how.past {
        if vma.is_private() {
            return snapshots.map(user, real, past, vma, cred);
        }
        if vma.writes_to_file() {
            past.share()?;
        }
    }
    let shown = how.shown;
    match (how.engine, shown) {
        (Engine::Direct, FrontPath::Behind) => direct::map(real, vma, cred),
        (Engine::Direct, FrontPath::User) => direct::map_with_front(real, vma, cred, held()?),
        (Engine::Fault, _) => fault::map(real, vma, cred, held()?, shown),
    }
}
