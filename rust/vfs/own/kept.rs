// SPDX-License-Identifier: GPL-2.0

//! Keeping names in the cache, and the super block that they are on.

use super::{dentry::OwnDentry, file_system::FileSystem, super_block::SuperBlock};
use crate::{bindings, vfs::value::errno::ESTALE};
use core::{ops::Deref, ptr::NonNull};
use kernel::{prelude::*, sync::aref::ARef};

/// Keeps a super block from being shut down.
///
/// # Invariants
///
/// The pointer is a super block of `T` of which this owns an active count.
pub(crate) struct Active<T: FileSystem>(NonNull<SuperBlock<T>>);

// SAFETY: An active count may be given up by any thread; super blocks are shared between threads.
unsafe impl<T: FileSystem> Send for Active<T> {}

impl<T: FileSystem> Active<T> {
    /// `ESTALE` if the super block is being shut down already.
    pub(crate) fn new(sb: &SuperBlock<T>) -> Result<Self> {
        // SAFETY: The super block is alive.
        if !unsafe { bindings::atomic_inc_not_zero(&raw mut (*sb.as_ptr()).s_active) } {
            return Err(ESTALE);
        }
        // INVARIANT: The count is ours.
        Ok(Self(NonNull::from(sb)))
    }
}

impl<T: FileSystem> Deref for Active<T> {
    type Target = SuperBlock<T>;

    fn deref(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariant, the super block lives.
        unsafe { self.0.as_ref() }
    }
}

impl<T: FileSystem> Drop for Active<T> {
    /// May sleep, and shut the super block down.
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant, and is given up.
        unsafe { bindings::deactivate_super(self.as_ptr()) };
    }
}

/// Names that stay in the cache. Whoever holds them holds the super block, too: nothing of it may
/// be in use when it is shut down.
///
/// To be dropped without the super block's `s_umount`, unless somebody else has an active count.
pub(crate) struct Kept<T: FileSystem> {
    // Dropped first.
    names: KVVec<ARef<OwnDentry<T>>>,
    _sb: Active<T>,
}

impl<T: FileSystem> Kept<T> {
    /// A name of each inode that somebody watches: a watch (`inotify(7)`, `fanotify(7)`) keeps an inode,
    /// but no name. What has no name in the cache is not among them. May sleep. `ENOMEM`; `ESTALE`
    /// if the super block is being shut down.
    pub(crate) fn watched(sb: &SuperBlock<T>) -> Result<Self> {
        let active = Active::new(sb)?;
        let mut names = KVVec::new();
        // SAFETY: The super block is alive.
        if !unsafe { bindings::fsnotify_sb_has_watchers(sb.as_ptr()) } {
            return Ok(Self { names, _sb: active });
        }
        sb.for_each(
            |inode| inode.is_watched(),
            |inode| {
                if let Some(name) = OwnDentry::alias_of(inode) {
                    names.push(name, GFP_KERNEL)?;
                }
                Ok(())
            },
        )?;
        Ok(Self { names, _sb: active })
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &OwnDentry<T>> {
        self.names.iter().map(|name| &**name)
    }

    /// Lets go of those that `keep` does not pick.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&OwnDentry<T>) -> bool) {
        self.names.retain(|name| keep(name));
    }
}
