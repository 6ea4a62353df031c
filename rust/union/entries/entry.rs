// SPDX-License-Identifier: GPL-2.0

//! Making and removing entries of directories.

use super::obstacle::{Meaning, Obstacles};
use crate::{
    union::{
        branch::work,
        copy::{
            copy_up::{self},
            data::Data,
            links, plink,
        },
        find::{lookup, merge, whiteout},
        groundwork::{
            hide::{self, Tentative},
            policy,
            take_back::take_back,
        },
        object::{
            instance::{Instance, Union},
            node::{copy_attr, detach, State},
            pins,
            stack::{HeldLayer, Layer, Layers, Stack},
        },
        text::names,
    },
    vfs::{
        attr::attr::Attr,
        below::namei::{Creating, Removing},
        mount::{cred::Cred, file::dentry_of, write_access::WriteAccess},
        object::{dentry::Dentry, idmap::Idmap},
        ops::backing,
        own::{
            dentry::{Negative, OwnDentry},
            file::NewFile,
            inode::{Locked, OwnInode},
        },
        sync::{killable::Guard, rcu::RcuArc},
        value::{
            errno::{ENOTEMPTY, ESTALE},
            flags,
            mode::Mode,
            name::Name,
        },
    },
};
use core::cell::Cell;
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// What is being made, for the rights it is made with.
struct New<'a> {
    idmap: &'a Idmap,
    mode: Mode,
}

impl New<'_> {
    /// The mounter's credentials, with the ids that the new object is to have.
    fn cred(&self, instance: &Instance, entry: &Negative<'_, Union>) -> Result<Cred> {
        instance
            .cred
            .for_new(self.idmap, entry.dir(), entry, self.mode)
    }
}

/// Makes an object by `make` at `entry`.
fn make(
    new: &New<'_>,
    entry: Negative<'_, Union>,
    is_dir: bool,
    make: impl Fn(Creating<'_>) -> Result<ARef<Dentry>>,
) -> Result {
    let instance = entry.sb().data();
    let dir = entry.dir().get();
    let name = entry.name_in_dir()?;
    names::check_creatable(name)?;
    let parent = entry.parent_dir();
    let _ours = dir.data().own_change();
    let cred = new.cred(instance, &entry)?;
    let inode = policy::with_retry(
        instance.settings().retry() && !is_dir,
        |tried| policy::create(parent, Some(name), is_dir, tried),
        |branch| {
            let layer = copy_up::ensure_dir(parent, branch)?;
            make_at(dir, &layer, name, &cred, &make).inspect(|_| changed_on(dir, &layer))
        },
    )
    // What could not be taken back is found by the next lookup.
    .inspect_err(|_| entry.drop_from_cache())?;
    entry.instantiate(inode)?;
    changed(dir)
}

/// Makes an object by `make` at `name` in the directory `layer`, which is one of `dir`'s.
fn make_at(
    dir: &OwnInode<Union>,
    layer: &HeldLayer,
    name: &Name,
    cred: &Cred,
    make: impl Fn(Creating<'_>) -> Result<ARef<Dentry>>,
) -> Result<ARef<OwnInode<Union>>> {
    let instance = dir.sb().data();
    let access = layer.branch.mnt().want_write()?;
    let hidden = instance.cred.scope(|| whiteout::exists(layer, name))?;
    let made = cred
        .scope(|| make(Creating::start(&access, &layer.dentry, name)?))
        .map_err(|e| policy::unless_named(e, instance, layer, name))?;
    let shown = Layer {
        branch: layer.branch.clone(),
        dentry: made.clone(),
    };
    show(&access, dir, layer, name, shown, hidden).map_err(|e| {
        let undo = || {
            let is_hidden = !hidden || whiteout::exists(layer, name) == Ok(true);
            is_hidden && take_back(&access, &layer.branch, &layer.dentry, name, &made)
        };
        match instance.cred.scope(undo) {
            true => e,
            // What is left there hides what would be made on a branch below; and what is below, where it is not
            // known that the whiteout does.
            false => EIO,
        }
    })
}

/// A new object shows: it no longer shares its name with a whiteout.
fn show(
    access: &WriteAccess<'_>,
    dir: &OwnInode<Union>,
    layer: &HeldLayer,
    name: &Name,
    made: Layer,
    hidden: bool,
) -> Result<ARef<OwnInode<Union>>> {
    let sb = dir.sb();
    if hidden {
        sb.data().cred.scope(|| {
            if made.inode()?.is_dir() {
                hide::make_new_opaque(access, &layer.branch, &made.dentry)?;
            }
            Ok::<(), Error>(())
        })?;
    }
    let mut layers = Layers::new();
    layers.push(made)?;
    let inode = lookup::inode_of_new(sb, layer.generation(), layers)?;
    if hidden {
        sb.data().cred.scope(|| hide::remove(access, layer, name))?;
    }
    Ok(inode)
}

/// As [`take_back`], of a name that was given to `made`, which `inode` stands for: what cannot be taken back, it has.
fn take_back_link(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    layer: &Layer,
    name: &Name,
    made: &Dentry,
) {
    if !take_back(access, &layer.branch, &layer.dentry, name, made) {
        has_link(inode);
    }
}

/// A name was given to `inode` by what has failed, and stays.
fn has_link(inode: &OwnInode<Union>) {
    if linked(inode).is_err() {
        pr_warn_once!("a file has a wrong number of links\n");
    }
}

/// The entries of `dir` have changed.
pub(crate) fn changed(dir: &OwnInode<Union>) -> Result {
    let listing = dir.data().lock_state().listing.take();
    drop(listing);
    copy_attr(dir)
}

/// An entry of the directory `dir` has changed on the branch of `layer`: whoever looks at the directory sees the times of
/// the top one. They are of no importance to a branch that is frozen.
pub(super) fn changed_on(dir: &OwnInode<Union>, layer: &Layer) {
    let tell = || -> Result {
        let stack = dir.data().stack()?;
        let top = stack.top();
        if top.branch.id() == layer.branch.id() || !top.branch.is_writable() {
            return Ok(());
        }
        let access = top.branch.mnt().try_want_write()?;
        dir.sb().data().cred.scope(|| {
            let times = Attr::times_of(layer.path())?.but_atime();
            times.apply(&access, &top.dentry)
        })
    };
    if tell().is_err() {
        pr_warn_once!("a directory of several branches shows an old time\n");
    }
}

/// `->create`.
pub(crate) fn create(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode) -> Result {
    make(&New { idmap, mode }, entry, false, |creating| {
        creating.create(mode)
    })
}

/// `->mkdir`.
pub(crate) fn mkdir(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode) -> Result {
    make(&New { idmap, mode }, entry, true, |creating| {
        creating.mkdir(mode)
    })
}

/// `->mknod`.
pub(crate) fn mknod(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode, dev: u32) -> Result {
    make(&New { idmap, mode }, entry, false, |creating| {
        creating.mknod(mode, dev)
    })
}

/// `->symlink`.
pub(crate) fn symlink(idmap: &Idmap, entry: Negative<'_, Union>, target: &CStr) -> Result {
    let mode = Mode(0o120777);
    make(&New { idmap, mode }, entry, false, |creating| {
        creating.symlink(target)
    })
}

/// `->tmpfile`.
pub(crate) fn tmpfile(
    idmap: &Idmap,
    dir: &OwnInode<Union>,
    user: NewFile<'_, Union>,
    mode: Mode,
) -> Result<ARef<OwnInode<Union>>> {
    let sb = dir.sb();
    let instance = sb.data();
    let parent = user.dentry().parent_entry();
    let cred = instance.cred.for_new(idmap, dir, &user, mode)?;
    // Of the branches as they are before one is chosen.
    let generation = dir.data().stack()?.generation;
    let made = policy::with_retry(
        instance.settings().retry(),
        |tried| policy::create(&parent, None, false, tried),
        |branch| {
            let layer = copy_up::ensure_dir(&parent, branch)?;
            let access = branch.mnt().want_write()?;
            let real = cred.scope(|| {
                let flags = user.flags() & !flags::NOT_BELOW | flags::O_NOATIME;
                backing::open_backing_tmpfile(&user, flags, &access, &layer.dentry, mode)
            })?;
            Ok(Layer {
                branch: branch.clone(),
                dentry: dentry_of(&real),
            })
        },
    )?;
    let mut layers = Layers::new();
    layers.push(made)?;
    lookup::inode_of_new(sb, generation, layers)
}

/// `->link`.
pub(crate) fn link(old: &OwnDentry<Union>, entry: Negative<'_, Union>) -> Result {
    let instance = entry.sb().data();
    let dir = entry.dir().get();
    let name = entry.name_in_dir()?;
    names::check_creatable(name)?;
    let _ours = dir.data().own_change();
    let source = copy_up::ensure_to_change(old, Data::All)?;
    // A link is on the branch of the object, whichever new objects go to.
    let parent = entry.parent_dir();
    let obstacles = Obstacles::find(parent, &source.branch, name, Meaning::Nothing)?;
    let layer = copy_up::ensure_dir(parent, &source.branch)?;
    let inode = old.positive()?;
    let (room, made) = {
        let access = layer.branch.mnt().want_write()?;
        instance.cred.scope(|| {
            let room = obstacles.make_room(&access, &layer, name)?;
            let link = || -> Result<ARef<Dentry>> {
                let made = Creating::start(&access, &layer.dentry, name)?.link(&source.dentry)?;
                hide::remove(&access, &layer, name).inspect_err(|_| {
                    // Where the whiteout is not known to be there, the name stays, for it hides what is below.
                    match whiteout::exists(&layer, name) == Ok(true) {
                        true => take_back_link(&access, inode, &layer, name, &made),
                        false => has_link(inode),
                    }
                })?;
                Ok(made)
            };
            let made = link().inspect_err(|_| {
                room.restore(&access, &layer, name);
                entry.drop_from_cache();
            })?;
            Ok::<_, Error>((room, made))
        })?
    };
    // Other branches are locked without this one.
    if !obstacles.is_empty() {
        let cleared = instance.cred.scope(|| obstacles.clear(&layer, name));
        cleared.inspect_err(|_| {
            match layer.branch.mnt().want_write() {
                Ok(access) => instance.cred.scope(|| {
                    take_back_link(&access, inode, &layer, name, &made);
                    room.restore(&access, &layer, name);
                }),
                Err(_) => has_link(inode),
            }
            entry.drop_from_cache();
        })?;
        instance.cred.scope(|| room.keep(&layer));
    }
    changed_on(dir, &layer);
    linked(inode)?;
    entry.instantiate(inode.into())?;
    changed(dir)
}

/// A name was given to `inode`.
fn linked(inode: &OwnInode<Union>) -> Result {
    if inode.data().has_names_below() {
        inode.inc_nlink();
    } else {
        inode.set_nlink(inode.data().stack()?.top().inode()?.nlink());
    }
    copy_attr(inode)
}

/// A name that is about to be taken from an inode. Dropped before that has happened, it leaves the
/// inode as it was.
#[must_use]
pub(crate) struct Unlinking<'a> {
    inode: &'a OwnInode<Union>,
    on_branch: bool,
    /// Whether the inode was made one that has names below, for this.
    is_kept: bool,
}

impl<'a> Unlinking<'a> {
    /// The top object of `inode` is on the branch that is to be written if `on_branch`. Does what could
    /// fail after the name is gone.
    pub(crate) fn prepare(inode: &'a OwnInode<Union>, on_branch: bool) -> Result<Self> {
        // The object below will have one link more than the union shows.
        let is_kept = !on_branch && inode.nlink() > 1 && !inode.data().has_names_below();
        if is_kept {
            pins::keep_names_below(inode, inode.sb().data(), inode.nlink())?;
        }
        Ok(Self {
            inode,
            on_branch,
            is_kept,
        })
    }

    /// The name was taken. `locked` is that of the inode: whoever copies the object up sees as many
    /// names in the union as there are below.
    pub(crate) fn done(mut self, locked: &State) -> Result {
        self.is_kept = false;
        unlinked(self.inode, locked, self.on_branch)
    }
}

impl Drop for Unlinking<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            pins::forget_names_below(self.inode, self.inode.sb().data());
        }
    }
}

/// A name was taken from `inode`, as [`Unlinking`] says.
fn unlinked(inode: &OwnInode<Union>, locked: &State, on_branch: bool) -> Result {
    if on_branch && !inode.data().has_names_below() {
        let stack = inode.data().stack()?;
        let real = stack.top().inode()?;
        inode.set_nlink(real.nlink());
        inode.copy_attr(real, stack.top().path().idmap());
        return Ok(());
    }
    inode.drop_nlink();
    links::lost_name(inode, locked, on_branch)?;
    copy_attr(inode)
}

/// How an entry is to be removed. What is said about the object holds for as long as `state` is held:
/// nobody copies it up, nor makes the name that it has now once more.
struct Removal<'a> {
    state: Guard<'a, State>,
    /// What the object stands for.
    stack: RcuArc<Stack>,
    /// The directory on the writable branch.
    layer: HeldLayer,
    /// Whether the object is on that branch.
    on_branch: bool,
    /// Whether something of the same name is below it.
    below: bool,
}

impl<'a> Removal<'a> {
    fn plan(dir: &Locked<'_, Union>, dentry: &'a OwnDentry<Union>, name: &Name) -> Result<Self> {
        let instance = dir.sb().data();
        let parent = dir.parent_of(dentry)?;
        let victim = dentry.positive()?;
        loop {
            let stack = victim.data().stack()?;
            let branch: Arc<_> = if stack.top().branch.is_writable() {
                stack.top().branch.clone()
            } else {
                // Unhashed is what has lost its place in the cache only.
                let above = parent.positive()?.data().stack()?;
                let above = Some(&*above).filter(|_| !dentry.is_unhashed());
                policy::copy_up(
                    instance,
                    instance.settings().copy_up(),
                    stack.top().branch.id(),
                    above,
                    &[],
                )?
            };
            // What is above is copied up without the object's lock.
            copy_up::ensure_dir(parent, &branch)?;
            let state = victim.data().lock_state_killable()?;
            let stack = victim.data().stack()?;
            let top = &stack.top().branch;
            if top.id() != branch.id() && top.is_writable() {
                // Somebody has copied the object up meanwhile, to another branch.
                continue;
            }
            // The directory as it is now: it comes to be on a branch before what is in it does.
            let layer = HeldLayer::on(parent.positive()?.data().stack()?, &branch).ok_or(ESTALE)?;
            let below = lookup::is_below(instance, &layer, name)?;
            // Of an object with several names, this one may not have been copied up.
            let on_branch = top.id() == branch.id()
                && (victim.is_dir()
                    || !victim.data().has_names_below()
                    || instance.cred.scope(|| layer.has(name))?);
            return Ok(Self {
                state,
                stack,
                on_branch,
                layer,
                below,
            });
        }
    }

    /// Whites the name out if it would show again, then removes what is on the branch by `remove`. If
    /// that fails, the whiteout is taken back, unless it has set `stays_hidden`.
    fn carry_out(
        &self,
        name: &Name,
        stays_hidden: &Cell<bool>,
        remove: impl FnOnce(&WriteAccess<'_>) -> Result,
    ) -> Result {
        let access = self.layer.branch.mnt().want_write()?;
        let whiteout = self
            .below
            .then(|| Tentative::create(&access, &self.layer, name))
            .transpose()?;
        if !self.on_branch {
            return Ok(());
        }
        remove(&access).inspect_err(|&e| {
            if let Some(whiteout) = whiteout.filter(|_| !stays_hidden.get()) {
                whiteout.take_back(&access, e);
            }
        })
    }
}

/// The entry `name`, checked to be the object that `victim` shows.
fn removing<'a>(
    access: &'a WriteAccess<'_>,
    removal: &Removal<'_>,
    name: &Name,
    victim: &OwnInode<Union>,
) -> Result<Removing<'a>> {
    let (dir, known) = (&removal.layer.dentry, &removal.stack.top().dentry);
    if victim.data().is_at(known) {
        if let Some(removing) = Removing::known(access, dir, known, name)? {
            return Ok(removing);
        }
    }
    let removing = Removing::start(access, dir, name)?;
    let found = removing.dentry().inode();
    if found.is_some_and(|inode| victim.data().shows(inode)) {
        Ok(removing)
    } else {
        Err(ESTALE)
    }
}

/// `->unlink`.
pub(crate) fn unlink(dir: &Locked<'_, Union>, dentry: &OwnDentry<Union>) -> Result {
    let name = dir.name_of(dentry)?;
    let _ours = dir.data().own_change();
    let victim = dentry.positive()?;
    let instance = dir.sb().data();
    let removal = Removal::plan(dir, dentry, name)?;
    let on_branch = removal.on_branch;
    let unlinking = Unlinking::prepare(victim, on_branch)?;
    instance.cred.scope(|| {
        removal.carry_out(name, &Cell::new(false), |access| {
            let removing = removing(access, &removal, name, victim)?;
            if !links::is_last_name(victim, removal.stack.top()) {
                return removing.unlink();
            }
            drop(removing);
            match plink::put(access, victim, &removal.state, &removal.layer, name) {
                // The directory is on the branch, but not for a rename. What names below mean stays
                // until unmount.
                Err(e) if e == EXDEV => self::removing(access, &removal, name, victim)?.unlink(),
                other => other,
            }
        })
    })?;
    // Whoever waits to copy the object up sees that it has no name.
    dentry.drop_from_cache();
    changed_on(dir.get(), &removal.layer);
    let done = unlinking.done(&removal.state);
    drop(removal);
    done?;
    changed(dir.get())
}

/// `->rmdir`.
pub(crate) fn rmdir(dir: &Locked<'_, Union>, dentry: &OwnDentry<Union>) -> Result {
    let name = dir.name_of(dentry)?;
    let _ours = dir.data().own_change();
    let victim = dentry.positive()?;
    let instance = dir.sb().data();
    let is_empty = |stack: &Stack| instance.cred.scope(|| merge::is_empty(stack));
    let is_alone = |stack: &Stack| stack.layers.len() == 1 && stack.top().branch.is_writable();
    // Before anything is copied up. It stays so, as the directory is locked, wherever it comes to be
    // meanwhile.
    let stack = victim.data().stack()?;
    let was_alone = is_alone(&stack);
    if !was_alone && !is_empty(&stack)? {
        return Err(ENOTEMPTY);
    }
    drop(stack);
    let mut removal = Removal::plan(dir, dentry, name)?;
    let stack = &removal.stack;
    // Of one that is on the branch alone, the branch's filesystem will say whether it has entries;
    // unless a whiteout is to be made first.
    let asks_branch = was_alone && is_alone(stack) && !removal.below;
    if was_alone && !asks_branch && !is_empty(stack)? {
        return Err(ENOTEMPTY);
    }
    let stays_hidden = Cell::new(false);
    let removed = instance.cred.scope(|| {
        removal.carry_out(name, &stays_hidden, |access| {
            match removing(access, &removal, name, victim)?.rmdir() {
                Err(e) if e == ENOTEMPTY && asks_branch && !merge::is_empty(stack)? => {
                    Err(ENOTEMPTY)
                }
                // Only whiteouts are in it: it goes with them.
                Err(e) if e == ENOTEMPTY => {
                    let layer = &removal.layer;
                    let known = &removal.stack.top().dentry;
                    let clears = || stays_hidden.set(true);
                    work::remove_with_whiteouts(
                        access,
                        &layer.branch,
                        &layer.dentry,
                        name,
                        known,
                        clears,
                    )
                }
                other => other,
            }
        })
    });
    if removed.is_err() && stays_hidden.get() {
        // It is there, and empty: what hid what is below it has gone, but for the whiteout beside it.
        detach(victim, &mut removal.state, removal.stack.top())
            .inspect_err(|_| dentry.drop_from_cache())?;
    }
    removed?;
    victim.set_nlink(0);
    dentry.drop_from_cache();
    changed_on(dir.get(), &removal.layer);
    drop(removal);
    changed(dir.get())
}
