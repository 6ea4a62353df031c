// SPDX-License-Identifier: GPL-2.0

//! Finding what a name means.

use super::{indexing, refresh, whiteout};
use crate::{
    union::{
        branch::{branch, lift, plink_dir, plink_records},
        branches::lasting,
        object::{
            index::Hits,
            instance::{Instance, Union},
            node::{Node, State},
            stack::{new_stack, HeldLayer, Layer, Layers, Stack},
        },
        text::names::{self, Hides},
    },
    vfs::{
        attr::protection::Interval,
        object::dentry::Dentry,
        own::{
            dentry::{InLookup, Spliced},
            inode::OwnInode,
            inode_cache::{Iget, Sought},
            super_block::SuperBlock,
        },
        sync::rcu::RcuArc,
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// The objects that `name` means in a directory that stands for `parent`, topmost first; none if it
/// means nothing. With the mounter's credentials.
pub(crate) fn find(instance: &Instance, parent: &Stack, name: &Name) -> Result<Layers> {
    if !names::is_reserved(name) {
        copied(instance, find_counted(parent, name)?.0)
    } else if instance.settings().show_whiteouts() {
        find_whiteout(&parent.layers, name)
    } else {
        Ok(Layers::new())
    }
}

/// What was `found`; or its copy, if it has other names by which it was copied up, in this mount or an
/// earlier one.
#[inline]
fn copied(instance: &Instance, found: Layers) -> Result<Layers> {
    match found.first().and_then(|top| top.dentry.inode()) {
        Some(real) if real.nlink() > 1 && !real.is_dir() => copy_of(instance, found),
        _ => Ok(found),
    }
}

#[cold]
fn copy_of(instance: &Instance, mut found: Layers) -> Result<Layers> {
    let table = instance.table()?;
    let branches = &table.branches;
    if !branches.iter().any(|branch| branch.records.any()) {
        return Ok(found);
    }
    let mut at = match found.first() {
        Some(top) => table.index_of(top.branch.id()).unwrap_or(0),
        None => 0,
    };
    // What is a copy may have been copied itself, further up.
    while let Some(top) = found.first() {
        let above = branches.iter().take(at).enumerate();
        let mut above = above.filter(|(_, branch)| branch.records.any()).peekable();
        if above.peek().is_none() {
            break;
        }
        let Some(origin) = lasting::origin_of(&table, &top.branch, top.path())? else {
            break;
        };
        let mut copy = None;
        for (index, branch) in above {
            if let Some(dentry) = plink_records::find(branch, &origin, top.inode()?)? {
                let branch = branch.clone();
                copy = Some((index, Layer { branch, dentry }));
                break;
            }
        }
        let Some((index, layer)) = copy else {
            break;
        };
        found = Layers::new();
        found.push(layer)?;
        at = index;
    }
    Ok(found)
}

/// What has a name that is not reserved, topmost first, as the directories have it: a copy by another name is not
/// looked for. Also returns in how many directories it had to look.
fn find_counted(parent: &Stack, name: &Name) -> Result<(Layers, usize)> {
    let hits = Hits::of(parent, name);
    let mut looked = 0;
    let found = find_among(&parent.layers, name, |from| {
        let next = hits.next(&parent.layers, from);
        looked += usize::from(next.is_some());
        next
    })?;
    Ok((found, looked))
}

/// The whiteout, or the mark of an opaque directory, that shows under the reserved `name`: one that
/// does not lie below what it hides.
fn find_whiteout(layers: &[Layer], name: &Name) -> Result<Layers> {
    let mut found = Layers::new();
    let hidden = match names::hides(name) {
        Hides::Nothing => return Ok(found),
        Hides::Name(hidden) => Some(Name::new(hidden)?),
        Hides::InFile | Hides::All => None,
    };
    for layer in layers {
        let search = layer.search()?;
        let lookup = |name| search.find(name);
        let is_file = |dentry: &ARef<Dentry>| !dentry.inode().is_some_and(|inode| inode.is_dir());
        let whiteout = match layer.branch.obeys_whiteouts() {
            true => lookup(name)?.filter(is_file),
            false => None,
        };
        if let Some(dentry) = whiteout {
            let here = Layer {
                branch: layer.branch.clone(),
                dentry,
            };
            found.push(here)?;
            break;
        }
        if let Some(hidden) = hidden {
            if lookup(hidden)?.is_some() {
                break;
            }
        }
    }
    Ok(found)
}

/// As [`find_counted`], in the directories `layers`, all of which are looked into.
pub(crate) fn find_in(layers: &[Layer], name: &Name) -> Result<Layers> {
    find_among(layers, name, Some)
}

/// As [`find_in`], but looks into those directories that `next` picks: from a number on, the
/// first in which something of the name may be.
fn find_among(
    layers: &[Layer],
    name: &Name,
    mut next: impl FnMut(usize) -> Option<usize>,
) -> Result<Layers> {
    let mut found = Layers::new();
    let mut from = 0;
    while let Some(index) = next(from) {
        let Some(layer) = layers.get(index) else {
            break;
        };
        from = index + 1;
        let branch = &layer.branch;
        let is_last = index + 1 == layers.len();
        let hides = !is_last && branch.obeys_whiteouts();
        let search = layer.search()?;
        match search.find(name)? {
            Some(dentry) => {
                let is_dir = dentry.inode().is_some_and(|inode| inode.is_dir());
                if is_dir {
                    branch::check_names(branch, &dentry)?;
                }
                if !is_dir && !found.is_empty() {
                    // A directory hides what is no directory.
                    break;
                }
                let here = Layer {
                    branch: branch.clone(),
                    dentry,
                };
                let ends = !is_dir
                    || hides
                        && (whiteout::is_opaque(&here)?
                            || whiteout::find_by(&search, layer, name)?.is_some());
                found.push(here)?;
                if ends {
                    break;
                }
            }
            None if hides && whiteout::find_by(&search, layer, name)?.is_some() => break,
            None => {}
        }
    }
    Ok(found)
}

/// The inode that stands for `layers`, which were found.
pub(crate) fn inode_of(
    sb: &SuperBlock<Union>,
    generation: usize,
    layers: Layers,
) -> Result<ARef<OwnInode<Union>>> {
    node_that_was(Arrival::Found, sb, generation, layers)
}

/// As [`inode_of`], for an object that was just made: a directory is not watched before it is used, which
/// many a new one never is. Marks cost as much as the rest of it.
pub(crate) fn inode_of_new(
    sb: &SuperBlock<Union>,
    generation: usize,
    layers: Layers,
) -> Result<ARef<OwnInode<Union>>> {
    node_that_was(Arrival::Made, sb, generation, layers)
}

/// How the objects came that an inode is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Found,
    /// Whoever made it still has write access to the branch, below which `Node::state` is not taken.
    Made,
}

fn node_that_was(
    arrival: Arrival,
    sb: &SuperBlock<Union>,
    generation: usize,
    layers: Layers,
) -> Result<ARef<OwnInode<Union>>> {
    let number = layers.first().ok_or(ESTALE)?.number()?;
    let stack = new_stack(generation, layers)?;
    let mut sought = Sought {
        hash: number.hash,
        number: number.shown,
        key: stack.top().key()?,
        // A copy is there, under the number of its origin, before its inode stands for it.
        by_number: number.is_noted,
    };
    let top = stack.top();
    let (real, idmap) = (top.inode()?, top.path().idmap());
    // A stale inode makes room for another; more than a few of them in a row means that the branch is
    // being rewritten under our hands.
    for _ in 0..8 {
        match sb.iget(&sought)? {
            Iget::New(new) => {
                let unwatched = arrival == Arrival::Made && sb.data().looks_at_branches();
                // Nobody can change what is recorded, while the inode is not there.
                let below = match arrival {
                    Arrival::Found => names_below(sb, top)?,
                    Arrival::Made => 0,
                };
                let plink = if below == 0 { 0 } else { plink_dir::RECORDED };
                let node = Node::new(stack.clone(), sb.data().depth, unwatched, (below, plink))?;
                let interval = Interval::begin();
                // The pseudo-link is no name, but for those below.
                let links = match below {
                    0 => real.nlink(),
                    _ => real.nlink().saturating_sub(1).saturating_add(below),
                };
                let inode = new.fill(real, links, idmap, node)?;
                lift::redo(&stack.top().branch, &interval, || {
                    inode.copy_attr(real, idmap);
                });
                sb.data().counters().inodes.up();
                let node = inode.data();
                if arrival == Arrival::Found && inode.is_dir() {
                    // What is not watched must not stay in the cache.
                    node.watch_layers(&inode, &mut node.lock_state(), &stack)
                        .inspect_err(|_| inode.unhash())?;
                }
                return Ok(inode);
            }
            Iget::Cached(inode) => {
                // An object that was just made cannot be what was known before.
                if arrival == Arrival::Found && adopt(&inode, &stack)? {
                    return Ok(inode);
                }
                if sought.by_number {
                    // Another one shows the number.
                    sought.by_number = false;
                } else {
                    inode.unhash();
                }
            }
        }
    }
    Err(ESTALE)
}

/// How many names below mean the object at `top`, a copy of an earlier mount, or one whose inode has left
/// the cache since.
#[inline]
pub(crate) fn names_below(sb: &SuperBlock<Union>, top: &Layer) -> Result<u32> {
    if !top.branch.records.any() || top.inode()?.is_dir() {
        return Ok(0);
    }
    sb.data()
        .cred
        .scope(|| plink_records::names_below(&top.branch, top.path()))
}

/// Whether the cached `inode` stands for what `found` does; updates it if so.
fn adopt(inode: &OwnInode<Union>, found: &RcuArc<Stack>) -> Result<bool> {
    let is_current = |have: RcuArc<Stack>| {
        have.generation == found.generation && have.is_same(found) && have.top().dentry.is_current()
    };
    if inode.data().stack().is_ok_and(is_current) {
        return Ok(true);
    }
    adopt_locked(inode, &mut *inode.data().lock_state_killable()?, found)
}

/// As [`adopt`], for whoever has the lock of the inode's data.
pub(crate) fn adopt_locked(
    inode: &OwnInode<Union>,
    state: &mut State,
    found: &RcuArc<Stack>,
) -> Result<bool> {
    if !inode.mode().same_type(found.top().inode()?.mode()) {
        return Ok(false);
    }
    let node = inode.data();
    let Ok(have) = node.stack() else {
        // Its branch is gone.
        return Ok(false);
    };
    let same = core::ptr::eq(have.top().inode()?, found.top().inode()?);
    if same {
        let merged_anew = inode.is_dir() && !have.is_same(found);
        let stale = have.generation != found.generation || !have.top().dentry.is_current();
        if stale || merged_anew {
            node.publish_newer(inode, state, found.clone())?;
        }
        if merged_anew && !stale {
            node.note_merge();
        }
        return Ok(true);
    }
    // Another name of what was copied up since: the copy is what it means.
    Ok(node.was_copied_from(state, found.top()))
}

/// `->lookup` of a directory.
pub(crate) fn lookup(dir: &OwnInode<Union>, dentry: InLookup<'_, Union>) -> Result<Spliced<Union>> {
    let sb = dir.sb();
    let instance = sb.data();
    let name = dentry.name_in_lookup()?;
    if names::is_reserved(name) && !instance.settings().show_whiteouts() {
        return dentry.splice(None, dir.data().stamp(instance.generation()));
    }
    let stack = match dir.data().is_settled(instance.generation()) {
        true => dir.data().stack()?,
        false => refresh::stack(&dentry.parent_entry())?,
    };
    // What somebody changes from here on makes another stamp.
    let stamp = dir.data().name_stamp(instance, &stack);
    let layers = instance.cred.scope(|| {
        if names::is_reserved(name) {
            return find(instance, &stack, name);
        }
        let (layers, looked) = find_counted(&stack, name)?;
        indexing::note_lookup(&stack, looked);
        copied(instance, layers)
    })?;
    let inode = if layers.is_empty() {
        None
    } else {
        Some(inode_of(sb, stack.generation, layers)?)
    };
    dentry.splice(inode, stamp)
}

/// Whether something of `name` is below the directory `layer`.
pub(crate) fn is_below(instance: &Instance, layer: &HeldLayer, name: &Name) -> Result<bool> {
    let (stack, mut from) = layer.stack_and_next();
    if from == stack.layers.len() {
        return Ok(false);
    }
    let hits = Hits::of(stack, name);
    instance.cred.scope(|| {
        while let Some(index) = hits.next(&stack.layers, from) {
            from = index + 1;
            let layer = stack.layers.get(index).ok_or(EINVAL)?;
            let search = layer.search()?;
            if search.find(name)?.is_some() {
                return Ok(true);
            }
            // What hides nothing need not be found.
            let hides = from < stack.layers.len() && layer.branch.obeys_whiteouts();
            if hides && whiteout::find_by(&search, layer, name)?.is_some() {
                return Ok(false);
            }
        }
        Ok(false)
    })
}
