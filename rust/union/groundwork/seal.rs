// SPDX-License-Identifier: GPL-2.0

//! Keeping a directory that is being renamed on one branch.
//!
//! With several writable branches, anything that is made or changed in a directory may bring it to
//! another one of them. While the directory is renamed on its own, that would be left behind, under
//! the old name.

use crate::{
    union::{
        branch::branch::Branch,
        object::instance::{Instance, Union},
    },
    vfs::{
        own::{dentry::OwnDentry, inode::OwnInode},
        sync::load::Load,
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Full},
        Arc,
    },
};

/// A directory that does not come to be on any more branches for as long as this lives.
pub(crate) struct Seal(ARef<OwnInode<Union>>);

impl Seal {
    /// Seals a directory. Who is copying it up is waited for, as that is done under the
    /// `Node::state` that this takes. `EINTR` if the task is killed meanwhile.
    pub(crate) fn new(dir: &OwnInode<Union>) -> Result<Self> {
        let seals = &dir.sb().data().seals;
        seals.fetch_add(1, Full);
        let state = dir.data().lock_state_killable().inspect_err(|_| {
            seals.fetch_sub(1, Full);
        })?;
        dir.data().seals.fetch_add(1, Full);
        drop(state);
        Ok(Self(dir.into()))
    }
}

impl Drop for Seal {
    fn drop(&mut self) {
        self.0.data().seals.fetch_sub(1, Full);
        self.0.sb().data().seals.fetch_sub(1, Full);
    }
}

/// Whether `dir` is sealed. For whoever has its `Node::state` the answer holds for as long.
pub(crate) fn is_sealed(dir: &OwnInode<Union>) -> bool {
    dir.data().seals.load(Acquire) != 0
}

/// The branch that what is made in the directory `dir` has to go to, if `dir` or a directory above
/// is sealed. What is on a branch that somebody else chooses in between is noticed by whoever seals,
/// or is refused by the copy-up of the directory.
pub(crate) fn branch(instance: &Instance, dir: &OwnDentry<Union>) -> Result<Option<Arc<Branch>>> {
    if instance.seals.load_acquire() == 0 {
        return Ok(None);
    }
    let mut at: ARef<OwnDentry<Union>> = dir.into();
    while !at.is_root() {
        let inode = at.positive()?;
        if is_sealed(inode) {
            let stack = inode.data().stack()?;
            return Ok(Some(stack.top().branch.clone()));
        }
        at = at.parent_entry();
    }
    Ok(None)
}
