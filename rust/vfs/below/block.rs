// SPDX-License-Identifier: GPL-2.0

//! Blocks of the device that a filesystem is on.
//!
//! C header: [`include/linux/buffer_head.h`](srctree/include/linux/buffer_head.h)

use crate::{bindings, vfs::object::super_block::AnySuperBlock};
use core::ptr;
use kernel::prelude::*;

/// Reads the start of the first block of the device that `sb` is on: as much as there is room for in `into`.
/// `false` if it is on no device, or its blocks are smaller than that. `EIO`.
pub(crate) fn read_first(sb: &AnySuperBlock, into: &mut [u8]) -> Result<bool> {
    let sb = sb.as_ptr();
    // SAFETY: The super block is alive; where it is, and in blocks of what size, was settled when it was
    // mounted.
    let (device, size) = unsafe { ((*sb).s_bdev, (*sb).s_blocksize) };
    if device.is_null() || size < into.len() {
        return Ok(false);
    }
    // SAFETY: The super block is alive and has a device, which is used in blocks of this size.
    let buffer = unsafe { bindings::sb_bread(sb, 0) };
    if buffer.is_null() {
        return Err(EIO);
    }
    // SAFETY: The block was read, and stays for as long as we have the reference that the call has given us. It
    // has `size` bytes, which are mapped: the page cache of devices is in low memory. Who writes to the
    // device meanwhile has bytes of before and after mixed, as any reader of a device has.
    unsafe {
        ptr::copy_nonoverlapping(
            (*buffer.cast::<bindings::buffer_head_full>())
                .b_data
                .cast::<u8>(),
            into.as_mut_ptr(),
            into.len(),
        );
        bindings::brelse(buffer);
    }
    Ok(true)
}
