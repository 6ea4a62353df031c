// SPDX-License-Identifier: GPL-2.0

//! Symbolic links, devices, FIFOs and sockets.

use super::{attr, instance::Union, regular::FileInode};
use crate::vfs::{
    attr::Attr,
    dentry::DEntry,
    idmap::Idmap,
    inode::{INode, InodeTables},
    inode_ops::Operations,
    namei,
    stat::Stat,
    symlink::Target,
    xattr::NameList,
};
use kernel::prelude::*;

/// The tables of devices, FIFOs and sockets.
pub(crate) fn tables() -> InodeTables<Union> {
    InodeTables::new::<FileInode>()
}

/// The tables of symbolic links.
pub(crate) fn symlink_tables() -> InodeTables<Union> {
    InodeTables::new::<LinkInode>()
}

struct LinkInode;

#[vtable]
impl Operations for LinkInode {
    type Fs = Union;

    fn get_link(inode: &INode<Union>) -> Result<Target> {
        let stack = inode.data().stack()?;
        let instance = inode.sb().data();
        instance
            .cred
            .scope(|| namei::read_link(&stack.top().dentry))
    }

    fn setattr(idmap: &Idmap, dentry: &DEntry<Union>, attr: Attr) -> Result {
        attr::setattr(idmap, dentry, attr)
    }

    fn getattr(
        idmap: &Idmap,
        dentry: &DEntry<Union>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        attr::getattr(idmap, dentry, stat, mask, flags)
    }

    fn listxattr(dentry: &DEntry<Union>) -> Result<NameList> {
        super::xattr::list(dentry)
    }

    fn update_atime(inode: &INode<Union>) {
        attr::update_atime(inode);
    }
}
