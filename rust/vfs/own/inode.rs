// SPDX-License-Identifier: GPL-2.0

//! Inodes: any inode, and the inodes of a filesystem with the data that it keeps in them.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    inode_cache::Known,
    shelves::Place,
    super_block::{AnySuperBlock, FileSystem, SuperBlock},
};
use crate::{
    bindings,
    vfs::{
        object::idmap::Idmap,
        sync::{load::once, lockdep},
        table::{file_ops, inode_ops, vtable::Without},
        value::mode::Mode,
    },
};
use core::{
    marker::PhantomData,
    mem::{offset_of, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::Opaque,
};
#[cfg(kernel_7_3)]
use pin_init::raw_try_init;

/// Any `struct inode`.
///
/// # Invariants
///
/// It is an inode for as long as there is a reference: of whoever lends it, or an [`ARef`], which holds a
/// count but not the super block. A mount or an open file has to keep that longer.
#[repr(transparent)]
pub(crate) struct Inode(Opaque<bindings::inode>);

// SAFETY: Inodes are shared between threads; what we read of one is either constant or read once.
unsafe impl Send for Inode {}
// SAFETY: As above.
unsafe impl Sync for Inode {}

// SAFETY: `ihold` and `iput` count references, and a counted inode stays alive.
unsafe impl AlwaysRefCounted for Inode {
    fn inc_ref(&self) {
        // SAFETY: `self` is a valid inode with a count.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a count that it owns.
        unsafe { bindings::iput(obj.as_ptr().cast()) };
    }
}

impl Inode {
    /// # Safety
    ///
    /// `ptr` is a valid inode during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the contract of this function, and as `Inode` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// The inode number.
    pub(crate) fn ino(&self) -> u64 {
        // SAFETY: The inode is alive; its number is constant.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// `i_generation`: tells two lives of one inode number apart, where the filesystem keeps it.
    pub(crate) fn generation(&self) -> u32 {
        // SAFETY: The inode is alive; its generation is constant.
        unsafe { (*self.as_ptr()).i_generation }
    }

    /// The file type, which is constant, and the permission bits as they are now.
    pub(crate) fn mode(&self) -> Mode {
        // SAFETY: The inode is alive; `chmod` may race, and either value is a mode.
        Mode(unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() })
    }

    /// Whether this is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.mode().is_dir()
    }

    /// The device number of a device inode.
    pub(crate) fn rdev(&self) -> u32 {
        // SAFETY: The inode is alive; its device number is constant.
        unsafe { (*self.as_ptr()).i_rdev }
    }

    /// The number of links, as it is now.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// The size in bytes, as it is now.
    pub(crate) fn size(&self) -> i64 {
        // SAFETY: The inode is alive. The load is that of `i_size_read()`, which would be a call.
        unsafe { (&raw const (*self.as_ptr()).i_size).read_volatile() }
    }

    /// `i_version`, which changes with each change of a directory where the filesystem counts them.
    pub(crate) fn version(&self) -> u64 {
        // SAFETY: The inode is alive. The load is that of `inode_peek_iversion_raw()`, which would be a
        // call, for each branch of a directory.
        unsafe { (&raw const (*self.as_ptr()).i_version.counter).read_volatile() as u64 }
    }

    /// Different after each change of a directory, as far as its filesystem tells changes apart.
    pub(crate) fn change_stamp(&self) -> ChangeStamp {
        let inode = self.as_ptr();
        // SAFETY: The inode is alive; a torn read looks like a change.
        unsafe {
            ChangeStamp {
                seconds: (&raw const (*inode).i_ctime_sec).read_volatile(),
                nanoseconds: (&raw const (*inode).i_ctime_nsec).read_volatile(),
                version: self.version(),
            }
        }
    }

    /// Whether a directory finds names that are written in other cases.
    #[inline]
    pub(crate) fn ignores_case(&self) -> bool {
        // SAFETY: The inode is alive; the flag may change while the directory is empty, and either
        // value is one.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & bindings::S_CASEFOLD != 0
    }

    /// Whether a directory finds names that are written otherwise, by case or by a key.
    pub(crate) fn has_other_names(&self) -> bool {
        // SAFETY: The inode is alive; these flags do not change once it is in use.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & (bindings::S_CASEFOLD | bindings::S_ENCRYPTED) != 0
    }

    /// Whether the filesystem stores POSIX ACLs on this inode.
    pub(crate) fn has_posix_acl(&self) -> bool {
        // SAFETY: The inode and its super block are alive.
        unsafe { bindings::IS_POSIXACL(self.as_ptr()) }
    }

    /// Checks that the current credentials allow `mask` (`MAY_*`). `EACCES`, or what the filesystem
    /// says; `ECHILD` if `MAY_NOT_BLOCK` is asked and the answer needs sleeping.
    pub(crate) fn permission(&self, idmap: &Idmap, mask: u32) -> Result {
        // SAFETY: Both are valid during the call.
        to_result(unsafe {
            bindings::inode_permission(idmap.as_ptr(), self.as_ptr(), mask as c_int)
        })
    }

    /// Whether the current task owns this inode, or may act as if.
    pub(crate) fn owner_or_capable(&self, idmap: &Idmap) -> bool {
        // SAFETY: Both are valid during the call.
        unsafe { bindings::inode_owner_or_capable(idmap.as_ptr(), self.as_ptr()) }
    }

    /// Whether this is a directory that has been removed. What is not stays so for who holds `i_rwsem`.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: The inode is alive; flags may change, and either value is one.
        unsafe { once!((*self.as_ptr()).i_flags) & bindings::S_DEAD != 0 }
    }

    /// Whether what is written to the file is to be on the disk at once, by its own flag or its
    /// filesystem's.
    pub(crate) fn is_synchronous(&self) -> bool {
        // SAFETY: The inode and its super block are alive; flags may change, and either value is one.
        unsafe {
            (&raw const (*self.as_ptr()).i_flags).read_volatile() & bindings::S_SYNC != 0
                || AnySuperBlock::from_raw((*self.as_ptr()).i_sb).is_synchronous()
        }
    }

    /// Whether somebody has the file open for writing.
    pub(crate) fn is_open_for_write(&self) -> bool {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_writecount.counter).read_volatile() > 0 }
    }

    /// Whether somebody has the file open for writing, or is executing it.
    pub(crate) fn is_write_counted(&self) -> bool {
        // SAFETY: The inode is alive; the count may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_writecount.counter).read_volatile() != 0 }
    }

    /// Whether the file is mapped into memory by anybody.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: The inode is alive, and so is its mapping.
        unsafe { bindings::mapping_mapped((*self.as_ptr()).i_mapping) }
    }

    /// Whether somebody is told of what is done to the inode (`inotify(7)`, `fanotify(7)`). Does not
    /// sleep.
    pub(crate) fn is_watched(&self) -> bool {
        // SAFETY: The inode is alive; the mask may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).i_fsnotify_mask).read_volatile() != 0 }
    }

    /// Whether there is a shared map of the file that is writable, or can be made so.
    pub(crate) fn is_mapped_writable(&self) -> bool {
        // SAFETY: The inode is alive, and so is its mapping.
        unsafe { bindings::mapping_writably_mapped((*self.as_ptr()).i_mapping) }
    }

    /// Takes a write reference, as an open for writing does. `ETXTBSY` while it is being executed.
    pub(crate) fn get_write_access(&self) -> Result<WriterCount<'_>> {
        // SAFETY: The inode is alive.
        to_result(unsafe { bindings::get_write_access(self.as_ptr()) })?;
        // INVARIANT: Just counted.
        Ok(WriterCount(self))
    }
}

/// Tells changes of a directory apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeStamp {
    seconds: i64,
    nanoseconds: u32,
    version: u64,
}

/// A count in `i_writecount`, which keeps the file from being executed.
///
/// # Invariants
///
/// This owns the count.
pub(crate) struct WriterCount<'a>(&'a Inode);

impl Drop for WriterCount<'_> {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::put_write_access(self.0.as_ptr()) };
    }
}

/// An inode of the filesystem `T`, with its data.
///
/// # Invariants
///
/// The inode is the start of a [`Container<T>`], on a super block of `T`, and is ready.
#[repr(transparent)]
pub(crate) struct INode<T: FileSystem>(Inode, PhantomData<T>);

/// An inode with the data that its filesystem keeps beside it.
///
/// # Invariants
///
/// `data` is initialised if `ready`; an inode that anybody but its maker sees (`I_NEW` cleared) is
/// ready.
#[repr(C)]
struct Container<T: FileSystem> {
    inode: Opaque<bindings::inode>,
    place: Place,
    known: Known,
    ready: bool,
    data: MaybeUninit<T::INodeData>,
}

// SAFETY: As for `Inode`.
unsafe impl<T: FileSystem> AlwaysRefCounted for INode<T> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: As for `Inode`, over which `INode` is transparent.
        unsafe { Inode::dec_ref(obj.cast()) };
    }
}

impl<T: FileSystem> Deref for INode<T> {
    type Target = Inode;

    fn deref(&self) -> &Inode {
        &self.0
    }
}

impl<T: FileSystem> INode<T> {
    /// # Safety
    ///
    /// `ptr` is a valid inode of a super block of `T` during `'a`, and not `I_NEW`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the contract of this function, and as `INode` is transparent.
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
    pub(in crate::vfs) unsafe fn data_of<'a>(
        ptr: *mut bindings::inode,
    ) -> Option<&'a T::INodeData> {
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
    pub(in crate::vfs) fn place(&self) -> &Place {
        // SAFETY: The inode is in a `Container<T>`, whose place is there from the allocation on.
        unsafe { &(*self.as_ptr().cast::<Container<T>>()).place }
    }

    /// What the inode is found by in the cache.
    pub(in crate::vfs) fn known(&self) -> &Known {
        // SAFETY: The inode is in a `Container<T>`, and alive.
        unsafe { Self::known_of(self.as_ptr()) }
    }

    /// As [`INode::known`], also of an inode that is not filled in yet.
    ///
    /// # Safety
    ///
    /// `ptr` is an inode of a super block of `T` whose memory is not freed during `'a`.
    pub(in crate::vfs) unsafe fn known_of<'a>(ptr: *mut bindings::inode) -> &'a Known {
        // SAFETY: By the contract of this function, it is in a `Container<T>`, in which this is there
        // from the allocation on.
        unsafe { &(*ptr.cast::<Container<T>>()).known }
    }

    /// The inode with the given place.
    ///
    /// # Safety
    ///
    /// `place` is that of an inode of a super block of `T`.
    pub(in crate::vfs) unsafe fn of_place(place: *mut Place) -> *mut bindings::inode {
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
pub(crate) struct Locked<'a, T: FileSystem>(&'a INode<T>);

impl<'a, T: FileSystem> Locked<'a, T> {
    /// # Safety
    ///
    /// The inode's `i_rwsem` is held for writing during `'a`.
    pub(in crate::vfs) unsafe fn assume(inode: &'a INode<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(inode)
    }

    /// The inode.
    pub(crate) fn get(&self) -> &'a INode<T> {
        self.0
    }
}

impl<T: FileSystem> Deref for Locked<'_, T> {
    type Target = INode<T>;

    fn deref(&self) -> &INode<T> {
        self.0
    }
}

/// An inode that is being made. Others who look for it wait until it is filled in; dropping it
/// unfilled sends them to try again.
///
/// # Invariants
///
/// The inode is one of a super block of `T`, `I_NEW`, with a count of ours: nobody else touches it.
pub(crate) struct NewInode<'a, T: FileSystem>(NonNull<bindings::inode>, PhantomData<&'a T>);

/// What an inode is filled in with.
pub(crate) struct InodeTables<T: FileSystem> {
    inode: inode_ops::Ops<T>,
    file: Option<file_ops::Ops<T>>,
}

impl<T: FileSystem> InodeTables<T> {
    /// The table of inodes that the filesystem itself does not open.
    pub(crate) const fn new<I: inode_ops::Operations<Fs = T>>() -> Self {
        Self {
            inode: inode_ops::Ops::new::<I, Without<T>>(),
            file: None,
        }
    }

    /// The tables of inodes that are opened as `F`.
    pub(crate) const fn with_file<I, F>() -> Self
    where
        I: inode_ops::Operations<Fs = T>,
        F: file_ops::Operations<Fs = T>,
    {
        Self {
            inode: inode_ops::Ops::new::<I, F>(),
            file: Some(file_ops::Ops::new::<F>()),
        }
    }
}

impl<T: FileSystem> NewInode<'_, T> {
    /// # Safety
    ///
    /// `inode` is new, of a super block of `T`, and the caller gives a count of it up.
    pub(in crate::vfs) unsafe fn assume(inode: NonNull<bindings::inode>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(inode, PhantomData)
    }

    /// Fills the inode in and shows it to those who wait.
    ///
    /// `like` gives the type, the device number and the attributes, and has so many `links` in what is
    /// filled in.
    // Inline, as all of `data` would be copied on its way to where it is kept.
    #[inline(always)]
    pub(crate) fn fill<E>(
        self,
        like: &Inode,
        links: u32,
        idmap: &Idmap,
        data: impl PinInit<T::INodeData, E>,
    ) -> Result<ARef<INode<T>>>
    where
        Error: From<E>,
    {
        let inode = self.0.as_ptr();
        let container = inode.cast::<Container<T>>();
        // SAFETY: Nobody but us touches the data of a new inode; the slot is uninitialised memory
        // that will not move, as inodes do not.
        unsafe {
            raw_try_init((*container).data.as_mut_ptr(), data)?;
            (*container).ready = true;
        }
        // SAFETY: Nobody else uses a new inode; `like` is alive.
        unsafe {
            let mode = like.mode();
            let tables = T::tables((*container).data.assume_init_ref(), mode);
            (*inode).i_mode = mode.0;
            (*inode).i_op = tables.inode.as_ptr();
            (*inode).i_flags |= bindings::S_NOCMTIME;
            bindings::cache_no_acl_dont(inode);
            match tables.file {
                Some(ops) => (*inode).__bindgen_anon_3.i_fop = ops.as_ptr(),
                None => bindings::init_special_inode(inode, mode.0, like.rdev()),
            }
            if mode.is_regular() {
                (*(*inode).i_mapping).a_ops = file_ops::DIRECT_AOPS.get();
            }
            lockdep::classify_inode(inode);
        }
        // INVARIANT: `InodeTables` has the tables of a pair only, and they never change.
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: The inode is filled in, so it may be seen as one of `T`.
        let filled = unsafe { INode::<T>::from_raw(this.0.as_ptr()) };
        // SAFETY: The inode is new.
        unsafe { filled.repeat(like, idmap) };
        filled.set_nlink(links);
        let shelf = T::shelf(filled.data());
        // SAFETY: The inode is new, and so on no shelf; `evict` takes it off that of its super block
        // before it is freed.
        unsafe { filled.place().put(filled.sb().shelves(), shelf) };
        // SAFETY: The inode is new and complete.
        unsafe { bindings::unlock_new_inode(inode) };
        // SAFETY: The count is ours.
        Ok(unsafe { ARef::from_raw(this.0.cast()) })
    }
}

impl<T: FileSystem> Drop for NewInode<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The inode is new and ours; this gives it up, with our count.
        unsafe { bindings::iget_failed(self.0.as_ptr()) };
    }
}

/// What the `pin_init` of Linux 7.3 has by this name.
///
/// # Safety
///
/// `slot` is valid uninitialised memory that will not move; on error it stays uninitialised.
#[cfg(not(kernel_7_3))]
unsafe fn raw_try_init<T, E>(slot: *mut T, init: impl PinInit<T, E>) -> Result<(), E> {
    // SAFETY: By the contract of this function.
    unsafe { init.__pinned_init(slot) }
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
            (&raw mut (*container).place).write(Place::nowhere());
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
            let inode = INode::<T>::from_raw(inode);
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
