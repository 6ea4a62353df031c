// SPDX-License-Identifier: GPL-2.0

//! Who may do what with a directory that is on several writable branches.
//!
//! What is made in it may go to any of them, and the branch decides by its own directory which group
//! that gets, and which ACL. So they are changed together, or not at all.

use crate::{
    union::{
        branch::branch::Branch,
        copy::{copy_up, data::Data},
        object::{
            instance::Union,
            stack::{HeldLayer, Layer, Stack},
        },
        text::options::Attributes,
    },
    vfs::{
        attr::{
            acl::{Acl, AclType},
            attr::Attr,
            stat::Stat,
        },
        mount::write_access::WriteAccess,
        object::dentry::Dentry,
        own::{dentry::OwnDentry, inode::OwnInode},
        value::errno::EOPNOTSUPP,
    },
};
use kernel::{pr_warn, prelude::*};

/// What is to change.
#[derive(Clone, Copy)]
pub(crate) enum RightsChange<'a> {
    /// Owner, group or permission bits.
    Attr(Attr),
    /// An ACL, or that there is none.
    Acl(Option<&'a Acl>, AclType),
}

impl RightsChange<'_> {
    /// Does it to `dentry`.
    pub(crate) fn apply(self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        match self {
            Self::Attr(attr) => attr.apply(access, dentry),
            Self::Acl(acl, acl_type) => Acl::set(access, dentry, acl, acl_type),
        }
    }

    /// Whether a copy on `branch` may do without, where that cannot have it. Not an ACL for access, which
    /// changes the permission bits, too.
    fn may_be_lost_by(self, branch: &Branch) -> bool {
        let attributes = branch.permission().attributes;
        matches!(self, Self::Acl(_, AclType::Default)) && attributes.has(Attributes::LOSE_SYSTEM)
    }
}

/// What a layer had before a change.
struct Before<'a> {
    layer: &'a Layer,
    rights: Attr,
    acl: Option<(Option<Acl>, AclType)>,
}

impl<'a> Before<'a> {
    fn of(layer: &'a Layer, change: RightsChange<'_>) -> Result<Self> {
        let path = layer.path();
        let stat = Stat::of(path)?;
        let acl = match change {
            RightsChange::Attr(_) => None,
            RightsChange::Acl(_, acl_type) => {
                let acl = Acl::get(path, acl_type)?;
                // It is set with the ids of the mount.
                let acl = acl.map(|acl| acl.through(path.idmap())).transpose()?;
                Some((acl, acl_type))
            }
        };
        Ok(Self {
            layer,
            rights: Attr::owner(&stat).and_mode(stat.mode()),
            acl,
        })
    }

    /// Gives it that back.
    fn restore(&self) {
        let restore = || -> Result {
            let access = self.layer.branch.mnt().want_write()?;
            if let Some((acl, acl_type)) = &self.acl {
                Acl::set(&access, &self.layer.dentry, acl.as_ref(), *acl_type)?;
            }
            self.rights.apply(&access, &self.layer.dentry)
        };
        if let Err(e) = restore() {
            pr_warn!(
                "branch '{}': a directory keeps rights that it has on no other branch ({})\n",
                self.layer.branch.name(),
                e.to_errno()
            );
        }
    }
}

/// Does `change` to the directory `inode` on its writable branches but for that of `top`, where
/// `change_top` does it, last. With the mounter's rights.
pub(crate) fn change_all(
    inode: &OwnInode<Union>,
    top: &Layer,
    change: RightsChange<'_>,
    change_top: impl FnOnce() -> Result,
) -> Result {
    let node = inode.data();
    // A copy of the directory that is under way would have the old rights.
    let _state = node.lock_state_killable()?;
    let stack = node.stack()?;
    let mut done = KVec::new();
    let result = change_others(&stack, top, change, &mut done).and_then(|()| change_top());
    if result.is_err() {
        done.iter().for_each(Before::restore);
    }
    result
}

/// Does `change` to the directory that `dentry` names where it shows, which was at `layer`. Nobody copies it to another
/// branch meanwhile: the copy would have what was there before.
pub(crate) fn change_shown(
    dentry: &OwnDentry<Union>,
    layer: &Layer,
    change: impl FnOnce(&Layer) -> Result,
) -> Result {
    let node = dentry.positive()?.data();
    let mut copied: Option<HeldLayer> = None;
    loop {
        let layer = copied.as_deref().unwrap_or(layer);
        let state = node.lock_state_killable()?;
        if node.stack()?.top().is_same_object(layer) {
            return change(layer);
        }
        drop(state);
        copied = Some(copy_up::ensure_to_change(dentry, Data::All)?);
    }
}

fn change_others<'a>(
    stack: &'a Stack,
    top: &Layer,
    change: RightsChange<'_>,
    done: &mut KVec<Before<'a>>,
) -> Result {
    for layer in &stack.layers {
        if !layer.branch.is_writable() || layer.branch.id() == top.branch.id() {
            continue;
        }
        // It was removed behind our back: nothing is made there.
        let Ok(real) = layer.inode() else {
            continue;
        };
        if matches!(change, RightsChange::Acl(None, _)) && !real.has_posix_acl() {
            // There never was one.
            continue;
        }
        done.reserve(1, GFP_KERNEL)?;
        let before = Before::of(layer, change)?;
        let access = layer.branch.mnt().want_write()?;
        match change.apply(&access, &layer.dentry) {
            // What a copy there would lose, too.
            Err(e) if e == EOPNOTSUPP && change.may_be_lost_by(&layer.branch) => {}
            other => {
                other?;
                done.push(before, GFP_KERNEL)?;
            }
        }
    }
    Ok(())
}
