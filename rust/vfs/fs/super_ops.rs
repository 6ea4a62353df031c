// SPDX-License-Identifier: GPL-2.0

//! `struct super_operations`: a super block from its beginning to its end.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{mountable::Mountable, registration::cache_of};
use crate::{
    bindings,
    vfs::{
        object::super_block::{AnySuperBlock, BlockSize, Uuid},
        ops::{dentry_ops, vtable::if_has, xattr_ops},
        own::{
            dentry::OwnDentry,
            file_system::FileSystem,
            inode::{self, OwnInode},
            shelves::Shelves,
            super_block::{Info, SuperBlock},
        },
        sync::{lockdep::MAX_STACK_DEPTH, rcu},
    },
};
use core::marker::PhantomData;
use kernel::{
    error::{from_result, to_result},
    page::PAGE_SIZE,
    prelude::*,
    seq_file::SeqFile,
    sync::aref::ARef,
};

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
    /// Whether [`Mountable::DentryOps`] are those of its names; if not, they hold until the VFS changes them.
    pub(crate) revalidated: bool,
    /// Whether files have pages of their own that are to be written out.
    pub(crate) own_pages: bool,
}

impl Params {
    /// Those of a filesystem that has nothing below it, and pages of its own.
    pub(crate) fn own_pages(magic: usize, max_bytes: i64) -> Self {
        Self {
            magic,
            max_bytes,
            time_granularity: 1,
            block_size: BlockSize(PAGE_SIZE, PAGE_SIZE.trailing_zeros() as u8),
            uuid: Uuid::NONE,
            stack_depth: 0,
            posix_acl: false,
            readonly: false,
            revalidated: false,
            own_pages: true,
        }
    }

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
            revalidated: true,
            own_pages: false,
        })
    }
}

/// Fills in a new super block: called by `fs_context` with what the context has prepared.
///
/// # Safety
///
/// `sb` is a new super block of type `T`, without data.
pub(super) unsafe fn fill<T: Mountable>(
    sb: *mut bindings::super_block,
    params: &Params,
    data: T::SuperData,
    make_root: impl FnOnce(&SuperBlock<T>) -> Result<ARef<OwnInode<T>>>,
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
        (*sb).s_xattr = xattr_ops::table::<T::Xattrs>();
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
        if params.own_pages {
            to_result(bindings::super_setup_bdi(sb))?;
        }
        if params.revalidated {
            bindings::set_default_d_op(sb, const { &dentry_ops::Table::<T::DentryOps>::TABLE });
        }
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
pub(super) unsafe extern "C" fn kill<T: FileSystem>(sb: *mut bindings::super_block) {
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
            let dentry = OwnDentry::<O>::from_raw(dentry);
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
            O::show_options(OwnDentry::<O>::from_raw(root).sb(), SeqFile::from_raw(seq));
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
