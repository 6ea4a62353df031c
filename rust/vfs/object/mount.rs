// SPDX-License-Identifier: GPL-2.0

//! Mounts, and the right to write through one.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h)

use super::{dentry::Dentry, idmap::Idmap, path::Path, super_block::AnySuperBlock};
use crate::{bindings, vfs::value::errno::succeeded};
use core::{ops::Deref, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        atomic::{Atomic, Full, Relaxed},
    },
    types::{NotThreadSafe, Opaque},
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
    pub(in crate::vfs) unsafe fn from_raw_owned(ptr: *mut bindings::vfsmount) -> ARef<Self> {
        // SAFETY: By the contract of this function.
        unsafe { ARef::from_raw(NonNull::new_unchecked(ptr.cast())) }
    }

    pub(in crate::vfs) fn as_ptr(&self) -> *mut bindings::vfsmount {
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

    /// The place of `dentry` on this mount. One of another filesystem, which this mount does not keep, is
    /// nowhere on it: who asks for that, by mistake, is told so in the log and gets the root.
    #[inline]
    pub(crate) fn at<'a>(&'a self, dentry: &'a Dentry) -> Path<'a> {
        let dentry = match dentry.is_on(self.super_block()) {
            true => dentry,
            false => self.root_for_stranger(),
        };
        // INVARIANT: Just checked.
        Path { mnt: self, dentry }
    }

    #[cold]
    fn root_for_stranger(&self) -> &Dentry {
        kernel::warn_on!(true);
        self.root()
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

    /// Asks for the right to write through this mount, and keeps it until the guard is dropped.
    ///
    /// Waits while the filesystem is frozen. `EROFS` if it is read-only.
    pub(crate) fn want_write(&self) -> Result<WriteAccess<'_>> {
        // SAFETY: `self` is a valid mount.
        succeeded(unsafe { bindings::mnt_want_write(self.as_ptr()) })?;
        // INVARIANT: Just got.
        Ok(WriteAccess(self, NotThreadSafe))
    }

    /// As [`Mount::want_write`], but `EAGAIN` while the filesystem is frozen, or about to be.
    pub(crate) fn try_want_write(&self) -> Result<WriteAccess<'_>> {
        let sb = self.super_block().as_ptr();
        // SAFETY: `self` is a valid mount, and `sb` its super block. The two are what `mnt_want_write`
        // consists of, and what the guard gives back.
        unsafe {
            if !bindings::sb_start_write_trylock(sb) {
                return Err(EAGAIN);
            }
            to_result(bindings::mnt_get_write_access(self.as_ptr()))
                .inspect_err(|_| bindings::sb_end_write(sb))?;
        }
        // INVARIANT: Just got.
        Ok(WriteAccess(self, NotThreadSafe))
    }
}

/// The right to write through a mount; freezing waits for it. Not to be held while the lock of an
/// inode that is stacked on this mount is taken: see `Documentation/locking.md`.
///
/// # Invariants
///
/// The current task has the right, by this: of the mount, and of its super block.
pub(crate) struct WriteAccess<'a>(&'a Mount, NotThreadSafe);

impl<'a> WriteAccess<'a> {
    /// The mount that may be written.
    pub(crate) fn mount(&self) -> &'a Mount {
        self.0
    }

    /// The place of `dentry` on the mount that may be written. `EXDEV` if it is on another filesystem,
    /// which this is no right for.
    pub(crate) fn at<'d>(&'d self, dentry: &'d Dentry) -> Result<Path<'d>> {
        if dentry.is_on(self.0.super_block()) {
            Ok(self.0.at(dentry))
        } else {
            Err(EXDEV)
        }
    }
}

impl Drop for WriteAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: The right is ours, by the type invariant.
        unsafe { bindings::mnt_drop_write(self.0.as_ptr()) };
    }
}

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
    /// children), `EPERM` without `CAP_SYS_ADMIN` over its namespace; as [`Dentry::require_dir`].
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

    /// Mounts a new instance of the filesystem type `fs_type` with the given `key=value`
    /// parameters, as a mount that only the kernel sees.
    pub(crate) fn new_instance(fs_type: &CStr, params: &[(&CStr, &[u8])]) -> Result<Self> {
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
            })?;
        }
        // SAFETY: The context is valid.
        let mnt = from_err_ptr(unsafe { bindings::fc_mount_longterm(fc.0) })?;
        // INVARIANT: `fc_mount_longterm` makes a long-term mount.
        Ok(Self {
            // SAFETY: The call succeeded, so the pointer is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            is_longterm: true,
        })
    }

    /// Whether somebody else holds the mount: by an open file, a mapping, or a place on it.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_shared()
    }

    /// Whether anything can be written through the mount; what is being written goes on. Access
    /// times are kept where writing is meant, and each time that it is asked for: when that is, is
    /// decided above. Elsewhere, nothing is written at all.
    pub(crate) fn set_writable(&self, writable: bool) {
        let no_atime = bindings::MNT_NOATIME as c_int | bindings::MNT_NODIRATIME as c_int;
        let readonly = bindings::MNT_READONLY as c_int;
        let relatime = bindings::MNT_RELATIME as c_int;
        // SAFETY: The mount is ours alone: no namespace has it, so that nobody but callers of this changes
        // its flags. Readers look at any time, and either value will do.
        let flags = unsafe { Atomic::from_ptr(&raw mut (*self.mnt.as_ptr()).mnt_flags) };
        let mut old = flags.load(Relaxed);
        loop {
            let new = match writable {
                true => old & !(readonly | no_atime | relatime),
                false => old | readonly | no_atime,
            };
            match flags.cmpxchg(old, new, Full) {
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
