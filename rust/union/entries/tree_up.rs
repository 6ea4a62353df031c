// SPDX-License-Identifier: GPL-2.0

//! Copying a whole directory up, so that it can be renamed.
//!
//! Aufs and overlayfs answer `EXDEV`, or leave a record that only they understand. Here everything
//! in the directory is copied up first, through the union, one object at a time; then every
//! directory in it is made opaque. Whatever fails on the way leaves a union that shows what it
//! showed before.
//!
//! What is on another writable branch is not copied, as somebody may be writing to it there: that is
//! `EXDEV`. Where there is another one, something may also come to be there on the way. So each
//! directory is sealed and looked at once more before it is made opaque, and stays sealed until the
//! rename is done.

use crate::{
    union::{
        copy::copy_up,
        find::{lookup, merge},
        groundwork::{hide, seal::Seal},
        object::{instance::Union, listing::Listing, node::detach, stack::Layer},
    },
    vfs::{
        ops::rename::LocksBelow,
        own::dentry::OwnDentry,
        sync::task::fatal_signal_pending,
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
};

struct Level {
    dir: ARef<OwnDentry<Union>>,
    listing: Arc<Listing>,
    next: usize,
}

fn level(dir: ARef<OwnDentry<Union>>) -> Result<Level> {
    let stack = dir.positive()?.data().stack()?;
    let instance = dir.sb().data();
    let listing = instance.cred.scope(|| merge::read(&stack, false, 0))?;
    if listing.is_partial() {
        // What cannot be looked up cannot be copied, and would be hidden.
        return Err(EXDEV);
    }
    Ok(Level {
        dir,
        listing,
        next: 0,
    })
}

/// Makes sure that everything in the directory `dir`, which is on the branch of `layer`, is on that
/// branch. The caller's locks keep the directory itself from changing.
///
/// The seals are to be kept until the dentry has its new name. `EBUSY` if somebody is at work in the
/// directory who cannot be waited for.
pub(crate) fn copy(
    dir: &OwnDentry<Union>,
    layer: &Layer,
    locks: &LocksBelow<'_, Union>,
) -> Result<KVVec<Seal>> {
    let mut seals = KVVec::new();
    let has_choice = dir.sb().data().table()?.has_choice();
    if is_alone(dir)? {
        if has_choice {
            seals.push(Seal::new(dir.positive()?)?, GFP_KERNEL)?;
            // Who was faster has copied it to another branch.
            if !is_alone(dir)? || !is_on_top(dir, layer)? {
                return Err(EXDEV);
            }
        }
        return Ok(seals);
    }
    let mut levels = KVec::new();
    levels.push(level(dir.into())?, GFP_KERNEL)?;
    while let Some(level_now) = levels.last_mut() {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        let entry = level_now.listing.from(level_now.next).next();
        let Some(entry) = entry else {
            let done = levels.pop().ok_or(ESTALE)?;
            let inode = done.dir.positive()?;
            // The lock keeps those away who make something in it.
            let _lock = match has_choice {
                true => Some(locks.lock(inode)?),
                false => None,
            };
            if has_choice {
                seals.push(Seal::new(inode)?, GFP_KERNEL)?;
                check_complete(&done.dir, layer, &mut seals)?;
            }
            close(&done.dir, layer)?;
            continue;
        };
        level_now.next += 1;
        let name = Name::new(entry.name)?;
        let child = locks.lookup(&level_now.dir, name)?;
        let Some(child) = child else {
            // It went while we were on the way.
            continue;
        };
        let inode = child.positive()?;
        if inode.is_dir() {
            copy_up::ensure_dir(&child, &layer.branch)?;
            if has_choice && is_alone(&child)? {
                // Somebody may be copying it to another branch, on which the directory that it is in still is.
                seals.push(Seal::new(inode)?, GFP_KERNEL)?;
            }
            if !is_alone(&child)? {
                let below = level(child)?;
                levels.push(below, GFP_KERNEL)?;
            }
        } else {
            copy_up::ensure_name_on(&child, &layer.branch)?;
        }
    }
    Ok(seals)
}

/// Whether the directory stands for one directory only.
fn is_alone(dir: &OwnDentry<Union>) -> Result<bool> {
    Ok(dir.positive()?.data().stack()?.layers.len() == 1)
}

/// Whether the directory is on the branch of `layer`, and on none above that.
fn is_on_top(dir: &OwnDentry<Union>, layer: &Layer) -> Result<bool> {
    let stack = dir.positive()?.data().stack()?;
    Ok(stack.top().branch.id() == layer.branch.id())
}

/// Looks again whether all that is in the directory, which is locked and sealed, is on the branch, and seals what
/// somebody may be copying to another one, having come there since. `EXDEV` if not: directories are on no other one by
/// then, as they were closed before.
fn check_complete(dir: &OwnDentry<Union>, layer: &Layer, seals: &mut KVVec<Seal>) -> Result {
    if !is_on_top(dir, layer)? {
        return Err(EXDEV);
    }
    let stack = dir.positive()?.data().stack()?;
    let cred = &dir.sb().data().cred;
    let listing = cred.scope(|| merge::read(&stack, false, 0))?;
    for entry in listing.from(0) {
        // What is not cached nobody is at work in: to look it up takes the lock.
        let child = OwnDentry::cached(dir, Name::new(entry.name)?);
        let inode = child.as_ref().and_then(|child| child.own_inode());
        if let Some(inode) = inode.filter(|inode| inode.is_dir()) {
            seals.push(Seal::new(inode)?, GFP_KERNEL)?;
        }
    }
    cred.scope(|| {
        for entry in listing.from(0) {
            let found = lookup::find_in(&stack.layers, Name::new(entry.name)?)?;
            // What has gone meanwhile is no matter.
            let Some(first) = found.first() else {
                continue;
            };
            let is_merged = found.len() > 1 && first.inode()?.is_dir();
            if first.branch.id() != layer.branch.id() || is_merged {
                return Err(EXDEV);
            }
        }
        Ok(())
    })
}

/// All that is in the directory is on the branch: it no longer needs what is below it.
fn close(dir: &OwnDentry<Union>, layer: &Layer) -> Result {
    let inode = dir.positive()?;
    let instance = dir.sb().data();
    let stack = inode.data().stack()?;
    let here = stack.on(&layer.branch).ok_or(ESTALE)?.clone();
    {
        let access = layer.branch.mnt().want_write()?;
        instance
            .cred
            .scope(|| hide::make_opaque(&access, &layer.branch, &here.dentry))?;
    }
    detach(inode, &mut inode.data().lock_state(), &here)
}
