// SPDX-License-Identifier: GPL-2.0

//! Super blocks and filesystem types.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    inode::{self, Cache, INode},
    new_inode::InodeTables,
    shelves::{Shelf, Shelves},
};
use crate::{
    bindings,
    vfs::{
        call::{stat::StatFs, watch, xattr},
        object::{
            dentry::DEntry,
            glimpse::Glimpse,
            inode::Inode,
            super_block::{AnySuperBlock, BlockSize, Uuid},
        },
        sync::{lockdep::MAX_STACK_DEPTH, rcu},
        table::{attr_ops, dentry_ops, fs_context, vtable::if_has},
        value::mode::Mode,
    },
};
use core::{marker::PhantomData, ops::Deref};
use kernel::{
    error::{from_result, to_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
    seq_file::SeqFile,
    sync::{aref::ARef, Arc},
    types::Opaque,
};

/// A filesystem. For kinds of operations that it has none of, there is
/// [`Without`](crate::vfs::table::vtable::Without).
#[vtable]
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// The name of the type, as in `/proc/filesystems`.
    const NAME: &'static CStr;
    /// `FS_*` flags of the type.
    const FLAGS: u32 = 0;
    /// What a mount or a reconfiguration is asked for.
    type Context: fs_context::Context<Fs = Self>;
    /// The data of a super block.
    type SuperData: Send + Sync;
    /// The data of an inode. It is dropped in an RCU callback, so its drop must not sleep.
    type INodeData: Send + Sync;
    /// The dentry operations.
    type DentryOps: dentry_ops::Operations<Fs = Self>;
    /// The attributes.
    type Attrs: attr_ops::Operations<Fs = Self>;
    /// The extended attributes.
    type Xattrs: xattr::Handler<Fs = Self>;

    /// The tables of inodes with `mode` and this data: what can be done with an object of that type.
    fn tables(data: &Self::INodeData, mode: Mode) -> InodeTables<Self>;

    /// The shelf that a new inode with this data is found on; see [`shelves`](super::shelves).
    fn shelf(_data: &Self::INodeData) -> Shelf {
        Shelf::NONE
    }
    /// Whether an inode with this data is also what has `key`, beside what has its own: see
    /// [`inode_cache`](super::inode_cache). Called under spin locks, for many: loads only.
    fn is_known_as(_data: &Self::INodeData, _key: usize) -> bool {
        false
    }
    /// A number for an inode that is to show one which another shows. Called under spin locks.
    fn fresh_number(sb: &SuperBlock<Self>) -> u64;
    /// Whether the set-id bits of `real`, whose attributes the regular file `inode` is about to repeat,
    /// mean something in it.
    fn has_set_id(_inode: &INode<Self>, _real: &Inode) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// An unused inode leaves the cache: release, in process context, what needs sleeping.
    fn evict(_inode: Glimpse<'_, INode<Self>>) {}
    /// The super block is about to be shut down: give up references to its own inodes.
    fn shutdown(_sb: &SuperBlock<Self>) {}
    /// `statfs(2)`; `ENOSYS` without it.
    fn statfs(_root: &DEntry<Self>) -> Result<StatFs> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The super block is to be frozen. Who writes to a filesystem below that is frozen waits there, and
    /// would have to be waited for: `EBUSY` if one is.
    fn may_freeze(_sb: &SuperBlock<Self>) -> Result {
        Ok(())
    }
    /// Prints the options that `/proc/mounts` shows, each with a comma before it.
    fn show_options(_sb: &SuperBlock<Self>, _seq: &SeqFile) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `sync(2)`, `syncfs(2)`, unmount: writes out what is dirty; waits for it if `wait`.
    fn sync(_sb: &SuperBlock<Self>, _wait: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A super block of the filesystem `T`.
///
/// # Invariants
///
/// From [`fill`] on, `s_fs_info` is an [`Info<T>`], which is dropped a grace period after the last
/// dentry and inode of the super block have gone: an RCU walk has no reference to either, and none to
/// a mount, and comes to the data by them.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem>(AnySuperBlock, PhantomData<T>);

struct Info<T: FileSystem> {
    cache: Arc<Cache>,
    shelves: Pin<KBox<Shelves>>,
    data: T::SuperData,
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

    fn info(&self) -> &Info<T> {
        // SAFETY: By the type invariant.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<Info<T>>() }
    }

    /// The filesystem's data of this super block.
    pub(crate) fn data(&self) -> &T::SuperData {
        &self.info().data
    }

    /// Where its inodes are by groups.
    pub(in crate::vfs) fn shelves(&self) -> &Shelves {
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

/// What a new super block is filled in with.
pub(crate) struct Params {
    /// `s_magic`.
    pub(crate) magic: usize,
    /// `s_maxbytes`.
    pub(crate) max_bytes: i64,
    /// `s_time_gran`, in nanoseconds.
    pub(crate) time_granularity: u32,
    /// What `FIGETBSZ` answers.
    pub(crate) block_size: BlockSize,
    /// `s_uuid`.
    pub(crate) uuid: Uuid,
    /// `s_stack_depth`.
    pub(crate) stack_depth: usize,
    /// Whether POSIX ACLs are on.
    pub(crate) posix_acl: bool,
    /// Whether the super block starts out read-only.
    pub(crate) readonly: bool,
}

impl Params {
    /// Those of a read-only filesystem that is stacked on `below` alone, whose identity it has. `EINVAL` if too many are
    /// stacked already.
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn above(below: &AnySuperBlock, magic: usize) -> Result<Self> {
        let stack_depth = below.stack_depth() + 1;
        if stack_depth > MAX_STACK_DEPTH {
            return Err(EINVAL);
        }
        Ok(Self {
            magic,
            max_bytes: below.max_bytes(),
            time_granularity: below.time_granularity(),
            block_size: below.block_size(),
            uuid: below.uuid(),
            stack_depth,
            posix_acl: false,
            readonly: true,
        })
    }
}

/// Fills in a new super block: called by `fs_context` with what the context has prepared.
///
/// # Safety
///
/// `sb` is a new super block of type `T`, without data.
pub(in crate::vfs) unsafe fn fill<T: FileSystem>(
    sb: *mut bindings::super_block,
    params: &Params,
    data: T::SuperData,
    make_root: impl FnOnce(&SuperBlock<T>) -> Result<ARef<INode<T>>>,
) -> Result {
    // SAFETY: The type was registered by `Registration::new`, inside which it lies.
    let cache = unsafe { cache_of::<T>((*sb).s_type) }.clone();
    let shelves = KBox::pin_init(Shelves::new(), GFP_KERNEL)?;
    let info = Info::<T> {
        cache,
        shelves,
        data,
    };
    let info = KBox::new(info, GFP_KERNEL)?;
    // SAFETY: The super block is new and ours. Nothing is freed on error here: `kill` does it.
    unsafe {
        (*sb).s_fs_info = KBox::into_raw(info).cast();
        (*sb).s_magic = params.magic;
        (*sb).s_maxbytes = params.max_bytes;
        (*sb).s_time_gran = params.time_granularity;
        (*sb).s_blocksize = params.block_size.0;
        (*sb).s_blocksize_bits = params.block_size.1;
        (*sb).s_time_min = i64::MIN;
        (*sb).s_time_max = i64::MAX;
        (*sb).s_stack_depth = params.stack_depth as c_int;
        (*sb).s_uuid.b = params.uuid.0;
        (*sb).s_uuid_len = match params.uuid.is_null() {
            true => 0,
            false => params.uuid.0.len() as u8,
        };
        (*sb).s_op = const { &SuperTable::<T>::TABLE };
        (*sb).s_xattr = xattr::table::<T::Xattrs>();
        (*sb).s_iflags |= bindings::SB_I_NOUMASK as c_ulong;
        // `sync(2)` writes the filesystems below out by themselves; and what EVM would sign with the
        // numbers of this one's inodes lies there.
        (*sb).s_iflags |=
            (bindings::SB_I_SKIP_SYNC | bindings::SB_I_EVM_HMAC_UNSUPPORTED) as c_ulong;
        if params.posix_acl {
            (*sb).s_flags |= bindings::SB_POSIXACL as c_ulong;
        }
        if params.readonly {
            (*sb).s_flags |= bindings::SB_RDONLY as c_ulong;
        }
        bindings::set_default_d_op(sb, const { &dentry_ops::Table::<T::DentryOps>::TABLE });
    }
    // SAFETY: The super block is one of `T` now.
    let this = unsafe { SuperBlock::<T>::from_raw(sb) };
    let root = make_root(this)?;
    // The VFS makes the dentry on the super block of the inode, and takes it for a directory's only one.
    if !core::ptr::eq(root.sb(), this) || !root.is_dir() || root.has_dentry() {
        return Err(EIO);
    }
    // SAFETY: `d_make_root` takes over the count, even when it fails.
    let root = unsafe { bindings::d_make_root(ARef::into_raw(root).as_ptr().cast()) };
    if root.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The super block is ours.
    unsafe { (*sb).s_root = root };
    Ok(())
}

/// `->kill_sb`.
///
/// # Safety
///
/// `->kill_sb`: called once with a super block of the type `T`, filled in or not, when its last
/// active count has gone; `s_umount` is held for writing.
pub(in crate::vfs) unsafe extern "C" fn kill<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: The VFS shuts down a super block of ours; after `kill_anon_super` nobody uses it but RCU
    // walks that have begun before, which see what they see of it for a grace period at most.
    unsafe {
        let info = (*sb).s_fs_info.cast::<Info<T>>();
        if !info.is_null() {
            T::shutdown(SuperBlock::from_raw(sb));
        }
        bindings::kill_anon_super(sb);
        if !info.is_null() {
            // INVARIANT: No dentry and no inode is left, and whoever has seen one has ended its walk.
            rcu::synchronize();
            (*sb).s_fs_info = core::ptr::null_mut();
            drop(KBox::from_raw(info));
        }
    }
}

struct SuperTable<O: FileSystem>(PhantomData<O>);

impl<O: FileSystem> SuperTable<O> {
    const TABLE: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(Self::alloc_inode),
        free_inode: Some(inode::free::<O>),
        evict_inode: Some(inode::evict::<O>),
        statfs: if_has!(HAS_STATFS, Self::statfs),
        show_options: if_has!(HAS_SHOW_OPTIONS, Self::show_options),
        sync_fs: if_has!(HAS_SYNC, Self::sync_fs),
        freeze_super: Some(Self::freeze_super),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `->alloc_inode`: `sb` is a super block of `O` that [`fill`] has given its data.
    unsafe extern "C" fn alloc_inode(sb: *mut bindings::super_block) -> *mut bindings::inode {
        // SAFETY: Inodes are only made on a super block whose data `fill` has set.
        let info = unsafe { SuperBlock::<O>::from_raw(sb) }.info();
        info.cache.alloc::<O>(sb)
    }

    /// # Safety
    ///
    /// `->statfs`: `dentry` is a counted dentry of `O`, and `buf` the caller's.
    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        buf: *mut bindings::kstatfs,
    ) -> c_int {
        // SAFETY: The VFS calls with a counted dentry of ours and a valid buffer.
        from_result(|| unsafe {
            let dentry = DEntry::<O>::from_raw(dentry);
            *buf.cast() = O::statfs(dentry)?.0;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->show_options`: `root` is a counted dentry of `O`, the root of a mount; `seq` is valid
    /// during the call.
    unsafe extern "C" fn show_options(
        seq: *mut bindings::seq_file,
        root: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: The VFS calls with valid pointers.
        unsafe {
            O::show_options(DEntry::<O>::from_raw(root).sb(), SeqFile::from_raw(seq));
        }
        0
    }

    /// Allows freezing: there is nothing to do but what the VFS does itself.
    ///
    /// # Safety
    ///
    /// `->freeze_super`: `sb` is a super block of `O` that is mounted, with an active count; its
    /// `s_umount` is not held.
    unsafe extern "C" fn freeze_super(
        sb: *mut bindings::super_block,
        who: bindings::freeze_holder,
        owner: *const c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the contract of this function.
            unsafe {
                O::may_freeze(SuperBlock::from_raw(sb))?;
                to_result(bindings::freeze_super(sb, who, owner))?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->sync_fs`: `sb` is a super block of `O` that is mounted; `s_umount` is held.
    unsafe extern "C" fn sync_fs(sb: *mut bindings::super_block, wait: c_int) -> c_int {
        from_result(|| {
            // SAFETY: By the contract of this function.
            O::sync(unsafe { SuperBlock::from_raw(sb) }, wait != 0)?;
            Ok(0)
        })
    }
}

/// A filesystem type, and whether it is registered. Dropping it unregisters the type.
///
/// It is part of a static of the module that owns it: whoever has a super block or a context of the type
/// keeps that module, and with it this. And lockdep keeps the classes of a type's locks in the type.
///
/// # Invariants
///
/// If `is_registered`, the type is registered, and in the memory of the module that is its owner.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Registration<T: FileSystem> {
    /// The first, for [`cache_of`].
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    cache: Arc<Cache>,
    is_registered: bool,
    _fs: PhantomData<T>,
}

// SAFETY: The registration is only touched when it is made and dropped.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: As above.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

/// # Safety
///
/// `fs_type` is that of a [`Registration`] of `T`, which lives for `'a`.
unsafe fn cache_of<'a, T: FileSystem>(fs_type: *mut bindings::file_system_type) -> &'a Arc<Cache> {
    // SAFETY: By the contract of this function; the type is the first field.
    unsafe { &(*fs_type.cast::<Registration<T>>()).cache }
}

impl<T: FileSystem> Registration<T> {
    /// Registers the type. `EBUSY` if the name is taken; `EINVAL` outside of a static of `module`.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            fs_type <- Self::describe(module, T::NAME),
            cache: match Self::is_part_of(module, &fs_type) {
                true => Arc::new(Cache::new::<T>(T::NAME)?, GFP_KERNEL)?,
                false => return Err(EINVAL),
            },
            // INVARIANT: Just found out; and the type is registered if this goes on.
            is_registered: Self::register(fs_type).then_some(true).ok_or(EBUSY)?,
            _fs: PhantomData,
        }? Error)
    }

    /// Registers the type once more, under another name, if that is `wanted` and nobody has it; not outside
    /// of a static of `module`.
    pub(crate) fn alias<'a>(
        &'a self,
        module: &'static ThisModule,
        name: &'static CStr,
        wanted: bool,
    ) -> impl PinInit<Self> + use<'a, T> {
        pin_init!(Self {
            fs_type <- Self::describe(module, name),
            cache: self.cache.clone(),
            // INVARIANT: Just found out.
            is_registered: wanted && Self::is_part_of(module, &fs_type) && Self::register(fs_type),
            _fs: PhantomData,
        })
    }

    /// Whether the type has its name: that of an alias may be somebody else's.
    pub(crate) fn is_registered(&self) -> bool {
        self.is_registered
    }

    fn describe(
        module: &'static ThisModule,
        name: &'static CStr,
    ) -> Opaque<bindings::file_system_type> {
        Opaque::new(bindings::file_system_type {
            name: name.as_char_ptr(),
            fs_flags: T::FLAGS as c_int,
            init_fs_context: Some(fs_context::init::<T>),
            kill_sb: Some(kill::<T>),
            owner: module.as_ptr(),
            ..pin_init::zeroed()
        })
    }

    /// Whether the type is in the memory of `module`.
    fn is_part_of(module: &ThisModule, fs_type: &Opaque<bindings::file_system_type>) -> bool {
        // SAFETY: The module is there, as its code runs.
        unsafe { bindings::within_module(fs_type.get().addr(), module.as_ptr()) }
    }

    /// Whether the name was free. Somebody may mount from then on, so what may fail in the
    /// initialisation of a module comes before.
    fn register(fs_type: Pin<&mut Opaque<bindings::file_system_type>>) -> bool {
        // SAFETY: The type is complete, and pinned until its registration is dropped, which
        // unregisters it.
        (unsafe { bindings::register_filesystem(fs_type.get()) }) == 0
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        if !self.is_registered {
            return;
        }
        // SAFETY: The type was registered. It goes with its module, by the type invariant, which a super
        // block keeps, so that none is left; and nothing that fails the initialisation of a module
        // comes after a registration.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
        watch::exit();
        // After this no inode is left either, so the cache may go.
        rcu::exit();
    }
}
