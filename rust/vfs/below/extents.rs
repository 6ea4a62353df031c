// SPDX-License-Identifier: GPL-2.0

//! Where the data of a file lies (`FS_IOC_FIEMAP`).
//!
//! C header: [`include/linux/fiemap.h`](srctree/include/linux/fiemap.h)

use crate::{
    bindings,
    vfs::{mount::path::Path, value::errno::EOPNOTSUPP},
};
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*};

/// Who asks for the extents of a range of a file.
///
/// # Invariants
///
/// The pointer is what the VFS calls `->fiemap` with, valid and the owner's alone during `'a`.
pub(crate) struct Extents<'a> {
    info: *mut bindings::fiemap_extent_info,
    start: u64,
    len: u64,
    _info: PhantomData<&'a ()>,
}

impl Extents<'_> {
    /// # Safety
    ///
    /// `info` is that of a call of `->fiemap`, and the caller's alone, for as long as this lives.
    pub(in crate::vfs) unsafe fn from_raw(
        info: *mut bindings::fiemap_extent_info,
        start: u64,
        len: u64,
    ) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            info,
            start,
            len,
            _info: PhantomData,
        }
    }

    /// Tells those of the file at `path`. `EOPNOTSUPP` if its filesystem does not.
    pub(crate) fn tell(self, path: Path<'_>) -> Result {
        let inode = path.inode().ok_or(ENOENT)?.as_ptr();
        // SAFETY: The inode is alive, and so are its operations; the rest is the type invariant.
        to_result(unsafe {
            let fiemap = (*(*inode).i_op).fiemap.ok_or(EOPNOTSUPP)?;
            fiemap(inode, self.info, self.start, self.len)
        })
    }
}
