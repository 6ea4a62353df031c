// SPDX-License-Identifier: GPL-2.0

//! An inode that is being made: what it is filled in with.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    file_system::FileSystem,
    inode::{Container, OwnInode},
};
use crate::{
    bindings,
    vfs::{
        object::{idmap::Idmap, inode::Inode},
        sync::lockdep,
        value::mode::Mode,
    },
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{prelude::*, sync::aref::ARef};
#[cfg(kernel_7_3)]
use pin_init::raw_try_init;

static DIR: lockdep::Classes = lockdep::Classes::new();
static FILE: lockdep::Classes = lockdep::Classes::new();
static VIEW: lockdep::Classes = lockdep::Classes::new();

/// An inode that is being made. Others who look for it wait until it is filled in; dropping it
/// unfilled sends them to try again.
///
/// # Invariants
///
/// The inode is one of a super block of `T`, `I_NEW`, with a count of ours: nobody else touches it.
pub(crate) struct NewInode<'a, T: FileSystem>(NonNull<bindings::inode>, PhantomData<&'a T>);

impl<T: FileSystem> NewInode<'_, T> {
    /// # Safety
    ///
    /// `inode` is new, of a super block of `T`, and the caller gives a count of it up.
    pub(super) unsafe fn assume(inode: NonNull<bindings::inode>) -> Self {
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
    ) -> Result<ARef<OwnInode<T>>>
    where
        Error: From<E>,
    {
        self.put_data(data)?;
        // SAFETY: The inode has its data.
        let filled = unsafe { self.put_type(like.mode(), like.rdev()) };
        // SAFETY: The inode is new.
        if unsafe { filled.repeat(like, idmap, None) } {
            let has_set_id = T::has_set_id(filled, like).unwrap_or(false);
            // SAFETY: As above. What was asked for is there.
            let _ = unsafe { filled.repeat(like, idmap, Some(has_set_id)) };
        }
        Ok(self.show(links))
    }

    /// Fills the inode in as one that is like no other, and shows it to those who wait: of type and permissions
    /// `mode`, of the current task, with the time that it is, and so many bytes long. `EINVAL` for a device.
    pub(crate) fn fill_own<E>(
        self,
        mode: Mode,
        links: u32,
        size: i64,
        data: impl PinInit<T::INodeData, E>,
    ) -> Result<ARef<OwnInode<T>>>
    where
        Error: From<E>,
    {
        if !mode.is_regular() && !mode.is_dir() {
            return Err(EINVAL);
        }
        self.put_data(data)?;
        let inode = self.0.as_ptr();
        // SAFETY: The inode has its data. Nobody else uses it.
        unsafe {
            self.put_type(mode, 0);
            bindings::inode_init_owner(Idmap::nop().as_ptr(), inode, core::ptr::null(), mode.0);
            bindings::simple_inode_init_ts(inode);
            (*inode).i_size = size;
            if links == 0 {
                // Nobody finds it: what security modules are to know of it they are asked of what it stands for.
                (*inode).i_flags |= bindings::S_PRIVATE;
            }
        }
        Ok(self.show(links))
    }

    /// Puts the filesystem's data into the inode.
    #[inline(always)]
    fn put_data<E>(&self, data: impl PinInit<T::INodeData, E>) -> Result
    where
        Error: From<E>,
    {
        let container = self.0.as_ptr().cast::<Container<T>>();
        // SAFETY: Nobody but us touches the data of a new inode; the slot is uninitialised memory
        // that will not move, as inodes do not.
        unsafe {
            raw_try_init((*container).data.as_mut_ptr(), data)?;
            (*container).ready = true;
        }
        Ok(())
    }

    /// Gives the inode its type, and all that goes with that. Returns it, as one of `T`.
    ///
    /// # Safety
    ///
    /// [`Self::put_data`] has succeeded.
    #[inline(always)]
    unsafe fn put_type(&self, mode: Mode, rdev: u32) -> &OwnInode<T> {
        let inode = self.0.as_ptr();
        let container = inode.cast::<Container<T>>();
        // SAFETY: Nobody else uses a new inode; it has its data, by the contract of this function.
        unsafe {
            let tables = T::tables((*container).data.assume_init_ref(), mode);
            (*inode).i_mode = mode.0;
            (*inode).i_op = tables.inode;
            (*inode).i_flags |= bindings::S_NOCMTIME;
            bindings::cache_no_acl_dont(inode);
            match tables.file {
                Some(ops) => (*inode).__bindgen_anon_3.i_fop = ops,
                None => bindings::init_special_inode(inode, mode.0, rdev),
            }
            if mode.is_regular() {
                (*(*inode).i_mapping).a_ops = match tables.pages {
                    Some(ops) => ops,
                    None => DIRECT_AOPS.get(),
                };
            }
            if tables.pages.is_some_and(|ops| ops.writepages.is_none()) {
                // It is held while those of other files are taken, which may be of the same filesystem.
                let lock = &raw mut (*(*inode).i_mapping).invalidate_lock;
                lockdep::set_rwsem_class(lock, VIEW.at(0), c"aufs2_view_invalidate_lock");
            }
            let depth = (*(*inode).i_sb).s_stack_depth.max(0) as usize;
            let (classes, name) = match mode.is_dir() {
                true => (&DIR, c"aufs2_i_mutex_dir_key"),
                false => (&FILE, c"aufs2_i_mutex_key"),
            };
            lockdep::set_rwsem_class(&raw mut (*inode).i_rwsem, classes.at(depth), name);
        }
        // INVARIANT: `InodeTables` has the tables of a pair only, and they never change.
        // SAFETY: The inode is filled in, so it may be seen as one of `T`.
        unsafe { OwnInode::from_raw(inode) }
    }

    /// Shows the inode, which is complete but for its links, to those who wait.
    #[inline(always)]
    fn show(self, links: u32) -> ARef<OwnInode<T>> {
        let this = core::mem::ManuallyDrop::new(self);
        let inode = this.0.as_ptr();
        // SAFETY: The inode is filled in, so it may be seen as one of `T`.
        let filled = unsafe { OwnInode::<T>::from_raw(inode) };
        filled.set_nlink(links);
        let shelf = T::shelf(filled.data());
        // SAFETY: The inode is new, and so on no shelf; `evict` takes it off that of its super block
        // before it is freed.
        unsafe { filled.place().put(filled.sb().shelves(), shelf) };
        // SAFETY: The inode is new and complete.
        unsafe { bindings::unlock_new_inode(inode) };
        // SAFETY: The count is ours.
        unsafe { ARef::from_raw(this.0.cast()) }
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

/// Address space operations of files whose pages are elsewhere: the VFS only looks whether direct
/// I/O is possible at all.
static DIRECT_AOPS: Aops = Aops(bindings::address_space_operations {
    direct_IO: Some(bindings::noop_direct_IO),
    ..pin_init::zeroed()
});

struct Aops(bindings::address_space_operations);

impl Aops {
    fn get(&'static self) -> *const bindings::address_space_operations {
        &self.0
    }
}

// SAFETY: The table is never written.
unsafe impl Sync for Aops {}
