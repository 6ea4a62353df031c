// SPDX-License-Identifier: GPL-2.0

//! The inodes of a filesystem of ours, with the data that it keeps in them.
//!
//! More methods: `fields` (attributes), `inode_cache` (finding one), `inodes` (all of a super block); what a
//! locked directory says of a dentry is in `dentry`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{file_system::FileSystem, shelves::Slot, super_block::SuperBlock};
use crate::{bindings, vfs::object::inode::Inode};
use core::{
    marker::PhantomData,
    mem::{offset_of, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
};
use kernel::{
    prelude::*,
    sync::{aref::AlwaysRefCounted, atomic::Atomic},
    types::Opaque,
};

/// An inode of the filesystem `T`, with its data.
///
/// # Invariants
///
/// The inode is the start of a [`Container<T>`], on a super block of `T`, and is ready.
#[repr(transparent)]
pub(crate) struct OwnInode<T: FileSystem>(Inode, PhantomData<T>);

/// What an inode is found by: see [`inode_cache`](super::inode_cache).
pub(super) struct Known {
    /// Under which it is in the hash table: constant from then on.
    pub(super) hash: Atomic<u64>,
    /// What it stands for.
    pub(super) key: Atomic<usize>,
}

impl Known {
    /// Of an inode that is not in the cache.
    pub(super) fn nowhere() -> Self {
        Self {
            hash: Atomic::new(0),
            key: Atomic::new(0),
        }
    }
}

/// An inode with the data that its filesystem keeps beside it.
///
/// # Invariants
///
/// `data` is initialised if `ready`; an inode that anybody but its maker sees (`I_NEW` cleared) is
/// ready.
#[repr(C)]
pub(super) struct Container<T: FileSystem> {
    inode: Opaque<bindings::inode>,
    place: Slot,
    known: Known,
    pub(super) ready: bool,
    pub(super) data: MaybeUninit<T::INodeData>,
}

// SAFETY: As for `Inode`.
unsafe impl<T: FileSystem> AlwaysRefCounted for OwnInode<T> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: As for `Inode`, over which `OwnInode` is transparent.
        unsafe { Inode::dec_ref(obj.cast()) };
    }
}

impl<T: FileSystem> Deref for OwnInode<T> {
    type Target = Inode;

    fn deref(&self) -> &Inode {
        &self.0
    }
}

impl<T: FileSystem> OwnInode<T> {
    /// # Safety
    ///
    /// `ptr` is a valid inode of a super block of `T` during `'a`, and not `I_NEW`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the contract of this function, and as `OwnInode` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The filesystem's data of this inode.
    pub(crate) fn data(&self) -> &T::INodeData {
        // SAFETY: The inode is in a `Container<T>`, as `alloc_inode` makes them, and ready, as it
        // is not new.
        unsafe {
            (*self.as_ptr().cast::<Container<T>>())
                .data
                .assume_init_ref()
        }
    }

    /// The data of an inode of `T` that may have failed while it was made: then there is none.
    ///
    /// # Safety
    ///
    /// `ptr` is an inode of a super block of `T` that is not freed during `'a`, and not `I_NEW`.
    pub(super) unsafe fn data_of<'a>(ptr: *mut bindings::inode) -> Option<&'a T::INodeData> {
        let container = ptr.cast::<Container<T>>();
        // SAFETY: By the contract of this function; `ready` does not change any more, and says that
        // the data is initialised, by the type invariant.
        unsafe {
            (*container)
                .ready
                .then(|| (*container).data.assume_init_ref())
        }
    }

    /// Where the inode is on the super block's shelves.
    pub(super) fn place(&self) -> &Slot {
        // SAFETY: The inode is in a `Container<T>`, whose place is there from the allocation on.
        unsafe { &(*self.as_ptr().cast::<Container<T>>()).place }
    }

    /// What the inode is found by in the cache.
    pub(super) fn known(&self) -> &Known {
        // SAFETY: The inode is in a `Container<T>`, and alive.
        unsafe { Self::known_of(self.as_ptr()) }
    }

    /// As [`OwnInode::known`], also of an inode that is not filled in yet.
    ///
    /// # Safety
    ///
    /// `ptr` is an inode of a super block of `T` whose memory is not freed during `'a`.
    pub(super) unsafe fn known_of<'a>(ptr: *mut bindings::inode) -> &'a Known {
        // SAFETY: By the contract of this function, it is in a `Container<T>`, in which this is there
        // from the allocation on.
        unsafe { &(*ptr.cast::<Container<T>>()).known }
    }

    /// The inode with the given place.
    ///
    /// # Safety
    ///
    /// `place` is that of an inode of a super block of `T`.
    pub(super) unsafe fn of_place(place: *mut Slot) -> *mut bindings::inode {
        // SAFETY: By the contract of this function, the place is in a container.
        unsafe { place.byte_sub(offset_of!(Container<T>, place)).cast() }
    }

    /// Whether a dentry names the inode, just now. Those of a directory that is new come by the caller
    /// alone.
    pub(in crate::vfs) fn has_dentry(&self) -> bool {
        // SAFETY: The inode is alive; the pointer is only compared.
        let first = unsafe {
            let list = &raw const (*self.as_ptr()).__bindgen_anon_2.i_dentry;
            (&raw const (*list).first).read_volatile()
        };
        !first.is_null()
    }

    /// The super block that the inode is on.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: An inode of `T` is on a super block of `T`, which outlives it.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }
}

/// A directory of `T` whose `i_rwsem` the caller of the operation holds for writing.
///
/// # Invariants
///
/// The lock is held during `'a`.
pub(crate) struct Locked<'a, T: FileSystem>(&'a OwnInode<T>);

impl<'a, T: FileSystem> Locked<'a, T> {
    /// # Safety
    ///
    /// The inode's `i_rwsem` is held for writing during `'a`.
    pub(in crate::vfs) unsafe fn assume(inode: &'a OwnInode<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(inode)
    }

    /// The inode.
    pub(crate) fn get(&self) -> &'a OwnInode<T> {
        self.0
    }
}

impl<T: FileSystem> Deref for Locked<'_, T> {
    type Target = OwnInode<T>;

    fn deref(&self) -> &OwnInode<T> {
        self.0
    }
}

/// The slab cache that the inodes of a filesystem type come from.
///
/// # Invariants
///
/// The pointer is a slab cache of ours, for objects that are a `Container`.
pub(in crate::vfs) struct Cache(NonNull<bindings::kmem_cache>);

// SAFETY: Slab caches synchronise themselves.
unsafe impl Send for Cache {}
// SAFETY: As above.
unsafe impl Sync for Cache {}

impl Cache {
    /// Makes the cache for the inodes of `T`, under a `name` that no other cache has.
    pub(in crate::vfs) fn new<T: FileSystem>(name: &'static CStr) -> Result<Self> {
        const { assert!(offset_of!(Container<T>, inode) == 0) };
        // SAFETY: The name is static; the constructor only initialises the inode at the start.
        let cache = unsafe {
            bindings::kmem_cache_create(
                name.as_char_ptr(),
                size_of::<Container<T>>() as c_uint,
                align_of::<Container<T>>() as c_uint,
                bindings::SLAB_RECLAIM_ACCOUNT | bindings::SLAB_ACCOUNT,
                Some(init_once),
            )
        };
        // INVARIANT: Just made, for such objects.
        Ok(Self(NonNull::new(cache).ok_or(ENOMEM)?))
    }

    /// `->alloc_inode` of a super block of `T`.
    pub(in crate::vfs) fn alloc<T: FileSystem>(
        &self,
        sb: *mut bindings::super_block,
    ) -> *mut bindings::inode {
        // SAFETY: The cache and the super block are valid.
        let container: *mut Container<T> =
            unsafe { bindings::alloc_inode_sb(sb, self.0.as_ptr(), bindings::GFP_KERNEL).cast() };
        if container.is_null() {
            return core::ptr::null_mut();
        }
        // SAFETY: The memory is ours. INVARIANT: The data is not initialised yet.
        unsafe {
            (&raw mut (*container).ready).write(false);
            (&raw mut (*container).place).write(Slot::nowhere());
            (&raw mut (*container).known).write(Known::nowhere());
        }
        container.cast()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: The owner waited for all inodes and for the RCU callbacks that free them.
        unsafe { bindings::kmem_cache_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
///
/// Called by the slab allocator with a new object of the cache.
unsafe extern "C" fn init_once(object: *mut c_void) {
    // SAFETY: The slab gives us an object of the cache's size, which starts with an inode.
    unsafe { bindings::inode_init_once(object.cast()) };
}

/// `->evict_inode`.
///
/// # Safety
///
/// Called by the VFS with an inode of `T` that has no user left, and is not new any more or has
/// failed.
pub(in crate::vfs) unsafe extern "C" fn evict<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: The caller evicts a valid inode that nobody else uses.
    unsafe {
        // An inode that stands for another has no pages, and the call is long for none. `clear_inode`
        // makes sure that there are none.
        if !(*inode).i_data.i_pages.xa_head.is_null() {
            bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
        }
        bindings::clear_inode(inode);
        if (*inode.cast::<Container<T>>()).ready {
            let inode = OwnInode::<T>::from_raw(inode);
            inode.place().remove(inode.sb().shelves());
            T::evict(inode.into());
        }
    }
}

/// `->free_inode`: runs as an RCU callback, so dropping the data must not sleep.
///
/// # Safety
///
/// Called by the VFS once for an inode of `T`, a grace period after its eviction, or after its
/// allocation failed half-way.
pub(in crate::vfs) unsafe extern "C" fn free<T: FileSystem>(inode: *mut bindings::inode) {
    let container = inode.cast::<Container<T>>();
    // SAFETY: The grace period after the last use has ended: the inode and its data are ours.
    // Objects of a slab cache may be freed with `kfree`, which finds the cache; the super block,
    // which knows it too, may be gone by now.
    unsafe {
        if (*container).ready {
            (*container).data.assume_init_drop();
        }
        bindings::kfree(container.cast());
    }
}
