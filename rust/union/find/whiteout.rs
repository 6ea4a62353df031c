// SPDX-License-Identifier: GPL-2.0

//! Whiteouts and opaque directories: `Documentation/on-disk-format.md`.

use crate::{
    union::{
        branches::{branch::Branch, lift::lift, work},
        object::stack::Layer,
        text::{names, options::Attributes},
    },
    vfs::{
        call::{
            attr::Attr,
            namei::{self, Creating, Removing, Search},
            rename::Renaming,
        },
        object::{dentry::Dentry, file::KernelFile, write_access::WriteAccess},
        value::{
            errno::{ENAMETOOLONG, EOPNOTSUPP, EREMOTE},
            flags,
            mode::Mode,
            name::{Joined, Name, NAME_MAX},
        },
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// The mode of a whiteout: nobody has a reason to read or write it.
const MODE: Mode = Mode(0o100444);

/// What the name of a whiteout starts with.
const PREFIX: &Name = Name::literal(names::PREFIX);
/// See [`is_opaque`].
const OPAQUE: &Name = Name::literal(names::OPAQUE);
/// See [`base`].
const BASE: &Name = Name::literal(names::BASE);

/// The whiteout of `name` in the directory `dir`, if there is one. A directory is none.
pub(crate) fn find(dir: &Layer, name: &Name) -> Result<Option<ARef<Dentry>>> {
    find_by(&dir.search()?, dir, name)
}

/// As [`find`], with the `search` of `dir`, in which the name itself was looked for.
pub(crate) fn find_by(
    search: &Search<'_>,
    dir: &Layer,
    name: &Name,
) -> Result<Option<ARef<Dentry>>> {
    match Joined::new(PREFIX, name) {
        Some(whiteout) => Ok(search.find(&whiteout)?.filter(|dentry| !is_dir(dentry))),
        None => Ok(locate_long(&dir.branch, &dir.dentry, name)?.found),
    }
}

fn find_at(branch: &Branch, dir: &Dentry, whiteout: &Name) -> Result<Option<ARef<Dentry>>> {
    let found = namei::lookup(branch.mnt(), dir, whiteout)?;
    Ok(found.filter(|dentry| !is_dir(dentry)))
}

/// Whether `name` is whited out in `dir`.
pub(crate) fn exists(dir: &Layer, name: &Name) -> Result<bool> {
    Ok(find(dir, name)?.is_some())
}

/// Where the whiteout of a name is, or would be, that is too long to have the name in its own.
struct Place {
    name: names::Buffer,
    found: Option<ARef<Dentry>>,
    /// Which one of those of the same hash it is.
    slot: u8,
}

fn locate_long(branch: &Branch, dir: &Dentry, name: &Name) -> Result<Place> {
    for slot in 0..names::LONG_SLOTS {
        let buffer = names::long(name, slot);
        let found = namei::lookup(branch.mnt(), dir, Name::new(buffer.as_bytes())?)?;
        match found {
            None => {
                return Ok(Place {
                    name: buffer,
                    found: None,
                    slot,
                })
            }
            Some(dentry) if hidden_name(branch, &dentry)?.is(name) => {
                return Ok(Place {
                    name: buffer,
                    found: Some(dentry),
                    slot,
                })
            }
            Some(_) => {}
        }
    }
    Err(ENAMETOOLONG)
}

fn is_dir(dentry: &Dentry) -> bool {
    dentry.inode().is_some_and(|inode| inode.is_dir())
}

/// A name that was read from a file.
pub(crate) struct HiddenName {
    bytes: [u8; NAME_MAX + 1],
    len: usize,
}

impl HiddenName {
    /// The name; none if what the file has cannot be one.
    pub(crate) fn get(&self) -> Option<&Name> {
        Name::new(&self.bytes[..self.len]).ok()
    }

    fn is(&self, name: &Name) -> bool {
        &self.bytes[..self.len] == name.as_bytes()
    }
}

/// The name that a whiteout of a long name hides.
pub(crate) fn hidden_name(branch: &Branch, dentry: &Dentry) -> Result<HiddenName> {
    let mut name = HiddenName {
        bytes: [0; NAME_MAX + 1],
        len: 0,
    };
    if dentry
        .inode()
        .is_some_and(|inode| inode.mode().is_regular())
    {
        let file = KernelFile::open(branch.at(dentry), flags::O_RDONLY | flags::O_NOATIME)?;
        name.len = file.read_at(&mut name.bytes, 0)?;
    }
    Ok(name)
}

/// Whether the directory `dir` hides those of the same name below.
pub(crate) fn is_opaque(dir: &Layer) -> Result<bool> {
    match find_at(&dir.branch, &dir.dentry, OPAQUE) {
        // Nothing can be seen in it, and nothing of what it may hide.
        Err(e) if e == EREMOTE => Ok(true),
        found => Ok(found?.is_some()),
    }
}

/// Whites `name` out in the directory `dir` of a writable branch. Returns whether it was not before: what
/// was there stays, whatever becomes of what this is for.
#[must_use = "one that was there before is not to be taken back"]
pub(crate) fn create(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result<bool> {
    let Some(whiteout) = Joined::new(PREFIX, name) else {
        return create_long(access, dir, name);
    };
    create_mark(access, &dir.branch, &dir.dentry, &whiteout)
}

fn create_long(access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result<bool> {
    let place = locate_long(&dir.branch, &dir.dentry, name)?;
    if place.found.is_some() {
        return Ok(false);
    }
    let target = Name::new(place.name.as_bytes())?;
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
            let inode = |dentry: &Dentry| dentry.inode().map(core::ptr::from_ref);
            // Or somebody else was faster.
            if inode(removing.dentry()) == inode(full) {
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
    let place = locate_long(&dir.branch, &dir.dentry, name)?;
    if place.found.is_none() {
        return Ok(());
    }
    let target = Name::new(place.name.as_bytes())?;
    if let Some(last) = last_after(dir, name, place.slot)? {
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
            Some(dentry) if is_dir(&dentry) => {}
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
    let _was_not = create_mark(access, branch, dir, OPAQUE)?;
    times.apply(access, dir)
}

/// The same for a directory that was made just now.
pub(crate) fn make_new_opaque(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry) -> Result {
    create_mark(access, branch, dir, OPAQUE).map(|_| ())
}

/// Makes an empty file, unless it is there: whether it was not. `EEXIST` if a directory has its name.
fn create_mark(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir: &Dentry,
    name: &Name,
) -> Result<bool> {
    match create_empty(access, branch, dir, name) {
        Err(e) if e == EEXIST => find_at(branch, dir, name)?.map(|_| false).ok_or(EEXIST),
        other => other.map(|()| true),
    }
}
