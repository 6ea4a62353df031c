// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.

use crate::{
    union::{
        copy::{copy_up, data::Data},
        entries::rights,
        object::{instance::Union, node::copy_attr, stack::Layer},
    },
    vfs::{
        attr::xattr::{self, NameList},
        object::idmap::Idmap,
        ops::xattr_ops::Handler,
        own::{dentry::OwnDentry, inode::OwnInode},
        value::errno::ENODATA,
    },
};
use kernel::prelude::*;

/// Whether only the filesystem that has the attribute knows what it is, and so who may use it: ACLs of
/// NFSv4 and of CIFS. POSIX ACLs do not come here.
fn is_system(name: &CStr) -> bool {
    name.to_bytes().starts_with(b"system.")
}

/// The extended attributes of the objects on the branches.
pub(crate) struct Xattrs;

#[vtable]
impl Handler for Xattrs {
    type Fs = Union;

    fn get(inode: &OwnInode<Union>, name: &CStr, buf: &mut [u8]) -> Result<usize> {
        let stack = inode.data().stack()?;
        if is_system(name) {
            // The filesystem, or its server, knows who may see it, and nobody has asked so far.
            return xattr::get(stack.top().path(), name, buf);
        }
        if name == xattr::CAPABILITY && stack.top().branch.mnt().has_no_privileges() {
            // Whoever executes the file looks here, too.
            return Err(ENODATA);
        }
        let instance = inode.sb().data();
        instance
            .cred
            .scope(|| xattr::get(stack.top().path(), name, buf))
    }

    fn set(
        idmap: &Idmap,
        dentry: &OwnDentry<Union>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: u32,
    ) -> Result {
        let inode = dentry.positive()?;
        // The mounter may do what the caller may not, and a copy would be made for it.
        if is_system(name) && !inode.owner_or_capable(idmap) {
            return Err(EPERM);
        }
        let instance = dentry.sb().data();
        if value.is_none() {
            // Removing what is not there is no reason to copy up.
            let stack = inode.data().stack()?;
            instance
                .cred
                .scope(|| xattr::get(stack.top().path(), name, &mut []))?;
        }
        let layer = copy_up::ensure_to_change(dentry, Data::All)?;
        let change = |layer: &Layer| {
            let access = layer.branch.mnt().want_write()?;
            match value {
                Some(value) => xattr::set(&access, &layer.dentry, name, value, flags),
                None => xattr::remove(&access, &layer.dentry, name),
            }
        };
        instance.cred.scope(|| match inode.is_dir() {
            true => rights::change_shown(dentry, &layer, change),
            false => change(&layer),
        })?;
        copy_attr(inode)
    }

    // Names that the caller may not read are left out, as everywhere.
    fn list(dentry: &OwnDentry<Union>) -> Result<NameList> {
        let stack = dentry.positive()?.data().stack()?;
        let instance = dentry.sb().data();
        let names = instance.cred.scope(|| NameList::of(stack.top().path()))?;
        if xattr::may_see_trusted() {
            return Ok(names);
        }
        names.retain(|name| !name.to_bytes().starts_with(b"trusted."))
    }
}
