// SPDX-License-Identifier: GPL-2.0

//! The dentries of a filesystem of ours, and what it may do with one in each of its states.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    file_system::FileSystem,
    inode::{Locked, OwnInode},
    super_block::SuperBlock,
};
use crate::{
    bindings,
    vfs::{
        object::dentry::Dentry,
        value::{errno::ESTALE, name::Name},
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{fence, Ordering},
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        rcu,
    },
};

/// A dentry of the filesystem `T`.
///
/// # Invariants
///
/// The dentry is on a super block of `T`.
#[repr(transparent)]
pub(crate) struct OwnDentry<T: FileSystem>(Dentry, PhantomData<T>);

// SAFETY: As for `Dentry`.
unsafe impl<T: FileSystem> AlwaysRefCounted for OwnDentry<T> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: As for `Dentry`, over which `OwnDentry` is transparent.
        unsafe { Dentry::dec_ref(obj.cast()) };
    }
}

impl<T: FileSystem> Deref for OwnDentry<T> {
    type Target = Dentry;

    fn deref(&self) -> &Dentry {
        &self.0
    }
}

impl<T: FileSystem> OwnDentry<T> {
    /// # Safety
    ///
    /// `ptr` is a valid dentry of a super block of `T` during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the contract of this function, and as `OwnDentry` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The super block that the dentry is on.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: A dentry of `T` is on a super block of `T`, which outlives it.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }

    /// The inode, unless the dentry is negative.
    pub(crate) fn own_inode(&self) -> Option<&OwnInode<T>> {
        let inode = self.inode()?;
        // SAFETY: The inode of a dentry of `T` is one of `T`, and is not new once instantiated.
        Some(unsafe { OwnInode::from_raw(inode.as_ptr()) })
    }

    /// The inode of a dentry that an operation was called with for what it names. `ESTALE` if it
    /// has none after all.
    pub(crate) fn positive(&self) -> Result<&OwnInode<T>> {
        self.own_inode().ok_or(ESTALE)
    }

    /// The parent, with a reference.
    pub(crate) fn parent_entry(&self) -> ARef<OwnDentry<T>> {
        // SAFETY: The parent of a dentry of `T` is one of `T`, over which `OwnDentry` is transparent.
        unsafe { ARef::from_raw(ARef::into_raw(self.parent()).cast()) }
    }

    /// What `name` means in `dir`, of the filesystem `T` itself; `None` if nothing.
    ///
    /// # Safety
    ///
    /// The `i_rwsem` of `dir` is held.
    pub(in crate::vfs) unsafe fn lookup_locked(
        dir: &OwnDentry<T>,
        name: &Name,
    ) -> Result<Option<ARef<OwnDentry<T>>>> {
        dir.require_dir()?;
        let mut qstr = name.qstr();
        // SAFETY: The dentry and its inode are alive, and the directory is locked.
        let child = from_err_ptr(unsafe { bindings::lookup_noperm(&mut qstr, dir.as_ptr()) })?;
        // SAFETY: A child of a dentry of `T` is one of `T`, and the count is ours.
        let child: ARef<OwnDentry<T>> =
            unsafe { ARef::from_raw(NonNull::new_unchecked(child.cast())) };
        Ok(child.is_positive().then_some(child))
    }

    /// The dentry that is cached for `name` in `dir`, whatever it means by now.
    pub(crate) fn cached(dir: &OwnDentry<T>, name: &Name) -> Option<ARef<OwnDentry<T>>> {
        let dir = dir.as_ptr();
        let mut qstr = name.qstr();
        // SAFETY: The name has its length; the directory only salts the hash, and is alive, as it is during the
        // lookup.
        let found = unsafe {
            let hash = bindings::full_name_hash(dir.cast(), name.as_ptr(), name.len() as u32);
            qstr.__bindgen_anon_1.__bindgen_anon_1.hash = hash;
            bindings::d_lookup(dir, &qstr)
        };
        // SAFETY: A child of a dentry of `T` is one of `T`, and the count is ours.
        NonNull::new(found.cast()).map(|found| unsafe { ARef::from_raw(found) })
    }

    /// Checks that `inode` may be what the dentry names: both are of one super block. `EXDEV`.
    fn require_same_sb(&self, inode: &OwnInode<T>) -> Result {
        match self.is_on(inode.sb()) {
            true => Ok(()),
            false => Err(EXDEV),
        }
    }

    /// Whether this is the root of the filesystem.
    pub(crate) fn is_root(&self) -> bool {
        self.is_root_entry()
    }

    /// The number that [`OwnDentry::set_stamp`] left, from `d_time`. What comes after this sees what was stored
    /// before it was left.
    pub(crate) fn stamp(&self) -> usize {
        // SAFETY: The dentry is alive; `d_time` is the filesystem's to use.
        let stamp = unsafe { (&raw const (*self.as_ptr()).d_time).read_volatile() };
        // No instruction on amd64, as in `load_acquire`.
        fence(Ordering::Acquire);
        stamp
    }

    /// Leaves a number with the dentry.
    pub(crate) fn set_stamp(&self, stamp: usize) {
        // Who has published what the stamp is of may be another: what this task has seen comes before it, too.
        fence(Ordering::Release);
        // SAFETY: The dentry is alive; `d_time` is the filesystem's to use.
        unsafe { (&raw mut (*self.as_ptr()).d_time).write_volatile(stamp) };
    }

    /// Removes the dentry from the hash, so that the next lookup asks the filesystem.
    pub(crate) fn drop_from_cache(&self) {
        // SAFETY: The dentry is alive.
        unsafe { bindings::d_drop(self.as_ptr()) };
    }

    /// Lets `inode` and its dentries leave the cache as soon as nobody uses them.
    pub(crate) fn mark_dont_cache(inode: &OwnInode<T>) {
        // SAFETY: The inode is alive.
        unsafe { bindings::d_mark_dontcache(inode.as_ptr()) };
    }

    /// Any dentry that names `inode` now, with a reference.
    pub(crate) fn alias_of(inode: &OwnInode<T>) -> Option<ARef<Self>> {
        // SAFETY: The inode is alive; `d_find_any_alias` returns a counted dentry or null.
        let dentry = unsafe { bindings::d_find_any_alias(inode.as_ptr()) };
        // SAFETY: An alias of an inode of `T` is a dentry of `T`, and the count is ours.
        NonNull::new(dentry).map(|dentry| unsafe { ARef::from_raw(dentry.cast()) })
    }
}

/// A dentry that the VFS is looking up: nobody else may instantiate it.
///
/// # Invariants
///
/// The dentry is in lookup, by the caller of the operation, until this is used up.
pub(crate) struct InLookup<'a, T: FileSystem>(&'a OwnDentry<T>);

/// What a lookup ended with; only [`InLookup::splice`] makes one.
///
/// # Invariants
///
/// The pointer is null, or a dentry of `T` of which this owns a count.
pub(crate) struct Spliced<T: FileSystem>(*mut bindings::dentry, PhantomData<T>);

impl<T: FileSystem> Spliced<T> {
    /// What `->lookup` returns, with the count.
    pub(in crate::vfs) fn into_raw(self) -> *mut bindings::dentry {
        ManuallyDrop::new(self).0
    }
}

impl<T: FileSystem> Drop for Spliced<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; null is all right.
        unsafe { bindings::dput(self.0) };
    }
}

impl<'a, T: FileSystem> InLookup<'a, T> {
    /// # Safety
    ///
    /// The dentry is in lookup, by the caller of the operation.
    pub(in crate::vfs) unsafe fn assume(dentry: &'a OwnDentry<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(dentry)
    }

    /// The name.
    pub(crate) fn name_in_lookup(&self) -> Result<&Name> {
        // SAFETY: The name of a dentry in lookup does not change, and `splice` ends that.
        unsafe { self.0.name_in_place() }
    }

    /// Ends the lookup: the name means `inode`, or nothing. A directory that has a dentry already
    /// is moved here (`d_splice_alias`). `EXDEV` for an inode of another super block.
    pub(crate) fn splice(
        self,
        inode: Option<ARef<OwnInode<T>>>,
        stamp: usize,
    ) -> Result<Spliced<T>> {
        if let Some(inode) = &inode {
            self.0.require_same_sb(inode)?;
        }
        self.0.set_stamp(stamp);
        let raw = inode.map_or(core::ptr::null_mut(), |inode| {
            ARef::into_raw(inode).as_ptr().cast()
        });
        // SAFETY: The dentry is in lookup; the call takes over the inode's count, even on error.
        let found = from_err_ptr(unsafe { bindings::d_splice_alias(raw, self.0.as_ptr()) })?;
        if !found.is_null() {
            // SAFETY: The call returned a counted dentry of this filesystem.
            unsafe { OwnDentry::<T>::from_raw(found) }.set_stamp(stamp);
        }
        // INVARIANT: The call gave us the count.
        Ok(Spliced(found, PhantomData))
    }
}

impl<T: FileSystem> Deref for InLookup<'_, T> {
    type Target = OwnDentry<T>;

    fn deref(&self) -> &OwnDentry<T> {
        self.0
    }
}

/// A negative dentry in a locked directory: the place for a new object.
///
/// # Invariants
///
/// The dentry is negative until this is used up, and a child of `dir`.
pub(crate) struct Negative<'a, T: FileSystem> {
    dentry: &'a OwnDentry<T>,
    dir: Locked<'a, T>,
}

impl<'a, T: FileSystem> Negative<'a, T> {
    /// # Safety
    ///
    /// `dentry` is negative and a child of `dir`, which is locked during `'a`.
    pub(in crate::vfs) unsafe fn assume(dir: Locked<'a, T>, dentry: &'a OwnDentry<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self { dentry, dir }
    }

    /// The directory that the name is in.
    pub(crate) fn dir(&self) -> &Locked<'a, T> {
        &self.dir
    }

    /// The dentry of the directory.
    pub(crate) fn parent_dir(&self) -> &'a OwnDentry<T> {
        // SAFETY: The directory is locked, by the type, so that this is the parent during `'a`, of which
        // the child has a count.
        unsafe { OwnDentry::from_raw((*self.dentry.as_ptr()).d_parent) }
    }

    /// The name.
    pub(crate) fn name_in_dir(&self) -> Result<&'a Name> {
        // SAFETY: The directory is locked, by the type, so that its names do not change.
        unsafe { self.dentry.name_in_place() }
    }

    /// Gives the name its meaning. `EXDEV` for an inode of another super block, `ESTALE` for a directory
    /// that has a name already: it has one.
    pub(crate) fn instantiate(self, inode: ARef<OwnInode<T>>) -> Result {
        self.dentry.require_same_sb(&inode)?;
        if inode.is_dir() && inode.has_dentry() {
            return Err(ESTALE);
        }
        // SAFETY: The dentry is negative and its directory locked, by the type; the call takes over
        // the inode's count.
        unsafe {
            bindings::d_instantiate(self.dentry.as_ptr(), ARef::into_raw(inode).as_ptr().cast());
        }
        Ok(())
    }
}

impl<T: FileSystem> Deref for Negative<'_, T> {
    type Target = OwnDentry<T>;

    fn deref(&self) -> &OwnDentry<T> {
        self.dentry
    }
}

impl<T: FileSystem> Locked<'_, T> {
    /// The dentry of this directory, in which `child` is. `ESTALE` if that is in another.
    pub(crate) fn parent_of<'b>(&'b self, child: &'b OwnDentry<T>) -> Result<&'b OwnDentry<T>> {
        let guard = rcu::read_lock();
        // SAFETY: The child is alive. If it is elsewhere, its parent may be another one at any time, but
        // the memory of this one is there within the read-side critical section.
        let (parent, inode) = unsafe {
            let parent = (&raw const (*child.as_ptr()).d_parent).read_volatile();
            (parent, (&raw const (*parent).d_inode).read_volatile())
        };
        drop(guard);
        if !core::ptr::eq(inode, self.as_ptr()) {
            return Err(ESTALE);
        }
        // SAFETY: A directory has one dentry, which is the parent for as long as the directory is
        // locked, by the type; the child has a count of it.
        Ok(unsafe { OwnDentry::from_raw(parent) })
    }

    /// The name of `child` in this directory. `ESTALE` if it is in another.
    pub(crate) fn name_of<'b>(&'b self, child: &'b OwnDentry<T>) -> Result<&'b Name> {
        self.parent_of(child)?;
        // SAFETY: The directory is locked, by the type, and the dentry is in it.
        unsafe { child.name_in_place() }
    }
}
