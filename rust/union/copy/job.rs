// SPDX-License-Identifier: GPL-2.0

//! The job of making one copy: the object itself, its data and its attributes, complete before it
//! has a name.

use super::data::{self, Copied, Data};
use crate::{
    union::{
        branch::{
            branch::Branch,
            lift::{hold_off, lift},
            work::{Draft, Temporary},
        },
        groundwork::{dir_times::DirTimes, policy, take_back::take_back},
        object::{
            instance::{Instance, Union},
            stack::Layer,
        },
        text::settings::Fsync,
    },
    vfs::{
        attr::{attr::Attr, protection::Protection, stat::Stat},
        below::namei::{self, Creating},
        mount::{cred::Cred, file::KernelFile, write_access::WriteAccess},
        object::dentry::Dentry,
        own::{dentry::OwnDentry, inode::OwnInode},
        value::{
            errno::{EOPNOTSUPP, ESTALE},
            mode::FileType,
            name::Name,
        },
    },
};
use core::cell::Cell;
use kernel::{prelude::*, sync::aref::ARef};

/// What is done with a copy that is complete, before it has its name: see [`Copy::make`].
pub(crate) type BeforeName<'a> = dyn FnMut(&WriteAccess<'_>, &Dentry) -> Result + 'a;

/// A copy to be made.
pub(crate) struct Copy<'a> {
    inode: &'a OwnInode<Union>,
    instance: &'a Instance,
    source: &'a Layer,
    stat: &'a Stat,
    target: &'a Branch,
    data: Data,
    /// What the copy is made with, if not with the mounter's credentials.
    cred: Option<Cred>,
    /// Whether its name is left although it could not be given that.
    pub(crate) is_left: Cell<bool>,
}

/// Makes a copy of `source`, the object that `dentry` names, in the work directory of `target`,
/// complete and written out, for an inode that is to have another number afterwards. Not for whoever
/// has the right to write to the branch.
pub(crate) fn copy_apart<'a>(
    dentry: &OwnDentry<Union>,
    instance: &Instance,
    source: &Layer,
    target: &'a Branch,
) -> Result<Draft<'a>> {
    let stat = Stat::of(source.path())?;
    let copy = Copy::of(dentry, source, &stat, target, Data::All)?;
    let (draft, file) = Draft::make(target, |creating| {
        copy.create(|| creating.create(stat.mode().private()))
    })?;
    copy.fill(&file)?;
    copy.set_attributes(&target.mnt().want_write()?, draft.dentry())?;
    if !instance.is_volatile() {
        file.sync()?;
    }
    Ok(draft)
}

impl<'a> Copy<'a> {
    /// Of `source`, which `dentry` names and which has `stat`, on `target`. With the mounter's credentials. `ENOMEM`, and
    /// what a security module says.
    pub(crate) fn of(
        dentry: &'a OwnDentry<Union>,
        source: &'a Layer,
        stat: &'a Stat,
        target: &'a Branch,
        data: Data,
    ) -> Result<Self> {
        let instance = dentry.sb().data();
        Ok(Self {
            inode: dentry.positive()?,
            instance,
            source,
            stat,
            target,
            data,
            cred: instance.cred.for_copy_of(dentry)?,
            is_left: Cell::new(false),
        })
    }

    /// Makes the object itself by `make`, with the label that it is to have.
    fn create<R>(&self, make: impl FnOnce() -> R) -> R {
        match &self.cred {
            Some(cred) => cred.scope(make),
            None => make(),
        }
    }

    /// Makes the copy under `name` in the directory `parent`, which keeps its times, and does `before` first, which
    /// may be once more with another one if that cannot have the name.
    pub(crate) fn make(
        &self,
        parent: &Layer,
        name: &Name,
        before: &mut BeforeName<'_>,
    ) -> Result<ARef<Dentry>> {
        if self.stat.mode().file_type() != FileType::Regular {
            return self.make_special(parent, name, before);
        }
        if let Some((file, copied)) = self.nameless_file(&parent.dentry)? {
            let access = self.target.mnt().want_write()?;
            let dentry = file.path().dentry();
            self.set_attributes(&access, dentry)?;
            self.write_out(&file, copied)?;
            self.remember(dentry)?;
            let mut named = || {
                before(&access, dentry)?;
                let lifted = lift(&access, self.target, [&*parent.dentry])?;
                // Now: others may have made something there while the data was copied.
                let kept = DirTimes::of(parent)?;
                let made = Creating::start(&access, &parent.dentry, name)?.link(dentry);
                if made.is_ok() {
                    kept.restore(&access);
                }
                drop(lifted);
                made.map_err(|e| self.unless_named(e, &access, parent, name, dentry))
            };
            return named().inspect_err(|_| self.forget(dentry));
        }
        let (draft, file, copied) = self.draft()?;
        let access = self.target.mnt().want_write()?;
        let temporary = draft.resume(&access);
        self.set_attributes(&access, temporary.dentry())?;
        self.write_out(&file, copied)?;
        self.finish(&access, temporary, &DirTimes::of(parent)?, name, before)
    }

    /// Makes the copy of an object that has no data.
    fn make_special(
        &self,
        parent: &Layer,
        name: &Name,
        before: &mut BeforeName<'_>,
    ) -> Result<ARef<Dentry>> {
        let access = self.target.mnt().want_write()?;
        let temporary = self.special(&access, None)?;
        let kept = DirTimes::of(parent)?;
        match self.finish(&access, temporary, &kept, name, before) {
            // The directory is in another part of the branch: a subvolume, a project with a quota,
            // what is encrypted with a key of its own.
            Err(e) if e == EXDEV => {
                let dir = &*parent.dentry;
                let lifted = lift(&access, self.target, [dir])?;
                let temporary = self.special(&access, Some(dir))?;
                drop(lifted);
                self.finish(&access, temporary, &kept, name, before)
            }
            other => other,
        }
    }

    /// The copy of an object that has no data, in the work directory, or in `beside`.
    fn special<'b>(
        &'b self,
        access: &'b WriteAccess<'b>,
        beside: Option<&Dentry>,
    ) -> Result<Temporary<'b>> {
        let mode = self.stat.mode();
        let target = match mode.file_type() {
            FileType::Symlink => Some(namei::read_link(&self.source.dentry)?),
            _ => None,
        };
        let is_device = matches!(
            mode.file_type(),
            FileType::CharDevice | FileType::BlockDevice
        );
        if is_device && self.source.branch.mnt().has_no_devices() {
            // The copy could be opened.
            return Err(EPERM);
        }
        let make = |creating: Creating<'_>| {
            self.create(|| match &target {
                Some(target) => creating.symlink(target.as_c_str()?),
                None if mode.is_dir() => creating.mkdir(mode.private()),
                None => creating.mknod(mode.private(), self.stat.rdev()),
            })
        };
        let temporary = match beside {
            Some(dir) => Temporary::make_beside(access, self.target, dir, make)?,
            None => Temporary::make(access, self.target, make)?,
        };
        self.set_attributes(access, temporary.dentry())?;
        Ok(temporary)
    }

    /// Makes the copy of an object that has no name.
    pub(crate) fn make_nameless(&self) -> Result<ARef<Dentry>> {
        let is_regular = self.stat.mode().is_regular();
        if is_regular {
            if let Some((file, _)) = self.nameless_file(self.target.root())? {
                let access = self.target.mnt().want_write()?;
                let dentry = file.path().dentry();
                self.set_attributes(&access, dentry)?;
                self.remember(dentry)?;
                return Ok(dentry.into());
            }
        }
        // It gets a name that nobody knows, and the next mount sweeps it.
        let access;
        let temporary = if is_regular {
            let (draft, ..) = self.draft()?;
            access = self.target.mnt().want_write()?;
            let temporary = draft.resume(&access);
            self.set_attributes(&access, temporary.dentry())?;
            temporary
        } else {
            access = self.target.mnt().want_write()?;
            self.special(&access, None)?
        };
        self.remember(temporary.dentry())?;
        let dentry = temporary.dentry().clone();
        // Dropping it takes the name away; the open descriptor keeps the object.
        drop(temporary);
        Ok(dentry)
    }

    /// A file in the work directory with the data copied.
    fn draft(&self) -> Result<(Draft<'_>, KernelFile, Copied)> {
        let (draft, file) = Draft::make(self.target, |creating| {
            self.create(|| creating.create(self.stat.mode().private()))
        })?;
        let copied = self.fill(&file)?;
        Ok((draft, file, copied))
    }

    /// A file without a name with the data copied; none if the branch cannot do that.
    fn nameless_file(&self, dir: &Dentry) -> Result<Option<(KernelFile, Copied)>> {
        if self.target.no_tmpfile.as_ref().is_some() {
            return Ok(None);
        }
        let access = self.target.mnt().want_write()?;
        let mode = self.stat.mode().private();
        let lifted = lift(&access, self.target, [dir])?;
        let made = self.create(|| KernelFile::tmpfile(&access, dir, mode));
        drop(lifted);
        let file = match made {
            Ok(file) => file,
            Err(e) if e == EOPNOTSUPP => {
                self.target.no_tmpfile.populate(());
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        drop(access);
        let copied = self.fill(&file)?;
        Ok(Some((file, copied)))
    }

    /// Copies the data. Not with the right to write to the branch, which is asked for on the way, and
    /// which comes after the locks that reading takes: `Documentation/locking.md`.
    fn fill(&self, file: &KernelFile) -> Result<Copied> {
        match self.data {
            Data::All => data::copy(self.source.path(), file, self.stat),
            Data::Nothing => Ok(Copied::Safely),
        }
    }

    fn set_attributes(&self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        let source = self.source.path();
        let attributes = |branch: &Branch| branch.permission().attributes;
        let lose = attributes(self.target).with(attributes(&self.source.branch));
        let group_bits = data::copy_xattrs(source, access, dentry, lose)?;
        data::copy_fileattr(source, access, dentry)?;
        let mut mode = self.stat.mode();
        if mode.is_regular() && source.mnt().has_no_privileges() {
            // Set-id bits that mean nothing on the branch would mean something on the copy.
            mode = mode.without_set_id();
        }
        if let Some(bits) = group_bits {
            mode.0 &= !0o070 | bits;
        }
        let times = Attr::times(self.stat);
        let attr = if mode.file_type() == FileType::Symlink {
            times.and_owner(self.stat)
        } else if mode.has_set_id() {
            // After the owner, whose change takes set-id bits away, even those that come with it on
            // a server.
            Attr::owner(self.stat).apply(access, dentry)?;
            times.and_mode(mode)
        } else {
            times.and_owner(self.stat).and_mode(mode)
        };
        attr.apply(access, dentry)
    }

    /// Gives the copy, which has its name, the protection that its source has: before it has a name, it
    /// could not get one.
    pub(crate) fn protect(&self, copy: &Dentry) -> Result {
        let protection = {
            // Somebody may have it off for a moment.
            let _held = hold_off(&self.source.branch);
            Protection::known(&self.source.dentry)
        };
        if protection.is_none() {
            return Ok(());
        }
        protection.set(&self.target.mnt().want_write()?, copy)
    }

    fn write_out(&self, file: &KernelFile, copied: Copied) -> Result {
        match self.instance.settings().fsync() {
            Fsync::Auto if copied == Copied::ToMemory => file.sync(),
            Fsync::Strict => file.sync(),
            Fsync::Auto | Fsync::Volatile => Ok(()),
        }
    }

    /// The copy keeps the number of the source: noted before anybody can look the copy up.
    fn remember(&self, copy: &Dentry) -> Result {
        let path = self.target.at(copy);
        self.target.numbers.keep(path, self.inode)
    }

    /// The copy will not be there: the number is free, unless it is all the same.
    fn forget(&self, copy: &Dentry) {
        if self.is_left.get() {
            return;
        }
        self.target.numbers.forget(self.target.at(copy));
    }

    /// The error of giving `copy` its name. A server may have done what it says it could not: that is taken back,
    /// and an error by which nothing else is tried if it cannot be, or if the name is there by then. `ESTALE` where
    /// something else has the name: it means that by now, and whoever asked for it is to look again.
    fn unless_named(
        &self,
        error: Error,
        access: &WriteAccess<'_>,
        parent: &Layer,
        name: &Name,
        copy: &Dentry,
    ) -> Error {
        let is_undone = take_back(access, self.target, &parent.dentry, name, copy);
        self.is_left.set(!is_undone);
        match is_undone {
            true if error == EEXIST => ESTALE,
            true => policy::unless_named(error, self.instance, parent, name),
            false => EIO,
        }
    }

    fn finish(
        &self,
        access: &WriteAccess<'_>,
        temporary: Temporary<'_>,
        kept: &DirTimes<'_>,
        name: &Name,
        before: &mut BeforeName<'_>,
    ) -> Result<ARef<Dentry>> {
        let dentry = temporary.dentry().clone();
        self.remember(&dentry)?;
        let named = || -> Result {
            before(access, &dentry)?;
            let lifted = lift(access, self.target, [&*kept.dir.dentry])?;
            let moved = temporary.move_to(&kept.dir.dentry, name);
            if moved.is_ok() {
                kept.restore(access);
            }
            drop(lifted);
            moved.map_err(|e| self.unless_named(e, access, kept.dir, name, &dentry))
        };
        named().inspect_err(|_| self.forget(&dentry))?;
        if dentry.is_unhashed() {
            // Nobody has told that it has the name, by which it is to be seen from now on.
            let found = namei::lookup(self.target.mnt(), &kept.dir.dentry, name);
            let found = found.ok().flatten();
            return Ok(found
                .filter(|found| found.has_inode_of(&dentry))
                .unwrap_or(dentry));
        }
        Ok(dentry)
    }
}
