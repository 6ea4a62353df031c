// SPDX-License-Identifier: GPL-2.0

//! The inode cache: finding the inode that stands for something, by what it stands for.
//!
//! An inode is under a hash value, and has a key, which says what it stands for. Numbers are not
//! compared to find it: where the number that an inode is to show is that of another, it gets a fresh
//! one.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    file_system::FileSystem, inode::OwnInode, inodes::is_unusual, new_inode::NewInode,
    super_block::SuperBlock,
};
use crate::{
    bindings,
    vfs::{object::glimpse::Glimpse, sync::load::Load},
};
use core::{
    ptr::NonNull,
    sync::atomic::{fence, Ordering},
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Relaxed, Release},
    },
};

/// What an inode is wanted for.
#[derive(Clone, Copy)]
pub(crate) struct Sought {
    /// Under which it is in the hash table, or is to be.
    pub(crate) hash: u64,
    /// The number that it is to show, unless another one shows that.
    pub(crate) number: u64,
    /// What it stands for. No two things that have an inode in the cache at the same time have the
    /// same key, or whoever finds it can tell.
    pub(crate) key: usize,
    /// Whether one that shows the number will do.
    pub(crate) by_number: bool,
}

/// What [`SuperBlock::iget`] found.
pub(crate) enum Iget<'a, T: FileSystem> {
    /// The inode is in use or cached.
    Cached(ARef<OwnInode<T>>),
    /// The inode was not known: it must be filled in.
    New(NewInode<'a, T>),
}

/// A search under way.
struct Search<'a, T: FileSystem> {
    sb: &'a SuperBlock<T>,
    sought: &'a Sought,
    /// Whether the number is another inode's. It may have gone since, if it was seen before the hash
    /// table was locked: then a fresh one is given out for nothing.
    taken: bool,
}

impl<T: FileSystem> OwnInode<T> {
    /// The hash value under which the inode is, or was, in the cache.
    pub(crate) fn hash(&self) -> u64 {
        self.known().hash.load_once()
    }

    /// What the inode is found by, beside what [`FileSystem::is_known_as`] says.
    pub(crate) fn key(&self) -> usize {
        self.known().key.load_acquire()
    }

    /// The inode stands for something else from now on. Who looks for either may miss it meanwhile,
    /// unless the filesystem says that it is known as the old one before this.
    pub(crate) fn set_key(&self, key: usize) {
        self.known().key.store(key, Release);
    }

    /// Takes the inode out of the cache: whoever looks for what it stands for makes another one.
    pub(crate) fn unhash(&self) {
        // SAFETY: The inode is alive.
        unsafe { bindings::remove_inode_hash(self.as_ptr()) };
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// The inode that shows the number `ino`, if it is in the cache and filled in. One whose number
    /// is a fresh one takes a walk along all of them.
    pub(crate) fn find_inode(&self, ino: u64) -> Option<ARef<OwnInode<T>>> {
        // SAFETY: The super block is alive.
        let inode = unsafe { bindings::ilookup(self.as_ptr(), ino) };
        if let Some(inode) = NonNull::new(inode) {
            // SAFETY: The call gave us a counted inode of a super block of `T`, and waited until it
            // was filled in.
            return Some(unsafe { ARef::from_raw(inode.cast()) });
        }
        let mut found = None;
        let shows = |inode: Glimpse<'_, OwnInode<T>>| inode.ino() == ino;
        let _ = self.for_each(shows, |inode| {
            found = Some(inode.into());
            Err(EEXIST)
        });
        found
    }

    /// Finds or makes the inode that is `sought`. `ENOMEM`.
    pub(crate) fn iget(&self, sought: &Sought) -> Result<Iget<'_, T>> {
        let mut search = Search {
            sb: self,
            sought,
            taken: false,
        };
        // SAFETY: The super block is alive. The functions are called before this returns, for inodes
        // of it, with the search, of which there is no other reference.
        let inode = unsafe {
            bindings::iget5_locked_rcu(
                self.as_ptr(),
                sought.hash,
                Some(is_sought::<T>),
                Some(make_known::<T>),
                (&raw mut search).cast(),
            )
        };
        let inode = NonNull::new(inode).ok_or(ENOMEM)?;
        // SAFETY: The call gave us a counted inode.
        let state = unsafe { bindings::inode_state_read_once(inode.as_ptr()) };
        if state & bindings::inode_state_flags_enum_I_NEW != 0 {
            // SAFETY: It is new, of a super block of `T`, and the count is ours.
            Ok(Iget::New(unsafe { NewInode::assume(inode) }))
        } else {
            // SAFETY: The inode is of a super block of `T`, not new, and the count is ours.
            Ok(Iget::Cached(unsafe { ARef::from_raw(inode.cast()) }))
        }
    }
}

/// Whether `inode` is what is sought. One that is being freed may be, too: then the VFS waits for its
/// end, and looks again.
///
/// # Safety
///
/// `inode` is in the hash table, of a super block of `T`, within a read-side critical section of RCU;
/// `search` is a [`Search`] of it, and the caller's.
unsafe extern "C" fn is_sought<T: FileSystem>(
    inode: *mut bindings::inode,
    search: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function. The inode's memory is there until the section ends,
    // its number does not change once it is in the table, and its data is only looked at after it was
    // seen to be filled in, with the barrier that `unlock_new_inode` has on its side.
    unsafe {
        let search = &mut *search.cast::<Search<'_, T>>();
        let sought = search.sought;
        if OwnInode::<T>::known_of(inode).key.load_acquire() == sought.key {
            return 1;
        }
        let shows_number = (*inode).i_ino == sought.number;
        if shows_number && sought.by_number {
            return 1;
        }
        if is_unusual(inode) {
            let state = bindings::inode_state_read_once(inode);
            search.taken |= shows_number && state & bindings::inode_state_flags_enum_I_NEW != 0;
            return 0;
        }
        // With what was stored before `I_NEW` was taken off.
        fence(Ordering::Acquire);
        let data = OwnInode::<T>::data_of(inode);
        if data.is_some_and(|data| T::is_known_as(data, sought.key)) {
            return 1;
        }
        search.taken |= shows_number;
        0
    }
}

/// Makes what is sought of a new inode.
///
/// # Safety
///
/// `inode` is of a super block of `T`, and nobody else's; `search` is a [`Search`] of that, and the
/// caller's.
unsafe extern "C" fn make_known<T: FileSystem>(
    inode: *mut bindings::inode,
    search: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe {
        let search = &*search.cast::<Search<'_, T>>();
        let known = OwnInode::<T>::known_of(inode);
        // Nobody finds it yet: the hash table's lock, and the way it is put in, order these.
        known.hash.store(search.sought.hash, Relaxed);
        known.key.store(search.sought.key, Relaxed);
        (*inode).i_ino = match search.taken {
            true => T::fresh_number(search.sb),
            false => search.sought.number,
        };
    }
    0
}
