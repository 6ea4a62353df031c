// SPDX-License-Identifier: GPL-2.0

//! Copying data between files inside the kernel.

use crate::{
    bindings,
    vfs::{mount::file::KernelFile, value::errno::checked},
};
use kernel::prelude::*;

/// From where, to where and how much, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct CopyRange {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) len: i64,
}

/// How a range is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeOp {
    /// `copy_file_range(2)`, with its flags.
    Copy(u32),
    /// `FICLONERANGE`, with `REMAP_FILE_*` flags.
    Clone(u32),
    /// `FIDEDUPERANGE`, with `REMAP_FILE_*` flags.
    Dedupe(u32),
}

impl KernelFile {
    /// Copies a range from this file to `target`; returns how much was copied.
    pub(crate) fn copy_range_to(
        &self,
        target: &Self,
        range: CopyRange,
        op: RangeOp,
    ) -> Result<i64> {
        let CopyRange { from, to, len } = range;
        let (source, target) = (self.as_ptr(), target.as_ptr());
        // SAFETY: Both files are alive.
        checked(unsafe {
            match op {
                RangeOp::Copy(flags) => {
                    bindings::vfs_copy_file_range(source, from, target, to, len as usize, flags)
                        as i64
                }
                RangeOp::Clone(flags) => {
                    bindings::vfs_clone_file_range(source, from, target, to, len, flags)
                }
                RangeOp::Dedupe(flags) => {
                    bindings::vfs_dedupe_file_range_one(source, from, target, to, len, flags)
                }
            }
        })
    }

    /// Moves data from this file to `target` through the page cache (`do_splice_direct`); returns
    /// how much was moved, at most `range.len`. `EINVAL` for what is before the start of a file, which
    /// the call leaves to who makes it to find.
    pub(crate) fn splice_to(&self, target: &Self, range: CopyRange) -> Result<i64> {
        let (mut from, mut to) = (range.from, range.to);
        if from < 0 || to < 0 || range.len < 0 {
            return Err(EINVAL);
        }
        // SAFETY: Both files are alive; the positions are ours.
        checked(unsafe {
            bindings::do_splice_direct(
                self.as_ptr(),
                &mut from,
                target.as_ptr(),
                &mut to,
                range.len as usize,
                0,
            )
        } as i64)
    }
}
