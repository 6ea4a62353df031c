// SPDX-License-Identifier: GPL-2.0

//! Mappings of files.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{cred::Cred, file::KernelFile};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*};

/// A mapping that `mmap(2)` is setting up, with the mmap lock held for writing.
pub(crate) struct NewMapping<'a>(*mut bindings::vm_area_struct, PhantomData<&'a ()>);

impl NewMapping<'_> {
    /// # Safety
    ///
    /// `ptr` is a mapping being set up, the caller's alone during `'a`.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::vm_area_struct) -> Self {
        Self(ptr, PhantomData)
    }

    /// Hands the mapping to `lower`, a file made by [`open_backing`](super::file::open_backing): it
    /// becomes the mapping's file, and its filesystem serves the faults. procfs goes on showing the
    /// file that user space mapped. `ENODEV` if `lower` cannot be mapped.
    pub(crate) fn hand_to(self, lower: &KernelFile, cred: &Cred) -> Result {
        let mut ctx = bindings::backing_file_ctx {
            cred: cred.as_ptr(),
            ..pin_init::zeroed()
        };
        // SAFETY: All are valid during the call.
        to_result(unsafe { bindings::backing_file_mmap(lower.as_ptr(), self.0, &mut ctx) })
    }
}

/// Where a mapping of `lower` should go: what its filesystem says, or what the architecture says
/// for files without an opinion.
pub(super) fn unmapped_area(
    lower: &KernelFile,
    addr: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    // SAFETY: The file is alive, and so are its operations.
    unsafe {
        match (*(*lower.as_ptr()).f_op).get_unmapped_area {
            Some(place) => place(lower.as_ptr(), addr, len, pgoff, flags),
            None => bindings::mm_get_unmapped_area(lower.as_ptr(), addr, len, pgoff, flags),
        }
    }
}
