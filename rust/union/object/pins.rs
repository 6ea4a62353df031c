// SPDX-License-Identifier: GPL-2.0

//! Which inodes stay in the cache, since names below mean them that are not used.

use super::instance::{Instance, Union};
use crate::vfs::own::inode::OwnInode;
use kernel::prelude::*;

/// So many `names` below mean the inode: it stays in the cache, and knows how many it has in the
/// union.
pub(crate) fn keep_names_below(inode: &OwnInode<Union>, instance: &Instance, names: u32) -> Result {
    let node = inode.data();
    if names == 0 {
        forget_names_below(inode, instance);
        return Ok(());
    }
    let mut pinned = instance.pinned.lock();
    let old = match pinned.get(&key(inode)) {
        None => pinned.try_create_and_insert(key(inode), inode.into(), GFP_KERNEL)?,
        Some(_) => None,
    };
    drop(pinned);
    drop(old);
    node.set_names_below(names);
    Ok(())
}

/// No name below means the inode any more: there is no reason to keep it in the cache.
pub(crate) fn forget_names_below(inode: &OwnInode<Union>, instance: &Instance) {
    if !inode.data().has_names_below() {
        return;
    }
    inode.data().set_names_below(0);
    let held = instance.pinned.lock().remove(&key(inode));
    drop(held);
}

/// Where the inode is in memory: the number may be another one's, too.
fn key(inode: &OwnInode<Union>) -> usize {
    core::ptr::from_ref(inode).addr()
}
