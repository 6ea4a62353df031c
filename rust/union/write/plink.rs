// SPDX-License-Identifier: GPL-2.0

//! Pseudo-links: the names of objects that have names below the branch that they were copied up to,
//! and none left on it. Such an object stays on the branch in a directory of its own, so that its
//! next name can be linked from it.

use crate::{
    union::{
        branches::{branch::Branch, plinks},
        object::{instance::Union, node::State, stack::Layer},
        text::names,
    },
    vfs::{
        dentry::Dentry,
        errno::ESTALE,
        inode::{INode, Inode},
        mount::WriteAccess,
        name::Name,
        namei::{self, Creating, Removing},
        rename::Renaming,
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

static SERIAL: Atomic<u64> = Atomic::new(1);

/// A name for a pseudo-link of `inode`, and what is remembered of it. No name is asked for twice.
fn fresh(inode: &INode<Union>) -> (u64, names::Buffer) {
    let serial = SERIAL.fetch_add(1, Relaxed);
    (serial, names::plink(inode.ino(), serial))
}

/// Makes `inode`'s object on `branch` by `make`, which gets the directory and the name, as a
/// pseudo-link.
pub(crate) fn make<R>(
    inode: &INode<Union>,
    _locked: &State,
    dir: &Dentry,
    branch: &Branch,
    make: impl FnOnce(&Name) -> Result<R>,
) -> Result<R> {
    let (serial, name) = loop {
        let (serial, name) = fresh(inode);
        if namei::lookup(branch.mnt(), dir, Name::new(name.as_bytes())?)?.is_none() {
            break (serial, name);
        }
    };
    let made = make(Name::new(name.as_bytes())?)?;
    inode.data().set_plink(serial);
    Ok(made)
}

/// Gives the object at `layer`, which `inode` stands for, a pseudo-link.
pub(crate) fn link(
    access: &WriteAccess<'_>,
    inode: &INode<Union>,
    locked: &State,
    layer: &Layer,
) -> Result {
    if inode.data().plink() != 0 {
        return Ok(());
    }
    let dir = plinks::dir(access, &layer.branch)?;
    make(inode, locked, &dir, &layer.branch, |name| {
        Creating::start(access, &dir, name)?.link(&layer.dentry)
    })?;
    Ok(())
}

/// Makes a pseudo-link of `name` in `parent`, the last name of the object that `inode` stands for.
/// `ESTALE` if it is another object's.
pub(crate) fn put(
    access: &WriteAccess<'_>,
    inode: &INode<Union>,
    locked: &State,
    parent: &Layer,
    name: &Name,
) -> Result {
    let dir = plinks::dir(access, &parent.branch)?;
    make(inode, locked, &dir, &parent.branch, |to| {
        let renaming = Renaming::start(access, &parent.dentry, name, &dir, to, 0)?;
        let source = renaming.source().inode();
        if !source.is_some_and(|real| inode.data().shows(real)) {
            return Err(ESTALE);
        }
        if renaming.target().is_positive() {
            return Err(EEXIST);
        }
        renaming.commit()
    })
}

/// Removes the pseudo-link that [`make`] has given the object at `layer`, if it has: `inode` is not to
/// stand for that after all.
pub(crate) fn take_back(inode: &INode<Union>, locked: &State, layer: &Layer) {
    let is_known = |real: &Inode| layer.inode().is_ok_and(|known| core::ptr::eq(known, real));
    let removed = (layer.branch.mnt().want_write())
        .and_then(|access| remove_if(&access, inode, locked, layer, is_known));
    if let Err(e) = removed {
        // Nothing is lost: it is not visible, and the next mount tries again.
        pr_warn!(
            "branch '{}': a pseudo-link is left ({})\n",
            layer.branch.name(),
            e.to_errno()
        );
    }
}

/// Removes the pseudo-link of the object at `layer`, which `inode` stands for, if it has one.
pub(crate) fn remove(
    access: &WriteAccess<'_>,
    inode: &INode<Union>,
    locked: &State,
    layer: &Layer,
) -> Result {
    remove_if(access, inode, locked, layer, |real| {
        inode.data().shows(real)
    })
}

fn remove_if(
    access: &WriteAccess<'_>,
    inode: &INode<Union>,
    _locked: &State,
    layer: &Layer,
    is_it: impl FnOnce(&Inode) -> bool,
) -> Result {
    let serial = inode.data().plink();
    if serial == 0 {
        return Ok(());
    }
    inode.data().set_plink(0);
    let Some(dir) = plinks::find_dir(&layer.branch)? else {
        return Ok(());
    };
    let name = names::plink(inode.ino(), serial);
    let removing = Removing::start(access, &dir, Name::new(name.as_bytes())?)?;
    if !removing.dentry().inode().is_some_and(is_it) {
        return Err(ESTALE);
    }
    removing.unlink()
}
