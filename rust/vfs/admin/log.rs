// SPDX-License-Identifier: GPL-2.0

//! What is said to the one who mounts.
//!
//! C header: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h)

use crate::bindings;
use kernel::{fmt, prelude::*};

/// Where messages for the one who mounts go: the log of a context, which the mounter can read, or the
/// kernel's log when there is none.
///
/// # Invariants
///
/// The pointer is the log of a context that is valid for as long as there is a reference to this.
pub(crate) struct Log(*const bindings::p_log);

impl Log {
    /// # Safety
    ///
    /// `log` is that of a context, which outlives what is returned.
    pub(in crate::vfs) unsafe fn new(log: *const bindings::p_log) -> Self {
        // INVARIANT: By the contract of this function.
        Self(log)
    }

    /// Says why the request fails.
    pub(crate) fn error(&self, args: fmt::Arguments<'_>) {
        self.put(b'e', args);
    }

    fn put(&self, level: u8, args: fmt::Arguments<'_>) {
        // SAFETY: By the type invariant; `%pA` takes a pointer to `fmt::Arguments`.
        unsafe {
            bindings::logfc(
                (*self.0).log,
                (*self.0).prefix,
                level as c_char,
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&args).cast::<c_void>(),
            );
        }
    }
}
