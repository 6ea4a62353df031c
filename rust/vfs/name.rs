// SPDX-License-Identifier: GPL-2.0

//! One component of a path.

use crate::{bindings, vfs::errno::ENAMETOOLONG};
use core::ops::Deref;
use kernel::prelude::*;

/// A file name: 1 to 255 bytes, without a NUL and without a `/`, and neither `.` nor `..`.
///
/// # Invariants
///
/// The bytes satisfy the above.
#[repr(transparent)]
#[derive(PartialEq, Eq)]
pub(crate) struct Name([u8]);

/// `NAME_MAX` of [`include/uapi/linux/limits.h`](srctree/include/uapi/linux/limits.h).
pub(crate) const NAME_MAX: usize = 255;

impl Name {
    /// Checks `bytes`: `ENOENT` for an empty name, `ENAMETOOLONG` above [`NAME_MAX`], `EINVAL` for a
    /// name that cannot be one component.
    pub(crate) fn new(bytes: &[u8]) -> Result<&Self> {
        if bytes.is_empty() {
            return Err(ENOENT);
        }
        if bytes.len() > NAME_MAX {
            return Err(ENAMETOOLONG);
        }
        if bytes == b"." || bytes == b".." || bytes.iter().any(|&b| b == 0 || b == b'/') {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        // SAFETY: `Name` is a transparent wrapper of `[u8]`.
        Ok(unsafe { &*(core::ptr::from_ref(bytes) as *const Name) })
    }

    /// The name's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as the kernel's `struct qstr`, not hashed. It borrows from `self`.
    pub(super) fn qstr(&self) -> bindings::qstr {
        let mut qstr = bindings::qstr {
            name: self.0.as_ptr(),
            ..Default::default()
        };
        // CAST: At most `NAME_MAX`, by the type invariant.
        qstr.__bindgen_anon_1.__bindgen_anon_1.len = self.0.len() as u32;
        qstr
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
