// SPDX-License-Identifier: GPL-2.0

//! The operations of dentries: whether a name still means what it did.

use crate::{
    union::{
        find::refresh,
        object::{instance::Union, node::copy_attr},
    },
    vfs::{
        object::{dentry::Dentry, glimpse::Glimpse},
        ops::dentry_ops::{Operations, Real, Revalidate},
        own::dentry::OwnDentry,
        sync::rcu::Reading,
    },
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, rcu},
};

/// The dentry operations.
pub(crate) struct Revalidation;

#[vtable]
impl Operations for Revalidation {
    type Fs = Union;

    #[inline]
    fn revalidate(call: Revalidate<'_, Union>) -> Result<bool> {
        let (dentry, dir) = call.seen();
        let instance = dentry.sb().data();
        let is_repeated = matches!(call, Revalidate::Again(..));
        if !is_repeated && dentry.stamp() == dir.data().stamp(instance.generation()) {
            if !instance.looks_at_branches() {
                return Ok(true);
            }
            let seen = match &call {
                Revalidate::Rcu(.., reading) => look(dentry, *reading),
                Revalidate::Ref(..) | Revalidate::Again(..) => {
                    look(dentry, Reading::from(&rcu::read_lock()))
                }
            };
            match (seen, &call) {
                (Seen::Same, _) => return Ok(true),
                (Seen::OtherMode, Revalidate::Ref(dentry, _)) => {
                    if copy_attr(dentry.positive()?).is_ok() {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        match call {
            Revalidate::Rcu(..) => Err(ECHILD),
            Revalidate::Ref(dentry, _) | Revalidate::Again(dentry, _) => {
                refresh::look_again(dentry)
            }
        }
    }

    fn real(dentry: &OwnDentry<Union>, _what: Real) -> Option<ARef<Dentry>> {
        let stack = dentry.own_inode()?.data().stack().ok()?;
        Some(stack.top().dentry.clone())
    }
}

/// What a look at the object that a dentry shows has found.
enum Seen {
    /// It is where it was found, and as it was.
    Same,
    /// It is there, but somebody else may do something with it now.
    OtherMode,
    /// It is gone.
    Other,
}

/// Looks whether the object that `dentry` shows is still where it was found.
#[inline]
fn look(dentry: Glimpse<'_, OwnDentry<Union>>, reading: Reading<'_>) -> Seen {
    let Some(inode) = dentry.own_inode() else {
        return Seen::Same;
    };
    match inode.data().top_rcu(reading) {
        Some(top) if top.is_current() => match top.inode() {
            Some(real) if inode.has_mode_of(real) => Seen::Same,
            Some(_) => Seen::OtherMode,
            None => Seen::Other,
        },
        _ => Seen::Other,
    }
}
