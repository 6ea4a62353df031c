// SPDX-License-Identifier: GPL-2.0

//! The job of making one copy: the object itself, its data and its attributes, complete before it
//! has a name.

use super::{
    data::{self, Copied, Data},
    plink::Recording,
};
use crate::{
    union::{
        branch::{
            branch::Branch,
            lift::{lift, protection_of},
            work::{Draft, Temporary},
        },
        groundwork::{dir_times::DirTimes, hide, policy, take_back::take_back},
        object::{
            instance::{Instance, Union},
            stack::Layer,
        },
        text::settings::Fsync,
    },
    vfs::{
        attr::stat::Stat,
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

/// What is to be copied, and how much of it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) dentry: &'a OwnDentry<Union>,
    pub(crate) inode: &'a OwnInode<Union>,
    pub(crate) instance: &'a Instance,
    pub(crate) data: Data,
}

impl<'a> Wanted<'a> {
    /// The object that `dentry` names, with its `data`.
    pub(crate) fn of(dentry: &'a OwnDentry<Union>, data: Data) -> Result<Self> {
        Ok(Self {
            dentry,
            inode: dentry.positive()?,
            instance: dentry.sb().data(),
            data,
        })
    }
}

/// A copy to be made.
pub(crate) struct Copy<'a> {
    wanted: Wanted<'a>,
    source: &'a Layer,
    stat: &'a Stat,
    target: &'a Branch,
    /// Whether the copy, a directory, hides what is below it.
    is_opaque: bool,
    /// What the copy is made with, if not with the mounter's credentials.
    cred: Option<Cred>,
    /// Whether its name is left although it could not be given that.
    pub(crate) is_left: Cell<bool>,
}

/// A copy that is complete, and has no name yet.
enum Complete<'a> {
    /// It never had one.
    Nameless(&'a Dentry),
    /// It is in the work directory.
    Temporary(Temporary<'a>),
}

impl Complete<'_> {
    fn dentry(&self) -> &Dentry {
        match self {
            Self::Nameless(dentry) => dentry,
            Self::Temporary(temporary) => temporary.dentry(),
        }
    }

    /// Gives the copy `name` in `dir`; returns what it is seen by then.
    fn name(self, access: &WriteAccess<'_>, dir: &Layer, name: &Name) -> Result<ARef<Dentry>> {
        let temporary = match self {
            Self::Nameless(dentry) => {
                return Creating::start(access, &dir.dentry, name)?.link(dentry)
            }
            Self::Temporary(temporary) => temporary,
        };
        let dentry = temporary.dentry().clone();
        temporary.move_to(&dir.dentry, name)?;
        if dentry.is_unhashed() {
            // Nobody has told that it has the name, by which it is to be seen from now on.
            let found = namei::lookup(dir.branch.mnt(), &dir.dentry, name);
            let found = found.ok().flatten();
            return Ok(found
                .filter(|found| found.has_inode_of(&dentry))
                .unwrap_or(dentry));
        }
        Ok(dentry)
    }
}

/// Makes a copy of what is `wanted`, at `source`, in the work directory of `target`, complete and written out, for an
/// inode that is to have another number afterwards. Not for whoever has the right to write to the branch.
pub(crate) fn copy_apart<'a>(
    wanted: Wanted<'_>,
    source: &Layer,
    target: &'a Branch,
) -> Result<Draft<'a>> {
    let stat = Stat::of(source.path())?;
    let copy = Copy::of(wanted, source, &stat, target, false)?;
    let (draft, file) = Draft::make(target, |creating| {
        copy.create(|| creating.create(stat.mode().private()))
    })?;
    copy.copy_data(&file)?;
    copy.copy_attributes(&target.mnt().want_write()?, draft.dentry())?;
    if !wanted.instance.is_volatile() {
        file.sync()?;
    }
    Ok(draft)
}

impl<'a> Copy<'a> {
    /// Of what is `wanted`, at `source`, which has `stat`, on `target`, and opaque, if `is_opaque`. With the mounter's
    /// credentials. `ENOMEM`, and what a security module says.
    pub(crate) fn of(
        wanted: Wanted<'a>,
        source: &'a Layer,
        stat: &'a Stat,
        target: &'a Branch,
        is_opaque: bool,
    ) -> Result<Self> {
        Ok(Self {
            wanted,
            source,
            stat,
            target,
            is_opaque,
            cred: wanted.instance.cred.for_copy_of(wanted.dentry)?,
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

    /// Makes the copy under `name` in the directory `parent`, which keeps its times, after what `recording` is to write
    /// of it.
    pub(crate) fn make(
        &self,
        parent: &Layer,
        name: &Name,
        recording: Option<&mut Recording<'_>>,
    ) -> Result<ARef<Dentry>> {
        if !self.stat.mode().is_regular() {
            return self.make_special(parent, name, recording);
        }
        if let Some((file, copied)) = self.nameless_file(&parent.dentry)? {
            let access = self.target.mnt().want_write()?;
            let complete = Complete::Nameless(file.path().dentry());
            self.copy_attributes(&access, complete.dentry())?;
            self.write_out(&file, copied)?;
            return self.name(&access, complete, &DirTimes::of(parent)?, name, recording);
        }
        let (draft, file, copied) = self.draft()?;
        let access = self.target.mnt().want_write()?;
        let complete = Complete::Temporary(draft.resume(&access));
        self.copy_attributes(&access, complete.dentry())?;
        self.write_out(&file, copied)?;
        self.name(&access, complete, &DirTimes::of(parent)?, name, recording)
    }

    /// Makes the copy of an object that has no data.
    fn make_special(
        &self,
        parent: &Layer,
        name: &Name,
        mut recording: Option<&mut Recording<'_>>,
    ) -> Result<ARef<Dentry>> {
        let access = self.target.mnt().want_write()?;
        let complete = Complete::Temporary(self.special(&access, None)?);
        // Before anything is made there.
        let kept = DirTimes::of(parent)?;
        match self.name(&access, complete, &kept, name, recording.as_deref_mut()) {
            // The directory is in another part of the branch: a subvolume, a project with a quota,
            // what is encrypted with a key of its own.
            Err(e) if e == EXDEV => {
                let dir = &*parent.dentry;
                let lifted = lift(&access, self.target, [dir])?;
                let complete = Complete::Temporary(self.special(&access, Some(dir))?);
                drop(lifted);
                self.name(&access, complete, &kept, name, recording)
            }
            other => other,
        }
    }

    /// Gives a copy that is `complete` its `name` in a directory, whose times are `kept`, after what `recording` is to
    /// write of it.
    fn name(
        &self,
        access: &WriteAccess<'_>,
        complete: Complete<'_>,
        kept: &DirTimes<'_>,
        name: &Name,
        recording: Option<&mut Recording<'_>>,
    ) -> Result<ARef<Dentry>> {
        let parent = kept.dir;
        let copy: ARef<Dentry> = complete.dentry().into();
        self.remember(&copy)?;
        let named = || -> Result<ARef<Dentry>> {
            if let Some(recording) = recording {
                recording.write(access, &copy)?;
            }
            let lifted = lift(access, self.target, [&*parent.dentry])?;
            let named = complete.name(access, parent, name);
            if named.is_ok() {
                kept.restore(access);
            }
            drop(lifted);
            named.map_err(|e| self.unless_named(e, access, parent, name, &copy))
        };
        named().inspect_err(|_| self.forget(&copy))
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
        if self.is_opaque {
            hide::make_new_opaque(access, self.target, temporary.dentry())?;
        }
        self.copy_attributes(access, temporary.dentry())?;
        Ok(temporary)
    }

    /// Makes the copy of an object that has no name.
    pub(crate) fn make_nameless(&self) -> Result<ARef<Dentry>> {
        let is_regular = self.stat.mode().is_regular();
        if is_regular {
            if let Some((file, _)) = self.nameless_file(self.target.root())? {
                let access = self.target.mnt().want_write()?;
                let dentry = file.path().dentry();
                self.copy_attributes(&access, dentry)?;
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
            self.copy_attributes(&access, temporary.dentry())?;
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
        let copied = self.copy_data(&file)?;
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
        let copied = self.copy_data(&file)?;
        Ok(Some((file, copied)))
    }

    fn copy_data(&self, file: &KernelFile) -> Result<Copied> {
        data::copy(self.source.path(), file, self.stat, self.wanted.data)
    }

    fn copy_attributes(&self, access: &WriteAccess<'_>, copy: &Dentry) -> Result {
        data::copy_attributes(self.source, self.stat, self.target, access, copy)
    }

    /// Gives the copy, which has its name, the protection that its source has: before it has a name, it
    /// could not get one.
    pub(crate) fn protect(&self, copy: &Dentry) -> Result {
        let protection = protection_of(&self.source.branch, &self.source.dentry);
        if protection.is_none() {
            return Ok(());
        }
        protection.set(&self.target.mnt().want_write()?, copy)
    }

    fn write_out(&self, file: &KernelFile, copied: Copied) -> Result {
        match self.wanted.instance.settings().fsync() {
            Fsync::Auto if copied == Copied::ToMemory => file.sync(),
            Fsync::Strict => file.sync(),
            Fsync::Auto | Fsync::Volatile => Ok(()),
        }
    }

    /// The copy keeps the number of the source: noted before anybody can look the copy up.
    fn remember(&self, copy: &Dentry) -> Result {
        let path = self.target.at(copy);
        self.target.numbers.keep(path, self.wanted.inode)
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
            true => policy::unless_named(error, self.wanted.instance, parent, name),
            false => EIO,
        }
    }
}
