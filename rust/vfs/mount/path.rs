// SPDX-License-Identifier: GPL-2.0

//! A place: a dentry on a mount.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::mount::Mount;
use crate::{
    bindings,
    vfs::object::{
        dentry::{Dentry, PATH_MAX},
        idmap::Idmap,
        inode::Inode,
    },
};
use core::mem::{ManuallyDrop, MaybeUninit};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::aref::ARef,
};

/// A borrowed place.
///
/// # Invariants
///
/// The dentry is one of the filesystem that is mounted: whoever holds the mount keeps both.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    pub(in crate::vfs) mnt: &'a Mount,
    pub(in crate::vfs) dentry: &'a Dentry,
}

impl<'a> Path<'a> {
    /// # Safety
    ///
    /// `path` and what it points at are valid during `'a`.
    pub(in crate::vfs) unsafe fn from_raw(path: *const bindings::path) -> Self {
        // INVARIANT: So it is with any `struct path`.
        // SAFETY: By the contract of this function.
        unsafe {
            Self {
                mnt: Mount::from_raw((*path).mnt),
                dentry: Dentry::from_raw((*path).dentry),
            }
        }
    }

    /// The C structure; it borrows from `self`.
    pub(in crate::vfs) fn to_raw(self) -> bindings::path {
        bindings::path {
            mnt: self.mnt.as_ptr(),
            dentry: self.dentry.as_ptr(),
        }
    }

    /// The mount.
    pub(crate) fn mnt(self) -> &'a Mount {
        self.mnt
    }

    /// The dentry.
    pub(crate) fn dentry(self) -> &'a Dentry {
        self.dentry
    }

    /// The inode at this place, if the dentry is positive.
    pub(crate) fn inode(self) -> Option<&'a Inode> {
        self.dentry.inode()
    }

    /// The id mapping of the mount.
    pub(crate) fn idmap(self) -> &'a Idmap {
        self.mnt.idmap()
    }

    /// Notes that the object was read, if the mount and its time are due for it.
    pub(crate) fn touch_atime(self) {
        if self.dentry.is_positive() {
            // SAFETY: The place is valid during the call, and has an inode.
            unsafe { bindings::touch_atime(&self.to_raw()) };
        }
    }

    /// The absolute path, as the current task sees it. `ENAMETOOLONG`.
    pub(crate) fn absolute(self) -> Result<KVec<u8>> {
        let mut buf = KVec::from_elem(0u8, PATH_MAX, GFP_KERNEL)?;
        // SAFETY: The place is valid, and the buffer has the length that is given.
        let path = from_err_ptr(unsafe {
            bindings::d_path(&self.to_raw(), buf.as_mut_ptr().cast(), PATH_MAX as c_int)
        })?;
        let mut text = KVec::new();
        // SAFETY: The call returned a C string within the buffer, which is still there.
        text.extend_from_slice(unsafe { CStr::from_char_ptr(path) }.to_bytes(), GFP_KERNEL)?;
        Ok(text)
    }

    /// Whether the current task comes to the place from its root, by what is mounted now.
    pub(crate) fn is_reachable(self) -> bool {
        let task = kernel::current!();
        let mut root = MaybeUninit::<bindings::path>::uninit();
        // SAFETY: The current task has an `fs` as long as it runs, and nobody else replaces it. The call
        // writes `root`, with two references that are ours.
        let root = unsafe {
            bindings::get_fs_root((*task.as_ptr()).fs, root.as_mut_ptr());
            PathBuf::from_raw_owned(root.assume_init())
        };
        // SAFETY: Both places are valid during the call.
        unsafe { bindings::path_is_under(&self.to_raw(), &root.as_ref().to_raw()) }
    }

    /// Whether its mount is mounted on another one: not so when it was unmounted, nor of the first mount of a
    /// namespace.
    pub(crate) fn is_mounted(self) -> bool {
        let owned = ManuallyDrop::new(self.to_owned());
        let mut above = owned.as_ref().to_raw();
        // SAFETY: The place is valid, and its references are the call's to replace.
        let is_mounted = unsafe { bindings::follow_up(&mut above) };
        // SAFETY: Whatever it is now has two references, which nobody else gives up.
        drop(unsafe { PathBuf::from_raw_owned(above) });
        is_mounted != 0
    }

    /// Takes references.
    pub(crate) fn to_owned(self) -> PathBuf {
        // INVARIANT: As of `self`.
        PathBuf {
            dentry: self.dentry.into(),
            mnt: self.mnt.into(),
        }
    }
}

impl Mount {
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
        // SAFETY: It says where it was called, and does nothing else; it may be called anywhere.
        unsafe { bindings::warn() };
        self.root()
    }
}

/// A place with references held.
///
/// # Invariants
///
/// As those of [`Path`].
#[derive(Clone)]
pub(crate) struct PathBuf {
    // Dropped first: the mount keeps the filesystem.
    dentry: ARef<Dentry>,
    mnt: ARef<Mount>,
}

impl PathBuf {
    /// Resolves `name` from the current task's root and working directory, following symbolic
    /// links, as `mount(2)` does with its source. Errors are those of `path_resolution(7)`.
    pub(crate) fn resolve(name: &[u8]) -> Result<Self> {
        let mut text = KVec::with_capacity(name.len() + 1, GFP_KERNEL)?;
        text.extend_from_slice(name, GFP_KERNEL)?;
        text.push(0, GFP_KERNEL)?;
        let name = CStr::from_bytes_with_nul(&text).map_err(|_| EINVAL)?;
        let mut path = MaybeUninit::<bindings::path>::uninit();
        // SAFETY: `name` is a C string, and `path` is written when the call succeeds.
        to_result(unsafe {
            bindings::kern_path(
                name.as_char_ptr(),
                bindings::LOOKUP_FOLLOW,
                path.as_mut_ptr(),
            )
        })?;
        // SAFETY: The call succeeded, so `path` is initialised and owns its two references.
        Ok(unsafe { Self::from_raw_owned(path.assume_init()) })
    }

    /// # Safety
    ///
    /// `path` is valid, and its two references are the caller's to give.
    pub(in crate::vfs) unsafe fn from_raw_owned(path: bindings::path) -> Self {
        // INVARIANT: So it is with any `struct path`.
        // SAFETY: By the contract of this function.
        unsafe {
            Self {
                dentry: Dentry::from_raw_owned(path.dentry),
                mnt: Mount::from_raw_owned(path.mnt),
            }
        }
    }

    /// The place, borrowed.
    pub(crate) fn as_ref(&self) -> Path<'_> {
        // INVARIANT: As of `self`.
        Path {
            mnt: &self.mnt,
            dentry: &self.dentry,
        }
    }
}
