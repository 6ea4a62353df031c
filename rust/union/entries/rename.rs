// SPDX-License-Identifier: GPL-2.0

//! Renaming.
//!
//! Both objects end up on one writable branch, then the branch's own rename is what makes the change
//! visible, at once. Whiteouts are made before it and removed after it; as a name shows in spite of
//! a whiteout beside it, every moment in between is either the old state or the new one.

use super::{
    entry::{changed, changed_on, Unlinking},
    obstacle::{Meaning, Obstacles, Room},
    tree_up,
};
use crate::{
    union::{
        branch::{branch::Branch, work},
        copy::{copy_up, links},
        find::{lookup, merge, whiteout},
        groundwork::{
            dir_times::DirTimes,
            hide::{self, Tentative},
            seal::Seal,
        },
        object::{
            instance::Union,
            node::{copy_attr, detach, State},
            stack::{HeldLayer, Layer, Stack},
        },
        text::names,
    },
    vfs::{
        below::{namei::Removing, rename::Renaming},
        mount::{cred::Cred, write_access::WriteAccess},
        object::{dentry::Dentry, idmap::Idmap, inode::Inode},
        ops::rename::Rename,
        own::{
            dentry::OwnDentry,
            inode::{Locked, OwnInode},
        },
        sync::rcu::RcuArc,
        value::{
            errno::{ENOTEMPTY, ESTALE},
            flags,
            mode::Mode,
            name::Name,
        },
    },
};
use kernel::{pr_warn_once, prelude::*, sync::Arc};

/// Filesystems that write out the names of an object which is synced, and not what was done to other names before: a
/// file that was renamed would be there by its new name after a crash, and without the whiteout of the old one what
/// that hid would show. The others write out all that was done to names in its order, or promise nothing.
const NAMES_BY_OBJECT: &[&[u8]] = &[b"btrfs"];

const EXCHANGE: u32 = flags::RENAME_EXCHANGE;
const NOREPLACE: u32 = flags::RENAME_NOREPLACE;
/// Leaves a device 0/0 at the old name, as other filesystems do: here it is an object like any other,
/// which hides what is below as they do. It is the branch that makes it.
const WHITEOUT: u32 = flags::RENAME_WHITEOUT;
/// That device's mode.
const DEVICE: Mode = Mode(0o020000);

/// What keeps an object on its branch: the seals of all that is in it, if it is a directory.
type Sealed = Option<KVVec<Seal>>;

/// One of the two names.
struct Side<'a> {
    dentry: &'a OwnDentry<Union>,
    dir: &'a OwnInode<Union>,
    name: &'a Name,
    /// The directory on the branch.
    layer: HeldLayer,
    /// Whether something of this name is below the branch, if that is of any importance.
    below: bool,
}

impl<'a> Side<'a> {
    /// The directory is on the branch already.
    fn new(
        dentry: &'a OwnDentry<Union>,
        dir: &Locked<'a, Union>,
        name: &'a Name,
        branch: &Arc<Branch>,
        asks_below: bool,
    ) -> Result<Self> {
        let stack = dir.parent_of(dentry)?.positive()?.data().stack()?;
        let layer = HeldLayer::on(stack, branch).ok_or(ESTALE)?;
        let below = asks_below && lookup::is_below(dir.sb().data(), &layer, name)?;
        Ok(Self {
            dentry,
            dir: dir.get(),
            name,
            layer,
            below,
        })
    }

    /// What the object that has the name stands for; `None` if nothing has it.
    fn stack(&self) -> Result<Option<RcuArc<Stack>>> {
        self.dentry
            .own_inode()
            .map(|inode| inode.data().stack())
            .transpose()
    }

    /// Whether the name means an object that is not on the branch.
    fn is_elsewhere(&self) -> Result<bool> {
        match self.dentry.own_inode() {
            None => Ok(false),
            Some(inode) => {
                let stack = inode.data().stack()?;
                let on_branch = stack.top().branch.id() == self.layer.branch.id();
                if on_branch && inode.data().has_names_below() {
                    let instance = inode.sb().data();
                    return Ok(!instance.cred.scope(|| self.layer.has(self.name))?);
                }
                Ok(!on_branch)
            }
        }
    }
}

/// `->rename`.
pub(crate) fn rename(idmap: &Idmap, rename: Rename<'_, Union>) -> Result {
    check(&rename)?;
    let exchange = rename.flags() & EXCHANGE != 0;
    let instance = rename.old().sb().data();
    let old_name = rename.old_dir().name_of(rename.old())?;
    let new_name = rename.new_dir().name_of(rename.new_name())?;
    let source = rename.old().positive()?;
    let victim = rename.new_name().own_inode();
    let (branch, _sealed) = bring_together(&rename, new_name)?;

    // From here on nobody copies up what is replaced, nor gives it its name back.
    let mut state = match victim.filter(|_| !exchange) {
        Some(victim) => Some(victim.data().lock_state_killable()?),
        None => None,
    };
    let victim_stack = match victim {
        Some(victim) => Some(victim.data().stack()?),
        None => None,
    };
    let meaning = match victim_stack.as_deref() {
        Some(stack) => Meaning::Object(stack),
        None => Meaning::Nothing,
    };
    let new_parent = rename.new_dir().parent_of(rename.new_name())?;
    let obstacles = Obstacles::find(new_parent, &branch, new_name, meaning)?;
    if !obstacles.is_empty() && source.is_dir() && victim.is_some() {
        return Err(EXDEV);
    }
    let old = Side::new(rename.old(), rename.old_dir(), old_name, &branch, true)?;
    // What is below the new name is hidden by what comes there, unless that is merged with it.
    let asks = source.is_dir() || exchange;
    let new = Side::new(rename.new_name(), rename.new_dir(), new_name, &branch, asks)?;
    if old.is_elsewhere()? {
        return Err(ESTALE);
    }

    // If it is above the branch, it is removed there.
    let victim_on_branch = !new.is_elsewhere()? || !obstacles.is_empty();
    let replaced = match victim.filter(|_| !exchange) {
        Some(victim) if victim.is_dir() => Some(Replaced::Directory(victim)),
        Some(victim) => Some(Replaced::Object(Unlinking::prepare(
            victim,
            victim_on_branch,
        )?)),
        None => None,
    };

    // What is left at the old name belongs to who renames.
    let left = match rename.flags() & WHITEOUT != 0 {
        true => Some(
            instance
                .cred
                .for_new(idmap, old.dir, &rename.left_name(), DEVICE)?,
        ),
        false => None,
    };
    let ours = (old.dir.data().own_change(), new.dir.data().own_change());
    // Whoever looks a name up again must not take the moment in between for a loss.
    let _moving = source.data().moving();
    let _other = victim.filter(|_| exchange).map(|v| v.data().moving());
    if let Some((victim, state)) = victim.zip(state.as_deref()) {
        keep_victim(victim, state, &new, &obstacles)?;
    }
    let rest = (rename.flags(), left.as_ref());
    move_names(&old, &new, state.as_deref_mut(), &obstacles, rest)?;
    let mut brought = Ok(());
    if let Some((state, replaced)) = state.as_deref().zip(replaced) {
        // Whoever waits to copy it up sees that it has no name.
        rename.new_name().drop_from_cache();
        brought = replaced.done(state);
    }
    drop(state);
    for side in [&old, &new] {
        changed_on(side.dir, &side.layer);
    }
    // It has happened: what cannot be brought up to date now will be, at the next look.
    if bring_up_to_date(source, &old, &new).and(brought).is_err() {
        pr_warn_once!("the attributes of what was renamed are out of date\n");
    }
    drop(ours);
    rename.moved();
    Ok(())
}

/// What is refused before anything is done.
fn check(rename: &Rename<'_, Union>) -> Result {
    if rename.flags() & !(EXCHANGE | NOREPLACE | WHITEOUT) != 0 {
        return Err(EINVAL);
    }
    names::check_creatable(rename.new_dir().name_of(rename.new_name())?)?;
    if rename.flags() & EXCHANGE != 0 {
        return Ok(());
    }
    let victim = rename.new_name().own_inode();
    if let Some(victim) = victim.filter(|victim| victim.is_dir()) {
        let stack = victim.data().stack()?;
        let cred = &victim.sb().data().cred;
        if !cred.scope(|| merge::is_empty(&stack))? {
            return Err(ENOTEMPTY);
        }
    }
    Ok(())
}

/// Makes sure that both directories, and all of what is renamed between them, are on one writable branch. Returns
/// that, and the seals that keep it so.
fn bring_together(
    rename: &Rename<'_, Union>,
    new_name: &Name,
) -> Result<(Arc<Branch>, [Sealed; 2])> {
    let (branch, sealed) = copy_all_up(rename, rename.old())?;
    let mut sealed_too = Sealed::None;
    if rename.flags() & EXCHANGE != 0 {
        let (other, sealed) = copy_all_up(rename, rename.new_name())?;
        if other.id() != branch.id() {
            return Err(EXDEV);
        }
        sealed_too = sealed;
    }
    let new_parent = rename.new_dir().parent_of(rename.new_name())?;
    // Before anything is made; what matters is what is found below.
    Obstacles::find(new_parent, &branch, new_name, Meaning::Unknown)?;
    copy_up::ensure_dir(rename.old_dir().parent_of(rename.old())?, &branch)?;
    copy_up::ensure_dir(new_parent, &branch)?;
    Ok((branch, [sealed, sealed_too]))
}

/// The name that `victim`, which is locked by `state`, is about to lose may be the last one that it has: on the
/// branch, or on one above, where it is one of the `obstacles`.
fn keep_victim(
    victim: &OwnInode<Union>,
    state: &State,
    new: &Side<'_>,
    obstacles: &Obstacles,
) -> Result {
    if victim.is_dir() {
        return Ok(());
    }
    let stack = victim.data().stack()?;
    let top = &stack.top().branch;
    let loses_name = match top.id() == new.layer.branch.id() {
        true => !new.is_elsewhere()?,
        false => !obstacles.is_empty() && top.is_writable(),
    };
    if !loses_name {
        return Ok(());
    }
    let access = top.mnt().want_write()?;
    let cred = &victim.sb().data().cred;
    cred.scope(|| links::keep_object(&access, victim, state, &stack))
}

/// The rename itself: on the branch, and then of what is in the way above it. If that cannot go, all is as it was.
fn move_names(
    old: &Side<'_>,
    new: &Side<'_>,
    replaced: Option<&mut State>,
    obstacles: &Obstacles,
    (flags, left): (u32, Option<&Cred>),
) -> Result {
    let cred = &old.dir.sb().data().cred;
    let branch = &old.layer.branch;
    cred.scope(|| {
        let access = branch.mnt().want_write()?;
        // Nobody has changed them if this fails.
        let times = match obstacles.is_empty() {
            true => None,
            false => Some([DirTimes::of(&old.layer)?, DirTimes::of(&new.layer)?]),
        };
        let keep_times = |access: &WriteAccess<'_>| {
            for times in times.iter().flatten() {
                times.restore(access);
            }
        };
        let room = obstacles.make_room(&access, &new.layer, new.name)?;
        let is_whited_out = rename_on_branch(&access, old, new, replaced, (flags, left))
            .inspect_err(|&e| {
                room.restore(&access, &new.layer, new.name);
                if flags & EXCHANGE != 0 || left.is_some() || old.layer.may_have_lost(old.name, e) {
                    // What they mean is to be found out.
                    old.dentry.drop_from_cache();
                    new.dentry.drop_from_cache();
                }
                keep_times(&access);
            })?;
        drop(access);
        if !obstacles.is_empty() {
            obstacles.clear(&new.layer, new.name).inspect_err(|_| {
                restore(old, new, &room, (is_whited_out, left.is_some()));
                if let Ok(access) = branch.mnt().want_write() {
                    keep_times(&access);
                }
            })?;
            room.keep(&new.layer);
        }
        Ok(())
    })
}

/// What had the new name.
enum Replaced<'a> {
    Directory(&'a OwnInode<Union>),
    Object(Unlinking<'a>),
}

impl Replaced<'_> {
    /// Something else has its name.
    fn done(self, locked: &State) -> Result {
        match self {
            Self::Directory(victim) => {
                victim.set_nlink(0);
                Ok(())
            }
            Self::Object(unlinking) => unlinking.done(locked),
        }
    }
}

/// What the rename on the branch has changed is as before: it has whited the old name out if `is_whited_out`,
/// and left a device there if `has_left`. What hides the new name cannot be removed.
fn restore(old: &Side<'_>, new: &Side<'_>, room: &Room, (is_whited_out, has_left): (bool, bool)) {
    let restored = new.layer.branch.mnt().want_write().and_then(|access| {
        let (from, to) = (&new.layer.dentry, &old.layer.dentry);
        let mut is_whited_out = is_whited_out;
        if has_left {
            // The device hides what is below.
            is_whited_out = old.below && hide::create(&access, &old.layer, old.name)?;
            let removing = Removing::start(&access, to, old.name)?;
            let left = removing.dentry().inode();
            if !left.is_some_and(Inode::is_whiteout_device) {
                return Err(EEXIST);
            }
            removing.unlink()?;
        }
        // Without flags, which not every filesystem knows: the name is locked.
        let renaming = Renaming::start(&access, from, new.name, to, old.name, 0)?;
        if renaming.target().is_positive() {
            return Err(EEXIST);
        }
        renaming.commit()?;
        room.restore(&access, &new.layer, new.name);
        if is_whited_out && hide::remove(&access, &old.layer, old.name).is_err() {
            pr_warn_once!("a needless whiteout is left\n");
        }
        Ok(())
    });
    if restored.is_ok() {
        // The new name was written out: after a crash, the object would be hidden under that.
        let written = (old.layer.write_out_names()).and(new.layer.write_out_names());
        if written.is_err() {
            pr_warn_once!("what was not renamed may be after a crash\n");
        }
    } else {
        // What they mean is to be found out.
        old.dentry.drop_from_cache();
        new.dentry.drop_from_cache();
        pr_warn!(
            "branch '{}': what could not be renamed is under its new name, and hidden\n",
            new.layer.branch.name()
        );
    }
}

/// Brings the inodes up to date after a rename on the branch.
fn bring_up_to_date(source: &OwnInode<Union>, old: &Side<'_>, new: &Side<'_>) -> Result {
    copy_attr(source)?;
    changed(old.dir)?;
    if !core::ptr::eq(old.dir, new.dir) {
        changed(new.dir)?;
    }
    Ok(())
}

/// Makes sure that all of the object is on a writable branch, and nothing of it is below: returns
/// the branch, and the seals that keep it so.
///
/// `dentry` is one of the two that are renamed.
fn copy_all_up(
    rename: &Rename<'_, Union>,
    dentry: &OwnDentry<Union>,
) -> Result<(Arc<Branch>, Sealed)> {
    let inode = dentry.positive()?;
    let layer = copy_up::ensure_name(dentry)?;
    let seals = match inode.is_dir() {
        true => Some(tree_up::copy(dentry, &layer, &rename.locks_below(dentry))?),
        false => None,
    };
    Ok((layer.branch.clone(), seals))
}

/// The rename on the branch. What is replaced is locked by `replaced`; `left` are the credentials to
/// make with what `flags` have left at the old name. Returns whether the old name was whited out for
/// this.
fn rename_on_branch(
    access: &WriteAccess<'_>,
    old: &Side<'_>,
    new: &Side<'_>,
    replaced: Option<&mut State>,
    (flags, left): (u32, Option<&Cred>),
) -> Result<bool> {
    let branch = &old.layer.branch;
    // A directory must not be merged with what is below its new name.
    let opaque = |side: &Side<'_>, at: &Side<'_>| -> Result {
        match side.dentry.own_inode() {
            Some(inode) if inode.is_dir() => {
                let hidden = at.below || whiteout::exists(&at.layer, at.name)?;
                let stack = inode.data().stack()?;
                if hidden && stack.top().branch.id() == branch.id() {
                    hide::make_opaque(access, branch, &stack.top().dentry)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    };
    opaque(old, new)?;
    if flags & EXCHANGE != 0 {
        opaque(new, old)?;
        swap(access, old, new, EXCHANGE)?;
        return Ok(false);
    }

    let whites_out = old.below && flags & WHITEOUT == 0;
    // One that was there before hides what a directory that is not opaque would be merged with.
    let whiteout = whites_out
        .then(|| Tentative::create(access, &old.layer, old.name))
        .transpose()?;
    let take_back_whiteout = |e: Error| {
        if let Some(whiteout) = &whiteout {
            whiteout.take_back(access, e);
        }
        e
    };
    if whites_out {
        write_out_names(&old.layer).map_err(take_back_whiteout)?;
    }
    let replaced_dir = new.dentry.own_inode().filter(|inode| inode.is_dir());
    if let Some((inode, state)) = replaced_dir.zip(replaced) {
        if !new.is_elsewhere()? {
            // What is left in an empty directory of the union is whiteouts, which the branch's rename
            // would stumble over.
            clear_whiteouts(access, inode, state, new).map_err(take_back_whiteout)?;
        }
    }
    let swapped = || swap(access, old, new, flags & WHITEOUT);
    left.map_or_else(swapped, |cred| cred.scope(swapped))
        .map_err(take_back_whiteout)?;
    // From here on the new state shows.
    let left_something = flags & WHITEOUT != 0 && old.below;
    if left_something && write_out_names(&old.layer).is_err() {
        pr_warn_once!("what a renamed object has left may be missing after a crash\n");
    }
    if hide::remove(access, &new.layer, new.name).is_err() {
        pr_warn_once!("a needless whiteout is left\n");
    }
    Ok(whiteout.is_some_and(|whiteout| whiteout.is_new()))
}

/// Has the whiteout of an old name on the disk before the object has its new one, where [`NAMES_BY_OBJECT`] says so.
fn write_out_names(dir: &Layer) -> Result {
    let fs = dir.branch.mnt().super_block().type_name();
    if !NAMES_BY_OBJECT.contains(&fs.to_bytes()) {
        return Ok(());
    }
    dir.write_out_names()
}

/// Removes the whiteouts in the directory `inode`, which is about to be replaced. If it is not after
/// all, it is as empty as it was.
fn clear_whiteouts(
    access: &WriteAccess<'_>,
    inode: &OwnInode<Union>,
    state: &mut State,
    new: &Side<'_>,
) -> Result {
    let stack = inode.data().stack()?;
    let times = [DirTimes::of(stack.top())?, DirTimes::of(&new.layer)?];
    // What the directory hid must not show, neither while it is replaced nor if that fails.
    if stack.layers.len() > 1 {
        hide::make_opaque(access, &new.layer.branch, &stack.top().dentry)?;
        detach(inode, state, stack.top())?;
    }
    if stack.layers.len() > 1 || new.below {
        // The mark of an opaque one goes with the whiteouts in it.
        let _stays = hide::create(access, &new.layer, new.name)?;
    }
    let cleared = work::clear_reserved(access, &new.layer.branch, &stack.top().dentry);
    for times in times {
        times.restore(access);
    }
    cleared
}

fn swap(access: &WriteAccess<'_>, old: &Side<'_>, new: &Side<'_>, flags: u32) -> Result {
    let (from, to) = (&old.layer, &new.layer.dentry);
    let source = old.stack()?;
    let replaced = new.stack()?;
    let known = source
        .as_ref()
        .map(|stack| stack.top())
        .filter(|top| top.branch.id() == from.branch.id());
    let renaming = match known {
        Some(top) => {
            let at = (&*from.dentry, &*top.dentry);
            Renaming::start_known(access, at, old.name, to, new.name, flags)?
        }
        None => Renaming::start(access, &from.dentry, old.name, to, new.name, flags)?,
    };
    let is = |side: &Side<'_>, stack: Option<&Stack>, real: &Dentry| {
        let Some((inode, stack)) = side.dentry.own_inode().zip(stack) else {
            return !real.is_positive();
        };
        let top = stack.top();
        let below = inode.data().has_names_below();
        if top.branch.id() != from.branch.id() || below && !real.is_positive() {
            return !real.is_positive();
        }
        real.inode()
            .is_some_and(|r| top.inode().is_ok_and(|t| core::ptr::eq(r, t)))
    };
    if !is(old, source.as_deref(), renaming.source())
        || !is(new, replaced.as_deref(), renaming.target())
    {
        return Err(ESTALE);
    }
    renaming.commit()
}
