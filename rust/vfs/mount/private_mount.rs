// SPDX-License-Identifier: GPL-2.0

//! Mounts of our own, that no namespace shows.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h)

use super::{mount::Mount, path::Path};
use crate::bindings;
use core::{ops::Deref, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
};

/// A mount of our own that no namespace shows. Dropping it unmounts it, and waits for a grace
/// period: many are better given to [`Unmounting`] before.
///
/// # Invariants
///
/// The mount is an internal one. Its last long-term reference is ours if `is_longterm`, else an ordinary
/// one.
pub(crate) struct PrivateMount {
    mnt: NonNull<bindings::vfsmount>,
    is_longterm: bool,
}

// SAFETY: As for `Mount`.
unsafe impl Send for PrivateMount {}
// SAFETY: As for `Mount`.
unsafe impl Sync for PrivateMount {}

impl PrivateMount {
    /// A private copy of the mount at `path`, with `path` as its root and without submounts. Nothing
    /// can be written through it unless `writable`.
    ///
    /// `EINVAL` if the mount may not be copied (unbindable, of another namespace, or with locked
    /// children), `EPERM` without `CAP_SYS_ADMIN` over its namespace; as [`Dentry::require_dir`](crate::vfs::object::dentry::Dentry::require_dir).
    pub(crate) fn clone_of(path: Path<'_>, writable: bool) -> Result<Self> {
        path.dentry.require_dir()?;
        // SAFETY: `path` is valid during the call.
        let mnt = from_err_ptr(unsafe { bindings::clone_private_mount(&path.to_raw()) })?;
        // INVARIANT: `clone_private_mount` makes a long-term mount.
        let mount = Self {
            // SAFETY: The call succeeded, so the pointer is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            is_longterm: true,
        };
        mount.set_writable(writable);
        Ok(mount)
    }

    /// As [`PrivateMount::clone_of`], for who only looks: see [`PrivateMount::only_look`].
    pub(crate) fn look_at(path: Path<'_>) -> Result<Self> {
        let mount = Self::clone_of(path, false)?;
        mount.only_look();
        Ok(mount)
    }

    /// Mounts a new instance of the filesystem type `fs_type` with the given `key=value`
    /// parameters, as a mount that only the kernel sees. `refused` is told the parameter that the filesystem
    /// refuses, if it is one: its error.
    pub(crate) fn new_instance(
        fs_type: &CStr,
        params: &[(&CStr, &[u8])],
        refused: impl Fn(&CStr, &[u8]),
    ) -> Result<Self> {
        Self::mounted(fs_type, params, refused).map(|(mount, _)| mount)
    }

    /// As [`PrivateMount::new_instance`], and another mount of it for who only looks, as of [`PrivateMount::look_at`].
    pub(crate) fn new_with_look(
        fs_type: &CStr,
        params: &[(&CStr, &[u8])],
        refused: impl Fn(&CStr, &[u8]),
    ) -> Result<(Self, Self)> {
        let (mount, fc) = Self::mounted(fs_type, params, refused)?;
        // SAFETY: The context is valid, and has the root of what was mounted just now.
        let mnt = from_err_ptr(unsafe { bindings::vfs_create_mount(fc.0) })?;
        // INVARIANT: `vfs_create_mount` makes a mount that has an ordinary reference, and is in no namespace.
        let looked_at = Self {
            // SAFETY: The call succeeded, so the pointer is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            is_longterm: false,
        };
        looked_at.set_writable(false);
        looked_at.only_look();
        Ok((mount, looked_at))
    }

    /// A mount of a new instance, and the context that it was made by.
    fn mounted(
        fs_type: &CStr,
        params: &[(&CStr, &[u8])],
        refused: impl Fn(&CStr, &[u8]),
    ) -> Result<(Self, FsContextForMount)> {
        // SAFETY: `fs_type` is a C string.
        let ty = unsafe { bindings::get_fs_type(fs_type.as_char_ptr()) };
        if ty.is_null() {
            return Err(ENODEV);
        }
        // SAFETY: `ty` is valid, with a module count that is put below.
        let fc = from_err_ptr(unsafe { bindings::fs_context_for_mount(ty, 0) });
        // SAFETY: `get_fs_type` took a count of the owner; the context has its own.
        unsafe { bindings::module_put((*ty).owner) };
        // INVARIANT: The call succeeded.
        let fc = FsContextForMount(fc?);
        for (key, value) in params {
            // SAFETY: The context is valid; the key is a C string; the value has the given length.
            to_result(unsafe {
                bindings::vfs_parse_fs_qstr(
                    fc.0,
                    key.as_char_ptr(),
                    &bindings::qstr {
                        name: value.as_ptr(),
                        __bindgen_anon_1: bindings::qstr__bindgen_ty_1 {
                            hash_len: (value.len() as u64) << 32,
                        },
                    },
                )
            })
            .inspect_err(|_| refused(key, value))?;
        }
        // SAFETY: The context is valid.
        let mnt = from_err_ptr(unsafe { bindings::fc_mount_longterm(fc.0) })?;
        // INVARIANT: `fc_mount_longterm` makes a long-term mount.
        let mount = Self {
            // SAFETY: The call succeeded, so the pointer is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            is_longterm: true,
        };
        Ok((mount, fc))
    }

    /// Has nothing be executed by way of the mount, no set-id bit count and no device be opened, whatever the mount
    /// allows that it is a copy of. Before anybody else has it.
    fn only_look(&self) {
        let more = bindings::MNT_NOSUID as c_int
            | bindings::MNT_NODEV as c_int
            | bindings::MNT_NOEXEC as c_int;
        self.exchange_flags(|old| old | more);
    }

    /// Whether anything can be written through the mount; what is being written goes on. Access
    /// times are kept where writing is meant, and each time that it is asked for: when that is, is
    /// decided above. Elsewhere, nothing is written at all.
    pub(crate) fn set_writable(&self, writable: bool) {
        let no_atime = bindings::MNT_NOATIME as c_int | bindings::MNT_NODIRATIME as c_int;
        let readonly = bindings::MNT_READONLY as c_int;
        let relatime = bindings::MNT_RELATIME as c_int;
        self.exchange_flags(|old| match writable {
            true => old & !(readonly | no_atime | relatime),
            false => old | readonly | no_atime,
        });
    }

    fn exchange_flags(&self, change: impl Fn(c_int) -> c_int) {
        // SAFETY: The mount is ours alone: no namespace has it, so that nobody but callers of this changes
        // its flags. Readers look at any time, and either value will do.
        let flags = unsafe { Atomic::from_ptr(&raw mut (*self.mnt.as_ptr()).mnt_flags) };
        // A guess, which the exchange corrects.
        let mut old = flags.load(Relaxed);
        loop {
            match flags.cmpxchg(old, change(old), Full) {
                Ok(_) => return,
                Err(other) => old = other,
            }
        }
    }
}

/// The context of a mount that is being made.
///
/// # Invariants
///
/// The pointer is a context of ours.
struct FsContextForMount(*mut bindings::fs_context);

impl Drop for FsContextForMount {
    fn drop(&mut self) {
        // SAFETY: The context is ours.
        unsafe { bindings::put_fs_context(self.0) };
    }
}

impl Deref for PrivateMount {
    type Target = Mount;

    fn deref(&self) -> &Mount {
        // SAFETY: The mount is alive while we hold our reference.
        unsafe { Mount::from_raw(self.mnt.as_ptr()) }
    }
}

impl Drop for PrivateMount {
    fn drop(&mut self) {
        let mnt = self.mnt.as_ptr();
        // SAFETY: The reference is ours, by the type invariant, and of this kind.
        unsafe {
            match self.is_longterm {
                true => bindings::kern_unmount(mnt),
                false => bindings::mntput(mnt),
            }
        }
    }
}

/// Mounts that are unmounted together, with one grace period for all, when this is dropped. Each goes
/// when its [`PrivateMount`] is dropped after that.
///
/// # Invariants
///
/// The last long-term reference of each of the mounts is ours.
pub(crate) struct Unmounting(KVVec<*mut bindings::vfsmount>);

impl Unmounting {
    /// Room for `count`. `ENOMEM`.
    pub(crate) fn with_capacity(count: usize) -> Result<Self> {
        // INVARIANT: There are none.
        Ok(Self(KVVec::with_capacity(count, GFP_KERNEL)?))
    }

    /// Unmounts `mount` with the others, if there is room for it.
    pub(crate) fn add(&mut self, mount: &mut PrivateMount) {
        if !mount.is_longterm || self.0.push_within_capacity(mount.mnt.as_ptr()).is_err() {
            return;
        }
        // INVARIANT: The long-term reference moves here, and the mount gets another one.
        // SAFETY: The mount is alive.
        unsafe { bindings::mntget(mount.mnt.as_ptr()) };
        mount.is_longterm = false;
    }
}

impl Drop for Unmounting {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        // CAST: There are not as many mounts.
        let count = self.0.len() as c_uint;
        // SAFETY: By the type invariant.
        unsafe { bindings::kern_unmount_array(self.0.as_mut_ptr(), count) };
    }
}
