// SPDX-License-Identifier: GPL-2.0

//! What is in the way of a name on a lower writable branch.
//!
//! A rename or a link happens on the branch of the object. On branches above, a file or a whiteout
//! may have the new name; it is taken away once the name is there: until then the old state shows,
//! and from then on the new one.

use super::{entry, policy};
use crate::{
    union::{
        branches::{branch::Branch, work::Aside},
        find::whiteout,
        object::{
            few::Layers,
            instance::Union,
            stack::{Layer, Stack},
        },
    },
    vfs::{
        dentry::DEntry,
        errno::ESTALE,
        inode::Inode,
        mount::WriteAccess,
        name::Name,
        namei::{self, Removing},
    },
};
use kernel::{pr_warn_once, prelude::*};

/// The directories above a branch in which a name means something, topmost first.
pub(crate) struct Obstacles {
    layers: Layers,
}

impl Obstacles {
    /// What is in the way of `name` on `branch` in the directory `parent`, where it means `victim`
    /// now. `EXDEV` if it cannot be taken away, so that the name would never show there.
    pub(crate) fn find(
        parent: &DEntry<Union>,
        branch: &Branch,
        name: &Name,
        victim: Option<&Stack>,
    ) -> Result<Self> {
        let mut layers = Layers::new();
        let instance = parent.sb().data();
        let stack = parent.positive()?.data().stack()?;
        if stack.top().branch.id() == branch.id() {
            return Ok(Self { layers });
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
        for layer in stack.layers.iter().filter(is_above) {
            let found = instance
                .cred
                .scope(|| namei::lookup(layer.branch.mnt(), &layer.dentry, name))?;
            let whited = layer.branch.has_whiteouts()
                && instance.cred.scope(|| whiteout::exists(layer, name))?;
            if let Some(dentry) = &found {
                if !layer.branch.is_writable() || dentry.inode().is_some_and(Inode::is_dir) {
                    return Err(EXDEV);
                }
                // The first one is what shows.
                let seen = victim.filter(|_| layers.is_empty());
                if let Some(victim) = seen {
                    let real = dentry.inode().ok_or(ESTALE)?;
                    if !core::ptr::eq(real, victim.top().inode()?) {
                        return Err(ESTALE);
                    }
                }
            }
            if whited && !layer.branch.is_writable() {
                return Err(EXDEV);
            }
            if found.is_some() || whited {
                layers.push(layer.clone())?;
            }
        }
        Ok(Self { layers })
    }

    /// Whether nothing is in the way.
    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
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
            Some(_) => {
                let aside = Aside::put(access, &layer.branch, &layer.dentry, name)?;
                Ok(Room(Some(aside)))
            }
        }
    }

    /// Takes everything away, from below: the last one is what hides the name. With the mounter's
    /// credentials.
    pub(crate) fn clear(&self, name: &Name) -> Result {
        for layer in self.layers.iter().rev() {
            let access = layer.branch.mnt().want_write()?;
            // In this order, or a whiteout would show for a moment.
            whiteout::remove(&access, layer, name)?;
            if entry::has_name(layer, name)? {
                Removing::start(&access, &layer.dentry, name)?.unlink()?;
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
    /// The name is not needed after all, and free again.
    pub(crate) fn give_back(&self, access: &WriteAccess<'_>, layer: &Layer, name: &Name) {
        if let Some(aside) = &self.0 {
            if aside.restore(access, &layer.dentry, name).is_err() {
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
            if access.and_then(|access| aside.remove(&access)).is_err() {
                pr_warn_once!("a hidden file is left in the work directory\n");
            }
        }
    }
}
