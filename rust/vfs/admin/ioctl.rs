// SPDX-License-Identifier: GPL-2.0

//! `ioctl(2)`.
//!
//! C header: [`include/uapi/asm-generic/ioctl.h`](srctree/include/uapi/asm-generic/ioctl.h)

use kernel::{
    prelude::*,
    uaccess::{UserSlice, UserSliceReader, UserSliceWriter},
};

/// A command with its argument.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    number: u32,
    argument: usize,
}

impl Command {
    pub(in crate::vfs) fn new(number: c_uint, argument: c_ulong) -> Self {
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

    /// Whether the argument is a null pointer.
    pub(crate) fn is_null(self) -> bool {
        self.argument == 0
    }

    /// Writes `size` bytes from `offset` on in what the argument points at. `EFAULT` for a place
    /// that there is not is told when it is written to.
    pub(crate) fn writer(self, offset: usize, size: usize) -> UserSliceWriter {
        UserSlice::new(
            UserPtr::from_addr(self.argument).wrapping_byte_add(offset),
            size,
        )
        .writer()
    }
}

/// `len` bytes of the current task's memory, at an address from a structure. `EFAULT` for an address
/// that no task can have; any other that there is not is told when it is used.
pub(crate) fn user_memory(address: u64, len: usize) -> Result<UserSlice> {
    let address = usize::try_from(address).map_err(|_| EFAULT)?;
    Ok(UserSlice::new(UserPtr::from_addr(address), len))
}
