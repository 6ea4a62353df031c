// SPDX-License-Identifier: GPL-2.0

//! A dentry that RCU walks may look at.

use super::{dentry::Dentry, glimpse::Glimpse};
use crate::{
    bindings,
    vfs::sync::{load::Load, rcu::Reading},
};
use kernel::sync::{
    aref::ARef,
    atomic::{Atomic, Full},
};

/// A counted dentry that RCU walks may look at.
///
/// # Invariants
///
/// The pointer is null or a dentry of which this owns a count, and whose memory is freed a grace
/// period after its last count has gone.
pub(crate) struct Published(Atomic<*mut bindings::dentry>);

// SAFETY: As for `Dentry`; the pointer is only accessed atomically.
unsafe impl Send for Published {}
// SAFETY: As above.
unsafe impl Sync for Published {}

impl Published {
    /// Publishes a dentry.
    pub(crate) fn new(dentry: ARef<Dentry>) -> Self {
        // INVARIANT: The count moves here.
        Self(Atomic::new(Self::raw(Some(dentry))))
    }

    /// What is kept of `dentry`, with its count.
    fn raw(dentry: Option<ARef<Dentry>>) -> *mut bindings::dentry {
        match dentry {
            Some(dentry) if dentry.is_freed_by_rcu() => ARef::into_raw(dentry).as_ptr().cast(),
            // One of a pipe or socket, say, is nothing to an RCU walk.
            _ => core::ptr::null_mut(),
        }
    }

    /// Publishes another dentry, or none; gives up the old one at once. May sleep.
    pub(crate) fn replace(&self, dentry: Option<ARef<Dentry>>) {
        let raw = Self::raw(dentry);
        // INVARIANT: The new count moves here, the old one goes with the temporary.
        let old = self.0.xchg(raw, Full);
        if !old.is_null() {
            // SAFETY: By the type invariant we owned a count of the old dentry.
            drop(unsafe { Dentry::from_raw_owned(old) });
        }
    }

    /// Whether `dentry` is what is published. The addresses are compared and nothing else: nobody else
    /// has that of a dentry that the caller holds.
    pub(crate) fn is(&self, dentry: &Dentry) -> bool {
        core::ptr::eq(self.0.load_acquire(), dentry.as_ptr())
    }

    /// Looks at the dentry. What a dentry names may change at any time, as in any RCU walk.
    pub(crate) fn read<'a>(&'a self, _reading: Reading<'a>) -> Option<Glimpse<'a, Dentry>> {
        let dentry = self.0.load_acquire();
        // SAFETY: By the type invariant, as the dentry was counted when it was loaded, within the
        // read-side critical section of `_reading`.
        (!dentry.is_null()).then(|| Glimpse::from(unsafe { Dentry::from_raw(dentry) }))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.replace(None);
    }
}
