// SPDX-License-Identifier: GPL-2.0

//! Dentries: any dentry, and the dentries of a filesystem.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{glimpse::Glimpse, inode::Inode, super_block::AnySuperBlock};
use crate::{
    bindings,
    vfs::{
        own::{
            inode::{INode, Locked},
            super_block::{FileSystem, SuperBlock},
        },
        sync::{load::Load, rcu::Reading},
        value::{
            errno::{EREMOTE, ESTALE},
            name::{Name, NAME_MAX},
        },
    },
};
use core::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    sync::{
        atomic::{Atomic, Full},
        rcu,
    },
    types::Opaque,
};

/// The length of a path that `dentry_path_raw` has room for.
pub(in crate::vfs) const PATH_MAX: usize = bindings::PATH_MAX as usize;

/// Any `struct dentry`.
///
/// # Invariants
///
/// It is a dentry for as long as there is a reference: of whoever lends it, or an [`ARef`], which holds a
/// count but not the super block. A mount, an open file or an inode in use has to keep that longer.
#[repr(transparent)]
pub(crate) struct Dentry(Opaque<bindings::dentry>);

// SAFETY: Dentries are shared between threads.
unsafe impl Send for Dentry {}
// SAFETY: As above; what we read of one is read once, or is constant.
unsafe impl Sync for Dentry {}

// SAFETY: `dget` and `dput` count references, and a counted dentry stays alive.
unsafe impl AlwaysRefCounted for Dentry {
    fn inc_ref(&self) {
        // SAFETY: `self` is a valid dentry with a count.
        unsafe { bindings::dget(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a count that it owns.
        unsafe { bindings::dput(obj.as_ptr().cast()) };
    }
}

impl Dentry {
    /// # Safety
    ///
    /// `ptr` is a valid dentry during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the contract of this function, and as `Dentry` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// # Safety
    ///
    /// `ptr` is a valid dentry and the caller owns a count, which this takes over.
    pub(in crate::vfs) unsafe fn from_raw_owned(ptr: *mut bindings::dentry) -> ARef<Self> {
        // SAFETY: By the contract of this function.
        unsafe { ARef::from_raw(NonNull::new_unchecked(ptr.cast())) }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// The inode, unless the dentry is negative.
    ///
    /// A counted dentry keeps its inode: it does not become negative while the count is held, as
    /// the VFS only does that to a dentry whose sole user asks for it.
    pub(crate) fn inode(&self) -> Option<&Inode> {
        // SAFETY: The dentry is alive.
        let inode = unsafe { (&raw const (*self.as_ptr()).d_inode).read_volatile() };
        // SAFETY: The reference that keeps the dentry alive keeps its inode, too; see above.
        (!inode.is_null()).then(|| unsafe { Inode::from_raw(inode) })
    }

    /// Whether the dentry is still what its parent calls by its name.
    pub(crate) fn is_current(&self) -> bool {
        self.is_positive() && (!self.is_unhashed() || self.is_root_entry())
    }

    /// The inode, for the VFS functions that take it for granted. `ENOENT`.
    pub(in crate::vfs) fn require_inode(&self) -> Result<&Inode> {
        self.inode().ok_or(ENOENT)
    }

    /// Whether the dentry is one of the filesystem `sb`.
    pub(in crate::vfs) fn is_on(&self, sb: &AnySuperBlock) -> bool {
        // SAFETY: The dentry is alive; its super block does not change.
        unsafe { (*self.as_ptr()).d_sb == sb.as_ptr() }
    }

    /// The directory, for the VFS functions that take it for granted: they call its `->lookup` without
    /// asking whether there is one. `ENOENT`, `ENOTDIR`; `EREMOTE` for one on which something is
    /// mounted when a path goes through it: what a filesystem has itself below that, if anything, is not
    /// what the name stands for, and NFS has no `->lookup` there.
    pub(crate) fn require_dir(&self) -> Result<&Inode> {
        let inode = self.require_inode()?;
        match self.kind() {
            bindings::dentry_flags_DCACHE_DIRECTORY_TYPE => Ok(inode),
            _ if inode.is_dir() => Err(EREMOTE),
            _ => Err(ENOTDIR),
        }
    }

    /// What can be opened. `ENOENT`; `EREMOTE` for a directory as [`Dentry::require_dir`] says, which
    /// need not have an `->open` either.
    pub(in crate::vfs) fn require_open(&self) -> Result<&Inode> {
        let inode = self.require_inode()?;
        match self.kind() {
            bindings::dentry_flags_DCACHE_DIRECTORY_TYPE
            | bindings::dentry_flags_DCACHE_REGULAR_TYPE => Ok(inode),
            _ if inode.is_dir() => Err(EREMOTE),
            _ => Ok(inode),
        }
    }

    /// The type of a positive dentry, and whether a path walk would do something before it goes through
    /// here. A counted dentry keeps it as it keeps its inode.
    fn kind(&self) -> bindings::dentry_flags {
        let bits = bindings::dentry_flags_DCACHE_ENTRY_TYPE
            | bindings::dentry_flags_DCACHE_NEED_AUTOMOUNT
            | bindings::dentry_flags_DCACHE_MANAGE_TRANSIT;
        // SAFETY: The dentry is alive; other flags may change at any time.
        unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() & bits }
    }

    /// Whether the filesystem is asked each time before a cached name is used.
    pub(crate) fn is_revalidated(&self) -> bool {
        // SAFETY: The dentry is alive.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        flags & bindings::dentry_flags_DCACHE_OP_REVALIDATE != 0
    }

    /// Whether the filesystem itself makes the hashes of names in this directory.
    pub(in crate::vfs) fn hashes_names(&self) -> bool {
        // SAFETY: The dentry is alive.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        flags & bindings::dentry_flags_DCACHE_OP_HASH != 0
    }

    /// Whether the dentry has an inode.
    pub(crate) fn is_positive(&self) -> bool {
        self.inode().is_some()
    }

    /// Whether the dentry was removed from its directory, or never was in one.
    pub(crate) fn is_unhashed(&self) -> bool {
        // As `d_unhashed()` does, which would be a call.
        // SAFETY: The dentry is alive; the pointer may change, and is only compared.
        unsafe { (&raw const (*self.as_ptr()).d_hash.pprev).read_volatile() }.is_null()
    }

    /// Whether this is a root, of a filesystem or of what is mounted of it.
    pub(crate) fn is_root_entry(&self) -> bool {
        // SAFETY: The dentry is alive.
        unsafe { (&raw const (*self.as_ptr()).d_parent).read_volatile() == self.as_ptr() }
    }

    /// The name in place.
    ///
    /// # Safety
    ///
    /// The dentry is in a directory, and its name cannot change during `'a`: the directory is locked, or
    /// the dentry is in lookup.
    pub(in crate::vfs) unsafe fn name_in_place<'a>(&self) -> Result<&'a Name> {
        // SAFETY: By the contract of this function.
        unsafe {
            let name = &raw const (*self.as_ptr()).__bindgen_anon_1.d_name;
            let len = (*name).__bindgen_anon_1.__bindgen_anon_1.len as usize;
            component(core::slice::from_raw_parts((*name).name, len))
        }
    }

    /// Whether the memory is freed after a grace period (`fs/dcache.c:dentry_free`).
    fn is_freed_by_rcu(&self) -> bool {
        // SAFETY: The dentry is alive; this flag is constant.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        flags & bindings::dentry_flags_DCACHE_NORCU == 0
    }

    /// Whether the parent is `dir`, just now.
    pub(in crate::vfs) fn is_in(&self, dir: &Dentry) -> bool {
        // SAFETY: The dentry is alive; the pointer may change, and is only compared.
        unsafe { (&raw const (*self.as_ptr()).d_parent).read_volatile() == dir.as_ptr() }
    }

    /// The parent, with a reference.
    pub(crate) fn parent(&self) -> ARef<Dentry> {
        // SAFETY: The dentry is alive; `dget_parent` returns a counted dentry.
        unsafe { Dentry::from_raw_owned(bindings::dget_parent(self.as_ptr())) }
    }

    /// The parent, with a reference; none of a root.
    pub(crate) fn above(&self) -> Option<ARef<Dentry>> {
        (!self.is_root_entry()).then(|| self.parent())
    }

    /// How many references there are, ours included: those of its children, too.
    pub(crate) fn count(&self) -> u32 {
        // SAFETY: The dentry is alive.
        unsafe { bindings::d_count(self.as_ptr()) }
    }

    /// Drops what is cached below and not in use. May sleep.
    pub(crate) fn shrink(&self) {
        // SAFETY: The dentry is alive.
        unsafe { bindings::shrink_dcache_parent(self.as_ptr()) };
    }

    /// The path within the filesystem, as it is now. `ENAMETOOLONG`.
    pub(crate) fn path_within(&self) -> Result<KVec<u8>> {
        let mut buf = KVec::from_elem(0u8, PATH_MAX, GFP_KERNEL)?;
        // SAFETY: The dentry is alive; the buffer has the length that is given.
        let path = from_err_ptr(unsafe {
            bindings::dentry_path_raw(self.as_ptr(), buf.as_mut_ptr().cast(), PATH_MAX as c_int)
        })?;
        let mut text = KVec::new();
        // SAFETY: The call returned a C string within the buffer, which is still there.
        text.extend_from_slice(unsafe { CStr::from_char_ptr(path) }.to_bytes(), GFP_KERNEL)?;
        Ok(text)
    }

    /// A copy of the name as it is now; a rename may change the dentry's own at any time.
    pub(crate) fn name(&self) -> NameSnapshot {
        let mut snapshot = NameSnapshot {
            len: 0,
            bytes: [const { MaybeUninit::uninit() }; NAME_MAX],
        };
        // INVARIANT: The bytes are copied below.
        // SAFETY: The dentry is alive; `d_lock` keeps its name from changing.
        unsafe {
            let lock = (&raw mut (*self.as_ptr())
                .d_lockref
                .__bindgen_anon_1
                .__bindgen_anon_1
                .lock)
                .cast();
            bindings::spin_lock(lock);
            let name = &raw const (*self.as_ptr()).__bindgen_anon_1.d_name;
            let len = ((*name).__bindgen_anon_1.__bindgen_anon_1.len as usize).min(NAME_MAX);
            let bytes = snapshot.bytes.as_mut_ptr().cast();
            core::ptr::copy_nonoverlapping((*name).name, bytes, len);
            snapshot.len = len;
            bindings::spin_unlock(lock);
        }
        snapshot
    }
}

/// A counted dentry that RCU walks may look at.
///
/// # Invariants
///
/// The pointer is null or a dentry of which this owns a count, and whose memory is freed a grace
/// period after its last count has gone.
pub(crate) struct Published(Atomic<*mut bindings::dentry>);

// SAFETY: As for `Dentry`; the pointer is only accessed atomically.
unsafe impl Send for Published {}
// SAFETY: As above.
unsafe impl Sync for Published {}

impl Published {
    /// Publishes a dentry.
    pub(crate) fn new(dentry: ARef<Dentry>) -> Self {
        // INVARIANT: The count moves here.
        Self(Atomic::new(Self::raw(Some(dentry))))
    }

    /// What is kept of `dentry`, with its count.
    fn raw(dentry: Option<ARef<Dentry>>) -> *mut bindings::dentry {
        match dentry {
            Some(dentry) if dentry.is_freed_by_rcu() => ARef::into_raw(dentry).as_ptr().cast(),
            // One of a pipe or socket, say, is nothing to an RCU walk.
            _ => core::ptr::null_mut(),
        }
    }

    /// Publishes another dentry, or none; gives up the old one at once. May sleep.
    pub(crate) fn replace(&self, dentry: Option<ARef<Dentry>>) {
        let raw = Self::raw(dentry);
        // INVARIANT: The new count moves here, the old one goes with the temporary.
        let old = self.0.xchg(raw, Full);
        if !old.is_null() {
            // SAFETY: By the type invariant we owned a count of the old dentry.
            drop(unsafe { Dentry::from_raw_owned(old) });
        }
    }

    /// Whether `dentry` is what is published. The addresses are compared and nothing else: nobody else
    /// has that of a dentry that the caller holds.
    pub(crate) fn is(&self, dentry: &Dentry) -> bool {
        core::ptr::eq(self.0.load_acquire(), dentry.as_ptr())
    }

    /// Looks at the dentry. What a dentry names may change at any time, as in any RCU walk.
    pub(crate) fn read<'a>(&'a self, _reading: Reading<'a>) -> Option<Glimpse<'a, Dentry>> {
        let dentry = self.0.load_acquire();
        // SAFETY: By the type invariant, as the dentry was counted when it was loaded, within the
        // read-side critical section of `_reading`.
        (!dentry.is_null()).then(|| Glimpse::from(unsafe { Dentry::from_raw(dentry) }))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.replace(None);
    }
}

/// The name of a dentry. `EINVAL` if it is none.
///
/// # Safety
///
/// `bytes` are those of the name of a dentry in a directory, or in lookup.
unsafe fn component(bytes: &[u8]) -> Result<&Name> {
    match bytes {
        // A root, or one without a name: that is "/".
        [] | [b'/', ..] => Name::new(bytes),
        _ if bytes.len() > NAME_MAX => Name::new(bytes),
        // SAFETY: The VFS makes a dentry for one component, of a path (`hash_name`) or of what another
        // part of the kernel asks for (`lookup_noperm_common`): without a NUL or a `/`, and not for
        // `.` and `..`. The length was just checked.
        _ => Ok(unsafe { Name::new_unchecked(bytes) }),
    }
}

/// A copy of a dentry's name.
///
/// # Invariants
///
/// The first `len` bytes are those of a dentry's name.
pub(crate) struct NameSnapshot {
    len: usize,
    bytes: [MaybeUninit<u8>; NAME_MAX],
}

impl NameSnapshot {
    /// The name. `EINVAL` for that of a root, which is not one component, and for what somebody called a
    /// file that is in no directory, such as one of `memfd_create(2)`.
    pub(crate) fn get(&self) -> Result<&Name> {
        // SAFETY: By the type invariant.
        Name::new(unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len) })
    }
}

/// A dentry of the filesystem `T`.
///
/// # Invariants
///
/// The dentry is on a super block of `T`.
#[repr(transparent)]
pub(crate) struct DEntry<T: FileSystem>(Dentry, PhantomData<T>);

// SAFETY: As for `Dentry`.
unsafe impl<T: FileSystem> AlwaysRefCounted for DEntry<T> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: As for `Dentry`, over which `DEntry` is transparent.
        unsafe { Dentry::dec_ref(obj.cast()) };
    }
}

impl<T: FileSystem> Deref for DEntry<T> {
    type Target = Dentry;

    fn deref(&self) -> &Dentry {
        &self.0
    }
}

impl<T: FileSystem> DEntry<T> {
    /// # Safety
    ///
    /// `ptr` is a valid dentry of a super block of `T` during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the contract of this function, and as `DEntry` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The super block that the dentry is on.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: A dentry of `T` is on a super block of `T`, which outlives it.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }

    /// The inode, unless the dentry is negative.
    pub(crate) fn node(&self) -> Option<&INode<T>> {
        let inode = self.inode()?;
        // SAFETY: The inode of a dentry of `T` is one of `T`, and is not new once instantiated.
        Some(unsafe { INode::from_raw(inode.as_ptr()) })
    }

    /// The inode of a dentry that an operation was called with for what it names. `ESTALE` if it
    /// has none after all.
    pub(crate) fn positive(&self) -> Result<&INode<T>> {
        self.node().ok_or(ESTALE)
    }

    /// The parent, with a reference.
    pub(crate) fn parent_entry(&self) -> ARef<DEntry<T>> {
        // SAFETY: The parent of a dentry of `T` is one of `T`, over which `DEntry` is transparent.
        unsafe { ARef::from_raw(ARef::into_raw(self.parent()).cast()) }
    }

    /// What `name` means in `dir`, of the filesystem `T` itself; `None` if nothing.
    ///
    /// # Safety
    ///
    /// The `i_rwsem` of `dir` is held.
    pub(in crate::vfs) unsafe fn lookup_locked(
        dir: &DEntry<T>,
        name: &Name,
    ) -> Result<Option<ARef<DEntry<T>>>> {
        dir.require_dir()?;
        let mut qstr = name.qstr();
        // SAFETY: The dentry and its inode are alive, and the directory is locked.
        let child = from_err_ptr(unsafe { bindings::lookup_noperm(&mut qstr, dir.as_ptr()) })?;
        // SAFETY: A child of a dentry of `T` is one of `T`, and the count is ours.
        let child: ARef<DEntry<T>> =
            unsafe { ARef::from_raw(NonNull::new_unchecked(child.cast())) };
        Ok(child.is_positive().then_some(child))
    }

    /// Checks that `inode` may be what the dentry names: both are of one super block. `EXDEV`.
    fn require_same_sb(&self, inode: &INode<T>) -> Result {
        match self.is_on(inode.sb()) {
            true => Ok(()),
            false => Err(EXDEV),
        }
    }

    /// Whether this is the root of the filesystem.
    pub(crate) fn is_root(&self) -> bool {
        self.is_root_entry()
    }

    /// The number that [`DEntry::set_stamp`] left, from `d_time`.
    pub(crate) fn stamp(&self) -> usize {
        // SAFETY: The dentry is alive; `d_time` is the filesystem's to use.
        unsafe { (&raw const (*self.as_ptr()).d_time).read_volatile() }
    }

    /// Leaves a number with the dentry.
    pub(crate) fn set_stamp(&self, stamp: usize) {
        // SAFETY: The dentry is alive; `d_time` is the filesystem's to use.
        unsafe { (&raw mut (*self.as_ptr()).d_time).write_volatile(stamp) };
    }

    /// Removes the dentry from the hash, so that the next lookup asks the filesystem.
    pub(crate) fn drop_from_cache(&self) {
        // SAFETY: The dentry is alive.
        unsafe { bindings::d_drop(self.as_ptr()) };
    }

    /// Lets `inode` and its dentries leave the cache as soon as nobody uses them.
    pub(crate) fn mark_dont_cache(inode: &INode<T>) {
        // SAFETY: The inode is alive.
        unsafe { bindings::d_mark_dontcache(inode.as_ptr()) };
    }

    /// Any dentry that names `inode` now, with a reference.
    pub(crate) fn alias_of(inode: &INode<T>) -> Option<ARef<Self>> {
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
pub(crate) struct InLookup<'a, T: FileSystem>(&'a DEntry<T>);

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
    pub(in crate::vfs) unsafe fn assume(dentry: &'a DEntry<T>) -> Self {
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
    pub(crate) fn splice(self, inode: Option<ARef<INode<T>>>, stamp: usize) -> Result<Spliced<T>> {
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
            unsafe { DEntry::<T>::from_raw(found) }.set_stamp(stamp);
        }
        // INVARIANT: The call gave us the count.
        Ok(Spliced(found, PhantomData))
    }
}

impl<T: FileSystem> Deref for InLookup<'_, T> {
    type Target = DEntry<T>;

    fn deref(&self) -> &DEntry<T> {
        self.0
    }
}

/// A negative dentry in a locked directory: the place for a new object.
///
/// # Invariants
///
/// The dentry is negative until this is used up, and a child of `dir`.
pub(crate) struct Negative<'a, T: FileSystem> {
    dentry: &'a DEntry<T>,
    dir: Locked<'a, T>,
}

impl<'a, T: FileSystem> Negative<'a, T> {
    /// # Safety
    ///
    /// `dentry` is negative and a child of `dir`, which is locked during `'a`.
    pub(in crate::vfs) unsafe fn assume(dir: Locked<'a, T>, dentry: &'a DEntry<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self { dentry, dir }
    }

    /// The directory that the name is in.
    pub(crate) fn dir(&self) -> &Locked<'a, T> {
        &self.dir
    }

    /// The dentry of the directory.
    pub(crate) fn parent_dir(&self) -> &'a DEntry<T> {
        // SAFETY: The directory is locked, by the type, so that this is the parent during `'a`, of which
        // the child has a count.
        unsafe { DEntry::from_raw((*self.dentry.as_ptr()).d_parent) }
    }

    /// The name.
    pub(crate) fn name_in_dir(&self) -> Result<&'a Name> {
        // SAFETY: The directory is locked, by the type, so that its names do not change.
        unsafe { self.dentry.name_in_place() }
    }

    /// Gives the name its meaning. `EXDEV` for an inode of another super block, `ESTALE` for a directory
    /// that has a name already: it has one.
    pub(crate) fn instantiate(self, inode: ARef<INode<T>>) -> Result {
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
    type Target = DEntry<T>;

    fn deref(&self) -> &DEntry<T> {
        self.dentry
    }
}

impl<T: FileSystem> Locked<'_, T> {
    /// The dentry of this directory, in which `child` is. `ESTALE` if that is in another.
    pub(crate) fn parent_of<'b>(&'b self, child: &'b DEntry<T>) -> Result<&'b DEntry<T>> {
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
        Ok(unsafe { DEntry::from_raw(parent) })
    }

    /// The name of `child` in this directory. `ESTALE` if it is in another.
    pub(crate) fn name_of<'b>(&'b self, child: &'b DEntry<T>) -> Result<&'b Name> {
        self.parent_of(child)?;
        // SAFETY: The directory is locked, by the type, and the dentry is in it.
        unsafe { child.name_in_place() }
    }
}
