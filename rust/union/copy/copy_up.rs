// SPDX-License-Identifier: GPL-2.0

//! Copying an object up to a writable branch, so that it can be changed.
//!
//! Nothing half-made is ever visible: the copy is made without a name, or in the work directory, and
//! gets its name when it is complete. What fails on the way is taken back.

use super::{data::Data, job::Copy, plink};
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
        mount::write_access::WriteAccess,
        object::dentry::Dentry,
        own::{dentry::OwnDentry, inode::OwnInode},
        sync::{killable::Guard, rcu::RcuArc},
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// Makes sure that the object `dentry` names is on a writable branch; returns where. `EROFS` if
/// there is none above it.
pub(crate) fn ensure(dentry: &OwnDentry<Union>, data: Data) -> Result<HeldLayer> {
    let inode = dentry.positive()?;
    let stack = refresh::stack_or_old(dentry)?;
    let source = stack.top();
    if source.branch.is_writable() {
        return Ok(HeldLayer::top(stack));
    }
    let retries = dentry.sb().data().settings().retry() && !inode.is_dir();
    policy::with_retry(
        retries,
        |tried| policy::copy_up(dentry, source.branch.id(), tried),
        |target| match copy_to(dentry, target, data) {
            Err(e) if e == ESTALE => {
                // A directory above is being renamed, and all in it was copied up for that.
                let top = HeldLayer::top(inode.data().stack()?);
                Some(top).filter(|top| top.branch.is_writable()).ok_or(e)
            }
            other => other,
        },
    )
}

/// Makes sure that the object is on the writable branch `target`, or on another if it is no directory
/// and on that already.
pub(super) fn copy_to(
    dentry: &OwnDentry<Union>,
    target: &Arc<Branch>,
    data: Data,
) -> Result<HeldLayer> {
    let instance = dentry.sb().data();
    let inode = dentry.positive()?;
    // A directory also loses its place in the cache to what somebody else does on a branch.
    if dentry.is_unhashed() && (!inode.is_dir() || is_gone(inode, dentry)) {
        // It has no name (any more): neither will the copy have one.
        return copy_nameless(dentry, instance, target, data);
    }
    if inode.is_dir() {
        return ensure_dir(dentry, target);
    }
    let copied = ensure_dir(&dentry.parent_entry(), target)
        .and_then(|parent| copy_one(dentry, instance, &parent, data));
    match copied {
        // Its name went while we waited.
        Err(e) if e == ENOENT && dentry.is_unhashed() => {
            copy_nameless(dentry, instance, target, data)
        }
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
    let instance = dentry.sb().data();
    loop {
        let stack = dentry.positive()?.data().stack()?;
        if let Some(layer) = HeldLayer::on(stack, target) {
            return Ok(layer);
        }
        // The highest ancestor that is not there yet, whose parent is.
        let mut at: ARef<OwnDentry<Union>> = dentry.into();
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
            match HeldLayer::on(stack, target) {
                Some(layer) => break layer,
                None => at = parent,
            }
        };
        copy_one(&at, instance, &parent, Data::All)?;
    }
}

/// Copies one object into the directory `parent` of a writable branch.
fn copy_one(
    dentry: &OwnDentry<Union>,
    instance: &Instance,
    parent: &Layer,
    data: Data,
) -> Result<HeldLayer> {
    let inode = dentry.positive()?;
    let node = inode.data();
    let mut state = node.lock_state_killable()?;
    let stack = node.stack()?;
    if let Some(layer) = already_there(dentry, inode, &stack, &parent.branch)? {
        return Ok(layer);
    }
    // The name cannot change: a rename copies up first, or seals the directory, under the lock that
    // we hold.
    let name = dentry.name();
    let above = dentry.parent_entry();
    let _ours = above.positive()?.data().own_change();
    // Other names of the object are below, and mean this inode.
    let others = match inode.is_dir() {
        true => 0,
        false => inode.nlink().saturating_sub(1),
    };
    let mut attempt = Attempt {
        dentry,
        inode,
        instance,
        parent,
        name: name.get()?,
        origin: origin_of(instance, &stack, others > 0)?,
        others,
        plink: node.plink(),
        record: None,
        is_left: false,
    };
    node.set_plink(0);
    let made = attempt.make(&state, &stack, data);
    let shown = made.and_then(|(copy, hides)| {
        let branch = parent.branch.clone();
        let layer = Layer {
            branch,
            dentry: copy,
        };
        publish(dentry, inode, instance, &mut state, &stack, &layer, others)
            .map(|held| (held, hides))
            .inspect_err(|_| attempt.take_back(&layer.dentry))
    });
    match shown {
        Ok((held, hides)) => {
            attempt.finish(&state, &held, hides);
            Ok(held)
        }
        Err(e) => Err(attempt.give_up(state, e)),
    }
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
        false => Some(HeldLayer::top(stack.clone())).filter(|top| top.branch.is_writable()),
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

/// A copy that is being made under its name, and what there is of it on the branch so far.
struct Attempt<'a> {
    dentry: &'a OwnDentry<Union>,
    inode: &'a OwnInode<Union>,
    instance: &'a Instance,
    /// The directory that it comes to, on the branch.
    parent: &'a Layer,
    name: &'a Name,
    /// What the object is for the next mount, if that is to know.
    origin: Option<Origin>,
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
    /// Makes the copy. Also returns whether its name is whited out there, which [`Attempt::finish`] is to know.
    fn make(&mut self, state: &State, stack: &Stack, data: Data) -> Result<(ARef<Dentry>, bool)> {
        let (inode, branch) = (self.inode, &self.parent.branch);
        let mut write_record = |access: &WriteAccess<'_>, made: &Dentry| -> Result {
            // All of the names mean the copy by that, this one too, until it is there.
            let Some(origin) = self.origin else {
                return Ok(());
            };
            if let Some(other) = &self.record {
                plink::remove_record(access, branch, other)?;
            }
            self.record = None;
            let names = self.others + 1;
            self.record = plink::record(access, inode, state, branch, made, origin, names)?;
            Ok(())
        };
        self.instance.cred.scope(|| {
            let stat = Stat::of(stack.top().path())?;
            let copy = Copy::of(self.dentry, stack.top(), &stat, branch, data)?;
            let made = copy
                .make(self.parent, self.name, &mut write_record)
                .inspect_err(|_| self.is_left = copy.is_left.get())?;
            let finish = || -> Result<bool> {
                let hides = inode.is_dir()
                    && make_opaque(self.instance, stack, self.parent, self.name, &made)?;
                copy.protect(&made)?;
                Ok(hides)
            };
            let hides = finish()
                .inspect_err(|_| self.is_left = !take_back_copy(self.parent, self.name, &made))?;
            Ok((made, hides))
        })
    }

    /// Takes back the copy `made`, which the union does not show yet.
    fn take_back(&mut self, made: &Dentry) {
        let cred = &self.instance.cred;
        self.is_left = !cred.scope(|| take_back_copy(self.parent, self.name, made));
    }

    /// The error of an attempt that has failed by `error`. That may be tried on another branch, but not if this one
    /// has kept a name of the copy, or what all names mean from the next mount on: that would hide what is written
    /// there.
    fn give_up(self, state: Guard<'_, State>, error: Error) -> Error {
        self.inode.data().set_plink(self.plink);
        let take_back = |record| {
            let cred = &self.instance.cred;
            cred.scope(|| plink::take_back_record(&self.parent.branch, &record))
        };
        // Where the name is left, what it means has to stay as well.
        let is_undone = !self.is_left && self.record.is_none_or(take_back);
        if self.is_left {
            // The copy is what the name means now: whoever asks for it looks again. It stays in the cache, or
            // who waits for the lock would take it for removed, and write to a copy without a name.
            self.dentry.set_stamp(STALE);
        }
        // Until here, nobody else copies the object up, and makes the same record.
        drop(state);
        match is_undone {
            true => error,
            false => EIO,
        }
    }

    /// The union shows the copy `layer`: what the branch has to know of that.
    fn finish(self, state: &State, layer: &Layer, hides: bool) {
        let (branch, cred) = (&layer.branch, &self.instance.cred);
        if let Some(record) = self.record {
            plink::publish(self.inode, state, branch, record);
            // This name is there now.
            let counted = || -> Result {
                let access = branch.mnt().want_write()?;
                let _lifted = lift(&access, branch, [&*layer.dentry])?;
                plink::recount(&access, self.inode, state, layer, self.others);
                Ok(())
            };
            if let Err(e) = cred.scope(counted) {
                plink::warn_of_count(layer, e);
            }
        }
        if hides && cred.scope(|| unhide(self.parent, self.name)).is_err() {
            pr_warn_once!("a needless whiteout is left\n");
        }
    }
}

/// What the object at the top of `stack` is for the next mount, if that is `wanted`, and can be told.
fn origin_of(instance: &Instance, stack: &Stack, wanted: bool) -> Result<Option<Origin>> {
    if !wanted {
        return Ok(None);
    }
    let table = instance.table()?;
    let top = stack.top();
    instance
        .cred
        .scope(|| lasting::origin_of(&table, &top.branch, top.path()))
}

/// A copy of a directory below the others, of `stack`, may be where the name is whited out: `made`, the
/// copy, becomes opaque, and takes the place of the whiteout. Returns whether that is so.
fn make_opaque(
    instance: &Instance,
    stack: &Stack,
    parent: &Layer,
    name: &Name,
    made: &Dentry,
) -> Result<bool> {
    let branch = &parent.branch;
    let table = instance.table()?;
    if table.index_of(branch.id()) < table.index_of(stack.top().branch.id()) {
        // What is below shows, so there is none.
        return Ok(false);
    }
    if !whiteout::exists(parent, name)? {
        return Ok(false);
    }
    hide::make_opaque(&branch.mnt().want_write()?, branch, made)?;
    Ok(true)
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

fn copy_nameless(
    dentry: &OwnDentry<Union>,
    instance: &Instance,
    target: &Arc<Branch>,
    data: Data,
) -> Result<HeldLayer> {
    let inode = dentry.positive()?;
    let node = inode.data();
    let mut state = node.lock_state_killable()?;
    let stack = node.stack()?;
    if stack.top().branch.is_writable() {
        return Ok(HeldLayer::top(stack));
    }
    // Its other names are below, and mean what is copied up here.
    let has_others = !inode.is_dir() && (node.has_names_below() || inode.nlink() > 1);
    let names = if has_others { inode.nlink() } else { 0 };
    let origin = origin_of(instance, &stack, names != 0)?;
    // That of what is copied stays with that.
    let plink = node.plink();
    node.set_plink(0);
    let made = instance
        .cred
        .scope(|| {
            let stat = Stat::of(stack.top().path())?;
            let copy = Copy::of(dentry, stack.top(), &stat, target, data)?;
            if names == 0 {
                return copy.make_nameless();
            }
            let dir = plink_dir::dir(&target.mnt().want_write()?, target)?;
            let dir = Layer {
                branch: target.clone(),
                dentry: dir,
            };
            plink::make(inode, &state, &dir.dentry, target, |name| {
                copy.make(&dir, name, &mut |_, _| Ok(()))
            })
        })
        .inspect_err(|_| node.set_plink(plink))?;
    let layer = Layer {
        branch: target.clone(),
        dentry: made,
    };
    let give_up = || {
        layer.branch.numbers.forget(layer.path());
        node.set_plink(plink);
    };
    let written = instance.cred.scope(|| match origin {
        Some(origin) => {
            let access = target.mnt().want_write()?;
            plink::record(&access, inode, &state, target, &layer.dentry, origin, names)
        }
        None => Ok(None),
    });
    let record = written.inspect_err(|_| {
        instance
            .cred
            .scope(|| plink::take_back(inode, &state, &layer));
        give_up();
    })?;
    let held =
        publish(dentry, inode, instance, &mut state, &stack, &layer, names).inspect_err(|_| {
            instance.cred.scope(|| match &record {
                Some(record) => {
                    plink::take_back_record(target, record);
                }
                None => plink::take_back(inode, &state, &layer),
            });
            give_up();
        })?;
    if let Some(record) = record {
        plink::publish(inode, &state, target, record);
    }
    Ok(held)
}

/// The inode stands for the copy from now on, and so do its `names` below; a directory that has a
/// name, for what it was before, too.
fn publish(
    dentry: &OwnDentry<Union>,
    inode: &OwnInode<Union>,
    instance: &Instance,
    state: &mut State,
    old: &RcuArc<Stack>,
    layer: &Layer,
    names: u32,
) -> Result<HeldLayer> {
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
    let before = node.names_below();
    if !inode.is_dir() {
        keep_names_below(inode, instance, names)?;
    }
    if inode.mode().is_regular() {
        layer.branch.note_copy();
        node.note_new_name();
    }
    node.publish(inode, state, stack.clone()).inspect_err(|_| {
        if !inode.is_dir() {
            // There was room for it.
            let _ = keep_names_below(inode, instance, before);
        }
    })?;
    instance.counters().copies_up.up();
    HeldLayer::on(stack, &layer.branch).ok_or(ESTALE)
}
