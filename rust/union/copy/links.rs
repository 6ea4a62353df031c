// SPDX-License-Identifier: GPL-2.0

//! The life of an object with several names, some of which may be below its copy.
//!
//! Whoever changes the object by a name gets that name on the branch: it would mean the object below
//! again after the next mount. The copy keeps a [pseudo-link](plink) when it loses the last name that
//! it has on the branch, as long as there are names below that mean it.

use super::plink;
use crate::{
    union::{
        branch::lift::lift,
        groundwork::dir_times::DirTimes,
        object::{
            instance::Union,
            node::State,
            pins::{forget_names_below, keep_names_below},
            stack::{Layer, Stack},
        },
    },
    vfs::{
        below::namei::Creating,
        mount::write_access::WriteAccess,
        own::{dentry::OwnDentry, inode::OwnInode},
        value::errno::{EOPNOTSUPP, ESTALE},
    },
};
use kernel::prelude::*;

/// Whether the name of `inode`'s object on its branch, `layer`, is the last one there, and others
/// are below.
pub(crate) fn is_last_name(inode: &OwnInode<Union>, layer: &Layer) -> bool {
    inode.data().has_names_below()
        && inode.data().plink() == 0
        && layer.inode().is_ok_and(|real| real.nlink() == 1)
}

/// A name below does not mean the inode any more: it was copied up to `layer`, or whited out. The last
/// one takes the pseudo-link along.
fn one_less_below(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    locked: &State,
    layer: &Layer,
) {
    let node = inode.data();
    match node.names_below() {
        0 => {}
        1 => {
            drop_plink(access, inode, locked, layer);
            forget_names_below(inode, inode.sb().data());
        }
        names => {
            node.set_names_below(names - 1);
            plink::recount(access, inode, locked, layer, names - 1);
        }
    }
}

fn drop_plink(access: &WriteAccess<'_>, inode: &OwnInode<Union>, locked: &State, layer: &Layer) {
    if let Err(e) = plink::remove(access, inode, locked, layer) {
        pr_warn!(
            "branch '{}': a pseudo-link is left ({})\n",
            layer.branch.name(),
            e.to_errno()
        );
    }
}

/// A name was taken from `inode`, which has names below: one of those if it was not `on_branch`. The
/// number of links is right already.
pub(crate) fn lost_name(inode: &OwnInode<Union>, locked: &State, on_branch: bool) -> Result {
    let is_gone = inode.nlink() == 0;
    if !inode.data().has_names_below() || on_branch && !is_gone {
        return Ok(());
    }
    let instance = inode.sb().data();
    let node = inode.data();
    let stack = node.stack()?;
    let layer = stack.top();
    let left = match is_gone {
        true => 0,
        false => node.names_below().saturating_sub(1),
    };
    if node.plink() != 0 {
        // The name is gone whether the branch can be written to by now or not.
        if let Ok(access) = layer.branch.mnt().want_write() {
            instance.cred.scope(|| match left {
                0 => drop_plink(&access, inode, locked, layer),
                _ => plink::recount(&access, inode, locked, layer, left),
            });
        }
    }
    keep_names_below(inode, instance, left)
}

/// Gives the object at `layer` the name of `dentry` there, if it has it in the union, and not yet on
/// the branch: in the directory `parent`, what `above`, which the name is in, is there.
pub(super) fn give_name(
    dentry: &OwnDentry<Union>,
    above: &OwnDentry<Union>,
    parent: &Layer,
    layer: &Layer,
) -> Result {
    let inode = dentry.positive()?;
    let instance = dentry.sb().data();
    let branch = &layer.branch;
    // A removal takes this lock, too: the name is there, or has gone for good.
    let node = inode.data();
    let state = node.lock_state_killable()?;
    if dentry.is_unhashed() {
        return Ok(());
    }
    let stack = node.stack()?;
    let top = stack.top();
    if top.branch.id() != branch.id() {
        return Err(ESTALE);
    }
    let name = dentry.name();
    let name = name.get()?;
    let _ours = above.positive()?.data().own_change();
    instance.cred.scope(|| {
        if parent.has(name)? {
            return Ok(());
        }
        // A rename gives the name before it takes it, both under this lock: if it is not there, and
        // the dentry has not been moved to the new one yet, somebody is about to.
        if node.is_moving() || !is_named(dentry, above, name.as_bytes())? {
            return Ok(());
        }
        if top.inode()?.nlink() == 0 {
            return Err(EXDEV);
        }
        let access = branch.mnt().want_write()?;
        let kept = DirTimes::of(parent)?;
        let _lifted = lift(&access, branch, [&*parent.dentry, &*top.dentry])?;
        Creating::start(&access, &parent.dentry, name)?.link(&top.dentry)?;
        node.note_new_name();
        kept.restore(&access);
        one_less_below(&access, inode, &state, top);
        Ok(())
    })
}

/// Whether `dentry` is `name` in `dir`.
fn is_named(dentry: &OwnDentry<Union>, dir: &OwnDentry<Union>, name: &[u8]) -> Result<bool> {
    Ok(dentry.is_in(dir) && dentry.name().get()?.as_bytes() == name)
}

/// Keeps the object that `inode` stands for, whose last name on its branch is about to be replaced,
/// while names below mean it. Where it cannot have another name, they mean it until unmount.
pub(crate) fn keep_object(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    locked: &State,
    stack: &Stack,
) -> Result {
    if !is_last_name(inode, stack.top()) {
        return Ok(());
    }
    match plink::link(access, inode, locked, stack.top()) {
        Err(e) if e == EPERM || e == EMLINK || e == EXDEV || e == EOPNOTSUPP => Ok(()),
        other => other,
    }
}
