// SPDX-License-Identifier: GPL-2.0

//! The life of an object with several names, some of which may be below its copy.

use super::{
    copy_job::Kept,
    copy_up::{copy_one, ensure, ensure_dir, Data},
};
use crate::{
    union::{
        branches::lift::lift,
        object::{
            instance::{Instance, Union},
            node::{Held, Layer},
        },
    },
    vfs::{
        dentry::DEntry,
        inode::INode,
        namei::{self, Creating},
    },
};
use kernel::prelude::*;

/// The inode has names below, and knows how many it has in the union: it stays in the cache.
pub(crate) fn keep_links(inode: &INode<Union>, instance: &Instance) -> Result {
    let node = inode.data();
    if !node.is_linked_below() {
        instance.pinned.lock().push(inode.into(), GFP_KERNEL)?;
        node.set_linked_below();
    }
    Ok(())
}

/// The last name of the inode is gone: so is the reason to keep it in the cache.
pub(crate) fn forget_links(inode: &INode<Union>, instance: &Instance) {
    if !inode.data().is_linked_below() {
        return;
    }
    let mut pinned = instance.pinned.lock();
    let found = pinned.iter().position(|held| core::ptr::eq(&**held, inode));
    let held = found.and_then(|at| {
        let last = pinned.len() - 1;
        pinned.swap(at, last);
        pinned.pop()
    });
    drop(pinned);
    drop(held);
}

/// Makes sure that the object that `dentry` names is on a writable branch under that name: another
/// name of it may have been copied up before. The caller has the inode's lock.
pub(crate) fn ensure_name(dentry: &DEntry<Union>) -> Result<Held> {
    let layer = ensure(dentry, Data::All)?;
    let inode = dentry.positive()?;
    if inode.is_dir() || !inode.data().is_linked_below() {
        return Ok(layer);
    }
    let instance = dentry.sb().data();
    let parent = ensure_dir(&dentry.parent_entry(), &layer.branch)?;
    if lost_names(inode, &layer) {
        return copy_again(dentry, instance, &parent, &layer);
    }
    let name = dentry.name();
    let name = name.get()?;
    instance.cred.scope(|| {
        if namei::lookup(layer.branch.mnt(), &parent.dentry, name)?.is_none() {
            let kept = Kept::of(&parent)?;
            let access = layer.branch.mnt().want_write()?;
            let objects = [&*parent.dentry, &*layer.dentry];
            let _lifted = lift(&access, &layer.branch, objects)?;
            Creating::start(&access, &parent.dentry, name)?.link(&layer.dentry)?;
            inode.data().note_new_name();
            kept.restore(&access);
        }
        Ok::<(), Error>(())
    })?;
    Ok(layer)
}

/// Whether `inode` still has names below, but its copy, at `layer`, has none left: those that were
/// copied up have been removed since. No name can be made from such an object.
pub(crate) fn lost_names(inode: &INode<Union>, layer: &Layer) -> bool {
    inode.data().is_linked_below()
        && inode.nlink() != 0
        && layer.inode().is_ok_and(|real| real.nlink() == 0)
}

/// Copies an object that has lost its names once more, under that of `dentry`. The caller keeps
/// writers off by the inode's lock. `EBUSY` if somebody writes to it by a mapping.
fn copy_again(
    dentry: &DEntry<Union>,
    instance: &Instance,
    parent: &Layer,
    old: &Layer,
) -> Result<Held> {
    let real = old.inode()?;
    if real.is_mapped_writable() {
        return Err(EBUSY);
    }
    let layer = copy_one(dentry, instance, parent, Data::All)?;
    if !core::ptr::eq(layer.inode()?, real) {
        // Nobody finds the old one by its number any more.
        old.branch.numbers.forget(old.path());
    }
    Ok(layer)
}
