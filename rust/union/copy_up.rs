// SPDX-License-Identifier: GPL-2.0

//! Copying an object up to a writable branch, so that it can be changed.
//!
//! Nothing half-made is ever visible: the copy is made without a name, or in the work directory, and
//! gets its name when it is complete. Whatever fails on the way is undone.

use super::{
    branch::Branch,
    copy_data::{self, Copied},
    entry,
    few::Layers,
    instance::{Instance, Union},
    lookup,
    node::{new_stack, Held, Layer, Stack, State},
    options::Fsync,
    policy, refresh, seal, whiteout,
    work::{Draft, Temporary},
};
use crate::vfs::{
    attr::Attr,
    cred::Cred,
    dentry::{DEntry, Dentry},
    errno::{EOPNOTSUPP, ESTALE},
    file::KernelFile,
    inode::INode,
    mode::FileType,
    mount::WriteAccess,
    name::Name,
    namei::{self, Creating},
    rcu::RcuArc,
    stat::Stat,
};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// How much of a file's data its copy needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// All of it.
    All,
    /// None: the file is about to be truncated.
    Nothing,
}

/// Makes sure that the object `dentry` names is on a writable branch; returns where. `EROFS` if
/// there is none above it.
pub(crate) fn ensure(dentry: &DEntry<Union>, data: Data) -> Result<Held> {
    let inode = dentry.positive()?;
    let stack = refresh::stack_or_old(dentry)?;
    let source = stack.top();
    if source.branch.is_writable() {
        return Ok(Held::top(stack));
    }
    let retries = dentry.sb().data().settings().retry && !inode.is_dir();
    policy::with_retry(
        retries,
        |tried| policy::copy_up(dentry, source.branch.id(), tried),
        |target| match copy_to(dentry, target, data) {
            Err(e) if e == ESTALE => {
                // A directory above is being renamed, and all in it was copied up for that.
                let top = Held::top(inode.data().stack()?);
                Some(top).filter(|top| top.branch.is_writable()).ok_or(e)
            }
            other => other,
        },
    )
}

/// Makes sure that the object is on the writable branch `target`, or on another if it is no directory
/// and on that already.
fn copy_to(dentry: &DEntry<Union>, target: &Arc<Branch>, data: Data) -> Result<Held> {
    let instance = dentry.sb().data();
    if dentry.positive()?.is_dir() {
        return ensure_dir(dentry, target);
    }
    if dentry.is_unhashed() {
        // It has no name (any more): neither will the copy have one.
        return copy_nameless(dentry, instance, target, data);
    }
    let parent = ensure_dir(&dentry.parent_entry(), target)?;
    copy_one(dentry, instance, &parent, data)
}

/// Makes sure that the object `dentry` names, which is no directory, is on the writable branch
/// `target`, under that name. `EXDEV` if it is on another one: somebody may be writing to it there.
pub(crate) fn ensure_name_on(dentry: &DEntry<Union>, target: &Arc<Branch>) -> Result {
    let stack = refresh::stack_or_old(dentry)?;
    if !stack.top().branch.is_writable() {
        copy_to(dentry, target, Data::All)?;
    }
    let inode = dentry.positive()?;
    if lost_names(inode, inode.data().stack()?.top()) {
        // Nobody keeps writers off.
        return Err(EXDEV);
    }
    if ensure_name(dentry)?.branch.id() != target.id() {
        return Err(EXDEV);
    }
    Ok(())
}

/// Makes sure that the directory `dentry` is on the writable branch `target`; returns where. Parents
/// are copied up first, from the top.
pub(crate) fn ensure_dir(dentry: &DEntry<Union>, target: &Arc<Branch>) -> Result<Held> {
    let instance = dentry.sb().data();
    loop {
        let stack = dentry.positive()?.data().stack()?;
        if let Some(layer) = Held::on(stack, target) {
            return Ok(layer);
        }
        // The highest ancestor that is not there yet, whose parent is.
        let mut at: ARef<DEntry<Union>> = dentry.into();
        let parent = loop {
            if at.is_root() {
                // The root of the union is on every branch.
                return Err(ESTALE);
            }
            if at.is_unhashed() {
                return Err(ENOENT);
            }
            let parent = at.parent_entry();
            let stack = parent.positive()?.data().stack()?;
            match Held::on(stack, target) {
                Some(layer) => break layer,
                None => at = parent,
            }
        };
        copy_one(&at, instance, &parent, Data::All)?;
    }
}

/// Where a name is on a branch, and what the parent's stack says about it.
pub(crate) struct Place {
    /// The directory on the branch.
    pub(crate) layer: Held,
    /// Whether something of the name is below the branch.
    pub(crate) below: bool,
}

/// Makes sure that the directory `parent` is on the writable branch `target`, and looks whether
/// something of `name` is below that.
pub(crate) fn ensure_place(
    parent: &DEntry<Union>,
    target: &Arc<Branch>,
    name: &Name,
) -> Result<Place> {
    let layer = ensure_dir(parent, target)?;
    let below = is_below(parent.sb().data(), &layer, name)?;
    Ok(Place { layer, below })
}

/// Whether something of `name` is below the directory `layer`.
pub(super) fn is_below(instance: &Instance, layer: &Held, name: &Name) -> Result<bool> {
    let rest = layer.below();
    Ok(!rest.is_empty()
        && !instance
            .cred
            .scope(|| lookup::find_in(rest, name))?
            .is_empty())
}

/// A directory on a branch in which the union makes something that its user did not, and the times
/// that it is to keep.
struct Kept<'a> {
    dir: &'a Layer,
    times: Attr,
}

impl<'a> Kept<'a> {
    fn of(dir: &'a Layer) -> Result<Self> {
        let times = Attr::times_of(dir.path())?;
        Ok(Self { dir, times })
    }

    /// Gives the directory its times back, after something was made in it.
    fn restore(&self, access: &WriteAccess<'_>) {
        if self.times.apply(access, &self.dir.dentry).is_err() {
            pr_warn_once!("the times of a directory could not be kept over a copy-up\n");
        }
    }
}

/// Copies one object into the directory `parent` of a writable branch.
fn copy_one(
    dentry: &DEntry<Union>,
    instance: &Instance,
    parent: &Layer,
    data: Data,
) -> Result<Held> {
    let inode = dentry.positive()?;
    let node = inode.data();
    let mut state = node.lock();
    let stack = node.stack()?;
    // Somebody else may have been faster; with another branch, even.
    let there = match inode.is_dir() {
        true => Held::on(stack.clone(), &parent.branch),
        false => Some(Held::top(stack.clone()))
            .filter(|top| top.branch.is_writable() && !lost_names(inode, top)),
    };
    if let Some(layer) = there {
        return Ok(layer);
    }
    if inode.is_dir() && seal::is_sealed(inode) {
        // It is being renamed on another branch.
        return Err(ESTALE);
    }
    if dentry.is_unhashed() {
        // Its name went while we waited for the lock.
        return Err(ENOENT);
    }
    // The name cannot change: a rename copies up first, or seals the directory, under the lock that
    // we hold.
    let name = dentry.name();
    let name = name.get()?;
    let above = dentry.parent_entry();
    let _ours = above.positive()?.data().changing();
    let copy = instance.cred.scope(|| -> Result<ARef<Dentry>> {
        let stat = Stat::of(stack.top().path())?;
        let copy = Copy {
            inode,
            instance,
            source: stack.top(),
            stat: &stat,
            target: &parent.branch,
            data,
            cred: instance.cred.for_copy_of(dentry)?,
        };
        let kept = Kept::of(parent)?;
        let made = copy.make(&kept, name)?;
        if inode.is_dir() {
            unhide(instance, &stack, &kept, name, &made).inspect_err(|_| {
                let made = Layer {
                    branch: parent.branch.clone(),
                    dentry: made.clone(),
                };
                undo(parent, name, &made);
            })?;
        }
        Ok(made)
    })?;
    let layer = Layer {
        branch: parent.branch.clone(),
        dentry: copy,
    };
    publish(inode, instance, &mut state, &stack, &layer).inspect_err(|_| {
        instance.cred.scope(|| undo(parent, name, &layer));
    })
}

/// A copy of a directory below the others, of `stack`, may be where the name is whited out: the copy
/// is made opaque instead.
fn unhide(
    instance: &Instance,
    stack: &Stack,
    kept: &Kept<'_>,
    name: &Name,
    made: &Dentry,
) -> Result {
    let parent = kept.dir;
    let branch = &parent.branch;
    let table = instance.table()?;
    if table.index_of(branch.id()) < table.index_of(stack.top().branch.id()) {
        // What is below shows, so there is none.
        return Ok(());
    }
    if whiteout::exists(parent, name)? {
        let access = branch.mnt().want_write()?;
        whiteout::make_opaque(&access, branch, made)?;
        whiteout::remove(&access, parent, name)?;
        kept.restore(&access);
    }
    Ok(())
}

/// Takes back the copy `made` at `name` in `parent`, which the union does not show yet.
fn undo(parent: &Layer, name: &Name, made: &Layer) {
    if let Ok(copy) = made.inode() {
        made.branch.numbers.forget(copy.ino());
    }
    if let Ok(access) = parent.branch.mnt().want_write() {
        entry::undo(&access, parent, name);
    }
}

fn copy_nameless(
    dentry: &DEntry<Union>,
    instance: &Instance,
    target: &Arc<Branch>,
    data: Data,
) -> Result<Held> {
    let inode = dentry.positive()?;
    let node = inode.data();
    let mut state = node.lock();
    let stack = node.stack()?;
    if stack.top().branch.is_writable() {
        return Ok(Held::top(stack));
    }
    let dentry = instance.cred.scope(|| {
        let stat = Stat::of(stack.top().path())?;
        let copy = Copy {
            inode,
            instance,
            source: stack.top(),
            stat: &stat,
            target,
            data,
            cred: instance.cred.for_copy_of(dentry)?,
        };
        copy.make_nameless()
    })?;
    let layer = Layer {
        branch: target.clone(),
        dentry,
    };
    publish(inode, instance, &mut state, &stack, &layer)
}

/// The inode stands for the copy from now on.
fn publish(
    inode: &INode<Union>,
    instance: &Instance,
    state: &mut State,
    old: &RcuArc<Stack>,
    layer: &Layer,
) -> Result<Held> {
    let mut layers = Layers::new();
    if inode.is_dir() {
        layers = Layers::with_capacity(old.layers.len() + 1)?;
        let table = instance.table()?;
        let index = |layer: &Layer| table.index_of(layer.branch.id());
        let below = old.layers.iter().position(|l| index(l) > index(layer));
        let at = below.unwrap_or(old.layers.len());
        for l in &old.layers[..at] {
            layers.push(l.clone())?;
        }
        layers.push(layer.clone())?;
        for l in &old.layers[at..] {
            layers.push(l.clone())?;
        }
    } else {
        layers.push(layer.clone())?;
    }
    let node = inode.data();
    if !inode.is_dir() && inode.nlink() > 1 {
        // Other names of the object are still below, and mean this inode.
        keep_links(inode, instance)?;
    }
    let stack = new_stack(old.generation, layers)?;
    node.publish(inode, state, stack.clone())?;
    instance.counters().copies_up.up();
    Held::on(stack, &layer.branch).ok_or(ESTALE)
}

/// The inode has names below, and knows how many it has in the union: it stays in the cache.
pub(super) fn keep_links(inode: &INode<Union>, instance: &Instance) -> Result {
    let node = inode.data();
    if !node.is_linked_below() {
        instance.pinned.lock().push(inode.into(), GFP_KERNEL)?;
        node.set_linked_below();
    }
    Ok(())
}

/// The last name of the inode is gone: so is the reason to keep it in the cache.
pub(super) fn forget_links(inode: &INode<Union>, instance: &Instance) {
    if !inode.data().is_linked_below() {
        return;
    }
    let mut pinned = instance.pinned.lock();
    let found = pinned.iter().position(|held| core::ptr::eq(&**held, inode));
    let held = found.and_then(|at| {
        let last = pinned.len() - 1;
        pinned.swap(at, last);
        pinned.pop()
    });
    drop(pinned);
    drop(held);
}

/// Makes sure that the object that `dentry` names is on a writable branch under that name: another
/// name of it may have been copied up before. The caller has the inode's lock.
pub(crate) fn ensure_name(dentry: &DEntry<Union>) -> Result<Held> {
    let layer = ensure(dentry, Data::All)?;
    let inode = dentry.positive()?;
    if inode.is_dir() || !inode.data().is_linked_below() {
        return Ok(layer);
    }
    let instance = dentry.sb().data();
    let parent = ensure_dir(&dentry.parent_entry(), &layer.branch)?;
    if lost_names(inode, &layer) {
        return copy_again(dentry, instance, &parent, &layer);
    }
    let name = dentry.name();
    let name = name.get()?;
    instance.cred.scope(|| {
        if namei::lookup(layer.branch.mnt(), &parent.dentry, name)?.is_none() {
            let kept = Kept::of(&parent)?;
            let access = layer.branch.mnt().want_write()?;
            Creating::start(&access, &parent.dentry, name)?.link(&layer.dentry)?;
            kept.restore(&access);
        }
        Ok::<(), Error>(())
    })?;
    Ok(layer)
}

/// Whether `inode` still has names below, but its copy, at `layer`, has none left: those that were
/// copied up have been removed since. No name can be made from such an object.
pub(super) fn lost_names(inode: &INode<Union>, layer: &Layer) -> bool {
    inode.data().is_linked_below()
        && inode.nlink() != 0
        && layer.inode().is_ok_and(|real| real.nlink() == 0)
}

/// Copies an object that has lost its names once more, under that of `dentry`. The caller keeps
/// writers off by the inode's lock. `EBUSY` if somebody writes to it by a mapping.
fn copy_again(
    dentry: &DEntry<Union>,
    instance: &Instance,
    parent: &Layer,
    old: &Layer,
) -> Result<Held> {
    let real = old.inode()?;
    if real.is_mapped_writable() {
        return Err(EBUSY);
    }
    let layer = copy_one(dentry, instance, parent, Data::All)?;
    if !core::ptr::eq(layer.inode()?, real) {
        // Nobody finds the old one by its number any more.
        old.branch.numbers.forget(real.ino());
    }
    Ok(layer)
}

/// A copy to be made.
struct Copy<'a> {
    inode: &'a INode<Union>,
    instance: &'a Instance,
    source: &'a Layer,
    stat: &'a Stat,
    target: &'a Branch,
    data: Data,
    /// What the copy is made with, if not with the mounter's credentials.
    cred: Option<Cred>,
}

/// Makes a copy of `source`, the object that `dentry` names, in the work directory of `target`,
/// complete and written out, for an inode that is to have another number afterwards. Not for whoever
/// has the right to write to the branch.
pub(super) fn copy_apart<'a>(
    dentry: &DEntry<Union>,
    instance: &Instance,
    source: &Layer,
    target: &'a Branch,
) -> Result<Draft<'a>> {
    let stat = Stat::of(source.path())?;
    let copy = Copy {
        inode: dentry.positive()?,
        instance,
        source,
        stat: &stat,
        target,
        data: Data::All,
        cred: instance.cred.for_copy_of(dentry)?,
    };
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

impl Copy<'_> {
    /// Makes the object itself by `make`, with the label that it is to have.
    fn create<R>(&self, make: impl FnOnce() -> R) -> R {
        match &self.cred {
            Some(cred) => cred.scope(make),
            None => make(),
        }
    }

    /// Makes the copy under `name` in a directory, which keeps its times.
    fn make(&self, kept: &Kept<'_>, name: &Name) -> Result<ARef<Dentry>> {
        if self.stat.mode().file_type() != FileType::Regular {
            return self.make_other(kept, name);
        }
        let parent = kept.dir;
        if let Some((file, copied)) = self.nameless_file(&parent.dentry)? {
            let access = self.target.mnt().want_write()?;
            let dentry = file.path().dentry;
            self.set_attributes(&access, dentry)?;
            self.write_out(&file, copied)?;
            self.remember(dentry)?;
            let made = Creating::start(&access, &parent.dentry, name)
                .and_then(|creating| creating.link(dentry))
                .inspect_err(|_| self.forget(dentry))?;
            kept.restore(&access);
            return Ok(made);
        }
        let (draft, file, copied) = self.draft()?;
        let access = self.target.mnt().want_write()?;
        let temporary = draft.resume(&access);
        self.set_attributes(&access, temporary.dentry())?;
        self.write_out(&file, copied)?;
        self.finish(&access, temporary, kept, name)
    }

    /// Makes the copy of an object that has no data.
    fn make_other(&self, kept: &Kept<'_>, name: &Name) -> Result<ARef<Dentry>> {
        let mode = self.stat.mode();
        let target = match mode.file_type() {
            FileType::Symlink => Some(namei::read_link(&self.source.dentry)?),
            _ => None,
        };
        let access = self.target.mnt().want_write()?;
        let temporary = Temporary::make(&access, self.target, |creating| {
            self.create(|| match &target {
                Some(target) => creating.symlink(target.as_c_str()?),
                None if mode.is_dir() => creating.mkdir(mode.private()),
                None => creating.mknod(mode.private(), self.stat.rdev()),
            })
        })?;
        self.set_attributes(&access, temporary.dentry())?;
        self.finish(&access, temporary, kept, name)
    }

    /// Makes the copy of a file that has no name.
    fn make_nameless(&self) -> Result<ARef<Dentry>> {
        if self.stat.mode().file_type() == FileType::Regular {
            if let Some((file, _)) = self.nameless_file(self.target.root())? {
                let access = self.target.mnt().want_write()?;
                let dentry = file.path().dentry;
                self.set_attributes(&access, dentry)?;
                self.remember(dentry)?;
                return Ok(dentry.into());
            }
        }
        // It gets a name that nobody knows, and the next mount sweeps it.
        let access;
        let temporary = if self.stat.mode().is_regular() {
            let (draft, ..) = self.draft()?;
            access = self.target.mnt().want_write()?;
            draft.resume(&access)
        } else {
            access = self.target.mnt().want_write()?;
            Temporary::make(&access, self.target, |creating| {
                let mode = self.stat.mode().private();
                self.create(|| creating.mknod(mode, self.stat.rdev()))
            })?
        };
        self.set_attributes(&access, temporary.dentry())?;
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
        let file = match self.create(|| KernelFile::tmpfile(&access, dir, mode.0)) {
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
            Data::All => copy_data::copy(self.source.path(), file, self.stat),
            Data::Nothing => Ok(Copied::Safely),
        }
    }

    fn set_attributes(&self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        let source = self.source.path();
        let attributes = |branch: &Branch| branch.permission().attributes;
        let lose = attributes(self.target).with(attributes(&self.source.branch));
        copy_data::copy_xattrs(source, access, dentry, lose)?;
        copy_data::copy_fileattr(source, access, dentry)?;
        let (mode, times) = (self.stat.mode(), Attr::times(self.stat));
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

    fn write_out(&self, file: &KernelFile, copied: Copied) -> Result {
        match self.instance.settings().fsync {
            Fsync::Auto if copied == Copied::ToMemory => file.sync(),
            Fsync::Strict => file.sync(),
            Fsync::Auto | Fsync::Volatile => Ok(()),
        }
    }

    /// The copy keeps the number of the source: noted before anybody can look the copy up.
    fn remember(&self, copy: &Dentry) -> Result {
        let copy = copy.inode().ok_or(EIO)?;
        self.target.numbers.set(copy, self.inode.ino())
    }

    fn forget(&self, copy: &Dentry) {
        if let Some(copy) = copy.inode() {
            self.target.numbers.forget(copy.ino());
        }
    }

    fn finish(
        &self,
        access: &WriteAccess<'_>,
        temporary: Temporary<'_>,
        kept: &Kept<'_>,
        name: &Name,
    ) -> Result<ARef<Dentry>> {
        let dentry = temporary.dentry().clone();
        self.remember(&dentry)?;
        temporary
            .move_to(&kept.dir.dentry, name)
            .inspect_err(|_| self.forget(&dentry))?;
        kept.restore(access);
        Ok(dentry)
    }
}
