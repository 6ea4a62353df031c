// SPDX-License-Identifier: GPL-2.0

//! The super blocks of a filesystem of ours, with the data that it keeps in them.
//!
//! One finds an inode by `inode_cache`, and all of its own by `inodes`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{file_system::FileSystem, inode::Cache, shelves::Shelves};
use crate::{bindings, vfs::object::super_block::AnySuperBlock};
use core::{marker::PhantomData, ops::Deref};
use kernel::{prelude::*, sync::Arc};

/// A super block of the filesystem `T`.
///
/// # Invariants
///
/// From its filling in on, `s_fs_info` is an [`Info<T>`], which is dropped a grace period after the last
/// dentry and inode of the super block have gone: an RCU walk has no reference to either, and none to
/// a mount, and comes to the data by them.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem>(AnySuperBlock, PhantomData<T>);

/// What `s_fs_info` of a super block is.
pub(in crate::vfs) struct Info<T: FileSystem> {
    pub(in crate::vfs) cache: Arc<Cache>,
    pub(in crate::vfs) shelves: Pin<KBox<Shelves>>,
    pub(in crate::vfs) data: T::SuperData,
}

impl<T: FileSystem> Deref for SuperBlock<T> {
    type Target = AnySuperBlock;

    fn deref(&self) -> &AnySuperBlock {
        &self.0
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// `ptr` is a valid super block of `T`, with its data set, during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the contract of this function, and as the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// `sb`, if it is one of `T`; for who has a mount of it.
    pub(crate) fn of(sb: &AnySuperBlock) -> Option<&Self> {
        // SAFETY: The super block is alive, and holds its type.
        let owner = unsafe { (*(*sb.as_ptr()).s_type).owner };
        let is_ours = core::ptr::eq(owner, crate::THIS_MODULE.as_ptr());
        // SAFETY: No two types have one name at a time, and that of ours by this one is of `T`. What is mounted has
        // its data.
        (is_ours && *sb.type_name() == *T::NAME).then(|| unsafe { Self::from_raw(sb.as_ptr()) })
    }

    pub(in crate::vfs) fn info(&self) -> &Info<T> {
        // SAFETY: By the type invariant.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<Info<T>>() }
    }

    /// The filesystem's data of this super block.
    pub(crate) fn data(&self) -> &T::SuperData {
        &self.info().data
    }

    /// Where its inodes are by groups.
    pub(super) fn shelves(&self) -> &Shelves {
        &self.info().shelves
    }
}

/// A super block that is being reconfigured.
///
/// # Invariants
///
/// Its `s_umount` is held for writing, by the caller of the operation.
pub(crate) struct Reconfigured<'a, T: FileSystem>(&'a SuperBlock<T>);

impl<'a, T: FileSystem> Reconfigured<'a, T> {
    /// # Safety
    ///
    /// The `s_umount` of `sb` is held for writing during `'a`.
    pub(in crate::vfs) unsafe fn assume(sb: &'a SuperBlock<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(sb)
    }

    /// Turns POSIX ACLs on or off.
    pub(crate) fn set_posix_acl(&self, on: bool) {
        let bit = bindings::SB_POSIXACL as c_ulong;
        // SAFETY: The super block is alive; `s_umount`, which is held by the type invariant, serialises
        // those who change these flags, and either value will do for who reads them meanwhile.
        unsafe {
            let flags = &raw mut (*self.as_ptr()).s_flags;
            let old = flags.read_volatile();
            flags.write_volatile(if on { old | bit } else { old & !bit });
        }
    }
}

impl<T: FileSystem> Deref for Reconfigured<'_, T> {
    type Target = SuperBlock<T>;

    fn deref(&self) -> &SuperBlock<T> {
        self.0
    }
}
