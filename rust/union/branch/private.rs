// SPDX-License-Identifier: GPL-2.0

//! Directories of a branch that are the union's own.
//!
//! They may have come with the branch, or have inherited rights from its root. Who could reach what is
//! in them would put an object of theirs in the place of one that is in the making, or reach one
//! that the directories where it has its names keep from them.

use super::branch::Branch;
use crate::vfs::{
    attr::{acl, attr::Attr, stat::Stat},
    mount::write_access::WriteAccess,
    object::dentry::Dentry,
};
use kernel::{prelude::*, str::BStr};

/// Sees to it that nobody but the mounter can reach what is in `dir`, which is `name` in the root of
/// `branch`. `ENOTDIR`; `EPERM` if the directory stays what it is.
pub(super) fn make(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry, name: &[u8]) -> Result {
    let name = BStr::from_bytes(name);
    if !dir.inode().is_some_and(|inode| inode.is_dir()) {
        pr_warn!("branch '{}': {name} is not a directory\n", branch.name());
        return Err(ENOTDIR);
    }
    let stat = || Stat::of(branch.at(dir));
    if !stat()?.is_private() {
        // What cannot be changed shows below.
        let _ = Attr::private(stat()?.mode()).apply(access, dir);
    }
    // One that new objects would inherit. Without rights for the group, the others mean nothing.
    acl::clear(access, dir)?;
    let now = stat()?;
    // Some filesystems have one owner and mode for all: then the branch itself is no better.
    if now.is_private() || now.same_permissions(&Stat::of(branch.at(branch.root()))?) {
        return Ok(());
    }
    pr_warn!(
        "branch '{}': {name} is somebody else's, or open to others, and cannot be changed\n",
        branch.name()
    );
    Err(EPERM)
}

/// Whether what is in `dir` was put there by the mounter, or by who owns the branch, and nobody else.
pub(super) fn is_trusted(branch: &Branch, dir: &Dentry) -> Result<bool> {
    let stat = Stat::of(branch.at(dir))?;
    let is_owners = stat.is_own() || stat.same_permissions(&Stat::of(branch.at(branch.root()))?);
    Ok(is_owners && !stat.mode().others_write())
}
