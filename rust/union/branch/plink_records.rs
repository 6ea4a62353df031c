// SPDX-License-Identifier: GPL-2.0

//! The records of a branch: what its pseudo-links were copied from, as their names say it.
//!
//! A name on a branch below that means an object which was copied up, means the copy: also in the
//! next mount, which has but the names of the pseudo-links to know that by. They say what was copied,
//! and how many of its names are below yet: see `Documentation/on-disk-format.md`.
//!
//! An entry is changed on the disk with the table locked, so that it is found under the name that the
//! table has for it.

use super::{branch::Branch, plink_dir, private, tree};
use crate::{
    union::{
        numbers::{
            number::Object,
            plink_record::{NewRecord, Record, RecordMap},
        },
        text::{names, origin::Origin},
    },
    vfs::{
        below::{
            namei::{self, Removing},
            rename::Renaming,
        },
        mount::{path::Path, write_access::WriteAccess},
        object::{dentry::Dentry, inode::Inode},
        sync::task::fatal_signal_pending,
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{prelude::*, str::BStr, sync::aref::ARef};

/// Finds out what the pseudo-links on `branch` were copied from, unless that is known. With the mounter's
/// credentials; callers exclude each other.
pub(crate) fn load(branch: &Branch) -> Result {
    if !branch.records.is_loaded() {
        branch.records.load(read(branch)?);
    }
    Ok(())
}

/// What is known was read before `branch` was the union's to write to: somebody else may have changed it,
/// and [`load`] has to read it again.
pub(super) fn forget(branch: &Branch) {
    branch.records.forget();
}

fn read(branch: &Branch) -> Result<RecordMap> {
    let mut records = RecordMap::new();
    let Some(dir) = find_dir(branch)? else {
        return Ok(records);
    };
    let named = tree::select(branch, &dir, |name| Ok(Origin::parse(name)))?;
    if !named.is_empty() && !private::is_trusted(branch, &dir)? {
        // Somebody may have written there what names below are to mean.
        pr_warn!(
            "branch '{}': {} is somebody else's, or open to others: not read\n",
            branch.name(),
            BStr::from_bytes(names::PLINKS),
        );
        return Ok(records);
    }
    for (origin, names) in named {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        match read_one(branch, &dir, &mut records, origin, names) {
            // Names below that mean it show what is below, and cannot be changed: there is no other copy.
            Err(e) if e != ENOMEM && e != EINTR => pr_warn!(
                "branch '{}': the pseudo-link {} cannot be read ({})\n",
                branch.name(),
                BStr::from_bytes(origin.name(names).as_bytes()),
                e.to_errno()
            ),
            read => read?,
        }
    }
    Ok(records)
}

fn read_one(
    branch: &Branch,
    dir: &Dentry,
    records: &mut RecordMap,
    origin: Origin,
    names: u32,
) -> Result {
    let name = origin.name(names);
    let Some(dentry) = namei::lookup(branch.mnt(), dir, Name::new(name.as_bytes())?)? else {
        return Ok(());
    };
    let Some(real) = dentry.inode().filter(|inode| !inode.is_dir()) else {
        return Ok(());
    };
    let object = Object::at(branch.at(&dentry))?;
    if records.has(object) {
        return Ok(());
    }
    if let Some(other) = records.get(&origin).map(|record| record.object) {
        // One of them is what could not be removed, and has no other name.
        if real.nlink() == 1 {
            return Ok(());
        }
        records.remove(&origin, &other);
    }
    records.insert(origin, Record { names, object })
}

/// The directory with them.
fn find_dir(branch: &Branch) -> Result<Option<ARef<Dentry>>> {
    let dir = plink_dir::find_dir(branch)?;
    Ok(dir.filter(|dir| dir.inode().is_some_and(|inode| inode.is_dir())))
}

/// The copy that `branch` has of `source`, which is `origin`, if it has one. With the mounter's credentials.
pub(crate) fn find(
    branch: &Branch,
    origin: &Origin,
    source: &Inode,
) -> Result<Option<ARef<Dentry>>> {
    loop {
        let record = branch.records.lock().get(origin);
        let Some(record) = record else {
            return Ok(None);
        };
        // Without the lock: a server may not answer.
        let name = origin.name(record.names);
        let found = match find_dir(branch)? {
            Some(dir) => namei::lookup(branch.mnt(), &dir, Name::new(name.as_bytes())?)?,
            None => None,
        };
        if let Some(dentry) = found {
            let is_it = Object::at(branch.at(&dentry))? == record.object;
            if is_it && (dentry.inode()).is_some_and(|copy| copy.mode().same_type(source.mode())) {
                return Ok(Some(dentry));
            }
        }
        // Others may have put something else there, or below; or it was renamed meanwhile.
        if branch.records.lock().get(origin) == Some(record) {
            return Ok(None);
        }
    }
}

/// How many names below mean the object at `path` on `branch`; 0 if it has no pseudo-link of which
/// that is known.
pub(crate) fn names_below(branch: &Branch, path: Path<'_>) -> Result<u32> {
    let object = Object::at(path)?;
    let records = branch.records.lock();
    Ok(records.of(object).map_or(0, |(_, record)| record.names))
}

/// The record of the pseudo-link to be made of the object at `path` on `branch`, as [`NewRecord::new`].
pub(crate) fn new_record(
    branch: &Branch,
    path: Path<'_>,
    origin: Origin,
    names: u32,
) -> Result<NewRecord> {
    NewRecord::new(&branch.records, Object::at(path)?, origin, names)
}

/// So many `names` below mean the object at `path` on `branch` from now on; with 0, its pseudo-link is
/// removed. For one that [`names_below`] knows.
pub(crate) fn set_names(
    access: &WriteAccess<'_>,
    branch: &Branch,
    path: Path<'_>,
    names: u32,
) -> Result {
    let object = Object::at(path)?;
    let mut records = branch.records.lock();
    let Some((origin, record)) = records.of(object) else {
        return Ok(());
    };
    if names == record.names {
        return Ok(());
    }
    if names == 0 {
        // Whatever becomes of it on the disk, nobody asks for it any more.
        records.remove(&origin, &object);
    }
    let Some(dir) = plink_dir::find_dir(branch)? else {
        return Ok(());
    };
    let old = origin.name(record.names);
    let old = Name::new(old.as_bytes())?;
    let is_it = |dentry: &Dentry| {
        let found = Object::at(branch.at(dentry));
        found.is_ok_and(|found| found == object)
    };
    if names == 0 {
        let removing = Removing::start(access, &dir, old)?;
        return match is_it(removing.dentry()) {
            true => removing.unlink(),
            false => Err(ESTALE),
        };
    }
    let new = origin.name(names);
    let new = Name::new(new.as_bytes())?;
    let renaming = Renaming::start(access, &dir, old, &dir, new, 0)?;
    if !is_it(renaming.source()) {
        return Err(ESTALE);
    }
    if renaming.target().is_positive() {
        return Err(EEXIST);
    }
    renaming.commit()?;
    records.recount(&origin, names);
    Ok(())
}
