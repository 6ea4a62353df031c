// SPDX-License-Identifier: GPL-2.0

//! Acting with the credentials of somebody else.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use crate::{bindings, vfs::inode::Inode};
use core::ptr::NonNull;
use kernel::{cred::Credential, prelude::*, sync::aref::ARef};

/// Credentials that the current task can put on for a while.
pub(crate) struct Cred(ARef<Credential>);

impl Cred {
    /// The credentials of the current task, as they are now.
    pub(crate) fn current() -> Self {
        // SAFETY: `get_current_cred` returns the current task's credentials with a count taken.
        unsafe { Self::from_owned(bindings::get_current_cred().cast_mut()) }
    }

    /// # Safety
    ///
    /// `ptr` is valid and the caller owns a count, which this takes over.
    unsafe fn from_owned(ptr: *mut bindings::cred) -> Self {
        // SAFETY: By the contract of this function. `Credential` is transparent over `struct cred`.
        Self(unsafe { ARef::from_raw(NonNull::new_unchecked(ptr.cast::<Credential>())) })
    }

    /// A copy of these credentials in which the filesystem ids are those of `inode`: what is
    /// created with them belongs to `inode`'s owner.
    pub(crate) fn with_owner_of(&self, inode: &Inode) -> Result<Self> {
        self.scope(|| {
            // SAFETY: No requirements; it copies the current credentials, which are ours.
            let new = unsafe { bindings::prepare_creds() };
            if new.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: The copy is not shared yet; `inode` is alive.
            unsafe {
                (*new).fsuid = (*inode.as_ptr()).i_uid;
                (*new).fsgid = (*inode.as_ptr()).i_gid;
            }
            // SAFETY: `prepare_creds` returned a count that is ours.
            Ok(unsafe { Self::from_owned(new) })
        })
    }

    /// Whether files made under these credentials belong to the owner of `inode` as it is.
    pub(crate) fn owns_like(&self, inode: &Inode) -> bool {
        // SAFETY: Both are alive; the ids of published credentials do not change.
        unsafe {
            let cred = self.0.as_ptr();
            (*cred).fsuid.val == (*inode.as_ptr()).i_uid.val
                && (*cred).fsgid.val == (*inode.as_ptr()).i_gid.val
        }
    }

    pub(super) fn as_ptr(&self) -> *const bindings::cred {
        self.0.as_ptr()
    }

    /// Runs `f` with these credentials. They are put off again before this returns; as `f` cannot
    /// leave anything behind, scopes nest.
    pub(crate) fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: The credentials stay alive during the scope, which `self` outlives.
        let old = unsafe { bindings::override_creds(self.as_ptr()) };
        let result = f();
        // SAFETY: `old` is what the task had, whose count it still holds; `f` restored ours.
        unsafe { bindings::revert_creds(old) };
        result
    }
}
