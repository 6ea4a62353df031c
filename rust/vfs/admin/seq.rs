// SPDX-License-Identifier: GPL-2.0

//! Files that are printed in sequence.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use crate::bindings;
use kernel::seq_file::SeqFile;

/// Adds bytes, which need not be text. What there is no room for is printed again later, with a
/// larger buffer.
pub(crate) fn write(seq: &SeqFile, bytes: &[u8]) {
    let raw = core::ptr::from_ref(seq).cast_mut().cast();
    // SAFETY: `SeqFile` is a transparent wrapper of the C structure, which it is allowed to change;
    // the bytes are valid during the call. A failure is noted in the structure.
    unsafe { bindings::seq_write(raw, bytes.as_ptr().cast(), bytes.len()) };
}
