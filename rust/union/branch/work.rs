// SPDX-License-Identifier: GPL-2.0

//! The work directory of a writable branch: where objects are made before anybody sees them, and
//! where those that nobody may see any more are taken apart.
//!
//! What a crash leaves in it is swept at the next mount.

use super::{
    branch::Branch,
    plink_dir, plink_records, private,
    tree::{self, OwnedName},
};
use crate::{
    union::text::names,
    vfs::{
        below::{
            namei::{self, Creating, Removing},
            rename::Renaming,
        },
        mount::{file::KernelFile, write_access::WriteAccess},
        object::{dentry::Dentry, inode::Inode},
        sync::task::fatal_signal_pending,
        value::{
            errno::{ENOTEMPTY, ESTALE},
            flags,
            mode::Mode,
            name::Name,
        },
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
    types::ScopeGuard,
};

/// The mode of the work directory: it is nobody's business.
const MODE: Mode = Mode(0o040700);

static SERIAL: Atomic<u64> = Atomic::new(1);

/// The work directory; made if it is not there.
pub(crate) fn dir(access: &WriteAccess<'_>, branch: &Branch) -> Result<ARef<Dentry>> {
    let mut work = branch.work.lock();
    if let Some(dir) = work.as_ref().filter(|dir| dir.is_current()) {
        return Ok(dir.clone());
    }
    let name = Name::new(names::WORK)?;
    let dir = match namei::lookup(branch.mnt(), branch.root(), name)? {
        Some(dir) => dir,
        None => match Creating::start(access, branch.root(), name) {
            Ok(creating) => creating.mkdir(MODE)?,
            Err(e) if e == EEXIST => {
                namei::lookup(branch.mnt(), branch.root(), name)?.ok_or(EIO)?
            }
            Err(e) => return Err(e),
        },
    };
    private::make(access, branch, &dir, names::WORK)?;
    *work = Some(dir.clone());
    Ok(dir)
}

/// Whether what was found under a name of the work directory is what was put there. `EIO` if somebody
/// has changed that, past the union.
fn require_same(branch: &Branch, found: &Dentry, known: &Dentry) -> Result {
    match branch.are_same(found, known)? {
        true => Ok(()),
        false => Err(EIO),
    }
}

/// Claims a branch that is going to be written to, and removes what an earlier mount left in the work
/// directory, and its pseudo-links. If the branch is somebody else's to write to, what is there may be in the making, and
/// stays.
pub(crate) fn sweep(branch: &Branch) -> Result {
    if branch.claim().is_err() {
        branch.note_swept();
        pr_warn!(
            "branch '{}' is written to by another union or overlay already: what each makes of the \
            other's changes is not defined\n",
            branch.name()
        );
        return Ok(());
    }
    if branch.is_swept() {
        // It was somebody else's to write to, and is this union's now: what is there may be, too.
        return Ok(());
    }
    plink_dir::sweep(branch)?;
    plink_records::forget(branch);
    let name = Name::new(names::WORK)?;
    if let Some(dir) = namei::lookup(branch.mnt(), branch.root(), name)? {
        let access = branch.mnt().want_write()?;
        private::make(&access, branch, &dir, names::WORK)?;
        tree::clear(&access, branch, &dir)?;
    }
    branch.note_swept();
    Ok(())
}

/// A name in the work directory: the number that it has in it.
#[derive(Clone, Copy)]
struct Serial(u64);

impl Serial {
    /// One that this module has not given out before.
    fn fresh() -> Self {
        // No two get the same one, in whatever order.
        Self(SERIAL.fetch_add(1, Relaxed))
    }

    fn name(self) -> names::Buffer {
        names::temporary(self.0)
    }
}

/// An object in the work directory.
struct Workpiece<'a> {
    branch: &'a Branch,
    dir: ARef<Dentry>,
    serial: Serial,
    dentry: ARef<Dentry>,
}

impl Workpiece<'_> {
    /// Makes an object by `make` in the work directory, under a name of its own.
    fn make<'b>(
        access: &WriteAccess<'_>,
        branch: &'b Branch,
        make: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
    ) -> Result<Workpiece<'b>> {
        Self::make_in(access, branch, dir(access, branch)?, make)
    }

    /// Makes an object by `make` in `dir`, under a name of its own.
    fn make_in<'b>(
        access: &WriteAccess<'_>,
        branch: &'b Branch,
        dir: ARef<Dentry>,
        make: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
    ) -> Result<Workpiece<'b>> {
        let (serial, creating) = loop {
            let serial = Serial::fresh();
            match Creating::start(access, &dir, Name::new(serial.name().as_bytes())?) {
                Ok(creating) => break (serial, creating),
                // A server may have each name that is tried.
                Err(e) if e == EEXIST && fatal_signal_pending() => return Err(EINTR),
                Err(e) if e == EEXIST => continue,
                Err(e) => return Err(e),
            }
        };
        let dentry = make(creating)?;
        Ok(Workpiece {
            branch,
            dir,
            serial,
            dentry,
        })
    }

    fn remove(self, access: &WriteAccess<'_>) {
        let removed = Name::new(self.serial.name().as_bytes())
            .and_then(|name| tree::remove(access, self.branch, &self.dir, name));
        if let Err(e) = removed {
            self.warn(e);
        }
    }

    fn warn(&self, e: Error) {
        // Nothing is lost: it is not visible, and the next mount tries again.
        pr_warn!(
            "branch '{}': a temporary object is left ({})\n",
            self.branch.name(),
            e.to_errno()
        );
    }
}

/// A file in the work directory that is being written. Nobody holds the right to write to the branch
/// for it: each write, and what else changes its data, asks for that right itself, and would wait for
/// ever if a freeze came between two of one task.
///
/// Dropping it removes it. That asks for the right, too, so whoever has it goes on with
/// [`Draft::resume`].
pub(crate) struct Draft<'a>(ScopeGuard<Workpiece<'a>, fn(Workpiece<'a>)>);

impl<'a> Draft<'a> {
    /// Makes a file by `make`, and opens it.
    pub(crate) fn make(
        branch: &'a Branch,
        make: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
    ) -> Result<(Self, KernelFile)> {
        let piece = Workpiece::make(&branch.mnt().want_write()?, branch, make)?;
        let draft = Self(ScopeGuard::new_with_data(piece, Self::take_back));
        let flags = flags::O_RDWR | flags::O_LARGEFILE;
        let file = KernelFile::open(branch.at(&draft.0.dentry), flags)?;
        Ok((draft, file))
    }

    /// The object.
    pub(crate) fn dentry(&self) -> &ARef<Dentry> {
        &self.0.dentry
    }

    fn take_back(piece: Workpiece<'_>) {
        match piece.branch.mnt().want_write() {
            Ok(access) => piece.remove(&access),
            Err(e) => piece.warn(e),
        }
    }

    /// Goes on with the right to write to the branch: the data is there.
    pub(crate) fn resume<'b>(self, access: &'b WriteAccess<'b>) -> Temporary<'b>
    where
        'a: 'b,
    {
        Temporary::of(access, self.0.dismiss())
    }
}

/// An object in the work directory. Dropping it removes it.
pub(crate) struct Temporary<'a>(ScopeGuard<Removable<'a>, fn(Removable<'a>)>);

struct Removable<'a> {
    access: &'a WriteAccess<'a>,
    piece: Workpiece<'a>,
}

impl<'a> Temporary<'a> {
    fn of(access: &'a WriteAccess<'a>, piece: Workpiece<'a>) -> Self {
        let removable = Removable { access, piece };
        Self(ScopeGuard::new_with_data(removable, |removable| {
            removable.piece.remove(removable.access)
        }))
    }

    /// Makes an object by `make`, under a name of its own.
    pub(crate) fn make(
        access: &'a WriteAccess<'a>,
        branch: &'a Branch,
        make: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
    ) -> Result<Self> {
        Ok(Self::of(access, Workpiece::make(access, branch, make)?))
    }

    /// As [`Temporary::make`], but in the directory `dir`, where it is to stay: for what cannot be moved
    /// there from the work directory. It has a reserved name, which never shows; what a crash leaves
    /// is not swept.
    pub(crate) fn make_beside(
        access: &'a WriteAccess<'a>,
        branch: &'a Branch,
        dir: &Dentry,
        make: impl FnOnce(Creating<'_>) -> Result<ARef<Dentry>>,
    ) -> Result<Self> {
        let piece = Workpiece::make_in(access, branch, dir.into(), make)?;
        Ok(Self::of(access, piece))
    }

    /// The object.
    pub(crate) fn dentry(&self) -> &ARef<Dentry> {
        &self.0.piece.dentry
    }

    /// Moves the object to `name` in `dir`. It is not temporary any more. `EEXIST` if the name has been
    /// taken since it was found to be free.
    pub(crate) fn move_to(self, dir: &Dentry, name: &Name) -> Result {
        self.rename(dir, name, |target| !target.is_positive())
    }

    /// As [`Temporary::move_to`], but in the place of what is there; `EEXIST` if that is a directory.
    pub(crate) fn replace(self, dir: &Dentry, name: &Name) -> Result {
        self.rename(dir, name, |target| {
            !target.inode().is_some_and(Inode::is_dir)
        })
    }

    fn rename(self, dir: &Dentry, name: &Name, may: impl FnOnce(&Dentry) -> bool) -> Result {
        let Removable { access, piece } = &*self.0;
        let from = piece.serial.name();
        let from = Name::new(from.as_bytes())?;
        let renaming = Renaming::start(access, &piece.dir, from, dir, name, 0)?;
        require_same(piece.branch, renaming.source(), &piece.dentry)?;
        if !may(renaming.target()) {
            return Err(EEXIST);
        }
        renaming.commit()?;
        self.0.dismiss();
        Ok(())
    }
}

/// Makes a file with `contents`, which are on the disk before it has a name.
pub(crate) fn file_with<'a>(
    access: &'a WriteAccess<'a>,
    branch: &'a Branch,
    mode: Mode,
    contents: &[u8],
) -> Result<Temporary<'a>> {
    let temporary = Temporary::make(access, branch, |creating| creating.create(mode))?;
    let path = branch.at(temporary.dentry());
    let file = KernelFile::open(path, flags::O_WRONLY | flags::O_LARGEFILE)?;
    file.write_all_at(access, contents, 0)?;
    if !branch.is_volatile() {
        file.sync()?;
    }
    drop(file);
    Ok(temporary)
}

/// An object of a branch that was moved to the work directory, from where it can come back.
pub(crate) struct Aside {
    work: ARef<Dentry>,
    away: Serial,
    dentry: ARef<Dentry>,
}

impl Aside {
    /// Moves `name`, which is of `known`, out of `dir_of`. `ESTALE` if it is of something else by now.
    pub(crate) fn put(
        access: &WriteAccess<'_>,
        branch: &Branch,
        dir_of: &Dentry,
        name: &Name,
        known: &Dentry,
    ) -> Result<Self> {
        let work = dir(access, branch)?;
        loop {
            let away = Serial::fresh();
            let to = away.name();
            let to = Name::new(to.as_bytes())?;
            // Without flags, which NFS and many a FUSE server refuse: the name is locked while it is
            // free.
            let renaming = Renaming::start(access, dir_of, name, &work, to, 0)?;
            if renaming.target().is_positive() {
                if fatal_signal_pending() {
                    return Err(EINTR);
                }
                continue;
            }
            let dentry: ARef<Dentry> = renaming.source().into();
            if !branch.are_same(&dentry, known)? {
                return Err(ESTALE);
            }
            renaming.commit()?;
            return Ok(Self { work, away, dentry });
        }
    }

    /// Moves it back. `EEXIST` if the name is taken.
    pub(crate) fn restore(
        &self,
        access: &WriteAccess<'_>,
        branch: &Branch,
        dir_of: &Dentry,
        name: &Name,
    ) -> Result {
        let away = self.away.name();
        let away = Name::new(away.as_bytes())?;
        let renaming = Renaming::start(access, &self.work, away, dir_of, name, 0)?;
        require_same(branch, renaming.source(), &self.dentry)?;
        if renaming.target().is_positive() {
            return Err(EEXIST);
        }
        renaming.commit()
    }

    /// Removes it: an empty directory, or something else.
    pub(crate) fn remove(&self, access: &WriteAccess<'_>, branch: &Branch) -> Result {
        let away = self.away.name();
        let removing = Removing::start(access, &self.work, Name::new(away.as_bytes())?)?;
        require_same(branch, removing.dentry(), &self.dentry)?;
        match self.dentry.inode().is_some_and(Inode::is_dir) {
            true => removing.rmdir(),
            false => removing.unlink(),
        }
    }
}

/// Moves the directory `name`, in which there are only whiteouts, out of `dir_of`, and removes it.
/// `ENOTEMPTY` if there is more in it; it is then where it was. What is below it is hidden already, and
/// has to stay so once `clears` was called, even if this fails.
pub(crate) fn remove_with_whiteouts(
    access: &WriteAccess<'_>,
    branch: &Branch,
    dir_of: &Dentry,
    name: &Name,
    known: &Dentry,
    clears: impl FnOnce(),
) -> Result {
    let aside = match Aside::put(access, branch, dir_of, name, known) {
        // It is in another part of the branch than the work directory.
        Err(e) if e == EXDEV => {
            let dir = namei::lookup(branch.mnt(), dir_of, name)?.ok_or(ENOENT)?;
            if !branch.are_same(&dir, known)? {
                return Err(ESTALE);
            }
            let names = reserved(branch, &dir)?;
            clears();
            remove_all(access, &dir, &names)?;
            return Removing::start(access, dir_of, name)?.rmdir();
        }
        other => other?,
    };
    // Nobody looks for anything in it any more: what somebody put there meanwhile, past the union,
    // must not be lost.
    let cleared = clear_reserved(access, branch, &aside.dentry);
    // Nor if it has put something else in its place.
    if cleared.is_err_and(|e| e == ENOTEMPTY || e == ENOTDIR) {
        aside.restore(access, branch, dir_of, name)?;
        return cleared;
    }
    if let Err(e) = cleared.and_then(|()| aside.remove(access, branch)) {
        pr_warn!(
            "branch '{}': a removed directory is left in the work directory ({})\n",
            branch.name(),
            e.to_errno()
        );
    }
    Ok(())
}

/// Removes the whiteouts and marks in `dir`, which have reserved names. `ENOTEMPTY`, and nothing is removed, if
/// anything else is in it: a directory that has such a name is none.
pub(crate) fn clear_reserved(access: &WriteAccess<'_>, branch: &Branch, dir: &Dentry) -> Result {
    remove_all(access, dir, &reserved(branch, dir)?)
}

/// The names in `dir`, which are reserved. `ENOTEMPTY` if there are others.
fn reserved(branch: &Branch, dir: &Dentry) -> Result<KVVec<OwnedName>> {
    let names = tree::names(branch, dir)?;
    for name in &names {
        let is_dir = |dentry: &ARef<Dentry>| dentry.inode().is_some_and(Inode::is_dir);
        if !names::is_reserved(name)
            || namei::lookup(branch.mnt(), dir, Name::new(name)?)?.is_some_and(|d| is_dir(&d))
        {
            return Err(ENOTEMPTY);
        }
    }
    Ok(names)
}

fn remove_all(access: &WriteAccess<'_>, dir: &Dentry, names: &[OwnedName]) -> Result {
    for name in names {
        Removing::start(access, dir, Name::new(name)?)?.unlink()?;
    }
    Ok(())
}
