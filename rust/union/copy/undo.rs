// SPDX-License-Identifier: GPL-2.0

//! Taking back what was made, where something after it has failed.

use crate::{
    union::{
        branch::{lift::lift, work},
        object::stack::Layer,
    },
    vfs::{
        call::namei::Removing,
        object::{dentry::Dentry, inode::Inode, write_access::WriteAccess},
        value::name::Name,
    },
};
use core::ptr;
use kernel::prelude::*;

/// Takes back `made`, which was given the name `name` in `dir`: also where things may be made and not
/// removed. What somebody else has put there meanwhile stays. Whether nothing of it is left there.
pub(crate) fn take_back(access: &WriteAccess<'_>, dir: &Layer, name: &Name, made: &Dentry) -> bool {
    // Where a protection cannot be taken off, the object cannot be removed, either, which is said then.
    let lifted = lift(access, &dir.branch, [&*dir.dentry, made]);
    let undone = remove(access, dir, name, made);
    drop(lifted);
    if let Err(e) = undone {
        pr_warn!(
            "branch '{}': an object that could not be made is left ({})\n",
            dir.branch.name(),
            e.to_errno()
        );
    }
    undone.is_ok()
}

fn remove(access: &WriteAccess<'_>, dir: &Layer, name: &Name, made: &Dentry) -> Result {
    let removing = match Removing::start(access, &dir.dentry, name) {
        Err(e) if e == ENOENT => return Ok(()),
        other => other?,
    };
    let real = |dentry: &Dentry| dentry.inode().map(ptr::from_ref);
    if real(removing.dentry()) != real(made) {
        return Ok(());
    }
    if removing.dentry().inode().is_some_and(Inode::is_dir) {
        drop(removing);
        return work::discard(access, &dir.branch, &dir.dentry, name, || {});
    }
    removing.unlink()
}
