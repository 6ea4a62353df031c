// SPDX-License-Identifier: GPL-2.0

//! How paths are written for tools.

use kernel::prelude::*;

/// Calls `put` with pieces of a branch's path in which spaces, control characters and backslashes
/// are octal, as aufs writes it, and so are the characters of `also`.
pub(crate) fn escape(path: &[u8], also: &[u8], mut put: impl FnMut(&[u8]) -> Result) -> Result {
    for &byte in path {
        if byte <= b' ' || byte == b'\\' || byte == 0x7f || also.contains(&byte) {
            let digit = |shift: u32| b'0' + (byte >> shift & 7);
            put(&[b'\\', digit(6), digit(3), digit(0)])?;
        } else {
            put(&[byte])?;
        }
    }
    Ok(())
}
