// SPDX-License-Identifier: GPL-2.0

//! `ioctl(2)`.
//!
//! C headers: [`include/uapi/asm-generic/ioctl.h`](srctree/include/uapi/asm-generic/ioctl.h),
//! [`include/linux/capability.h`](srctree/include/linux/capability.h)

use crate::bindings;
use kernel::{
    prelude::*,
    uaccess::{UserSlice, UserSliceReader},
};

/// A command with its argument.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    number: u32,
    argument: usize,
}

impl Command {
    pub(super) fn new(number: c_uint, argument: c_ulong) -> Self {
        Self { number, argument }
    }

    /// The number of the command, as `_IO*()` makes it.
    pub(crate) fn number(self) -> u32 {
        self.number
    }

    /// Reads the structure of `size` bytes that the argument points at.
    pub(crate) fn reader(self, size: usize) -> UserSliceReader {
        UserSlice::new(UserPtr::from_addr(self.argument), size).reader()
    }
}

/// Whether the current task may administer the system (`CAP_SYS_ADMIN`).
pub(crate) fn may_administer() -> bool {
    // SAFETY: No requirements.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}
