// SPDX-License-Identifier: GPL-2.0

//! The records of the pseudo-links of a branch: what these were copied from.
//!
//! What they are for, and what is read and written of them, is in
//! [`plink_records`](crate::union::branch::plink_records).

use super::number::Object;
use crate::{
    union::text::{
        names::Buffer,
        origin::{Origin, MOST_NAMES},
    },
    vfs::sync::{load::Load, lockdep},
};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    sync::{
        atomic::{Atomic, Release},
        lock::{mutex::MutexBackend, Guard},
        Mutex,
    },
};

/// What is known of one pseudo-link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// How many names below mean the object, as its name on the disk has it.
    pub(crate) names: u32,
    pub(crate) object: Object,
}

/// What is found by what was copied, and that by what the copy is.
pub(crate) struct RecordMap {
    by_origin: RBTree<Origin, Record>,
    by_object: RBTree<Object, Origin>,
}

impl RecordMap {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self {
            by_origin: RBTree::new(),
            by_object: RBTree::new(),
        }
    }

    /// One more, neither of which is known. `ENOMEM`.
    pub(crate) fn insert(&mut self, origin: Origin, record: Record) -> Result {
        self.by_object
            .try_create_and_insert(record.object, origin, GFP_KERNEL_ACCOUNT)?;
        let inserted = self
            .by_origin
            .try_create_and_insert(origin, record, GFP_KERNEL_ACCOUNT);
        if inserted.is_err() {
            self.by_object.remove(&record.object);
        }
        inserted?;
        Ok(())
    }

    /// One less.
    pub(crate) fn remove(&mut self, origin: &Origin, object: &Object) {
        self.by_origin.remove(origin);
        self.by_object.remove(object);
    }

    /// So many `names` below mean the copy of `origin` from now on.
    pub(crate) fn recount(&mut self, origin: &Origin, names: u32) {
        if let Some(record) = self.by_origin.get_mut(origin) {
            record.names = names;
        }
    }

    /// The copy of `origin`.
    pub(crate) fn get(&self, origin: &Origin) -> Option<Record> {
        self.by_origin.get(origin).copied()
    }

    /// What `object` is a copy of.
    pub(crate) fn of(&self, object: Object) -> Option<(Origin, Record)> {
        let origin = *self.by_object.get(&object)?;
        let record = *self.by_origin.get(&origin)?;
        (record.object == object).then_some((origin, record))
    }

    /// Whether `object` is a copy.
    pub(crate) fn has(&self, object: Object) -> bool {
        self.by_object.get(&object).is_some()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Origin, &Record)> {
        self.by_origin.iter()
    }
}

/// The records of one branch.
#[pin_data]
pub(crate) struct Records {
    /// Whether there ever was one.
    any: Atomic<bool>,
    /// Whether those that were there when the branch came are known.
    is_loaded: Atomic<bool>,
    /// Whether they have the numbers of what they were copied from.
    is_numbered: Atomic<bool>,
    #[pin]
    map: Mutex<RecordMap>,
}

static MAP: lockdep::Classes = lockdep::Classes::new();

impl Records {
    /// None, for a branch at stacking level `depth`.
    pub(crate) fn new(depth: usize) -> impl PinInit<Self> {
        let map = RecordMap::new();
        pin_init!(Self {
            any: Atomic::new(false),
            is_loaded: Atomic::new(false),
            is_numbered: Atomic::new(false),
            map <- Mutex::new(map, c"Records::map", MAP.at(depth)),
        })
    }

    /// Whether there may be any.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load_acquire()
    }

    /// Whether what is on the branch was read.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded.load_acquire()
    }

    /// Whether the copies have their numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.is_numbered.load_acquire()
    }

    /// Says so.
    pub(crate) fn note_numbered(&self) {
        self.is_numbered.store(true, Release);
    }

    /// What is known, locked.
    pub(crate) fn lock(&self) -> Guard<'_, RecordMap, MutexBackend> {
        self.map.lock()
    }

    /// Has `read`, what is on the branch, be what is known.
    pub(crate) fn load(&self, read: RecordMap) {
        let old = {
            let mut map = self.map.lock();
            if !read.by_origin.is_empty() {
                self.any.store(true, Release);
            }
            core::mem::replace(&mut *map, read)
        };
        drop(old);
        self.is_loaded.store(true, Release);
    }

    /// What is known has to be read again.
    pub(crate) fn forget(&self) {
        self.is_numbered.store(false, Release);
        self.is_loaded.store(false, Release);
    }
}

/// The record of a pseudo-link that nobody finds yet, since what it is of does not show.
pub(crate) struct NewRecord {
    origin: Origin,
    record: Record,
    by_origin: RBTreeNodeReservation<Origin, Record>,
    by_object: RBTreeNodeReservation<Object, Origin>,
}

impl NewRecord {
    /// For `object`, a copy of `origin` which so many `names` below mean. `EEXIST` if
    /// there is a copy already; `ENOMEM`; `EMLINK` if there are more names than can be told.
    pub(crate) fn new(
        records: &Records,
        object: Object,
        origin: Origin,
        names: u32,
    ) -> Result<Self> {
        if names > MOST_NAMES {
            return Err(EMLINK);
        }
        let map = records.lock();
        if map.get(&origin).is_some() || map.has(object) {
            return Err(EEXIST);
        }
        drop(map);
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
    pub(crate) fn publish(self, records: &Records) {
        let mut map = records.map.lock();
        let by_object = self.by_object.into_node(self.record.object, self.origin);
        let by_origin = self.by_origin.into_node(self.origin, self.record);
        let old = (
            map.by_object.insert(by_object),
            map.by_origin.insert(by_origin),
        );
        records.any.store(true, Release);
        drop(map);
        drop(old);
    }
}
