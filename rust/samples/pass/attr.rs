// SPDX-License-Identifier: GPL-2.0

//! Attributes, extended or not.

use super::{real, update, Pass};
use crate::vfs::{
    attr::{
        attr::Attr,
        fileattr::{self, Shown},
        protection::Protection,
        xattr::{self, NameList},
    },
    below::extents::Extents,
    ops::xattr_ops::Handler,
    prelude::*,
    value::errno::ESTALE,
};
use kernel::prelude::*;

/// Those of what is passed on to.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Pass;

    fn getattr(
        idmap: &Idmap,
        dentry: &OwnDentry<Pass>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("getattr")?;
        tree.cred
            .scope(|| stat.query(tree.mnt.at(&real), mask, flags))?;
        if tree.is_remote {
            update(inode)?;
        }
        stat.identify(inode, idmap);
        Ok(())
    }

    fn setattr(idmap: &Idmap, dentry: &OwnDentry<Pass>, mut attr: Attr) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        let number = tree.trouble.ask("setattr")?;
        attr.prepare(idmap, dentry)?;
        let below = real.inode().ok_or(ESTALE)?;
        let _writer = match attr.new_size() {
            Some(_) => Some(below.get_write_access()?),
            None => None,
        };
        {
            let access = tree.mnt.want_write()?;
            let attr = attr.for_lower(idmap, dentry);
            tree.cred.scope(|| attr.apply(&access, &real))?;
        }
        tree.answer(number, "setattr", || update(inode), || ())
    }

    fn update_atime(inode: &OwnInode<Pass>) {
        let (Ok(real), tree) = (real(inode), inode.sb().data()) else {
            return;
        };
        if tree.trouble.ask("atime").is_err() {
            return;
        }
        tree.cred.scope(|| tree.mnt.at(&real).touch_atime());
        if let Some(below) = real.inode() {
            inode.copy_atime(below);
        }
    }

    fn fileattr_get(dentry: &OwnDentry<Pass>, request: &mut fileattr::Request<'_>) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("fileattr_get")?;
        tree.cred.scope(|| request.read(tree.mnt.at(&real)))?;
        update(inode)
    }

    fn fileattr_set(dentry: &OwnDentry<Pass>, request: &mut fileattr::Request<'_>) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("fileattr_get")?;
        let shown = tree.cred.scope(|| Shown::at(tree.mnt.at(&real)))?;
        let may_protect = Protection::may_change();
        let number = tree.trouble.ask("fileattr_set")?;
        {
            let access = tree.mnt.want_write()?;
            let flags = (tree.cred).scope(|| request.apply(&access, &real, &shown, may_protect))?;
            Protection::of_flags(flags).act(dentry)?;
        }
        tree.answer(number, "fileattr_set", || update(inode), || ())
    }

    fn fiemap(inode: &OwnInode<Pass>, extents: Extents<'_>) -> Result {
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("fileattr_get")?;
        tree.cred.scope(|| extents.tell(tree.mnt.at(&real)))
    }
}

/// Those of what is passed on to.
pub(crate) struct Xattrs;

#[vtable]
impl Handler for Xattrs {
    type Fs = Pass;

    fn get(inode: &OwnInode<Pass>, name: &CStr, buf: &mut [u8]) -> Result<usize> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("getxattr")?;
        tree.cred
            .scope(|| xattr::get(tree.mnt.at(&real), name, buf))
    }

    fn set(
        _idmap: &Idmap,
        dentry: &OwnDentry<Pass>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: u32,
    ) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        let what = match value {
            Some(_) => "setxattr",
            None => "removexattr",
        };
        let number = tree.trouble.ask(what)?;
        {
            let access = tree.mnt.want_write()?;
            tree.cred.scope(|| match value {
                Some(value) => xattr::set(&access, &real, name, value, flags),
                None => xattr::remove(&access, &real, name),
            })?;
        }
        tree.answer(number, what, || update(inode), || ())
    }

    fn list(dentry: &OwnDentry<Pass>) -> Result<NameList> {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("listxattr")?;
        tree.cred.scope(|| NameList::of(tree.mnt.at(&real)))
    }
}
