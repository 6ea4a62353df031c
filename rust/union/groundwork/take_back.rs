// SPDX-License-Identifier: GPL-2.0

//! Taking back what was made, where something after it has failed.

use crate::{
    union::branch::{branch::Branch, lift::lift, work},
    vfs::{
        below::namei::Removing,
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        value::{errno::ENAMETOOLONG, name::Name},
    },
};
use kernel::prelude::*;

/// Takes back `made`, which was given the name `name` in `dir`: also where things may be made and not
/// removed. What somebody else has put there meanwhile stays. Whether nothing of it is left there.
pub(crate) fn take_back(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir: &Dentry,
    name: &Name,
    made: &Dentry,
) -> bool {
    // Where a protection cannot be taken off, the object cannot be removed, either, which is said then.
    let lifted = lift(access, branch, [dir, made]);
    let removed = remove(access, branch, dir, name, made);
    drop(lifted);
    if let Err(e) = removed {
        pr_warn!(
            "branch '{}': an object that could not be made is left ({})\n",
            branch.name(),
            e.to_errno()
        );
    }
    removed.is_ok()
}

fn remove(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir: &Dentry,
    name: &Name,
    made: &Dentry,
) -> Result {
    let removing = match Removing::start(access, dir, name) {
        // There is none, or can be none.
        Err(e) if e == ENOENT || e == ENAMETOOLONG => return Ok(()),
        other => other?,
    };
    if !branch.are_same(removing.dentry(), made)? {
        return Ok(());
    }
    if removing.dentry().inode().is_some_and(Inode::is_dir) {
        drop(removing);
        return work::remove_with_whiteouts(access, branch, dir, name, made, || {});
    }
    removing.unlink()
}
