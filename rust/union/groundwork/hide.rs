// SPDX-License-Identifier: GPL-2.0

//! Hiding what is below: making and removing whiteouts, and making directories opaque.

use crate::{
    union::{
        branch::{branch::Branch, lift::lift, work},
        find::whiteout::{find_at, locate_long, OPAQUE, PREFIX},
        groundwork::dir_times::DirTimes,
        object::stack::Layer,
        text::{names, options::Attributes},
    },
    vfs::{
        attr::attr::Attr,
        below::{
            namei::{self, Creating, Removing},
            rename::Renaming,
        },
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        value::{
            errno::EOPNOTSUPP,
            mode::Mode,
            name::{Joined, Name},
        },
    },
};
use kernel::{pr_warn_once, prelude::*, sync::aref::ARef};

/// The mode of a whiteout: nobody has a reason to read or write it.
const MODE: Mode = Mode(0o100444);

/// See [`base`].
const BASE: &Name = Name::literal(names::BASE);

/// Whites `name` out in the directory `dir` of a writable branch. Returns whether it was not before: what
/// was there stays, whatever becomes of what this is for.
#[must_use = "one that was there before is not to be taken back"]
pub(crate) fn create(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result<bool> {
    let Some(whiteout) = Joined::new(PREFIX, name) else {
        return create_long(access, dir, name);
    };
    create_hider(access, &dir.branch, &dir.dentry, &whiteout)
}

/// A whiteout that is made before what it is for, which may fail.
#[must_use]
pub(crate) struct Tentative<'a> {
    times: DirTimes<'a>,
    name: &'a Name,
    is_new: bool,
}

impl<'a> Tentative<'a> {
    /// Whites `name` out in the directory `dir` of a writable branch.
    pub(crate) fn create(access: &WriteAccess<'_>, dir: &'a Layer, name: &'a Name) -> Result<Self> {
        let times = DirTimes::of(dir)?;
        let is_new = create(access, dir, name)?;
        Ok(Self {
            times,
            name,
            is_new,
        })
    }

    /// Whether the name was not whited out before.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What it is for has failed by `error`, and nobody has changed the directory: it is as it was, times included. The
    /// object of the name is still there and shows in spite of the whiteout, so that nothing is lost if this fails, too;
    /// but if the object may be gone, the whiteout stays, or what is below would show in its place.
    pub(crate) fn take_back(&self, access: &WriteAccess<'_>, error: Error) {
        let dir = self.times.dir;
        if !self.is_new || dir.may_have_lost(self.name, error) {
            return;
        }
        match remove(access, dir, self.name) {
            Ok(()) => self.times.restore(access),
            Err(_) => pr_warn_once!("a needless whiteout is left\n"),
        }
    }
}

fn create_long(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result<bool> {
    let long = locate_long(&dir.branch, &dir.dentry, name)?;
    if long.found.is_some() {
        return Ok(false);
    }
    let target = Name::new(long.name.as_bytes())?;
    let temporary = work::file_with(access, &dir.branch, MODE, name)?;
    let made = Creating::start(access, &dir.dentry, target)?.link(temporary.dentry());
    match made {
        Ok(_) => {}
        Err(e) if e == EPERM || e == EOPNOTSUPP => temporary.move_to(&dir.dentry, target)?,
        Err(e) => return Err(e),
    }
    Ok(true)
}

/// Makes an empty file: a link to the branch's base file, which costs no inode, or one of its own.
fn create_empty(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry, name: &Name) -> Result {
    let links = !branch
        .permission()
        .attributes
        .has(Attributes::NO_LINKED_WHITEOUTS);
    let base = match links {
        true => base(access, branch)?,
        false => None,
    };
    if let Some(mut base) = base {
        let mut made = Creating::start(access, dir, name)?.link(&base);
        if made.as_ref().is_err_and(|e| *e == EMLINK) {
            // It has as many links as there can be: they go on without it.
            if let Some(next) = next_base(access, branch, &base)? {
                base = next;
                made = Creating::start(access, dir, name)?.link(&base);
            }
        }
        match made {
            Ok(_) => return Ok(()),
            // Too many links, or none possible.
            Err(e) if e == EMLINK || e == EPERM || e == EOPNOTSUPP || e == EXDEV => {}
            Err(e) => return Err(e),
        }
    }
    Creating::start(access, dir, name)?.create(MODE)?;
    Ok(())
}

/// The file that whiteouts are links to; made if it is not there.
fn base(access: &WriteAccess<'_>, branch: &Branch) -> Result<Option<ARef<Dentry>>> {
    let found = match namei::lookup(branch.mnt(), branch.root(), BASE)? {
        Some(found) => found,
        None => match Creating::start(access, branch.root(), BASE) {
            Ok(creating) => creating.create(MODE)?,
            // Somebody else was faster.
            Err(e) if e == EEXIST => return Ok(None),
            Err(e) => return Err(e),
        },
    };
    let usable = found
        .inode()
        .is_some_and(|inode| inode.mode().is_regular() && inode.size() == 0);
    Ok(usable.then_some(found))
}

/// Another one in the place of `full`.
fn next_base(
    access: &WriteAccess<'_>,
    branch: &Branch,
    full: &Dentry,
) -> Result<Option<ARef<Dentry>>> {
    match Removing::start(access, branch.root(), BASE) {
        Ok(removing) => {
            // Or somebody else was faster.
            if removing.dentry().has_inode_of(full) {
                removing.unlink()?;
            }
        }
        Err(e) if e == ENOENT => {}
        Err(e) => return Err(e),
    }
    base(access, branch)
}

/// Removes the whiteout of `name` from `dir`, if there is one: also from a directory in which things
/// may be made and not removed, as it is not there for the user of the union.
pub(crate) fn remove(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result {
    let Some(whiteout) = Joined::new(PREFIX, name) else {
        return remove_long(access, dir, name);
    };
    match find_at(&dir.branch, &dir.dentry, &whiteout)? {
        Some(_) => remove_file(access, dir, &whiteout),
        None => Ok(()),
    }
}

fn remove_long(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result {
    let long = locate_long(&dir.branch, &dir.dentry, name)?;
    if long.found.is_none() {
        return Ok(());
    }
    let target = Name::new(long.name.as_bytes())?;
    if let Some(last) = last_after(dir, name, long.slot)? {
        // Who looks for one of the others stops at the first gap.
        let last = Name::new(last.as_bytes())?;
        let _lifted = lift(access, &dir.branch, [&*dir.dentry])?;
        return Renaming::start(access, &dir.dentry, last, &dir.dentry, target, 0)?.commit();
    }
    remove_file(access, dir, target)
}

/// Removes `target` from `dir`, if it is there.
fn remove_file(access: &WriteAccess<'_>, dir: &Layer, target: &Name) -> Result {
    let _lifted = lift(access, &dir.branch, [&*dir.dentry])?;
    match Removing::start(access, &dir.dentry, target) {
        Ok(removing) => removing.unlink(),
        Err(e) if e == ENOENT => Ok(()),
        Err(e) => Err(e),
    }
}

/// The last of the whiteouts of long names with the hash of `name` in the slots above `slot`, none of
/// which is free below it.
fn last_after(dir: &Layer, name: &Name, slot: u8) -> Result<Option<names::Buffer>> {
    let mut last = None;
    for slot in slot + 1..names::LONG_SLOTS {
        let buffer = names::long(name, slot);
        let found = namei::lookup(dir.branch.mnt(), &dir.dentry, Name::new(buffer.as_bytes())?)?;
        match found {
            None => break,
            Some(dentry) if dentry.inode().is_some_and(Inode::is_dir) => {}
            Some(_) => last = Some(buffer),
        }
    }
    Ok(last)
}

/// Makes the directory `dir` of a writable branch opaque, which its user does not see: its times stay
/// what they are. `EEXIST` if a directory has the name of the mark, which makes nothing opaque.
pub(crate) fn make_opaque(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry) -> Result {
    let _lifted = lift(access, branch, [dir])?;
    let times = Attr::times_of(branch.at(dir))?;
    let _was_not = create_hider(access, branch, dir, OPAQUE)?;
    times.apply(access, dir)
}

/// The same for a directory that was made just now.
pub(crate) fn make_new_opaque(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry) -> Result {
    create_hider(access, branch, dir, OPAQUE).map(|_| ())
}

/// Makes an empty file, unless it is there: whether it was not. `EEXIST` if a directory has its name.
fn create_hider(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir: &Dentry,
    name: &Name,
) -> Result<bool> {
    match create_empty(access, branch, dir, name) {
        Err(e) if e == EEXIST => find_at(branch, dir, name)?.map(|_| false).ok_or(EEXIST),
        // It was not there, and a server may have made it in spite of what it says.
        Err(e) => match find_at(branch, dir, name) {
            Ok(Some(_)) => Ok(true),
            _ => Err(e),
        },
        Ok(()) => Ok(true),
    }
}
