// SPDX-License-Identifier: GPL-2.0

//! How paths are written for tools.

use kernel::prelude::*;

/// Calls `put` with pieces of a branch's path in which spaces, control characters and backslashes
/// are octal, as aufs writes it.
pub(crate) fn escape(path: &[u8], mut put: impl FnMut(&[u8]) -> Result) -> Result {
    for &byte in path {
        if byte <= b' ' || byte == b'\\' || byte == 0x7f {
            octal(byte, &mut put)?;
        } else {
            put(&[byte])?;
        }
    }
    Ok(())
}

/// As [`escape`], as a part of an option: who undoes the octal escapes has what a mount takes, where a backslash is before
/// what would end the path; and who does not finds none of these.
pub(crate) fn escape_option(path: &[u8], mut put: impl FnMut(&[u8]) -> Result) -> Result {
    for &byte in path {
        if matches!(byte, b',' | b':' | b'\\') {
            octal(b'\\', &mut put)?;
            octal(byte, &mut put)?;
        } else {
            escape(&[byte], &mut put)?;
        }
    }
    Ok(())
}

fn octal(byte: u8, put: &mut impl FnMut(&[u8]) -> Result) -> Result {
    let digit = |shift: u32| b'0' + (byte >> shift & 7);
    put(&[b'\\', digit(6), digit(3), digit(0)])
}
