// SPDX-License-Identifier: GPL-2.0

//! What is in the way of a name on a lower writable branch.
//!
//! A rename or a link happens on the branch of the object. On branches above, a file or a whiteout
//! may have the new name; it is taken away once the name is there: until then the old state shows,
//! and from then on the new one.

use crate::{
    union::{
        branch::{branch::Branch, work::Aside},
        find::whiteout,
        groundwork::{hide, policy},
        object::{
            instance::Union,
            stack::{Layer, Stack},
        },
    },
    vfs::{
        below::namei::{self, Removing},
        mount::write_access::WriteAccess,
        object::{dentry::Dentry, inode::Inode},
        own::dentry::OwnDentry,
        value::{errno::ESTALE, name::Name},
    },
};
use kernel::{pr_warn_once, prelude::*, sync::aref::ARef};

/// What a name means in the union, as far as the caller knows.
#[derive(Clone, Copy)]
pub(crate) enum Meaning<'a> {
    /// That is found out later.
    Unknown,
    /// Nothing: it is free.
    Nothing,
    /// An object.
    Object(&'a Stack),
}

/// What has the name in one of the directories.
struct Obstacle {
    /// None: only a whiteout does. Dropped first: the layer keeps the branch, and that what is on it.
    found: Option<ARef<Dentry>>,
    dir: Layer,
}

/// What is in the way above a branch, topmost first.
pub(crate) struct Obstacles {
    all: KVec<Obstacle>,
}

impl Obstacles {
    /// What is in the way of `name` on `branch` in the directory `parent`. `EXDEV` if it cannot be taken
    /// away, so that the name would never show there; `ESTALE` if the name means something else by now
    /// than its `meaning`: what somebody has put there past the union is not to be lost.
    pub(crate) fn find(
        parent: &OwnDentry<Union>,
        branch: &Branch,
        name: &Name,
        meaning: Meaning<'_>,
    ) -> Result<Self> {
        let mut all = KVec::new();
        let instance = parent.sb().data();
        let stack = parent.positive()?.data().stack()?;
        if stack.top().branch.id() == branch.id() {
            return Ok(Self { all });
        }
        let table = instance.table()?;
        let index = table.index_of(branch.id()).ok_or(ESTALE)?;
        let is_above = |layer: &&Layer| {
            let at = table.index_of(layer.branch.id());
            at.is_some_and(|at| at < index)
        };
        if stack.on(branch).is_none() && policy::reach(instance, &table, parent)? < index {
            return Err(EXDEV);
        }
        // What is found first is what shows.
        let mut is_hidden = false;
        for layer in stack.layers.iter().filter(is_above) {
            let found = instance
                .cred
                .scope(|| namei::lookup(layer.branch.mnt(), &layer.dentry, name))?;
            let whited = layer.branch.obeys_whiteouts()
                && instance.cred.scope(|| whiteout::exists(layer, name))?;
            if let Some(dentry) = &found {
                if !layer.branch.is_writable() || dentry.inode().is_some_and(Inode::is_dir) {
                    return Err(EXDEV);
                }
                let is_meant = match meaning {
                    Meaning::Unknown => true,
                    Meaning::Nothing => is_hidden,
                    Meaning::Object(stack) => is_hidden || dentry.has_inode_of(&stack.top().dentry),
                };
                if !is_meant {
                    return Err(ESTALE);
                }
            }
            if whited && !layer.branch.is_writable() {
                return Err(EXDEV);
            }
            if found.is_some() || whited {
                is_hidden = true;
                let dir = layer.clone();
                all.push(Obstacle { dir, found }, GFP_KERNEL)?;
            }
        }
        Ok(Self { all })
    }

    /// Whether nothing is in the way.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Makes room for `name` on the branch itself, in `layer`: what is there is hidden. `EXDEV` for
    /// a directory, which may have more in it than can go. With the mounter's credentials.
    pub(crate) fn make_room(
        &self,
        access: &WriteAccess<'_>,
        layer: &Layer,
        name: &Name,
    ) -> Result<Room> {
        if self.is_empty() {
            return Ok(Room(None));
        }
        match namei::lookup(layer.branch.mnt(), &layer.dentry, name)? {
            None => Ok(Room(None)),
            Some(dentry) if dentry.inode().is_some_and(Inode::is_dir) => Err(EXDEV),
            Some(known) => {
                let aside = Aside::put(access, &layer.branch, &layer.dentry, name, &known)?;
                Ok(Room(Some(aside)))
            }
        }
    }

    /// Takes everything away, from below: the last one is what hides the name, which `layer` has now. With the mounter's
    /// credentials. `ESTALE` if somebody has put something else there, which stays.
    ///
    /// The disks of two branches know of no order: what the name meant goes when what it is to mean is there for good,
    /// and is gone for good by the end.
    pub(crate) fn clear(&self, layer: &Layer, name: &Name) -> Result {
        layer.write_out_names()?;
        for Obstacle { dir, found } in self.all.iter().rev() {
            let access = dir.branch.mnt().want_write()?;
            // In this order, or a whiteout would show for a moment.
            hide::remove(&access, dir, name)?;
            if !dir.has(name)? {
                continue;
            }
            let known = found.as_ref().ok_or(ESTALE)?;
            let removing = Removing::start(&access, &dir.dentry, name)?;
            if !removing.dentry().has_inode_of(known) {
                return Err(ESTALE);
            }
            removing.unlink()?;
        }
        for Obstacle { dir, .. } in &self.all {
            if dir.write_out_names().is_err() {
                pr_warn_once!("what was in the way of a name may be so again after a crash\n");
            }
        }
        Ok(())
    }
}

/// Room that was made for a name. What was there is kept until nothing can fail any more: it is hidden
/// now, but shows when the branch that hides it goes.
#[must_use]
pub(crate) struct Room(Option<Aside>);

impl Room {
    /// The name is not needed after all: what had it has it again.
    pub(crate) fn restore(&self, access: &WriteAccess<'_>, layer: &Layer, name: &Name) {
        if let Some(aside) = &self.0 {
            if aside
                .restore(access, &layer.branch, &layer.dentry, name)
                .is_err()
            {
                pr_warn!(
                    "branch '{}': a hidden file stays in the work directory\n",
                    layer.branch.name()
                );
            }
        }
    }

    /// The name has another meaning now. The next mount sweeps what cannot be removed.
    pub(crate) fn keep(self, layer: &Layer) {
        if let Some(aside) = self.0 {
            let access = layer.branch.mnt().want_write();
            if access
                .and_then(|access| aside.remove(&access, &layer.branch))
                .is_err()
            {
                pr_warn_once!("a hidden file is left in the work directory\n");
            }
        }
    }
}
