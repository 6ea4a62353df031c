// SPDX-License-Identifier: GPL-2.0

//! Pseudo-links: the names of objects that have names below the branch that they were copied up to,
//! and none left on it. Such an object stays on the branch in a directory of its own, so that its
//! next name can be linked from it.

use crate::{
    union::{
        branch::{
            branch::Branch,
            lift::lift,
            plink_dir::{self, RECORDED},
            plink_records,
        },
        groundwork::take_back,
        numbers::plink_record::NewRecord,
        object::{instance::Union, node::State, stack::Layer},
        text::{names, origin::Origin},
    },
    vfs::{
        below::{
            namei::{self, Creating, Removing},
            rename::Renaming,
        },
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        own::inode::OwnInode,
        sync::task::fatal_signal_pending,
        value::{
            errno::{ECONNABORTED, EDQUOT, ENOTCONN, ESTALE, ETIMEDOUT},
            name::Name,
        },
    },
};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

static SERIAL: Atomic<u64> = Atomic::new(1);

/// A name for a pseudo-link of `inode`, and what is remembered of it. No name is asked for twice.
fn fresh(inode: &OwnInode<Union>) -> (u64, names::Buffer) {
    // No two get the same one, in whatever order.
    let serial = SERIAL.fetch_add(1, Relaxed);
    (serial, names::serial_plink(inode.ino(), serial))
}

/// Makes `inode`'s object on `branch` by `make`, which gets the directory and the name, as a
/// pseudo-link.
pub(crate) fn make<R>(
    inode: &OwnInode<Union>,
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
        // A server may have each name that is tried.
        if fatal_signal_pending() {
            return Err(EINTR);
        }
    };
    let made = make(Name::new(name.as_bytes())?)?;
    inode.data().set_plink(serial);
    Ok(made)
}

/// Makes a pseudo-link by which the next mount, too, knows that so many `names` below mean `made` on `branch`, a copy
/// of `origin` which `inode` is to stand for, where that can be. One that the copy has by another name gets this
/// one. [`publish`] or [`take_back_record`] follows.
fn record(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    _locked: &State,
    branch: &Branch,
    made: &Dentry,
    origin: Origin,
    names: u32,
) -> Result<Option<NewRecord>> {
    let record =
        plink_records::new_record(branch, branch.at(made), origin, names).and_then(|record| {
            place(access, inode, branch, made, &record)?;
            Ok(record)
        });
    match record {
        // The branch cannot give an object another name, or cannot have the directory, each filesystem
        // with an error of its own; or there is another copy.
        Err(e) if !is_of_the_moment(e) => {
            pr_warn_once!(
                "branch '{}': names that are not used do not mean the copy after the next mount ({})\n",
                branch.name(),
                e.to_errno()
            );
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// What is written of a copy before it has its name, if all of the names of an object are to mean it from the next mount
/// on.
pub(crate) struct Recording<'a> {
    inode: &'a OwnInode<Union>,
    locked: &'a State,
    branch: &'a Branch,
    origin: Origin,
    names: u32,
    written: Option<NewRecord>,
}

impl<'a> Recording<'a> {
    /// So many `names` mean the copy of `origin` on `branch` which `inode` is to stand for.
    pub(crate) fn new(
        inode: &'a OwnInode<Union>,
        locked: &'a State,
        branch: &'a Branch,
        origin: Origin,
        names: u32,
    ) -> Self {
        Self {
            inode,
            locked,
            branch,
            origin,
            names,
            written: None,
        }
    }

    /// Writes it of `made`; what was written of another copy, which could not get the name, goes.
    pub(crate) fn write(&mut self, access: &WriteAccess<'_>, made: &Dentry) -> Result {
        if let Some(other) = &self.written {
            remove_record(access, self.branch, other)?;
        }
        self.written = None;
        self.written = record(
            access,
            self.inode,
            self.locked,
            self.branch,
            made,
            self.origin,
            self.names,
        )?;
        Ok(())
    }

    /// What was written, if anything could be.
    pub(crate) fn written(self) -> Option<NewRecord> {
        self.written
    }
}

/// Whether it is no answer of a branch that cannot have pseudo-links.
fn is_of_the_moment(e: Error) -> bool {
    let is_here = [ENOMEM, EINTR, ENOSPC, EDQUOT, EIO, EROFS].contains(&e);
    is_here || [ESTALE, ETIMEDOUT, ENOTCONN, ECONNABORTED].contains(&e)
}

/// Gives `made`, a copy on `branch`, the name of `record`.
fn place(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    branch: &Branch,
    made: &Dentry,
    record: &NewRecord,
) -> Result {
    let dir = {
        let _lifted = lift(access, branch, [branch.root()])?;
        plink_dir::try_dir(access, branch)?
    };
    let lifted = lift(access, branch, [made])?;
    let name = record.name();
    let name = Name::new(name.as_bytes())?;
    // What could not be removed is nobody's, unless it has another name.
    let left = namei::lookup(branch.mnt(), &dir, name)?;
    let is_nobodys = |inode: &Inode| !inode.is_dir() && inode.nlink() == 1;
    if left.is_some_and(|left| left.inode().is_some_and(is_nobodys)) {
        Removing::start(access, &dir, name)?.unlink()?;
    }
    let serial = inode.data().plink();
    let done = match serial {
        0 => {
            let creating = Creating::start(access, &dir, name)?;
            creating.link(made).map(drop)
        }
        _ => rename(access, inode, made, &dir, name, serial),
    };
    drop(lifted);
    // A server may have done what it says it could not. What was to be renamed has no other name to be removed by.
    done.map_err(|e| {
        let is_undone = match serial {
            0 => take_back::take_back(access, branch, &dir, name, made),
            _ => namei::lookup(branch.mnt(), &dir, name).is_ok_and(|found| found.is_none()),
        };
        match is_undone {
            true => e,
            false => EIO,
        }
    })
}

/// Gives the pseudo-link with the `serial` number in `dir` the name of `made`'s.
fn rename(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    made: &Dentry,
    dir: &Dentry,
    name: &Name,
    serial: u64,
) -> Result {
    let from = names::serial_plink(inode.ino(), serial);
    let renaming = Renaming::start(access, dir, Name::new(from.as_bytes())?, dir, name, 0)?;
    if !renaming.source().has_inode_of(made) {
        return Err(ESTALE);
    }
    if renaming.target().is_positive() {
        return Err(EEXIST);
    }
    renaming.commit()?;
    inode.data().set_plink(0);
    Ok(())
}

/// The copy on `branch` that `record` is of shows: it is found from now on.
pub(crate) fn publish(
    inode: &OwnInode<Union>,
    _locked: &State,
    branch: &Branch,
    record: NewRecord,
) {
    inode.data().set_plink(RECORDED);
    record.publish(&branch.records);
}

/// The copy on `branch` that `record` is of does not show after all. Whether nothing is left of that.
pub(crate) fn take_back_record(branch: &Branch, record: &NewRecord) -> bool {
    let removed =
        (branch.mnt().want_write()).and_then(|access| remove_record(&access, branch, record));
    if let Err(e) = removed {
        pr_warn!(
            "branch '{}': a pseudo-link is left ({})\n",
            branch.name(),
            e.to_errno()
        );
        return false;
    }
    true
}

/// As [`take_back_record`].
fn remove_record(access: &WriteAccess<'_>, branch: &Branch, record: &NewRecord) -> Result {
    let Some(dir) = plink_dir::find_dir(branch)? else {
        return Ok(());
    };
    let name = record.name();
    let name = Name::new(name.as_bytes())?;
    let Some(made) = namei::lookup(branch.mnt(), &dir, name)? else {
        return Ok(());
    };
    let _lifted = lift(access, branch, [&*made])?;
    Removing::start(access, &dir, name)?.unlink()
}

/// So many `names` below mean the object at `layer`, which `inode` stands for, from now on: that is
/// written down, if it was before.
pub(crate) fn recount(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    _locked: &State,
    layer: &Layer,
    names: u32,
) {
    if inode.data().plink() != RECORDED {
        return;
    }
    let set = || plink_records::set_names(access, &layer.branch, layer.path(), names);
    // What is not written down now stays wrong for good.
    let written = match set() {
        Err(e) if e == ENOMEM => set(),
        other => other,
    };
    if let Err(e) = written {
        warn_of_count(layer, e);
    }
}

/// The pseudo-link of the object at `layer` could not be told how many names there are below.
pub(crate) fn warn_of_count(layer: &Layer, error: Error) {
    pr_warn!(
        "branch '{}': a pseudo-link keeps a wrong number of names ({})\n",
        layer.branch.name(),
        error.to_errno()
    );
}

/// Gives the object at `layer`, which `inode` stands for, a pseudo-link.
pub(crate) fn link(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    locked: &State,
    layer: &Layer,
) -> Result {
    if inode.data().plink() != 0 {
        return Ok(());
    }
    let dir = plink_dir::dir(access, &layer.branch)?;
    make(inode, locked, &dir, &layer.branch, |name| {
        Creating::start(access, &dir, name)?.link(&layer.dentry)
    })?;
    Ok(())
}

/// Makes a pseudo-link of `name` in `parent`, the last name of the object that `inode` stands for.
/// `ESTALE` if it is another object's.
pub(crate) fn put(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    locked: &State,
    parent: &Layer,
    name: &Name,
) -> Result {
    let dir = plink_dir::dir(access, &parent.branch)?;
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
pub(crate) fn take_back(inode: &OwnInode<Union>, locked: &State, layer: &Layer) {
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
    inode: &OwnInode<Union>,
    locked: &State,
    layer: &Layer,
) -> Result {
    remove_if(access, inode, locked, layer, |real| {
        inode.data().shows(real)
    })
}

fn remove_if(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    _locked: &State,
    layer: &Layer,
    is_it: impl FnOnce(&Inode) -> bool,
) -> Result {
    let serial = inode.data().take_plink();
    if serial == 0 {
        return Ok(());
    }
    if serial == RECORDED {
        return plink_records::set_names(access, &layer.branch, layer.path(), 0);
    }
    let Some(dir) = plink_dir::find_dir(&layer.branch)? else {
        return Ok(());
    };
    let name = names::serial_plink(inode.ino(), serial);
    let removing = Removing::start(access, &dir, Name::new(name.as_bytes())?)?;
    if !removing.dentry().inode().is_some_and(is_it) {
        return Err(ESTALE);
    }
    removing.unlink()
}
