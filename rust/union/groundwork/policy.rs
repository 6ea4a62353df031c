// SPDX-License-Identifier: GPL-2.0

//! Which branch is written to: what the policies of [`policies`] choose from.
//!
//! A branch is only chosen if what is made there shows: not below a whiteout of the name, nor below
//! an opaque directory, nor below anything else that ends a lookup.

use super::seal;
use crate::{
    union::{
        branch::branch::Branch,
        branches::table::Table,
        find::{refresh, whiteout},
        numbers::branch_id::BranchId,
        object::{
            instance::{Instance, Union},
            stack::{Layer, Stack},
        },
        text::policies::{self, Candidate, CopyUp, Create, Kind},
    },
    vfs::{
        own::dentry::OwnDentry,
        value::{
            errno::{EDQUOT, ESTALE},
            few::Few,
            name::Name,
        },
    },
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, atomic::Relaxed, Arc},
};

/// The policy for what did not fit where it was to go first.
const ANOTHER: Create = Create {
    kind: Kind::MostFree,
    low: 0,
    seconds: 0,
};

/// Does `attempt` on the branch that `choose` gives; if the branch has no room, or has become
/// read-only, and `retries`, on others. `choose` gets the branches that were tried.
pub(crate) fn with_retry<R>(
    retries: bool,
    choose: impl Fn(&[BranchId]) -> Result<Arc<Branch>>,
    mut attempt: impl FnMut(&Arc<Branch>) -> Result<R>,
) -> Result<R> {
    let mut tried = Few::new();
    let mut branch = choose(&tried)?;
    loop {
        let error = match attempt(&branch) {
            Err(e) if retries && has_no_room(e) => e,
            other => return other,
        };
        tried.push(branch.id()).map_err(|_| error)?;
        branch = choose(&tried).map_err(|_| error)?;
    }
}

/// Whether another branch may have room.
fn has_no_room(e: Error) -> bool {
    e == ENOSPC || e == EDQUOT || e == EROFS
}

/// The error of giving something `name` in `layer`, where that was free. If another branch is to be tried for it,
/// `EIO` where the name is there, or where that cannot be told: a server may have done what it says it could not,
/// and what is there hides what would be on a branch below.
pub(crate) fn unless_named(e: Error, instance: &Instance, layer: &Layer, name: &Name) -> Error {
    match !has_no_room(e) || instance.cred.scope(|| layer.has(name)) == Ok(false) {
        true => e,
        false => EIO,
    }
}

/// The branch for a new object `name` in the directory `parent`; without a name, for one that has
/// none yet. `EROFS` if there is none that it would show on.
///
/// `tried` are branches that had no room.
pub(crate) fn create(
    parent: &OwnDentry<Union>,
    name: Option<&Name>,
    is_dir: bool,
    tried: &[BranchId],
) -> Result<Arc<Branch>> {
    let instance = parent.sb().data();
    let stack = refresh::stack(parent)?;
    if let Some(branch) = seal::branch(instance, parent)? {
        return match branch.is_writable() && !tried.contains(&branch.id()) {
            true => Ok(branch),
            false => Err(EROFS),
        };
    }
    let policy = match tried.is_empty() {
        true => instance.create_policy(),
        false => ANOTHER,
    };
    if policy.kind == Kind::TopDownParent {
        if let Some(branch) = top_down(instance, &stack, name)? {
            return Ok(branch);
        }
    }
    let table = instance.table()?;
    let (reach, forced) = reach_of_name(instance, &table, parent, &stack, name)?;
    let usable = |branch: &Branch| branch.is_writable() && !tried.contains(&branch.id());
    if policy.kind != Kind::TopDownParent && forced && usable(&table.branches[reach]) {
        return Ok(table.branches[reach].clone());
    }
    let mut candidates = candidates(&table, &stack, reach + 1, tried)?;
    if policy.kind.needs_space() {
        let state = &instance.policy;
        state.note(&instance.cred, &table, policy.seconds, &mut candidates)?;
    }
    // A number that comes with nothing, and so needs no order.
    // Directories do not take turns: as in aufs, they go where the next file will.
    let turn = match is_dir || policy.kind == Kind::TopDownParent {
        true => instance.policy.turn.load(Relaxed),
        false => instance.policy.turn.fetch_add(1, Relaxed),
    };
    let top = table.index_of(stack.top().branch.id()).ok_or(ESTALE)?;
    let index = policies::create(policy, &candidates, top, turn).ok_or(EROFS)?;
    Ok(table.branches[index].clone())
}

/// The topmost writable branch that has the directory of `stack`, if `name` shows there.
fn top_down(
    instance: &Instance,
    stack: &Stack,
    name: Option<&Name>,
) -> Result<Option<Arc<Branch>>> {
    for layer in &stack.layers {
        if layer.branch.is_writable() {
            return Ok(Some(layer.branch.clone()));
        }
        if let Some(name) = name {
            if hides(instance, layer, name)? {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// Whether `name` is whited out in the directory `layer`.
fn hides(instance: &Instance, layer: &Layer, name: &Name) -> Result<bool> {
    Ok(layer.branch.obeys_whiteouts() && instance.cred.scope(|| whiteout::exists(layer, name))?)
}

/// The branch that an object on the branch `source` is copied up to; its name, if it has one to be found by, is in the
/// directory that stands for `above`. By `policy`, as the union is set; `EROFS` if there is none.
///
/// `tried` are branches that had no room.
pub(crate) fn copy_up(
    instance: &Instance,
    policy: CopyUp,
    source: BranchId,
    above: Option<&Stack>,
    tried: &[BranchId],
) -> Result<Arc<Branch>> {
    let table = instance.table()?;
    let index = table.index_of(source).ok_or(ESTALE)?;
    let Some(stack) = above else {
        // Any will do.
        let target = table.branches[..index].iter().rev();
        let mut target = target.filter(|b| b.is_writable() && !tried.contains(&b.id()));
        return target.next().cloned().ok_or(EROFS);
    };
    if policy == CopyUp::TopDownParent && tried.is_empty() {
        let above = stack.layers.iter().filter(|l| l.branch.is_writable());
        let mut above = above.filter(|layer| {
            let at = table.index_of(layer.branch.id());
            at.is_some_and(|at| at < index)
        });
        if let Some(layer) = above.next() {
            return Ok(layer.branch.clone());
        }
    }
    let mut candidates = candidates(&table, stack, index, tried)?;
    let top = table.index_of(stack.top().branch.id()).unwrap_or(index);
    let chosen = if tried.is_empty() {
        policies::copy_up(policy, &candidates, top)
    } else {
        let state = &instance.policy;
        state.note(&instance.cred, &table, ANOTHER.seconds, &mut candidates)?;
        policies::create(ANOTHER, &candidates, top, 0)
    };
    Ok(table.branches[chosen.ok_or(EROFS)?].clone())
}

/// The writable branches up to the one with index `end`, but for those in `tried`; `stack` is that
/// of the parent directory.
fn candidates(
    table: &Table,
    stack: &Stack,
    end: usize,
    tried: &[BranchId],
) -> Result<KVec<Candidate>> {
    let mut candidates = KVec::new();
    for (index, branch) in table.branches.iter().enumerate().take(end) {
        if !branch.is_writable() || tried.contains(&branch.id()) {
            continue;
        }
        let candidate = Candidate {
            index,
            has_parent: stack.on(branch).is_some(),
            free: 0,
        };
        candidates.push(candidate, GFP_KERNEL)?;
    }
    Ok(candidates)
}

/// The index of the lowest branch on which something in the directory `dir` can show.
pub(crate) fn reach(instance: &Instance, table: &Table, dir: &OwnDentry<Union>) -> Result<usize> {
    let mut reach = table.branches.len() - 1;
    let mut at: ARef<OwnDentry<Union>> = dir.into();
    while !at.is_root() {
        let parent = at.parent_entry();
        let stack = refresh::stack(&parent)?;
        let name = at.name();
        let name = name.get()?;
        for layer in &stack.layers {
            let index = table.index_of(layer.branch.id()).ok_or(ESTALE)?;
            if index > reach {
                break;
            }
            let end = instance.cred.scope(|| ends(layer, name))?;
            match end {
                End::None => continue,
                End::Here => reach = index,
                // There is a directory above: it is not the first.
                End::Above => reach = index.checked_sub(1).ok_or(ESTALE)?,
            }
            break;
        }
        at = parent;
    }
    // The root may be opaque.
    let stack = refresh::stack(&at)?;
    let last = stack.layers.last().ok_or(ESTALE)?;
    if stack.layers.len() < table.branches.len() {
        reach = reach.min(table.index_of(last.branch.id()).ok_or(ESTALE)?);
    }
    Ok(reach)
}

/// Where the lookup of a directory ends.
enum End {
    /// It goes on.
    None,
    /// With this branch.
    Here,
    /// With the one above.
    Above,
}

fn ends(dir: &Layer, name: &Name) -> Result<End> {
    let counts = dir.branch.obeys_whiteouts();
    let search = dir.search()?;
    let found = search.find(name)?;
    let whited = counts && whiteout::find_by(&search, dir, name)?.is_some();
    let Some(dentry) = found else {
        return Ok(if whited { End::Here } else { End::None });
    };
    if !dentry.inode().is_some_and(|inode| inode.is_dir()) {
        return Ok(End::Above);
    }
    let here = Layer {
        branch: dir.branch.clone(),
        dentry,
    };
    Ok(if whited || counts && whiteout::is_opaque(&here)? {
        End::Here
    } else {
        End::None
    })
}

/// The index of the lowest branch on which `name` shows in the directory `parent`; and whether there
/// is something on that branch that hides what is below.
fn reach_of_name(
    instance: &Instance,
    table: &Table,
    parent: &OwnDentry<Union>,
    stack: &Stack,
    name: Option<&Name>,
) -> Result<(usize, bool)> {
    let of_dir = reach(instance, table, parent)?;
    if let Some(name) = name {
        for layer in &stack.layers {
            let index = table.index_of(layer.branch.id()).ok_or(ESTALE)?;
            if index > of_dir {
                break;
            }
            if hides(instance, layer, name)? {
                return Ok((index, true));
            }
        }
    }
    Ok((of_dir, of_dir + 1 < table.branches.len()))
}
