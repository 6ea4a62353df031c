// SPDX-License-Identifier: GPL-2.0

//! Removing a directory tree of a branch, with bounded use of the stack.

use super::branch::Branch;
use crate::vfs::{
    below::namei::{self, Removing},
    mount::{file::KernelFile, write_access::WriteAccess},
    object::dentry::Dentry,
    sync::task::fatal_signal_pending,
    value::{flags, name::Name},
};
use kernel::{prelude::*, sync::aref::ARef};

/// A name of a directory entry, for use after the directory is no longer being read.
pub(super) type OwnedName = KVec<u8>;

/// The names in `dir`, but for `.` and `..`.
pub(crate) fn names(branch: &Branch, dir: &Dentry) -> Result<KVVec<OwnedName>> {
    select(branch, dir, |name| {
        if name == b"." || name == b".." {
            return Ok(None);
        }
        let mut owned = KVec::with_capacity(name.len(), GFP_KERNEL)?;
        owned.extend_from_slice(name, GFP_KERNEL)?;
        Ok(Some(owned))
    })
}

/// What `each` makes of the names in `dir`. `EINTR` for who is killed, `EIO` if these are not all.
pub(super) fn select<T>(
    branch: &Branch,
    dir: &Dentry,
    each: impl Fn(&[u8]) -> Result<Option<T>>,
) -> Result<KVVec<T>> {
    let mut file = KernelFile::open(branch.at(dir), flags::READ_DIR)?;
    let mut selected = KVVec::new();
    let is_whole = file.read_dir(|entry| {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        if let Some(one) = each(entry.name)? {
            selected.push(one, GFP_KERNEL)?;
        }
        Ok(())
    })?;
    is_whole.then_some(selected).ok_or(EIO)
}

/// Removes everything in `dir`.
pub(crate) fn clear(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry) -> Result {
    for name in names(branch, dir)? {
        remove(access, branch, dir, Name::new(&name)?)?;
    }
    Ok(())
}

struct Level {
    dir: ARef<Dentry>,
    names: KVVec<OwnedName>,
}

/// Removes `name` from `dir`, with all that is in it.
pub(crate) fn remove(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir: &Dentry,
    name: &Name,
) -> Result {
    let mut levels: KVec<Level> = KVec::new();
    let mut root = KVec::new();
    root.extend_from_slice(name, GFP_KERNEL)?;
    let mut first = KVVec::new();
    first.push(root, GFP_KERNEL)?;
    levels.push(
        Level {
            dir: dir.into(),
            names: first,
        },
        GFP_KERNEL,
    )?;
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.last() else {
            levels.pop();
            // The directory that was being emptied is the last name of the level above.
            let Some(above) = levels.last_mut() else {
                break;
            };
            if let Some(name) = above.names.pop() {
                Removing::start(access, &above.dir, Name::new(&name)?)?.rmdir()?;
            }
            continue;
        };
        let name = Name::new(name)?;
        match namei::lookup(branch.mnt(), &level.dir, name)? {
            Some(dentry) if dentry.inode().is_some_and(|inode| inode.is_dir()) => {
                let names = names(branch, &dentry)?;
                levels.push(Level { dir: dentry, names }, GFP_KERNEL)?;
            }
            Some(_) => {
                Removing::start(access, &level.dir, name)?.unlink()?;
                level.names.pop();
            }
            None => {
                level.names.pop();
            }
        }
    }
    Ok(())
}
