// SPDX-License-Identifier: GPL-2.0

//! The inodes of a super block that are cached: all of them, or those of some groups.

use super::{
    file_system::FileSystem,
    inode::OwnInode,
    shelves::{Cursor, Step},
    super_block::SuperBlock,
};
use crate::{bindings, vfs::object::glimpse::Glimpse};
use core::{mem::offset_of, ptr::NonNull};
use kernel::{prelude::*, sync::aref::ARef};

/// How many inodes are looked at before the lock of the list is given up for a moment.
const BATCH: usize = 1024;

/// Whether an inode is not filled in yet, or is being freed.
///
/// # Safety
///
/// `inode` is not freed during the call.
pub(super) unsafe fn is_unusual(inode: *mut bindings::inode) -> bool {
    let unusual = bindings::inode_state_flags_enum_I_NEW
        | bindings::inode_state_flags_enum_I_FREEING
        | bindings::inode_state_flags_enum_I_WILL_FREE;
    // SAFETY: By the contract of this function.
    unsafe { bindings::inode_state_read_once(inode) & unusual != 0 }
}

impl<T: FileSystem> SuperBlock<T> {
    /// Calls `act` with each cached inode that `select` picks, until it fails.
    ///
    /// `select` is called for every inode, also for those that nobody holds, under spin locks: it must
    /// not sleep, and should be a load or two. `act` may sleep. An inode that is made meanwhile may be missed; one whose
    /// eviction has begun is.
    pub(crate) fn for_each(
        &self,
        select: impl Fn(Glimpse<'_, OwnInode<T>>) -> bool,
        mut act: impl FnMut(&OwnInode<T>) -> Result,
    ) -> Result {
        let sb = self.as_ptr();
        // The inode that the walk is at; its count keeps it in the list.
        let mut here: Option<ARef<OwnInode<T>>> = None;
        loop {
            // SAFETY: The super block is alive. The list is read under its lock; an inode stays in
            // it while it is counted, so that the walk can go on from the one that we hold. An
            // inode that is neither new nor being freed has its data, and `igrab` counts it, or
            // says that it is being freed.
            let next = unsafe {
                let head = &raw mut (*sb).s_inodes;
                bindings::spin_lock((&raw mut (*sb).s_inode_list_lock).cast());
                let mut link = match &here {
                    Some(inode) => (*inode.as_ptr()).i_sb_list.next,
                    None => (*head).next,
                };
                let mut found = None;
                let mut patience = BATCH;
                while link != head {
                    let inode = link
                        .byte_sub(offset_of!(bindings::inode, i_sb_list))
                        .cast::<bindings::inode>();
                    // What was filled in is seen by whoever finds under this lock that it is not new.
                    bindings::spin_lock(&raw mut (*inode).i_lock);
                    let is_ready = !is_unusual(inode) && OwnInode::<T>::data_of(inode).is_some();
                    let selected = is_ready && select(OwnInode::from_raw(inode).into());
                    bindings::spin_unlock(&raw mut (*inode).i_lock);
                    patience = patience.saturating_sub(1);
                    // Every now and then somebody else gets the lock.
                    if selected || patience == 0 && is_ready {
                        found = NonNull::new(bindings::igrab(inode));
                        if found.is_some() {
                            break;
                        }
                    }
                    link = (*link).next;
                }
                bindings::spin_unlock((&raw mut (*sb).s_inode_list_lock).cast());
                found
            };
            // SAFETY: It is an inode of `T`, not new, and the count is ours.
            let next: Option<ARef<OwnInode<T>>> = next.map(|i| unsafe { ARef::from_raw(i.cast()) });
            // May sleep: not under the lock.
            here = next;
            match &here {
                Some(inode) if select((&**inode).into()) => act(inode)?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    /// Calls `act` with each cached inode that belongs to one of the groups that are set in `groups`
    /// (see [`FileSystem::shelf`]), and that `select` picks, until it fails.
    ///
    /// `select` is called under spin locks, and also for inodes of other groups: it must not sleep,
    /// and should be a load or two. `act` may sleep. An inode that is made meanwhile may be
    /// missed; one whose eviction has begun is.
    pub(crate) fn for_each_in(
        &self,
        groups: u64,
        select: impl Fn(&T::INodeData) -> bool,
        mut act: impl FnMut(&OwnInode<T>) -> Result,
    ) -> Result {
        for chain in self.shelves().of(groups) {
            let cursor = core::pin::pin!(Cursor::new(chain));
            loop {
                let step = cursor.as_ref().step(|place| {
                    // SAFETY: The shelf is one of this super block, so that the place is that of an inode
                    // of `T`. It was filled in before it was put there, and is taken off before it is
                    // freed; `igrab` counts it, or says that it is being freed.
                    unsafe {
                        let inode = OwnInode::<T>::of_place(place);
                        if is_unusual(inode) || !select(OwnInode::<T>::from_raw(inode).data()) {
                            return None;
                        }
                        let inode = NonNull::new(bindings::igrab(inode))?;
                        Some(ARef::<OwnInode<T>>::from_raw(inode.cast()))
                    }
                });
                match step {
                    Step::Found(inode) => act(&inode)?,
                    Step::Pause => {}
                    Step::End => break,
                }
            }
        }
        Ok(())
    }
}

impl<T: FileSystem> OwnInode<T> {
    /// The inode belongs to several groups from now on, whatever it did before.
    pub(crate) fn move_to_several(&self) {
        // SAFETY: The inode is counted, so that nobody takes its place off.
        unsafe { self.place().move_to_several(self.sb().shelves()) };
    }
}
