// SPDX-License-Identifier: GPL-2.0

//! `/sys/fs/aufs/si_<id>/`: the branches of a union, as aufs shows them.
//!
//! What the files show is a list of its own, which is published at once with the table: a reader
//! sees the branches of before a change or those of after, and keeps no branch from going.

use super::table::Table;
use crate::{
    union::{
        branch::{branch::Branch, place::Place},
        numbers::branch_id::BranchId,
        text::{escape::escape, options::Permission},
    },
    vfs::{
        admin::kobject::{Directory, NoFiles, Show, Text},
        attr::stat::device_numbers,
        sync::rcu::{RcuArc, Shared, Slot},
    },
};
use kernel::{prelude::*, sync::Arc};

/// The directory that the unions have theirs in.
static ROOT: Slot<Pin<KBox<Directory<NoFiles>>>> = Slot::empty();

/// Keeps the directory of all unions.
pub(crate) struct Root(());

impl Root {
    /// Makes `/sys/fs/NAME`. Unions that are mounted before have nothing there.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        let directory = Directory::new_in_fs(name)?;
        ROOT.replace(Some(RcuArc::new(directory, GFP_KERNEL)?));
        Ok(Self(()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(ROOT.replace(None));
    }
}

/// A branch, as it is shown.
struct BranchRow {
    place: Arc<Place>,
    permission: Permission,
    id: BranchId,
    root: (u32, u64),
}

/// All branches, as they are shown.
pub(crate) struct BranchRows(KVVec<BranchRow>);

impl Shared for BranchRows {}

impl BranchRows {
    /// Those of `table`, with the permissions that they are to have.
    fn new(table: &Table, permission: impl Fn(&Branch) -> Permission) -> Result<RcuArc<Self>> {
        let mut rows = KVVec::with_capacity(table.branches.len(), GFP_KERNEL)?;
        for branch in &table.branches {
            let row = BranchRow {
                place: branch.place().clone(),
                permission: permission(branch),
                id: branch.id(),
                root: branch.root_numbers(),
            };
            rows.push(row, GFP_KERNEL)?;
        }
        RcuArc::new(Self(rows), GFP_KERNEL)
    }
}

/// A file of a union's directory.
#[derive(Clone, Copy)]
enum SysfsFile {
    /// `xi_path`: empty, as there are no inode number tables.
    XiPath,
    /// `brN`: path and permission of the branch at an index.
    Branch(usize),
    /// `bridN`: its identity.
    Id(usize),
    /// `rootN`, which aufs does not have: the device and the number of its root directory, as `stat(2)` has them.
    Root(usize),
}

/// How many files there are for a branch.
const FILES: usize = 3;

/// How many files there are, with `branches` branches.
fn files(branches: usize) -> usize {
    1 + FILES * branches
}

/// The rows that are published now.
struct PublishedRows(Slot<BranchRows>);

impl Show for PublishedRows {
    type File = SysfsFile;

    fn show(&self, file: SysfsFile, text: &mut Text<'_>) -> Result {
        let rows = self.0.get().ok_or(ENOENT)?;
        // A file may be there a moment before its branch, and a moment after.
        let row = |index: usize| rows.0.get(index).ok_or(ENOENT);
        match file {
            SysfsFile::XiPath => Ok(()),
            SysfsFile::Branch(index) => {
                let row = row(index)?;
                let mut text_of = |path: &[u8]| escape(path, |piece| text.push(piece));
                row.place.show(&mut text_of)?;
                text.print(fmt!("={}\n", row.permission))
            }
            SysfsFile::Id(index) => text.print(fmt!("{}\n", row(index)?.id.0)),
            SysfsFile::Root(index) => {
                let (device, ino) = row(index)?.root;
                let (major, minor) = device_numbers(device);
                text.print(fmt!("{major}:{minor} {ino}\n"))
            }
        }
    }
}

/// The directory of one union.
pub(crate) struct SysfsDirectory {
    directory: Pin<KBox<Directory<PublishedRows>>>,
    /// Declared after what is in it.
    _root: RcuArc<Pin<KBox<Directory<NoFiles>>>>,
}

impl SysfsDirectory {
    /// Makes the directory of the union `si`; there is none if sysfs has none for all.
    pub(crate) fn new(si: u64, table: &Table) -> Result<Option<Self>> {
        let Some(root) = ROOT.get() else {
            return Ok(None);
        };
        let rows = BranchRows::new(table, Branch::permission)?;
        let name = kernel::str::CString::try_from_fmt(fmt!("si_{si:x}"))?;
        let directory = Directory::new(&**root, &name, PublishedRows(Slot::new(Some(rows))))?;
        directory.add(SysfsFile::XiPath, fmt!("xi_path"))?;
        let made = Self {
            directory,
            _root: root,
        };
        made.grow(table.branches.len())?;
        Ok(Some(made))
    }

    fn grow(&self, branches: usize) -> Result {
        let files = self.directory.len() - files(0);
        for at in files..FILES * branches {
            let index = at / FILES;
            match at % FILES {
                0 => self
                    .directory
                    .add(SysfsFile::Branch(index), fmt!("br{index}"))?,
                1 => self
                    .directory
                    .add(SysfsFile::Id(index), fmt!("brid{index}"))?,
                _ => self
                    .directory
                    .add(SysfsFile::Root(index), fmt!("root{index}"))?,
            }
        }
        Ok(())
    }

    /// Takes the files away that no branch is shown by.
    fn trim(&self) {
        let rows = self.directory.data().0.get();
        let branches = rows.map_or(0, |rows| rows.0.len());
        self.directory.truncate(files(branches));
    }

    /// Prepares to show the branches of `after` with the permissions that they are to have: all
    /// that can fail.
    pub(crate) fn prepare(
        &self,
        after: &Table,
        permission: impl Fn(&Branch) -> Permission,
    ) -> Result<Prepared<'_>> {
        let prepared = Prepared {
            directory: self,
            rows: Some(BranchRows::new(after, permission)?),
        };
        self.grow(after.branches.len())?;
        Ok(prepared)
    }
}

/// A prepared change of what is shown. Dropping it takes back what was prepared.
pub(crate) struct Prepared<'a> {
    directory: &'a SysfsDirectory,
    rows: Option<RcuArc<BranchRows>>,
}

impl Prepared<'_> {
    /// Shows it.
    pub(crate) fn publish(mut self) {
        drop(self.directory.directory.data().0.replace(self.rows.take()));
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.directory.trim();
    }
}
