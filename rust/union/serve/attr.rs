// SPDX-License-Identifier: GPL-2.0

//! Attributes and permissions.
//!
//! There is no `->permission`: the VFS asks the inode of the union, which repeats owner, mode and
//! ACLs of the object, and takes a shorter way for inodes without that operation. What the union then
//! does on the branch is checked there, against the mounter's rights.

use crate::{
    union::{
        branch::lift,
        copy::{copy_up, data::Data},
        entries::rights::{self, RightsChange},
        find::refresh,
        object::{instance::Union, node::copy_attr, stack::Layer},
    },
    vfs::{
        attr::{
            acl::{Acl, AclType},
            attr::Attr,
            fileattr::{self, Shown},
            protection::Protection,
            stat::Stat,
        },
        below::extents::Extents,
        object::idmap::Idmap,
        ops::attr_ops::{self, Walk},
        own::{dentry::OwnDentry, inode::OwnInode},
        value::errno::EOPNOTSUPP,
    },
};
use kernel::{prelude::*, sync::rcu};

/// The attributes of the objects on the branches.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Union;

    // The attributes are the branch's, device and number the union's.
    #[inline(always)]
    fn getattr(
        idmap: &Idmap,
        dentry: &OwnDentry<Union>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        let inode = dentry.positive()?;
        let stack = refresh::stack_or_old(dentry)?;
        let instance = dentry.sb().data();
        instance
            .cred
            .scope(|| stat.query(stack.top().path(), mask, flags))?;
        stat.identify(inode, idmap);
        if stack.layers.len() > 1 && !(inode.nlink() == 0 && dentry.is_unhashed()) {
            // How many directories there are in a merged one is not known without reading it.
            stat.set_nlink(1);
        } else if inode.data().has_names_below() || inode.nlink() == 0 {
            stat.set_nlink(inode.nlink());
        }
        Ok(())
    }

    fn setattr(idmap: &Idmap, dentry: &OwnDentry<Union>, mut attr: Attr) -> Result {
        attr.prepare(idmap, dentry)?;
        let data = match attr.new_size() {
            Some(0) => Data::Nothing,
            _ => Data::All,
        };
        let stack = refresh::stack_or_old(dentry)?;
        if attr.new_size().is_some() {
            check_size_may_change(stack.top())?;
        }
        let layer = copy_up::ensure_to_change_from(dentry, stack, data)?;
        let real = layer.inode()?;
        let _writer = match attr.new_size() {
            // Somebody may have been faster.
            Some(_) if real.is_append_only() => return Err(EPERM),
            Some(_) => Some(real.get_write_access()?),
            None => None,
        };
        let inode = dentry.positive()?;
        let attr_size = attr.new_size();
        let attr = attr.for_lower(idmap, dentry);
        let change = |layer: &Layer| {
            let access = layer.branch.mnt().want_write()?;
            attr.apply(&access, &layer.dentry)
        };
        let rights = attr.of_rights().filter(|_| inode.is_dir());
        let instance = dentry.sb().data();
        let bytes = attr_size.map(|size| {
            // Another inode of the union may stand for the file, by which it comes to be longer.
            size.min(real.size())..i64::MAX
        });
        inode.data().changing(instance, real, bytes, || {
            instance.cred.scope(|| match rights {
                Some(rights) => {
                    let rights = RightsChange::Attr(rights);
                    rights::change_all(inode, &layer, rights, || change(&layer))
                }
                None if inode.is_dir() => rights::change_shown(dentry, &layer, change),
                None => change(&layer),
            })
        })?;
        copy_attr(inode)
    }

    fn get_inode_acl(inode: Walk<'_, OwnInode<Union>>, acl_type: AclType) -> Result<Option<Acl>> {
        let inode = match inode {
            Walk::Ref(inode) => inode,
            Walk::Rcu(inode) => {
                let guard = rcu::read_lock();
                let top = inode.data().top_rcu(&guard).ok_or(ECHILD)?;
                let real = top.inode().ok_or(ECHILD)?;
                if !real.has_posix_acl() {
                    return Ok(None);
                }
                return Acl::of_inode_rcu(real, acl_type, (&guard).into());
            }
        };
        let stack = inode.data().stack()?;
        let real = stack.top().inode()?;
        if !real.has_posix_acl() {
            return Ok(None);
        }
        let instance = inode.sb().data();
        let acl = instance.cred.scope(|| Acl::of_inode(real, acl_type))?;
        match acl {
            Some(acl) => acl.through(stack.top().path().idmap()).map(Some),
            None => Ok(None),
        }
    }

    fn get_acl(
        _idmap: &Idmap,
        dentry: &OwnDentry<Union>,
        acl_type: AclType,
    ) -> Result<Option<Acl>> {
        let stack = dentry.positive()?.data().stack()?;
        let instance = dentry.sb().data();
        let path = stack.top().path();
        match instance.cred.scope(|| Acl::get(path, acl_type))? {
            Some(acl) => acl.through(path.idmap()).map(Some),
            None => Ok(None),
        }
    }

    fn set_acl(
        idmap: &Idmap,
        dentry: &OwnDentry<Union>,
        acl: Option<&Acl>,
        acl_type: AclType,
    ) -> Result {
        let inode = dentry.positive()?;
        if !inode.has_posix_acl() {
            return Err(EOPNOTSUPP);
        }
        if acl_type == AclType::Default && !inode.is_dir() {
            return if acl.is_some() { Err(EACCES) } else { Ok(()) };
        }
        if !inode.owner_or_capable(idmap) {
            return Err(EPERM);
        }
        // The mounter may keep the set-group-id bit where the caller may not.
        if inode.mode().0 & 0o2000 != 0
            && acl_type == AclType::Access
            && !Acl::keeps_sgid(inode, idmap)
        {
            Self::setattr(idmap, dentry, Attr::kill_sgid())?;
        }
        let layer = copy_up::ensure_to_change(dentry, Data::All)?;
        let to = RightsChange::Acl(acl, acl_type);
        let change = || {
            let access = layer.branch.mnt().want_write()?;
            to.apply(&access, &layer.dentry)
        };
        dentry.sb().data().cred.scope(|| match inode.is_dir() {
            true => rights::change_all(inode, &layer, to, change),
            false => change(),
        })?;
        copy_attr(inode)
    }

    // Only a writable branch keeps one.
    fn update_atime(inode: &OwnInode<Union>) {
        let Ok(stack) = inode.data().stack() else {
            return;
        };
        let top = stack.top();
        if top.branch.is_writable() {
            top.path().touch_atime();
            if let Ok(real) = top.inode() {
                inode.copy_atime(real);
            }
        }
    }

    fn fileattr_get(dentry: &OwnDentry<Union>, request: &mut fileattr::Request<'_>) -> Result {
        let stack = dentry.positive()?.data().stack()?;
        let cred = &dentry.sb().data().cred;
        cred.scope(|| request.read(stack.top().path()))
    }

    // The attributes of a copy are not those of the original: what is asked for is taken as a change of
    // what was told.
    fn fileattr_set(dentry: &OwnDentry<Union>, request: &mut fileattr::Request<'_>) -> Result {
        let inode = dentry.positive()?;
        let cred = &dentry.sb().data().cred;
        let shown = {
            let stack = inode.data().stack()?;
            cred.scope(|| Shown::at(stack.top().path()))?
        };
        // With the caller's credentials, which those below are not.
        let may_protect = Protection::may_change();
        let layer = copy_up::ensure_to_change(dentry, Data::All)?;
        let mut change = |layer: &Layer| {
            // In the order in which those who lift something take them.
            let access = layer.branch.mnt().want_write()?;
            let _held = lift::hold_off(&layer.branch);
            let flags = request.apply(&access, &layer.dentry, &shown, may_protect)?;
            inode.copy_attr(layer.inode()?, layer.path().idmap());
            // That is not taken from the inode below, as somebody may have it off there.
            Protection::of_flags(flags).act(dentry)
        };
        cred.scope(|| match inode.is_dir() {
            true => rights::change_shown(dentry, &layer, &mut change),
            false => change(&layer),
        })
    }

    fn fiemap(inode: &OwnInode<Union>, extents: Extents<'_>) -> Result {
        let stack = inode.data().stack()?;
        let cred = &inode.sb().data().cred;
        cred.scope(|| extents.tell(stack.top().path()))
    }
}

/// `EPERM` for what is protected at `layer`: the VFS has asked the inode of the union, which need not know
/// yet. Before a copy is made that has not got the data.
fn check_size_may_change(layer: &Layer) -> Result {
    let is_copied = !layer.branch.is_writable();
    match layer.inode()?.is_append_only()
        || is_copied && !Protection::known(&layer.dentry).is_none()
    {
        true => Err(EPERM),
        false => Ok(()),
    }
}
