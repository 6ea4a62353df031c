// SPDX-License-Identifier: GPL-2.0

//! What a filesystem is: the data that it keeps in its objects, and what is asked of it about them.

use super::{dentry::OwnDentry, inode::OwnInode, shelves::Shelf, super_block::SuperBlock};
use crate::{
    bindings,
    vfs::{
        attr::stat::StatFs,
        object::{glimpse::Glimpse, inode::Inode},
        value::mode::Mode,
    },
};
use core::marker::PhantomData;
use kernel::{error::VTABLE_DEFAULT_ERROR, prelude::*, seq_file::SeqFile};

/// A filesystem. What answers the calls of the VFS about its objects is a matter of the floor above.
#[vtable]
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// The name of the type, as in `/proc/filesystems`.
    const NAME: &'static CStr;
    /// `FS_*` flags of the type.
    const FLAGS: u32 = 0;
    /// The data of a super block.
    type SuperData: Send + Sync;
    /// The data of an inode. It is dropped in an RCU callback, so its drop must not sleep.
    type INodeData: Send + Sync;

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
    /// Whether the set-id bits of `real`, whose attributes the regular file `inode` repeats, mean something
    /// in it; nothing if it does not stand for that any more. May sleep.
    fn has_set_id(_inode: &OwnInode<Self>, _real: &Inode) -> Option<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// An unused inode leaves the cache: release, in process context, what needs sleeping.
    fn evict(_inode: Glimpse<'_, OwnInode<Self>>) {}
    /// The super block is about to be shut down: give up references to its own inodes.
    fn shutdown(_sb: &SuperBlock<Self>) {}
    /// `statfs(2)`; `ENOSYS` without it.
    fn statfs(_root: &OwnDentry<Self>) -> Result<StatFs> {
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

/// What an inode is filled in with.
///
/// # Invariants
///
/// The tables are those of operations of `T`; that of files is the one which `inode` takes files of its
/// inodes to be opened through. Where there is one of pages, no file that is opened through that of files has
/// another page cache than its inode's.
pub(crate) struct InodeTables<T: FileSystem> {
    pub(in crate::vfs) inode: &'static bindings::inode_operations,
    pub(in crate::vfs) file: Option<&'static bindings::file_operations>,
    /// That of a regular file with pages of its own.
    pub(in crate::vfs) pages: Option<&'static bindings::address_space_operations>,
    pub(in crate::vfs) _fs: PhantomData<T>,
}
