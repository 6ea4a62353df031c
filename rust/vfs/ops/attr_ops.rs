// SPDX-License-Identifier: GPL-2.0

//! The attributes of inodes, as a filesystem implements them: once, for inodes of any kind.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::vtable::Without;
use crate::{
    bindings,
    vfs::{
        attr::{
            acl::{Acl, AclType},
            attr::Attr,
            fileattr,
            stat::Stat,
        },
        below::extents::Extents,
        object::{glimpse::Glimpse, idmap::Idmap},
        own::{
            dentry::OwnDentry,
            file_system::FileSystem,
            inode::{Locked, OwnInode},
        },
    },
};
use kernel::{
    error::{to_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
};

/// What an operation is about that may be part of an RCU walk.
pub(crate) enum Walk<'a, O> {
    /// It is: nothing may sleep; answer `ECHILD` to be asked again.
    Rcu(Glimpse<'a, O>),
    /// The usual.
    Ref(&'a O),
}

/// The operations on attributes. Without one of them the VFS does what it does for a filesystem that
/// keeps all attributes in the inode.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;

    /// Changes attributes.
    fn setattr(_idmap: &Idmap, _dentry: &OwnDentry<Self::Fs>, _attr: Attr) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Makes a regular file `size` bytes long. For those who keep all attributes in the inode, and have no
    /// [`Operations::setattr`]: the VFS does the rest.
    fn resize(_inode: &Locked<'_, Self::Fs>, _size: i64) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Reads attributes in `mask` (`STATX_*`), under `AT_*` flags, to `stat`, which is as empty as
    /// the VFS hands it out.
    fn getattr(
        _idmap: &Idmap,
        _dentry: &OwnDentry<Self::Fs>,
        _stat: &mut Stat,
        _mask: u32,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Whether the current task may do `mask` (`MAY_*`).
    fn permission(_idmap: &Idmap, _inode: Walk<'_, OwnInode<Self::Fs>>, _mask: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The ACL that permission checks use.
    fn get_inode_acl(_inode: Walk<'_, OwnInode<Self::Fs>>, _type: AclType) -> Result<Option<Acl>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The ACL that user space asks for.
    fn get_acl(
        _idmap: &Idmap,
        _dentry: &OwnDentry<Self::Fs>,
        _type: AclType,
    ) -> Result<Option<Acl>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Sets or removes an ACL.
    fn set_acl(
        _idmap: &Idmap,
        _dentry: &OwnDentry<Self::Fs>,
        _acl: Option<&Acl>,
        _type: AclType,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The access time is due for an update.
    fn update_atime(_inode: &OwnInode<Self::Fs>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Tells the attributes of `FS_IOC_GETFLAGS`.
    fn fileattr_get(_dentry: &OwnDentry<Self::Fs>, _request: &mut fileattr::Request<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Changes them. What the caller may do the VFS has checked, by what [`Operations::fileattr_get`] told.
    fn fileattr_set(_dentry: &OwnDentry<Self::Fs>, _request: &mut fileattr::Request<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Tells where the data lies (`FS_IOC_FIEMAP`).
    fn fiemap(_inode: &OwnInode<Self::Fs>, _extents: Extents<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: FileSystem> Operations for Without<T> {
    type Fs = T;
}

/// What a filesystem makes of a request that it gets.
impl Attr {
    /// Checks that the current task may change `dentry`, of the filesystem `T`, like this, and
    /// settles what the request implies (`setattr_prepare`).
    pub(crate) fn prepare<T: FileSystem>(
        &mut self,
        idmap: &Idmap,
        dentry: &OwnDentry<T>,
    ) -> Result {
        dentry.require_inode()?;
        // SAFETY: All are valid during the call.
        to_result(unsafe {
            bindings::setattr_prepare(idmap.as_ptr(), dentry.as_ptr(), &mut self.0)
        })
    }

    /// The request as it goes to the filesystem below: killing set-id bits is settled by the mode,
    /// and the fact of an `O_TRUNC` is not the lower one's business.
    ///
    /// Owners are given in the ids of a mount with `idmap`; what comes out is the filesystem's.
    pub(crate) fn for_lower<T: FileSystem>(mut self, idmap: &Idmap, dentry: &OwnDentry<T>) -> Self {
        // SAFETY: The super block, and with it its user namespace, is alive; either member of the
        // unions has the same bits.
        unsafe {
            let ns = (*dentry.sb().as_ptr()).s_user_ns;
            self.0.__bindgen_anon_1.ia_uid =
                bindings::from_vfsuid(idmap.as_ptr(), ns, self.0.__bindgen_anon_1.ia_vfsuid);
            self.0.__bindgen_anon_2.ia_gid =
                bindings::from_vfsgid(idmap.as_ptr(), ns, self.0.__bindgen_anon_2.ia_vfsgid);
        }
        if self.0.ia_valid & (bindings::ATTR_KILL_SUID | bindings::ATTR_KILL_SGID) != 0 {
            self.0.ia_valid &= !bindings::ATTR_MODE;
        }
        self.0.ia_valid &= !bindings::ATTR_OPEN;
        self
    }
}

impl Stat {
    /// Shows the object as `inode` on a mount with `idmap`: its device, its number, its owner, and
    /// what the VFS enforces on it.
    pub(crate) fn identify<T: FileSystem>(&mut self, inode: &OwnInode<T>, idmap: &Idmap) {
        self.0.ino = inode.ino();
        // SAFETY: The inode and its super block are alive; the calls only read the inode's flags and
        // the mapping.
        unsafe {
            self.0.dev = (*inode.sb().as_ptr()).s_dev;
            bindings::generic_fill_statx_attr(inode.as_ptr(), &mut self.0);
            // What the calls find out first.
            if core::ptr::eq(idmap, Idmap::nop()) {
                return;
            }
            let ns = (*inode.sb().as_ptr()).s_user_ns;
            self.0.uid.val = bindings::make_vfsuid(idmap.as_ptr(), ns, self.0.uid).val;
            self.0.gid.val = bindings::make_vfsgid(idmap.as_ptr(), ns, self.0.gid).val;
        }
    }
}
