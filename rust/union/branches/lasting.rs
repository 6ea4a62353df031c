// SPDX-License-Identifier: GPL-2.0

//! What an object of a branch is, over mounts, and which number in the union that has.

use super::table::Table;
use crate::{
    union::{
        branch::branch::Branch,
        numbers::{
            fs_identity::Identity,
            number::{Number, Object},
        },
        text::{names, origin::Origin},
    },
    vfs::{attr::stat::Stat, mount::path::Path, value::errno::ESTALE},
};
use core::ptr;
use kernel::{prelude::*, rbtree::RBTree, sync::Arc};

/// That of the filesystem of `branch`, if no other one in `table` has the same, as a copy of it has (a
/// snapshot of the device).
fn unique(table: &Table, branch: &Branch) -> Option<Identity> {
    let identity = branch.fs_identity?;
    let sb = branch.mnt().super_block();
    let is_shared = table.branches.iter().any(|other| {
        other.fs_identity == Some(identity) && !ptr::eq(other.mnt().super_block(), sb)
    });
    (!is_shared).then_some(identity)
}

/// The part of its filesystem that the object at `path`, which has `stat`, is in. `None` where objects with
/// one number may be in several, which the filesystem does not tell.
fn part(path: Path<'_>, stat: &Stat) -> Option<u64> {
    let is_whole = || stat.dev() == path.mnt().super_block().dev();
    stat.subvolume().or_else(|| is_whole().then_some(0))
}

/// What the object at `path`, on a `branch` of `table`, is for the next mount. `None` where that cannot be
/// told: the filesystem has no identity, shares it with another one, or has one number for several objects.
pub(crate) fn origin_of(table: &Table, branch: &Branch, path: Path<'_>) -> Result<Option<Origin>> {
    let Some(fs) = unique(table, branch) else {
        return Ok(None);
    };
    let inode = path.inode().ok_or(ESTALE)?;
    let root = branch.root().inode().ok_or(ESTALE)?;
    let stat = Stat::of(path)?;
    let Some(subvolume) = part(path, &stat) else {
        return Ok(None);
    };
    let (seconds, nanoseconds) = stat.modified_at();
    Ok(Some(Origin {
        fs,
        subvolume,
        ino: inode.ino(),
        generation: inode.generation(),
        // Names on another branch are another object's, also where they are links to the same one.
        state: hash(&[
            root.ino(),
            root.generation().into(),
            stat.size() as u64,
            seconds as u64,
            nanoseconds.into(),
        ]),
    }))
}

/// A number that stands for these.
fn hash(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |hash, number| {
        let mut bytes = [0; 16];
        let (before, after) = bytes.split_at_mut(8);
        before.copy_from_slice(&hash.to_be_bytes());
        after.copy_from_slice(&number.to_be_bytes());
        names::hash(&bytes)
    })
}

/// Where the branches of a table are.
struct Places<'a> {
    table: &'a Table,
    /// The lowest branch that is on each part of a filesystem, and the device that it shows.
    lowest: RBTree<(Identity, u64), (usize, u32)>,
}

impl<'a> Places<'a> {
    /// Of those of `table`. `ENOMEM`.
    fn of(table: &'a Table) -> Result<Self> {
        let mut lowest = RBTree::new();
        for (index, branch) in table.branches.iter().enumerate() {
            let root = branch.at(branch.root());
            let Some(identity) = unique(table, branch) else {
                continue;
            };
            let stat = Stat::of(root)?;
            if let Some(part) = part(root, &stat) {
                lowest.try_create_and_insert((identity, part), (index, stat.dev()), GFP_KERNEL)?;
            }
        }
        Ok(Self { table, lowest })
    }

    /// The number in the union of what `origin` says, if its filesystem is there.
    fn number(&self, origin: &Origin) -> Option<Number> {
        let (at, device) = self.lowest.get(&(origin.fs, origin.subvolume))?;
        let branch = self.table.branches.get(*at)?;
        Some(branch.numbers.of_object(Object {
            device: *device,
            ino: origin.ino,
            generation: origin.generation,
        }))
    }
}

/// Has the copies that were found with the branches of `table` keep the numbers of what they were
/// copied from, which the names below have. Once the branches have their numbers; with the mounter's
/// credentials; callers exclude each other.
pub(crate) fn keep_numbers(table: &Table) {
    let is_new = |branch: &&Arc<Branch>| {
        let records = &branch.records;
        records.is_loaded() && !records.is_numbered()
    };
    let kept = || -> Result {
        let mut new = table.branches.iter().filter(is_new);
        let places = match new.any(|branch| branch.records.any()) {
            true => Some(Places::of(table)?),
            false => None,
        };
        // From the bottom up: what is a copy may have been copied itself.
        for branch in table.branches.iter().rev().filter(is_new) {
            let records = branch.records.lock();
            for (origin, record) in records.iter() {
                let Some(number) = places.as_ref().and_then(|places| places.number(origin)) else {
                    continue;
                };
                let noted = Number {
                    is_noted: true,
                    ..number
                };
                branch.numbers.set_object(record.object, noted)?;
            }
            drop(records);
            branch.records.note_numbered();
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
