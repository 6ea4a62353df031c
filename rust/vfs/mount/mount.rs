// SPDX-License-Identifier: GPL-2.0

//! Mounts.
//!
//! Places on one are in `path`, the right to write through one is in `write_access`.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h)

use crate::{
    bindings,
    vfs::object::{dentry::Dentry, idmap::Idmap, super_block::AnySuperBlock},
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::Opaque,
};

/// A `struct vfsmount`.
///
/// # Invariants
///
/// It is a mount for as long as there is a reference.
#[repr(transparent)]
pub(crate) struct Mount(Opaque<bindings::vfsmount>);

// SAFETY: The mount's count is atomic, and what we read of it does not change, or is read once.
unsafe impl Send for Mount {}
// SAFETY: As above.
unsafe impl Sync for Mount {}

// SAFETY: `mntget` and `mntput` count references, and a counted mount stays alive.
unsafe impl AlwaysRefCounted for Mount {
    fn inc_ref(&self) {
        // SAFETY: `self` is a valid mount.
        unsafe { bindings::mntget(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a count that it owns.
        unsafe { bindings::mntput(obj.as_ptr().cast()) };
    }
}

impl Mount {
    /// Whether there is another reference to the mount than the one of the caller: somebody has a
    /// file on it open, or has closed one just now. Not for a mount of a namespace.
    pub(crate) fn is_shared(&self) -> bool {
        // `may_umount` allows for one reference, and for another one.
        let extra: ARef<Mount> = self.into();
        // SAFETY: The mount is alive.
        unsafe { bindings::may_umount(extra.as_ptr()) == 0 }
    }

    /// # Safety
    ///
    /// `ptr` is a valid mount during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::vfsmount) -> &'a Self {
        // SAFETY: By the contract of this function, and as `Mount` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// # Safety
    ///
    /// `ptr` is a valid mount and the caller owns a count, which this takes over.
    pub(super) unsafe fn from_raw_owned(ptr: *mut bindings::vfsmount) -> ARef<Self> {
        // SAFETY: By the contract of this function.
        unsafe { ARef::from_raw(NonNull::new_unchecked(ptr.cast())) }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::vfsmount {
        self.0.get()
    }

    /// The id mapping of this mount, which cannot change once the mount is in use.
    pub(crate) fn idmap(&self) -> &Idmap {
        // SAFETY: The mount is alive, and keeps its mapping alive. The load is that of `mnt_idmap()`,
        // which would be a call.
        unsafe { Idmap::from_raw((&raw const (*self.as_ptr()).mnt_idmap).read_volatile()) }
    }

    /// The root of what is mounted.
    pub(crate) fn root(&self) -> &Dentry {
        // SAFETY: A mount holds a reference to its root.
        unsafe { Dentry::from_raw((*self.as_ptr()).mnt_root) }
    }

    /// The super block that is mounted.
    pub(crate) fn super_block(&self) -> &AnySuperBlock {
        // SAFETY: A mount holds an active reference to its super block.
        unsafe { AnySuperBlock::from_raw((*self.as_ptr()).mnt_sb) }
    }

    /// Whether writing through this mount is refused, by the mount or by its super block.
    pub(crate) fn is_readonly(&self) -> bool {
        // SAFETY: `self` is a valid mount.
        unsafe { bindings::__mnt_is_readonly(self.as_ptr()) }
    }

    /// Whether access times are kept through this mount, as far as it is up to the mount. A load.
    pub(crate) fn keeps_atime(&self) -> bool {
        self.flags() & bindings::MNT_NOATIME as c_int == 0
    }

    /// Whether nothing is executed by this mount.
    pub(crate) fn has_no_programs(&self) -> bool {
        self.flags() & bindings::MNT_NOEXEC as c_int != 0
            || self.super_block().flags_inside() & bindings::SB_I_NOEXEC as c_ulong != 0
    }

    /// Whether set-id bits and file capabilities do not count by this mount.
    pub(crate) fn has_no_privileges(&self) -> bool {
        self.flags() & bindings::MNT_NOSUID as c_int != 0 || self.super_block().is_of_other_users()
    }

    /// Whether no device is opened by this mount.
    pub(crate) fn has_no_devices(&self) -> bool {
        self.flags() & bindings::MNT_NODEV as c_int != 0
            || self.super_block().flags_inside() & bindings::SB_I_NODEV as c_ulong != 0
    }

    fn flags(&self) -> c_int {
        // SAFETY: `self` is a valid mount; its flags may change at any time, and either value will do.
        unsafe { (&raw const (*self.as_ptr()).mnt_flags).read_volatile() }
    }
}
