// SPDX-License-Identifier: GPL-2.0

//! Symbolic links, devices, FIFOs and sockets.

use crate::{
    union::object::instance::Union,
    vfs::{
        below::{namei, symlink::Target},
        fs::inode_ops::Operations,
        ops::{file_ops, vtable::Without},
        own::{file::Opening, file_system::InodeTables, inode::OwnInode},
    },
};
use kernel::prelude::*;

/// The tables of devices, FIFOs and sockets.
pub(crate) fn tables() -> InodeTables<Union> {
    InodeTables::new::<Without<Union>>()
}

/// The tables of devices that nobody opens, as they are on a branch whose mount says so (`nodev`).
pub(crate) fn never_opened_tables() -> InodeTables<Union> {
    InodeTables::with_file::<Without<Union>, NeverOpened>()
}

struct NeverOpened;

#[vtable]
impl file_ops::Operations for NeverOpened {
    type Fs = Union;
    type Data = ();

    fn open(_inode: &OwnInode<Union>, _file: Opening<'_, Union>) -> Result<Pin<KBox<()>>> {
        Err(EACCES)
    }
}

/// The tables of symbolic links.
pub(crate) fn symlink_tables() -> InodeTables<Union> {
    InodeTables::new::<LinkInode>()
}

struct LinkInode;

#[vtable]
impl Operations for LinkInode {
    type Fs = Union;

    fn get_link(inode: &OwnInode<Union>) -> Result<Target> {
        let stack = inode.data().stack()?;
        let instance = inode.sb().data();
        instance
            .cred
            .scope(|| namei::read_link(&stack.top().dentry))
    }
}
