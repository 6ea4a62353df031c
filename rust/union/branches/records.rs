// SPDX-License-Identifier: GPL-2.0

//! What the pseudo-links of a branch were copied from.
//!
//! A name on a branch below that means an object which was copied up, means the copy: also in the
//! next mount, which has but the names of the pseudo-links to know that by. They say what was copied,
//! and how many of its names are below yet: see `Documentation/on-disk-format.md`.
//!
//! An entry is changed on the disk with the table locked, so that it is found under the name that the
//! table has for it.

use super::{
    branch::Branch,
    identity::Places,
    number::{Number, Object},
    plinks, private,
    table::Table,
    tree,
};
use crate::{
    union::text::{
        names::{self, Buffer},
        origin::{Origin, MOST_NAMES},
    },
    vfs::{
        call::{
            namei::{self, Removing},
            rename::Renaming,
            stat::Stat,
        },
        object::{dentry::Dentry, inode::Inode, path::Path, write_access::WriteAccess},
        sync::{load::Load, lockdep, task::fatal_signal_pending},
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    str::BStr,
    sync::{
        aref::ARef,
        atomic::{Atomic, Release},
        Arc, Mutex,
    },
};

/// What is known of one pseudo-link.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Record {
    /// How many names below mean the object, as its name on the disk has it.
    names: u32,
    object: Object,
}

fn object_at(path: Path<'_>) -> Result<Object> {
    let inode = path.inode().ok_or(ESTALE)?;
    Ok(Object {
        device: Stat::of(path)?.dev(),
        ino: inode.ino(),
        generation: inode.generation(),
    })
}

/// What is found by what was copied, and that by what the copy is.
struct Known {
    records: RBTree<Origin, Record>,
    origins: RBTree<Object, Origin>,
}

impl Known {
    fn new() -> Self {
        Self {
            records: RBTree::new(),
            origins: RBTree::new(),
        }
    }

    fn insert(&mut self, origin: Origin, record: Record) -> Result {
        self.origins
            .try_create_and_insert(record.object, origin, GFP_KERNEL_ACCOUNT)?;
        let inserted = self
            .records
            .try_create_and_insert(origin, record, GFP_KERNEL_ACCOUNT);
        if inserted.is_err() {
            self.origins.remove(&record.object);
        }
        inserted?;
        Ok(())
    }

    fn remove(&mut self, origin: &Origin, object: &Object) {
        self.records.remove(origin);
        self.origins.remove(object);
    }

    fn of(&self, object: Object) -> Option<(Origin, Record)> {
        let origin = *self.origins.get(&object)?;
        let record = *self.records.get(&origin)?;
        (record.object == object).then_some((origin, record))
    }
}

/// The pseudo-links of one branch whose origins are known.
#[pin_data]
pub(crate) struct Records {
    /// Whether there ever was one.
    any: Atomic<bool>,
    /// Whether those that were there when the branch came are known.
    is_loaded: Atomic<bool>,
    /// Whether they have the numbers of what they were copied from.
    is_numbered: Atomic<bool>,
    #[pin]
    known: Mutex<Known>,
}

static KNOWN: lockdep::Classes = lockdep::Classes::new();

impl Records {
    /// None, for a branch at stacking level `depth`.
    pub(super) fn new(depth: usize) -> impl PinInit<Self> {
        let known = Known::new();
        pin_init!(Self {
            any: Atomic::new(false),
            is_loaded: Atomic::new(false),
            is_numbered: Atomic::new(false),
            known <- Mutex::new(known, c"Records::known", KNOWN.at(depth)),
        })
    }

    /// Whether there may be any.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load_acquire()
    }
}

/// Finds out what the pseudo-links on `branch` were copied from, unless that is known. With the mounter's
/// credentials; callers exclude each other.
pub(crate) fn load(branch: &Branch) -> Result {
    let records = &branch.records;
    if records.is_loaded.load_acquire() {
        return Ok(());
    }
    let read = read(branch)?;
    let old = {
        let mut known = records.known.lock();
        if !read.records.is_empty() {
            records.any.store(true, Release);
        }
        core::mem::replace(&mut *known, read)
    };
    drop(old);
    records.is_loaded.store(true, Release);
    Ok(())
}

/// What is known was read before `branch` was the union's to write to: somebody else may have changed it,
/// and [`load`] has to read it again.
pub(super) fn forget(branch: &Branch) {
    branch.records.is_numbered.store(false, Release);
    branch.records.is_loaded.store(false, Release);
}

fn read(branch: &Branch) -> Result<Known> {
    let mut known = Known::new();
    let Some(dir) = find_dir(branch)? else {
        return Ok(known);
    };
    let named = tree::select(branch, &dir, |name| Ok(Origin::parse(name)))?;
    if !named.is_empty() && !private::is_trusted(branch, &dir)? {
        // Somebody may have written there what names below are to mean.
        pr_warn!(
            "branch '{}': {} is somebody else's, or open to others: not read\n",
            branch.name(),
            BStr::from_bytes(names::PLINKS),
        );
        return Ok(known);
    }
    for (origin, names) in named {
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        match read_one(branch, &dir, &mut known, origin, names) {
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
    Ok(known)
}

fn read_one(
    branch: &Branch,
    dir: &Dentry,
    known: &mut Known,
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
    let object = object_at(branch.at(&dentry))?;
    if known.origins.get(&object).is_some() {
        return Ok(());
    }
    if let Some(other) = known.records.get(&origin).map(|record| record.object) {
        // One of them is what could not be removed, and has no other name.
        if real.nlink() == 1 {
            return Ok(());
        }
        known.remove(&origin, &other);
    }
    known.insert(origin, Record { names, object })
}

/// The directory with them.
fn find_dir(branch: &Branch) -> Result<Option<ARef<Dentry>>> {
    let dir = plinks::find_dir(branch)?;
    Ok(dir.filter(|dir| dir.inode().is_some_and(|inode| inode.is_dir())))
}

/// Has the copies that were found with the branches of `table` keep the numbers of what they were
/// copied from, which the names below have. Once the branches have their numbers; with the mounter's
/// credentials; callers exclude each other.
pub(crate) fn keep_numbers(table: &Table) {
    let is_new = |branch: &&Arc<Branch>| {
        let records = &branch.records;
        records.is_loaded.load_acquire() && !records.is_numbered.load_acquire()
    };
    let kept = || -> Result {
        let mut new = table.branches.iter().filter(is_new);
        let places = match new.any(|branch| branch.records.any()) {
            true => Some(Places::of(table)?),
            false => None,
        };
        // From the bottom up: what is a copy may have been copied itself.
        for branch in table.branches.iter().rev().filter(is_new) {
            let known = branch.records.known.lock();
            for (origin, record) in known.records.iter() {
                let Some(number) = places.as_ref().and_then(|places| places.number(origin)) else {
                    continue;
                };
                let noted = Number {
                    is_noted: true,
                    ..number
                };
                branch.numbers.set_object(record.object, noted)?;
            }
            drop(known);
            branch.records.is_numbered.store(true, Release);
        }
        Ok(())
    };
    if let Err(e) = kept() {
        pr_warn!(
            "copies of files with several names have numbers of their own ({})\n",
            e.to_errno()
        );
    }
}

/// The copy that `branch` has of `source`, which is `origin`, if it has one. With the mounter's credentials.
pub(crate) fn find(
    branch: &Branch,
    origin: &Origin,
    source: &Inode,
) -> Result<Option<ARef<Dentry>>> {
    loop {
        let known = branch.records.known.lock().records.get(origin).copied();
        let Some(record) = known else {
            return Ok(None);
        };
        // Without the lock: a server may not answer.
        let name = origin.name(record.names);
        let found = match find_dir(branch)? {
            Some(dir) => namei::lookup(branch.mnt(), &dir, Name::new(name.as_bytes())?)?,
            None => None,
        };
        if let Some(dentry) = found {
            let is_it = object_at(branch.at(&dentry))? == record.object;
            if is_it && (dentry.inode()).is_some_and(|copy| copy.mode().same_type(source.mode())) {
                return Ok(Some(dentry));
            }
        }
        // Others may have put something else there, or below; or it was renamed meanwhile.
        if branch.records.known.lock().records.get(origin) == Some(&record) {
            return Ok(None);
        }
    }
}

/// How many names below mean the object at `path` on `branch`; 0 if it has no pseudo-link of which
/// that is known.
pub(crate) fn names_below(branch: &Branch, path: Path<'_>) -> Result<u32> {
    let object = object_at(path)?;
    let known = branch.records.known.lock();
    Ok(known.of(object).map_or(0, |(_, record)| record.names))
}

/// A pseudo-link that nobody finds yet, since what it is of does not show.
pub(crate) struct Pending {
    origin: Origin,
    record: Record,
    by_origin: RBTreeNodeReservation<Origin, Record>,
    by_object: RBTreeNodeReservation<Object, Origin>,
}

impl Pending {
    /// For the object at `path` on `branch`, a copy of `origin` which so many `names` below mean. `EEXIST` if
    /// there is a copy already; `ENOMEM`; `EMLINK` if there are more names than can be told.
    pub(crate) fn new(branch: &Branch, path: Path<'_>, origin: Origin, names: u32) -> Result<Self> {
        if names > MOST_NAMES {
            return Err(EMLINK);
        }
        let object = object_at(path)?;
        let known = branch.records.known.lock();
        if known.records.get(&origin).is_some() || known.origins.get(&object).is_some() {
            return Err(EEXIST);
        }
        drop(known);
        Ok(Self {
            origin,
            record: Record { names, object },
            by_origin: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
            by_object: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// The name that it has in their directory.
    pub(crate) fn name(&self) -> Buffer {
        self.origin.name(self.record.names)
    }

    /// It is found from now on.
    pub(crate) fn publish(self, branch: &Branch) {
        let records = &branch.records;
        let mut known = records.known.lock();
        let by_object = self.by_object.into_node(self.record.object, self.origin);
        let by_origin = self.by_origin.into_node(self.origin, self.record);
        let old = (
            known.origins.insert(by_object),
            known.records.insert(by_origin),
        );
        records.any.store(true, Release);
        drop(known);
        drop(old);
    }
}

/// So many `names` below mean the object at `path` on `branch` from now on; with 0, its pseudo-link is
/// removed. For one that [`names_below`] knows.
pub(crate) fn set_names(
    access: &WriteAccess<'_>,
    branch: &Branch,
    path: Path<'_>,
    names: u32,
) -> Result {
    let object = object_at(path)?;
    let mut known = branch.records.known.lock();
    let Some((origin, record)) = known.of(object) else {
        return Ok(());
    };
    if names == record.names {
        return Ok(());
    }
    if names == 0 {
        // Whatever becomes of it on the disk, nobody asks for it any more.
        known.remove(&origin, &object);
    }
    let Some(dir) = plinks::find_dir(branch)? else {
        return Ok(());
    };
    let old = origin.name(record.names);
    let old = Name::new(old.as_bytes())?;
    let is_it = |dentry: &Dentry| {
        let found = object_at(branch.at(dentry));
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
    if let Some(record) = known.records.get_mut(&origin) {
        record.names = names;
    }
    Ok(())
}
