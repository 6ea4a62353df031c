// SPDX-License-Identifier: GPL-2.0

//! Bringing inodes up to date after the branches have changed.
//!
//! Nothing is done to an inode when a branch comes: what is used next finds that its stack is of an
//! earlier generation, and gets another one, from the root of the union down. A directory stays the
//! inode that it is, and so keeps what is mounted on it; a regular file does, if open descriptors are
//! to show what its name means now.

use super::{lookup, whiteout};
use crate::{
    union::{
        branches::table::Table,
        object::{
            instance::{Instance, Union},
            node::{copy_attr, State},
            stack::{new_stack, Layer, Layers, Stack},
        },
    },
    vfs::{
        object::dentry::Dentry,
        own::{dentry::OwnDentry, inode::OwnInode},
        sync::rcu::RcuArc,
        value::errno::ESTALE,
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// The stack of `dentry`, made from the branches as they are now. `ESTALE` if it means nothing any
/// more.
#[inline]
pub(crate) fn stack(dentry: &OwnDentry<Union>) -> Result<RcuArc<Stack>> {
    let node = dentry.positive()?.data();
    if node.is_settled(dentry.sb().data().generation()) {
        return node.stack();
    }
    stack_anew(dentry)
}

#[cold]
fn stack_anew(dentry: &OwnDentry<Union>) -> Result<RcuArc<Stack>> {
    let node = dentry.positive()?.data();
    if !refresh(dentry)? {
        return Err(ESTALE);
    }
    node.stack()
}

/// As [`stack`], but what the object was if it means nothing, or something else, by now: for what is
/// done by an open descriptor.
#[inline]
pub(crate) fn stack_or_old(dentry: &OwnDentry<Union>) -> Result<RcuArc<Stack>> {
    let node = dentry.positive()?.data();
    if node.is_settled(dentry.sb().data().generation()) {
        return node.stack();
    }
    stack_anew_or_old(dentry)
}

#[cold]
fn stack_anew_or_old(dentry: &OwnDentry<Union>) -> Result<RcuArc<Stack>> {
    match stack_anew(dentry) {
        Err(e) if e == ESTALE => dentry.positive()?.data().stack(),
        other => other,
    }
}

/// How often the way to a dentry is looked at anew: once for each directory on it, and for what
/// somebody changes meanwhile. No path has more components.
const ROUNDS: usize = 4096;

/// Makes sure that `dentry`, and what is above it, is up to date. `false` if it means nothing, or
/// another object, now.
///
/// What is being renamed stays as it is, and is looked at again the next time.
pub(crate) fn refresh(dentry: &OwnDentry<Union>) -> Result<bool> {
    let instance = dentry.sb().data();
    for _ in 0..ROUNDS {
        // The highest one that is not up to date; what is above it is.
        let generation = instance.generation();
        let mut at: ARef<OwnDentry<Union>> = dentry.into();
        while !at.is_root() && !at.is_unhashed() {
            let parent = at.parent_entry();
            if parent.positive()?.data().is_settled(generation) {
                break;
            }
            at = parent;
        }
        let is_last = core::ptr::eq::<OwnDentry<Union>>(&*at, dentry);
        let valid = match bring_up(&at, instance)? {
            Verdict::Current => true,
            Verdict::Gone => false,
            // Its stack is not current, and we do not wait: what is below it stays as it is, too.
            Verdict::Moving => return Ok(true),
        };
        if is_last || !valid {
            return Ok(valid);
        }
    }
    // Somebody changes the branches as fast as we look: what was true a moment ago will do.
    Ok(true)
}

/// What a look at a dentry ended with.
enum Verdict {
    /// It means the object that it shows, whose stack is up to date.
    Current,
    /// It means nothing, or something else.
    Gone,
    /// A rename is under way, so that it cannot be told.
    Moving,
}

fn bring_up(dentry: &OwnDentry<Union>, instance: &Instance) -> Result<Verdict> {
    let table = instance.table()?;
    let inode = dentry.positive()?;
    let node = inode.data();
    if !dentry.is_root() && !dentry.is_unhashed() {
        let parent = dentry.parent_entry();
        let stack = parent.positive()?.data().stack()?;
        return verify(dentry, &parent, &stack);
    }
    instance.counters().refreshes.up();
    // A copy-up in between would get lost.
    let mut state = node.lock_state_killable()?;
    node.watch(inode, &mut state)?;
    let changes = node.changes();
    let layers = if dentry.is_root() {
        instance.cred.scope(|| root_layers(&table))?
    } else {
        // Its name is gone: it is what it was, less what was on branches that are gone.
        remaining(&*node.stack()?, |layer| table.has(&layer.branch))?
    };
    if layers.is_empty() {
        return Ok(Verdict::Gone);
    }
    let found = new_stack(table.generation, layers)?;
    let merged_anew = !node.stack()?.is_same(&found);
    node.publish_newer(inode, &mut state, found)?;
    node.settle(&state, table.generation, changes);
    if merged_anew {
        node.note_merge();
    }
    Ok(Verdict::Current)
}

/// The layers of a stack that `keep` picks.
pub(crate) fn remaining(stack: &Stack, keep: impl Fn(&Layer) -> bool) -> Result<Layers> {
    let mut layers = Layers::new();
    for layer in stack.layers.iter().filter(|layer| keep(layer)) {
        layers.push(layer.clone())?;
    }
    Ok(layers)
}

/// What the root of a union of the branches in `table` stands for. With the mounter's credentials.
pub(crate) fn root_layers(table: &Table) -> Result<Layers> {
    let mut layers = Layers::with_capacity(table.branches.len())?;
    for branch in &table.branches {
        let layer = Layer {
            branch: branch.clone(),
            dentry: branch.root().into(),
        };
        let hides = branch.obeys_whiteouts() && whiteout::is_opaque(&layer)?;
        layers.push(layer)?;
        if hides {
            break;
        }
    }
    Ok(layers)
}

/// Looks at a name once more, after the branches have changed, or to see whether somebody else has
/// changed them: whether `dentry` still holds. For `d_revalidate`, whose rules are that `false`
/// detaches what is mounted below.
pub(crate) fn look_again(dentry: &OwnDentry<Union>) -> Result<bool> {
    let parent = dentry.parent_entry();
    let stack = stack(&parent)?;
    match verify(dentry, &parent, &stack)? {
        Verdict::Current | Verdict::Moving => Ok(true),
        Verdict::Gone => Ok(false),
    }
}

fn verify(dentry: &OwnDentry<Union>, parent: &OwnDentry<Union>, stack: &Stack) -> Result<Verdict> {
    let instance = dentry.sb().data();
    instance.counters().refreshes.up();
    let Some(inode) = dentry.own_inode() else {
        let stamp = parent.positive()?.data().name_stamp(instance, stack);
        let name = dentry.name();
        let layers = instance
            .cred
            .scope(|| lookup::find(instance, stack, name.get()?))?;
        if layers.is_empty() {
            dentry.set_stamp(stamp);
            return Ok(Verdict::Current);
        }
        return Ok(Verdict::Gone);
    };
    // What is found is published before anybody copies the object up.
    let mut state = inode.data().lock_state_killable()?;
    if dentry.is_unhashed() && !inode.data().is_moving() {
        // It was removed meanwhile.
        return Ok(Verdict::Gone);
    }
    // The directory as it is now: it comes to be on a branch before what is in it does, and a copy-up
    // in between would be lost, too.
    let stack = parent.positive()?.data().stack()?;
    let stamp = parent.positive()?.data().name_stamp(instance, &stack);
    inode.data().watch(inode, &mut state)?;
    let changes = inode.data().changes();
    let name = dentry.name();
    let layers = instance
        .cred
        .scope(|| lookup::find(instance, &stack, name.get()?))?;
    // A rename may have come between the name and what was found under it: either it has not come to
    // the dentry yet, or the dentry is elsewhere by now. What is found is another object's, or nothing.
    if inode.data().is_moving()
        || !dentry.is_in(parent)
        || dentry.name().get()?.as_bytes() != name.get()?.as_bytes()
    {
        return Ok(Verdict::Moving);
    }
    let valid = match layers.is_empty() {
        true => false,
        false => switch(inode, &mut state, &new_stack(stack.generation, layers)?)?,
    };
    if valid {
        inode.data().settle(&state, stack.generation, changes);
        copy_attr(inode)?;
        // With the lock held: a copy-up after that may know better what the name means.
        dentry.set_stamp(stamp);
        return Ok(Verdict::Current);
    }
    Ok(Verdict::Gone)
}

/// Lets `inode`, whose name means `found` now, stand for that. `false` if it must not.
fn switch(inode: &OwnInode<Union>, state: &mut State, found: &RcuArc<Stack>) -> Result<bool> {
    if lookup::adopt_locked(inode, state, found)? {
        return Ok(true);
    }
    let node = inode.data();
    let Ok(have) = node.stack() else {
        return Ok(false);
    };
    let top = found.top();
    // Without a change of the branches it is another object, which somebody has put there; but a
    // directory that has come to be merged with another is the same one.
    let same_branches = have.generation == found.generation;
    if same_branches && !(inode.is_dir() && shares_layer(&have, found)) {
        return Ok(false);
    }
    if !may_become(inode, &have, found)? {
        return Ok(false);
    }
    // The number stays, and is that of the new object, whoever looks for it.
    top.branch.numbers.keep(top.path(), inode)?;
    drop(state.listing.take());
    node.publish_newer(inode, state, found.clone())?;
    if same_branches {
        node.note_merge();
    }
    inode.set_nlink(top.inode()?.nlink());
    Ok(true)
}

/// Whether there is an object that both stand for.
fn shares_layer(one: &Stack, other: &Stack) -> bool {
    let same = |a: &Layer, b: &Layer| core::ptr::eq::<Dentry>(&*a.dentry, &*b.dentry);
    one.layers
        .iter()
        .any(|a| other.layers.iter().any(|b| same(a, b)))
}

/// Whether `inode` may become another object in place: a directory may. A file may if nobody writes
/// to it or runs it, and neither has another name that means something else.
pub(crate) fn may_become(inode: &OwnInode<Union>, have: &Stack, found: &Stack) -> Result<bool> {
    if !inode.mode().same_type(found.top().inode()?.mode()) {
        return Ok(false);
    }
    if inode.is_dir() {
        return Ok(true);
    }
    let alone = |stack: &Stack| {
        let top = stack.top();
        // The only link may be the one by which names below mean it.
        Ok::<_, Error>(top.inode()?.nlink() <= 1 && lookup::names_below(inode.sb(), top)? == 0)
    };
    Ok(inode.sb().data().settings().refrof()
        && inode.mode().is_regular()
        && !inode.is_write_counted()
        && !inode.data().has_names_below()
        && alone(have)?
        && alone(found)?)
}
