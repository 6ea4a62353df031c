// SPDX-License-Identifier: GPL-2.0

//! Copying an object up to a writable branch, so that it can be changed.
//!
//! Nothing half-made is ever visible: the copy is made without a name, or in the work directory, and
//! gets its name when it is complete. What fails on the way is taken back.

use super::{
    data::Data,
    job::{Copy, Wanted},
    links,
    plink::{self, Recording},
};
use crate::{
    union::{
        branch::{branch::Branch, lift::lift, plink_dir},
        branches::lasting,
        find::{refresh, whiteout},
        groundwork::{dir_times::DirTimes, hide, policy, seal, take_back::take_back},
        numbers::plink_record::NewRecord,
        object::{
            instance::{Instance, Union},
            node::State,
            pins::keep_names_below,
            settled::STALE,
            stack::{new_stack, HeldLayer, Layer, Layers, Stack},
        },
        text::origin::Origin,
    },
    vfs::{
        attr::stat::Stat,
        below::namei,
        object::{dentry::Dentry, inode::Inode},
        own::{dentry::OwnDentry, inode::OwnInode},
        sync::{killable::Guard, rcu::RcuArc},
        value::{
            errno::{EOPNOTSUPP, ESTALE},
            name::Name,
        },
    },
};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// The directory that a name is in, and what that stood for when it was looked at.
struct Above {
    entry: ARef<OwnDentry<Union>>,
    stack: RcuArc<Stack>,
}

impl Above {
    /// That of `dentry`; none if that has no name to be found by.
    fn of(dentry: &OwnDentry<Union>) -> Result<Option<Self>> {
        if dentry.is_unhashed() || dentry.is_root() {
            return Ok(None);
        }
        let entry = dentry.parent_entry();
        let stack = entry.positive()?.data().stack()?;
        Ok(Some(Self { entry, stack }))
    }

    /// Where the directory is on `target`, to which it is copied up if it has to be.
    fn on(&self, target: &Arc<Branch>) -> Result<HeldLayer> {
        match HeldLayer::on(self.stack.clone(), target) {
            Some(layer) => Ok(layer),
            None => ensure_dir(&self.entry, target),
        }
    }
}

/// Makes sure that the object `dentry` names is on a writable branch; returns where. `EROFS` if
/// there is none above it.
pub(crate) fn ensure(dentry: &OwnDentry<Union>, data: Data) -> Result<HeldLayer> {
    ensure_from(dentry, refresh::stack_or_old(dentry)?, data)
}

/// As [`ensure`], of an object that stood for `stack` when it was looked at just now.
fn ensure_from(
    dentry: &OwnDentry<Union>,
    mut stack: RcuArc<Stack>,
    data: Data,
) -> Result<HeldLayer> {
    let inode = dentry.positive()?;
    if !inode.data().stands_for(&stack) {
        stack = inode.data().stack()?;
    }
    let source = stack.top();
    if source.branch.is_writable() {
        return Ok(HeldLayer::top(stack));
    }
    let wanted = Wanted::of(dentry, data)?;
    let (instance, settings) = (wanted.instance, wanted.instance.settings());
    let above = Above::of(dentry)?;
    let around = above.as_ref().map(|above| &*above.stack);
    policy::with_retry(
        settings.retry() && !inode.is_dir(),
        |tried| {
            policy::copy_up(
                instance,
                settings.copy_up(),
                source.branch.id(),
                around,
                tried,
            )
        },
        |target| match copy_to(wanted, above.as_ref(), target) {
            Err(e) if e == ESTALE => {
                // A directory above is being renamed, and all in it was copied up for that.
                let top = HeldLayer::top(inode.data().stack()?);
                Some(top).filter(|top| top.branch.is_writable()).ok_or(e)
            }
            other => other,
        },
    )
}

/// As [`ensure`], for whoever changes the object by the name `dentry`, which it then has on the
/// branch. What has no name gets none.
///
/// Where the branch cannot give an object another name, what is changed is forgotten by it at
/// unmount.
pub(crate) fn ensure_to_change(dentry: &OwnDentry<Union>, data: Data) -> Result<HeldLayer> {
    ensure_to_change_from(dentry, refresh::stack_or_old(dentry)?, data)
}

/// As [`ensure_to_change`], of an object that stood for `stack` when it was looked at just now.
pub(crate) fn ensure_to_change_from(
    dentry: &OwnDentry<Union>,
    stack: RcuArc<Stack>,
    data: Data,
) -> Result<HeldLayer> {
    let layer = ensure_from(dentry, stack, data)?;
    match name_there(dentry, &layer) {
        Err(e) if e == EPERM || e == EMLINK || e == EXDEV || e == EOPNOTSUPP => {
            pr_warn_once!(
                "branch '{}': a file cannot have another name ({}): what is written to it by that is lost at unmount\n",
                layer.branch.name(),
                e.to_errno()
            );
        }
        other => other?,
    }
    Ok(layer)
}

/// Makes sure that the object that `dentry` names is on a writable branch under that name: another
/// name of it may have been copied up before. `EXDEV` if it cannot get it.
pub(crate) fn ensure_name(dentry: &OwnDentry<Union>) -> Result<HeldLayer> {
    let layer = ensure(dentry, Data::All)?;
    name_there(dentry, &layer)?;
    Ok(layer)
}

/// Makes sure that the object `dentry` names, which is no directory, is on the writable branch
/// `target`, under that name. `EXDEV` if it is on another one: somebody may be writing to it there.
pub(crate) fn ensure_name_on(dentry: &OwnDentry<Union>, target: &Arc<Branch>) -> Result {
    let stack = refresh::stack_or_old(dentry)?;
    if !stack.top().branch.is_writable() {
        let wanted = Wanted::of(dentry, Data::All)?;
        copy_to(wanted, Above::of(dentry)?.as_ref(), target)?;
    }
    if ensure_name(dentry)?.branch.id() != target.id() {
        return Err(EXDEV);
    }
    Ok(())
}

/// Gives the object at `layer`, which may have names below, that of `dentry` if it has not got it.
fn name_there(dentry: &OwnDentry<Union>, layer: &Layer) -> Result {
    let inode = dentry.positive()?;
    if inode.is_dir() || !inode.data().has_names_below() {
        return Ok(());
    }
    let above = dentry.parent_entry();
    match ensure_dir(&above, &layer.branch) {
        Err(_) if dentry.is_unhashed() => Ok(()),
        parent => links::give_name(dentry, &above, &*parent?, layer),
    }
}

/// Makes sure that the object is on the writable branch `target`, or on another if it is no directory
/// and on that already; `above` is where its name was.
fn copy_to(wanted: Wanted<'_>, above: Option<&Above>, target: &Arc<Branch>) -> Result<HeldLayer> {
    let (dentry, inode) = (wanted.dentry, wanted.inode);
    // A directory also loses its place in the cache to what somebody else does on a branch.
    if dentry.is_unhashed() && (!inode.is_dir() || is_gone(inode, dentry)) {
        // It has no name (any more): neither will the copy have one.
        return copy_nameless(wanted, target);
    }
    if inode.is_dir() {
        return ensure_dir(dentry, target);
    }
    let above = above.ok_or(ESTALE)?;
    let copied = above
        .on(target)
        .and_then(|parent| copy_one(wanted, &above.entry, &parent))
        // What is renamed is on a branch that is written to.
        .and_then(|copied| copied.ok_or(ESTALE));
    match copied {
        // Its name went while we waited.
        Err(e) if e == ENOENT && dentry.is_unhashed() => copy_nameless(wanted, target),
        other => other,
    }
}

/// Whether the directory `inode` was removed, or another put in its place, by the name `dentry`. One
/// that is cached no more under its name may also have changed on a branch; and there are filesystems
/// whose directories have no links.
fn is_gone(inode: &OwnInode<Union>, dentry: &OwnDentry<Union>) -> bool {
    dentry.is_unhashed() && inode.nlink() == 0
}

/// Makes sure that the directory `dentry` is on the writable branch `target`; returns where. Parents
/// are copied up first, from the top.
pub(crate) fn ensure_dir(dentry: &OwnDentry<Union>, target: &Arc<Branch>) -> Result<HeldLayer> {
    loop {
        let stack = dentry.positive()?.data().stack()?;
        if let Some(layer) = HeldLayer::on(stack, target) {
            return Ok(layer);
        }
        // The highest ancestor that is not there yet, whose parent is.
        let mut at: ARef<OwnDentry<Union>> = dentry.into();
        let (above, parent) = loop {
            if at.is_root() {
                // The root of the union is on every branch.
                return Err(ESTALE);
            }
            if at.is_unhashed() {
                return Err(ENOENT);
            }
            let above = at.parent_entry();
            let stack = above.positive()?.data().stack()?;
            match HeldLayer::on(stack, target) {
                Some(layer) => break (above, layer),
                None => at = above,
            }
        };
        // If it is in another directory by now, that is looked for.
        copy_one(Wanted::of(&at, Data::All)?, &above, &parent)?;
    }
}

/// Copies one object, whose name was in the directory `above`, into `parent`, what that was on a writable branch. Nothing
/// if the name, or the directory, is elsewhere by now.
fn copy_one(
    wanted: Wanted<'_>,
    above: &OwnDentry<Union>,
    parent: &Layer,
) -> Result<Option<HeldLayer>> {
    let (dentry, inode, instance) = (wanted.dentry, wanted.inode, wanted.instance);
    let node = inode.data();
    let mut state = node.lock_state_killable()?;
    let stack = node.stack()?;
    if let Some(layer) = already_there(dentry, inode, &stack, &parent.branch)? {
        return Ok(Some(layer));
    }
    // From here on neither the name can change nor where that is on the branch: a rename copies up first, or seals the
    // directory, under the lock that we hold.
    if !dentry.is_in(above) || inode.is_dir() && !is_still(above, parent)? {
        return Ok(None);
    }
    let name = dentry.name();
    let name = name.get()?;
    let _ours = above.positive()?.data().own_change();
    instance.cred.scope(|| {
        // Other names of the object are below, and mean this inode.
        let others = match inode.is_dir() {
            true => 0,
            false => inode.nlink().saturating_sub(1),
        };
        let origin = origin_of(instance, &stack, others > 0)?;
        let mut attempt = Attempt {
            wanted,
            parent,
            name,
            hides: inode.is_dir() && is_whited_out(instance, &stack, above, parent, name)?,
            others,
            plink: node.take_plink(),
            record: None,
            is_left: false,
        };
        let made = attempt.make(&state, stack.top(), origin);
        let shown = made.and_then(|copy| {
            let layer = Layer {
                branch: parent.branch.clone(),
                dentry: copy,
            };
            publish(wanted, &mut state, &stack, &layer, others)
                .inspect_err(|_| attempt.take_back(&layer.dentry))
        });
        match shown {
            Ok(held) => {
                attempt.finish(&state, &held);
                Ok(Some(held))
            }
            Err(e) => Err(attempt.give_up(state, e)),
        }
    })
}

/// Whether the directory `above` is `layer` on its branch, as it was before.
fn is_still(above: &OwnDentry<Union>, layer: &Layer) -> Result<bool> {
    let stack = above.positive()?.data().stack()?;
    let now = stack.on(&layer.branch);
    Ok(now.is_some_and(|now| core::ptr::eq::<Dentry>(&*now.dentry, &*layer.dentry)))
}

/// Where the object is on a writable branch already: somebody else may have been faster, with another branch even.
/// `ESTALE` if it is being renamed there, `ENOENT` if its name has gone.
fn already_there(
    dentry: &OwnDentry<Union>,
    inode: &OwnInode<Union>,
    stack: &RcuArc<Stack>,
    target: &Arc<Branch>,
) -> Result<Option<HeldLayer>> {
    let there = match inode.is_dir() {
        true => HeldLayer::on(stack.clone(), target),
        false => (stack.top().branch.is_writable()).then(|| HeldLayer::top(stack.clone())),
    };
    if there.is_some() {
        return Ok(there);
    }
    if inode.is_dir() && seal::is_sealed(inode) {
        // It is being renamed on another branch.
        return Err(ESTALE);
    }
    if dentry.is_unhashed() {
        // Its name went while we waited for the lock.
        return Err(ENOENT);
    }
    Ok(None)
}

/// A copy that is being made under its name, and what there is of it on the branch so far. With the mounter's
/// credentials.
struct Attempt<'a> {
    wanted: Wanted<'a>,
    /// The directory that it comes to, on the branch.
    parent: &'a Layer,
    name: &'a Name,
    /// Whether its name is whited out there: it takes the place of the whiteout.
    hides: bool,
    /// How many other names it has, below, which mean the copy from now on.
    others: u32,
    /// The pseudo-link of what is copied, which stays with that.
    plink: u64,
    /// By which all of its names mean the copy from the next mount on.
    record: Option<NewRecord>,
    /// Whether the branch has kept the name of a copy that was given up.
    is_left: bool,
}

impl Attempt<'_> {
    /// Makes the copy, of `source`. By its `origin`, if there is one, all of the names mean it, this one too, until it is
    /// there.
    fn make(
        &mut self,
        state: &State,
        source: &Layer,
        origin: Option<Origin>,
    ) -> Result<ARef<Dentry>> {
        let branch = &self.parent.branch;
        let stat = Stat::of(source.path())?;
        let copy = Copy::of(self.wanted, source, &stat, branch, self.hides)?;
        let (inode, names) = (self.wanted.inode, self.others + 1);
        let mut recording =
            origin.map(|origin| Recording::new(inode, state, branch, origin, names));
        let made = copy.make(self.parent, self.name, recording.as_mut());
        self.record = recording.and_then(Recording::written);
        let made = made.inspect_err(|_| self.is_left = copy.is_left.get())?;
        copy.protect(&made).inspect_err(|_| self.take_back(&made))?;
        Ok(made)
    }

    /// Takes back the copy `made`, which the union does not show yet.
    fn take_back(&mut self, made: &Dentry) {
        self.is_left = !take_back_copy(self.parent, self.name, made);
    }

    /// The error of an attempt that has failed by `error`. That may be tried on another branch, but not if this one
    /// has kept a name of the copy, or what all names mean from the next mount on: that would hide what is written
    /// there.
    fn give_up(self, state: Guard<'_, State>, error: Error) -> Error {
        self.wanted.inode.data().set_plink(self.plink);
        let take_back = |record| plink::take_back_record(&self.parent.branch, &record);
        // Where the name is left, what it means has to stay as well.
        let is_undone = !self.is_left && self.record.is_none_or(take_back);
        if self.is_left {
            // The copy is what the name means now: whoever asks for it looks again. It stays in the cache, or
            // who waits for the lock would take it for removed, and write to a copy without a name.
            self.wanted.dentry.set_stamp(STALE);
        }
        // Until here, nobody else copies the object up, and makes the same record.
        drop(state);
        match is_undone {
            true => error,
            false => EIO,
        }
    }

    /// The union shows the copy `layer`: what the branch has to know of that.
    fn finish(self, state: &State, layer: &Layer) {
        if let Some(record) = self.record {
            plink::publish(self.wanted.inode, state, &layer.branch, record);
            // This name is there now.
            if let Err(e) = recount(self.wanted.inode, state, layer, self.others) {
                plink::warn_of_count(layer, e);
            }
        }
        if self.hides && unhide(self.parent, self.name).is_err() {
            pr_warn_once!("a needless whiteout is left\n");
        }
    }
}

/// As [`plink::recount`], of a copy that may be protected.
fn recount(inode: &OwnInode<Union>, state: &State, layer: &Layer, names: u32) -> Result {
    let access = layer.branch.mnt().want_write()?;
    let _lifted = lift(&access, &layer.branch, [&*layer.dentry])?;
    plink::recount(&access, inode, state, layer, names);
    Ok(())
}

/// What the object at the top of `stack` is for the next mount, if that is `wanted`, and can be told. With the mounter's
/// credentials.
fn origin_of(instance: &Instance, stack: &Stack, wanted: bool) -> Result<Option<Origin>> {
    if !wanted {
        return Ok(None);
    }
    let table = instance.table()?;
    let top = stack.top();
    lasting::origin_of(&table, &top.branch, top.path())
}

/// Whether a copy of a directory of `stack`, whose `name` is in the directory `above`, would be where that is whited out
/// in `parent`. `ESTALE` if it would not show: whoever chose the branch did so before it was renamed, and what is made
/// there would be hidden.
fn is_whited_out(
    instance: &Instance,
    stack: &Stack,
    above: &OwnDentry<Union>,
    parent: &Layer,
    name: &Name,
) -> Result<bool> {
    let table = instance.table()?;
    let target = table.index_of(parent.branch.id()).ok_or(ESTALE)?;
    let is_over = |layer: &&Layer| {
        let at = table.index_of(layer.branch.id());
        at.is_some_and(|at| at < target)
    };
    if !is_over(&stack.top()) {
        // What is below shows, so there is none.
        return Ok(false);
    }
    for layer in stack.layers.iter().filter(is_over) {
        if layer.branch.obeys_whiteouts() && whiteout::is_opaque(layer)? {
            return Err(ESTALE);
        }
    }
    let around = above.positive()?.data().stack()?;
    for layer in around.layers.iter().filter(is_over) {
        let is_whited = layer.branch.obeys_whiteouts() && whiteout::exists(layer, name)?;
        if is_whited || stack.on(&layer.branch).is_none() && ends_in(layer, name)? {
            return Err(ESTALE);
        }
    }
    whiteout::exists(parent, name)
}

/// Whether what has the name in the directory `dir`, if anything, hides what is below: a directory that is not opaque is
/// merged with that.
fn ends_in(dir: &Layer, name: &Name) -> Result<bool> {
    let Some(dentry) = namei::lookup(dir.branch.mnt(), &dir.dentry, name)? else {
        return Ok(false);
    };
    if !dentry.inode().is_some_and(Inode::is_dir) {
        return Ok(true);
    }
    let found = Layer {
        branch: dir.branch.clone(),
        dentry,
    };
    Ok(found.branch.obeys_whiteouts() && whiteout::is_opaque(&found)?)
}

/// Removes the whiteout of what has become opaque. Not before the copy is there for good: without it,
/// the whiteout hides what is below.
fn unhide(parent: &Layer, name: &Name) -> Result {
    let branch = &parent.branch;
    let access = branch.mnt().want_write()?;
    let kept = DirTimes::of(parent)?;
    hide::remove(&access, parent, name)?;
    let _lifted = lift(&access, branch, [&*parent.dentry])?;
    kept.restore(&access);
    Ok(())
}

/// Takes back the copy `made` at `name` in `parent`, which the union does not show yet. Whether that has
/// succeeded.
fn take_back_copy(parent: &Layer, name: &Name, made: &Dentry) -> bool {
    let Ok(access) = parent.branch.mnt().want_write() else {
        return false;
    };
    let is_taken_back = take_back(&access, &parent.branch, &parent.dentry, name, made);
    if is_taken_back {
        // Nothing else has the number before the object has gone.
        parent.branch.numbers.forget(parent.branch.at(made));
    }
    is_taken_back
}

/// Makes a copy without a name of its own on `target`.
fn copy_nameless(wanted: Wanted<'_>, target: &Arc<Branch>) -> Result<HeldLayer> {
    let (inode, instance) = (wanted.inode, wanted.instance);
    let node = inode.data();
    let mut state = node.lock_state_killable()?;
    let stack = node.stack()?;
    if stack.top().branch.is_writable() {
        return Ok(HeldLayer::top(stack));
    }
    // Its other names are below, and mean what is copied up here.
    let has_others = !inode.is_dir() && (node.has_names_below() || inode.nlink() > 1);
    let names = if has_others { inode.nlink() } else { 0 };
    instance.cred.scope(|| {
        let origin = origin_of(instance, &stack, names != 0)?;
        // That of what is copied stays with that.
        let plink = node.take_plink();
        let made = make_nameless(wanted, &state, stack.top(), target, names)
            .inspect_err(|_| node.set_plink(plink))?;
        let layer = Layer {
            branch: target.clone(),
            dentry: made,
        };
        let give_up = || {
            layer.branch.numbers.forget(layer.path());
            node.set_plink(plink);
        };
        let write_record = |origin| {
            let mut recording = Recording::new(inode, &state, target, origin, names);
            recording.write(&target.mnt().want_write()?, &layer.dentry)?;
            Ok::<_, Error>(recording.written())
        };
        let written = origin.map_or(Ok(None), write_record);
        let record = written.inspect_err(|_| {
            plink::take_back(inode, &state, &layer);
            give_up();
        })?;
        let held = publish(wanted, &mut state, &stack, &layer, names).inspect_err(|_| {
            match &record {
                Some(record) => {
                    plink::take_back_record(target, record);
                }
                None => plink::take_back(inode, &state, &layer),
            }
            give_up();
        })?;
        if let Some(record) = record {
            plink::publish(inode, &state, target, record);
        }
        Ok(held)
    })
}

/// The copy of [`copy_nameless`], of `source`: a pseudo-link if so many other `names` mean it.
fn make_nameless(
    wanted: Wanted<'_>,
    state: &State,
    source: &Layer,
    target: &Arc<Branch>,
    names: u32,
) -> Result<ARef<Dentry>> {
    let stat = Stat::of(source.path())?;
    let copy = Copy::of(wanted, source, &stat, target, false)?;
    if names == 0 {
        return copy.make_nameless();
    }
    let dir = Layer {
        branch: target.clone(),
        dentry: plink_dir::dir(&target.mnt().want_write()?, target)?,
    };
    plink::make(wanted.inode, state, &dir.dentry, target, |name| {
        copy.make(&dir, name, None)
    })
}

/// The inode stands for the copy from now on, and so do its `names` below; a directory that has a
/// name, for what it was before, too.
fn publish(
    wanted: Wanted<'_>,
    state: &mut State,
    old: &RcuArc<Stack>,
    layer: &Layer,
    names: u32,
) -> Result<HeldLayer> {
    let (dentry, inode, instance) = (wanted.dentry, wanted.inode, wanted.instance);
    let mut layers = Layers::new();
    if inode.is_dir() && !is_gone(inode, dentry) {
        layers = Layers::with_capacity(old.layers.len() + 1)?;
        let table = instance.table()?;
        // Both are in the order of the branches: each is looked at once.
        let mut above = table
            .branches
            .iter()
            .map(|branch| branch.id())
            .take_while(|id| *id != layer.branch.id());
        let mut is_above = |l: &Layer| above.any(|id| id == l.branch.id());
        let at = old.layers.iter().take_while(|l| is_above(l)).count();
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
    let stack = new_stack(old.generation, layers)?;
    let held = HeldLayer::on(stack.clone(), &layer.branch).ok_or(ESTALE)?;
    let before = node.names_below();
    if !inode.is_dir() {
        keep_names_below(inode, instance, names)?;
    }
    if inode.mode().is_regular() {
        layer.branch.note_copy();
        node.note_new_name();
    }
    node.publish(inode, state, stack).inspect_err(|_| {
        if !inode.is_dir() {
            // There was room for it.
            let _ = keep_names_below(inode, instance, before);
        }
    })?;
    instance.counters().copies_up.up();
    Ok(held)
}
