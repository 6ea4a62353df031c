// SPDX-License-Identifier: GPL-2.0

//! One component of a path.

use super::errno::ENAMETOOLONG;
use crate::bindings;
use core::{mem::MaybeUninit, ops::Deref};
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
        // SAFETY: Just checked.
        Ok(unsafe { Self::new_unchecked(bytes) })
    }

    /// A name that is known when the module is built: what is none does not compile.
    pub(crate) const fn literal(bytes: &'static [u8]) -> &'static Self {
        assert!(!bytes.is_empty() && bytes.len() <= NAME_MAX);
        // A `.` at the start is not the whole name, nor is it with a second one.
        assert!(bytes.len() > 2 || bytes[0] != b'.');
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] != 0 && bytes[at] != b'/');
            at += 1;
        }
        // SAFETY: Just checked.
        unsafe { Self::new_unchecked(bytes) }
    }

    /// # Safety
    ///
    /// `bytes` satisfy the type's invariant.
    pub(in crate::vfs) const unsafe fn new_unchecked(bytes: &[u8]) -> &Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: `Name` is a transparent wrapper of `[u8]`.
        unsafe { &*(core::ptr::from_ref(bytes) as *const Name) }
    }

    /// The name's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as the kernel's `struct qstr`, not hashed. It borrows from `self`.
    pub(in crate::vfs) fn qstr(&self) -> bindings::qstr {
        // CAST: At most `NAME_MAX`, by the type invariant.
        let len = self.0.len() as u32;
        bindings::qstr {
            name: self.0.as_ptr(),
            __bindgen_anon_1: bindings::qstr__bindgen_ty_1 {
                __bindgen_anon_1: bindings::qstr__bindgen_ty_1__bindgen_ty_1 { hash: 0, len },
            },
        }
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A name that is made of two, on the stack.
///
/// # Invariants
///
/// The first `len` bytes are those of the two names, one after the other.
pub(crate) struct Joined {
    bytes: [MaybeUninit<u8>; NAME_MAX],
    len: usize,
}

impl Joined {
    /// `first` with `second` after it; `None` if that is too long for a name.
    #[inline(always)]
    pub(crate) fn new(first: &Name, second: &Name) -> Option<Self> {
        let len = first.0.len() + second.0.len();
        if len > NAME_MAX {
            return None;
        }
        let mut bytes = [const { MaybeUninit::uninit() }; NAME_MAX];
        let start: *mut u8 = bytes.as_mut_ptr().cast();
        // SAFETY: Both fit, as was just checked, and `bytes` is ours alone.
        unsafe {
            start.copy_from_nonoverlapping(first.0.as_ptr(), first.0.len());
            start
                .add(first.0.len())
                .copy_from_nonoverlapping(second.0.as_ptr(), second.0.len());
        }
        // INVARIANT: Just copied.
        Some(Self { bytes, len })
    }
}

impl Deref for Joined {
    type Target = Name;

    fn deref(&self) -> &Name {
        // SAFETY: By the type invariant, the bytes are initialised, and those of two names: so none of
        // them is a NUL or a `/`. Nor are they `.` or `..`, as neither name is `.`. `new` has checked
        // the length.
        unsafe {
            let bytes = core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len);
            Name::new_unchecked(bytes)
        }
    }
}
