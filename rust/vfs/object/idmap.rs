// SPDX-License-Identifier: GPL-2.0

//! The id mapping of a mount.
//!
//! C header: [`include/linux/mnt_idmapping.h`](srctree/include/linux/mnt_idmapping.h)

use crate::bindings;
use kernel::types::Opaque;

/// A `struct mnt_idmap`, borrowed from the mount that it belongs to.
///
/// # Invariants
///
/// It is an id mapping for as long as there is a reference.
#[repr(transparent)]
pub(crate) struct Idmap(Opaque<bindings::mnt_idmap>);

impl Idmap {
    /// # Safety
    ///
    /// `ptr` is a valid id mapping during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::mnt_idmap) -> &'a Self {
        // SAFETY: By the contract of this function, and as `Idmap` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The mapping that changes nothing.
    pub(crate) fn nop() -> &'static Self {
        // SAFETY: `nop_mnt_idmap` is a static of the kernel.
        unsafe { Self::from_raw(&raw mut bindings::nop_mnt_idmap) }
    }

    pub(in crate::vfs) fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }
}
