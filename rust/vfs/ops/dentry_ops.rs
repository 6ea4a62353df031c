// SPDX-License-Identifier: GPL-2.0

//! `struct dentry_operations`.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::vtable::{if_has, Without};
use crate::{
    bindings,
    vfs::{
        object::{dentry::Dentry, glimpse::Glimpse},
        own::{dentry::OwnDentry, file_system::FileSystem, inode::OwnInode},
        sync::rcu::Reading,
    },
};
use core::marker::PhantomData;
use kernel::{error::VTABLE_DEFAULT_ERROR, prelude::*, sync::aref::ARef};

/// How a lookup revalidates a cached dentry: which, and the directory that the name is looked up in.
pub(crate) enum Revalidate<'a, T: FileSystem> {
    /// In an RCU walk, in which nothing may sleep: answer `ECHILD` to be asked again.
    Rcu(
        Glimpse<'a, OwnDentry<T>>,
        Glimpse<'a, OwnInode<T>>,
        Reading<'a>,
    ),
    /// Otherwise.
    Ref(&'a OwnDentry<T>, &'a OwnInode<T>),
    /// Likewise, after what was found has turned out not to hold (`LOOKUP_REVAL`): nothing that is
    /// cached is to be believed.
    Again(&'a OwnDentry<T>, &'a OwnInode<T>),
}

impl<'a, T: FileSystem> Revalidate<'a, T> {
    /// The dentry and the directory, for what can be asked of them in any case.
    #[inline]
    pub(crate) fn seen(&self) -> (Glimpse<'a, OwnDentry<T>>, Glimpse<'a, OwnInode<T>>) {
        match *self {
            Self::Rcu(dentry, dir, _) => (dentry, dir),
            Self::Ref(dentry, dir) | Self::Again(dentry, dir) => (dentry.into(), dir.into()),
        }
    }
}

/// What inode is asked for by `d_real`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Real {
    /// The one that has the data.
    Data,
    /// The one that has the metadata.
    Metadata,
}

/// The dentry operations of a filesystem. Without [`Operations::revalidate`] a cached name holds until
/// the VFS itself changes it.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;

    /// Whether a cached dentry still holds. `false` drops it, **and detaches what is mounted below
    /// it**: answer `false` only if the object is gone or has become another.
    fn revalidate(_call: Revalidate<'_, Self::Fs>) -> Result<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The dentry below this one that really has the data or metadata of a regular file.
    ///
    /// What it returns must live for as long as the inode of `dentry` is in use, as the VFS takes no
    /// reference. `None` is the dentry itself.
    fn real(_dentry: &OwnDentry<Self::Fs>, _what: Real) -> Option<ARef<Dentry>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: FileSystem> Operations for Without<T> {
    type Fs = T;
}

/// The C table of `O`.
pub(in crate::vfs) struct Table<O: Operations>(PhantomData<O>);

impl<O: Operations> Table<O> {
    pub(in crate::vfs) const TABLE: bindings::dentry_operations = bindings::dentry_operations {
        d_revalidate: if_has!(HAS_REVALIDATE, Self::revalidate),
        d_real: if_has!(HAS_REAL, Self::real),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `->d_revalidate`: `dentry` is of `O::Fs`, and either counted, or protected by RCU if `flags`
    /// has `LOOKUP_RCU`. Nothing is locked.
    unsafe extern "C" fn revalidate(
        dir: *mut bindings::inode,
        _name: *const bindings::qstr,
        dentry: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: The VFS calls with a dentry of ours, counted or protected by RCU.
        let dentry = unsafe { OwnDentry::from_raw(dentry) };
        // SAFETY: The directory is of the same filesystem, not new, and protected as the dentry is.
        let dir = unsafe { OwnInode::from_raw(dir) };
        let call = if flags & bindings::LOOKUP_RCU != 0 {
            // SAFETY: The walk is in one critical section from before this call until after it.
            Revalidate::Rcu(dentry.into(), dir.into(), unsafe { Reading::assume() })
        } else if flags & bindings::LOOKUP_REVAL != 0 {
            Revalidate::Again(dentry, dir)
        } else {
            Revalidate::Ref(dentry, dir)
        };
        match O::revalidate(call) {
            Ok(valid) => valid.into(),
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `->d_real`: `dentry` is a counted, positive dentry of `O::Fs`.
    unsafe extern "C" fn real(
        dentry: *mut bindings::dentry,
        what: bindings::d_real_type,
    ) -> *mut bindings::dentry {
        // SAFETY: The VFS calls with a counted dentry of ours.
        let dentry = unsafe { OwnDentry::from_raw(dentry) };
        if !dentry
            .inode()
            .is_some_and(|inode| inode.mode().is_regular())
        {
            return dentry.as_ptr();
        }
        let what = if what == bindings::d_real_type_D_REAL_METADATA {
            Real::Metadata
        } else {
            Real::Data
        };
        O::real(dentry, what).map_or(dentry.as_ptr(), |real| real.as_ptr())
    }
}
