// SPDX-License-Identifier: GPL-2.0

//! Targets of symbolic links.

use crate::bindings;
use kernel::prelude::*;

/// The target of a symbolic link: a C string that lives until the link has been followed.
pub(crate) struct Target(KVec<u8>);

impl Target {
    /// Takes the target's bytes, without the NUL. `ENOMEM`.
    pub(crate) fn new(mut bytes: KVec<u8>) -> Result<Self> {
        bytes.push(0, GFP_KERNEL)?;
        Ok(Self(bytes))
    }

    /// The target. `EIO` if it has a NUL in the middle.
    pub(crate) fn as_c_str(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(&self.0).map_err(|_| EIO)
    }

    /// Gives the target to the VFS, which frees it by running `done`.
    ///
    /// # Safety
    ///
    /// `done` is the caller's to set.
    pub(in crate::vfs) unsafe fn into_c(self, done: *mut bindings::delayed_call) -> *const c_char {
        let (ptr, _, _) = self.0.into_raw_parts();
        // SAFETY: By the contract of this function; a `KVec` is freed with `kfree`, which is what
        // `kfree_link` does.
        unsafe { bindings::set_delayed_call(done, Some(bindings::kfree_link), ptr.cast()) };
        ptr.cast()
    }
}
