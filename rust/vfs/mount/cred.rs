// SPDX-License-Identifier: GPL-2.0

//! Acting with the credentials of somebody else.
//!
//! Those that an object of ours is made with are in `own::new_name`.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use crate::bindings;
use core::ptr::NonNull;
use kernel::{cred::Credential, prelude::*, sync::aref::ARef};

/// Credentials that the current task can put on for a while.
pub(crate) struct Cred(ARef<Credential>);

impl Cred {
    /// Those of the current task without the right to go beyond limits of resources: neither disk
    /// quota nor what a filesystem reserves for the administrator is what somebody gets whom they are
    /// put on for. `ENOMEM`.
    pub(crate) fn current_within_limits() -> Result<Self> {
        // SAFETY: No requirements; it copies the current credentials.
        let new = unsafe { bindings::prepare_creds() };
        if new.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `prepare_creds` returned a count that is ours, and nobody else has the copy yet.
        Ok(unsafe {
            (*new).cap_effective.val &= !(1 << bindings::CAP_SYS_RESOURCE);
            Self::from_owned(new)
        })
    }

    /// # Safety
    ///
    /// `ptr` is valid and the caller owns a count, which this takes over.
    pub(in crate::vfs) unsafe fn from_owned(ptr: *mut bindings::cred) -> Self {
        // SAFETY: By the contract of this function. `Credential` is transparent over `struct cred`.
        Self(unsafe { ARef::from_raw(NonNull::new_unchecked(ptr.cast::<Credential>())) })
    }

    pub(in crate::vfs) fn as_ptr(&self) -> *const bindings::cred {
        self.0.as_ptr()
    }

    /// Runs `f` with these credentials. They are put off again before this returns; as `f` cannot
    /// leave anything behind, scopes nest.
    #[inline(always)]
    pub(crate) fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: The credentials stay alive during the scope, which `self` outlives.
        let old = unsafe { bindings::override_creds(self.as_ptr()) };
        let result = f();
        // SAFETY: `old` is what the task had, whose count it still holds; `f` restored ours.
        unsafe { bindings::revert_creds(old) };
        result
    }
}
