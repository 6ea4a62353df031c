// SPDX-License-Identifier: GPL-2.0

//! Dentries, of whatever filesystem.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{inode::Inode, super_block::AnySuperBlock};
use crate::{
    bindings,
    vfs::value::{
        errno::EREMOTE,
        name::{Name, NAME_MAX},
    },
};
use core::{mem::MaybeUninit, ptr::NonNull};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
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

    /// Takes what is cached of a name away where the filesystem is asked about cached names: it believes for some
    /// time what it was told last, and is to be asked by a lookup. What is mounted on stays where it is.
    pub(in crate::vfs) fn distrust(&self) {
        // SAFETY: The dentry is alive; other flags may change at any time.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        if self.is_revalidated() && flags & bindings::dentry_flags_DCACHE_MOUNTED == 0 {
            // SAFETY: The dentry is alive.
            unsafe { bindings::d_drop(self.as_ptr()) };
        }
    }

    /// Whether both have an inode, and the same one.
    pub(crate) fn has_inode_of(&self, other: &Self) -> bool {
        let pair = self.inode().zip(other.inode());
        pair.is_some_and(|(one, other)| core::ptr::eq(one, other))
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
    pub(super) fn is_freed_by_rcu(&self) -> bool {
        // SAFETY: The dentry is alive; this flag is constant.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        flags & bindings::dentry_flags_DCACHE_NORCU == 0
    }

    /// Whether the parent is `dir`, just now.
    pub(crate) fn is_in(&self, dir: &Dentry) -> bool {
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
