// SPDX-License-Identifier: GPL-2.0

//! Copying a whole directory up, so that it can be renamed.
//!
//! Aufs and overlayfs answer `EXDEV`, or leave a record that only they understand. Here everything
//! in the directory is copied up first, through the union, one object at a time; then every
//! directory in it is made opaque. Whatever fails on the way leaves a union that shows what it
//! showed before.
//!
//! What is on another writable branch is not copied, as somebody may be writing to it there: that is
//! `EXDEV`.

use super::{copy_up, instance::Union, merge::Listing, node::Layer, rename::detach, whiteout};
use crate::vfs::{
    attr::Attr, copy::fatal_signal_pending, dentry::DEntry, errno::ESTALE, name::Name, stat::Stat,
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
};

struct Level {
    dir: ARef<DEntry<Union>>,
    listing: Arc<Listing>,
    next: usize,
}

fn level(dir: ARef<DEntry<Union>>) -> Result<Level> {
    let stack = dir.positive()?.data().stack()?;
    let instance = dir.sb().data();
    let listing = instance.cred.scope(|| Listing::read(&stack, false))?;
    Ok(Level {
        dir,
        listing,
        next: 0,
    })
}

/// Makes sure that everything in the directory `dir`, which is on the branch of `layer`, is on that
/// branch. The caller's locks keep the directory itself from changing.
///
/// `is_locked` says that the caller has the lock of `dir`.
pub(super) fn copy(dir: &DEntry<Union>, layer: &Layer, is_locked: bool) -> Result {
    if is_alone(dir)? {
        return Ok(());
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
            close(&done.dir, layer)?;
            continue;
        };
        level_now.next += 1;
        let locked = is_locked && core::ptr::eq::<DEntry<Union>>(&*level_now.dir, dir);
        let child = DEntry::lookup_child(&level_now.dir, Name::new(entry.name)?, locked)?;
        let Some(child) = child else {
            // It went while we were on the way.
            continue;
        };
        let inode = child.positive()?;
        if inode.is_dir() {
            copy_up::ensure_dir(&child, &layer.branch)?;
            if !is_alone(&child)? {
                let below = level(child)?;
                levels.push(below, GFP_KERNEL)?;
            }
        } else {
            copy_up::ensure_name_on(&child, &layer.branch)?;
        }
    }
    Ok(())
}

/// Whether the directory stands for one directory only.
fn is_alone(dir: &DEntry<Union>) -> Result<bool> {
    Ok(dir.positive()?.data().stack()?.layers.len() == 1)
}

/// All that is in the directory is on the branch: it no longer needs what is below it.
fn close(dir: &DEntry<Union>, layer: &Layer) -> Result {
    let inode = dir.positive()?;
    let instance = dir.sb().data();
    let stack = inode.data().stack()?;
    let here = stack.on(&layer.branch).ok_or(ESTALE)?.clone();
    {
        let access = layer.branch.mnt().want_write()?;
        instance.cred.scope(|| {
            let before = Stat::of(here.path())?;
            whiteout::make_opaque(&access, &layer.branch, &here.dentry)?;
            Attr::times(&before).apply(&access, &here.dentry)
        })?;
    }
    detach(inode, &here)
}
