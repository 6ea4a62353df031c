// SPDX-License-Identifier: GPL-2.0

//! Changing the attributes of an inode.
//!
//! What a filesystem of ours makes of a request that it gets is in `ops::attr_ops`.
//!
//! C header: `struct iattr` in [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::stat::Stat;
use crate::{
    bindings,
    vfs::{
        mount::{path::Path, write_access::WriteAccess},
        object::dentry::Dentry,
        sync::load::once,
        value::mode::Mode,
    },
};
use kernel::{error::to_result, prelude::*};

/// Access and modification time, to what is said.
const TIMES: u32 = bindings::ATTR_ATIME
    | bindings::ATTR_MTIME
    | bindings::ATTR_ATIME_SET
    | bindings::ATTR_MTIME_SET
    | bindings::ATTR_CTIME;

/// A request to change attributes.
///
/// # Invariants
///
/// There is no open file in it.
#[derive(Clone, Copy)]
pub(crate) struct Attr(pub(in crate::vfs) bindings::iattr);

impl Attr {
    fn empty() -> Self {
        // INVARIANT: There is nothing in it.
        Self(pin_init::zeroed())
    }

    /// A copy of what the VFS asks for, but for the open file, which may not outlive the call.
    ///
    /// # Safety
    ///
    /// `attr` is valid.
    pub(in crate::vfs) unsafe fn from_raw(attr: *const bindings::iattr) -> Self {
        // SAFETY: By the contract of this function.
        // INVARIANT: The file is taken out below.
        let mut attr = Self(unsafe { *attr });
        attr.0.ia_valid &= !bindings::ATTR_FILE;
        attr.0.ia_file = core::ptr::null_mut();
        attr
    }

    /// Asks for permission bits, too.
    pub(crate) fn and_mode(mut self, mode: Mode) -> Self {
        self.0.ia_valid |= bindings::ATTR_MODE;
        self.0.ia_mode = mode.0;
        self
    }

    /// Asks for the owner and group in `stat`.
    pub(crate) fn owner(stat: &Stat) -> Self {
        Self::empty().and_owner(stat)
    }

    /// Asks for the owner and group in `stat`, too.
    pub(crate) fn and_owner(mut self, stat: &Stat) -> Self {
        self.0.ia_valid |= bindings::ATTR_UID | bindings::ATTR_GID;
        self.0.__bindgen_anon_1.ia_uid = stat.0.uid;
        self.0.__bindgen_anon_2.ia_gid = stat.0.gid;
        self
    }

    /// Asks for the access and modification times in `stat`.
    pub(crate) fn times(stat: &Stat) -> Self {
        let mut attr = Self::empty();
        attr.0.ia_valid = TIMES;
        attr.0.ia_atime = stat.0.atime;
        attr.0.ia_mtime = stat.0.mtime;
        attr
    }

    /// Asks for the access and modification times that the object at `path` has now, to be given back
    /// to it after a change.
    pub(crate) fn times_of(path: Path<'_>) -> Result<Self> {
        let inode = path.dentry.require_inode()?.as_ptr();
        if path.dentry.is_revalidated() {
            // Its times may be known better elsewhere.
            return Ok(Self::times(&Stat::of(path)?));
        }
        let mut attr = Self::empty();
        attr.0.ia_valid = TIMES;
        // SAFETY: The inode is alive; its times may change at any time, as anywhere in the VFS.
        unsafe {
            attr.0.ia_atime.tv_sec = once!((*inode).i_atime_sec);
            attr.0.ia_atime.tv_nsec = once!((*inode).i_atime_nsec) as c_long;
            attr.0.ia_mtime.tv_sec = once!((*inode).i_mtime_sec);
            attr.0.ia_mtime.tv_nsec = once!((*inode).i_mtime_nsec) as c_long;
        }
        Ok(attr)
    }

    /// Asks for the modification time alone, of those that were asked for.
    pub(crate) fn but_atime(mut self) -> Self {
        self.0.ia_valid &= !(bindings::ATTR_ATIME | bindings::ATTR_ATIME_SET);
        self
    }

    /// Asks for the current task to be the owner, and for nobody else to have any rights.
    pub(crate) fn private(mode: Mode) -> Self {
        let mut attr = Self::empty().and_mode(mode.private());
        attr.0.ia_valid |= bindings::ATTR_UID | bindings::ATTR_GID;
        // SAFETY: The current credentials are alive; the kernel is the only one who sets these.
        unsafe {
            let cred = bindings::current_cred();
            attr.0.__bindgen_anon_1.ia_uid = (*cred).fsuid;
            attr.0.__bindgen_anon_2.ia_gid = (*cred).fsgid;
        }
        attr
    }

    /// Asks for the set-group-id bit to go.
    pub(crate) fn kill_sgid() -> Self {
        let mut attr = Self::empty();
        attr.0.ia_valid = bindings::ATTR_KILL_SGID;
        attr
    }

    /// The size asked for, if one is.
    pub(crate) fn new_size(&self) -> Option<i64> {
        (self.0.ia_valid & bindings::ATTR_SIZE != 0).then_some(self.0.ia_size)
    }

    /// The part of the request that says who may do what: owner, group, permission bits; if it has one.
    pub(crate) fn of_rights(mut self) -> Option<Self> {
        self.0.ia_valid &= bindings::ATTR_UID
            | bindings::ATTR_GID
            | bindings::ATTR_MODE
            | bindings::ATTR_KILL_SUID
            | bindings::ATTR_KILL_SGID;
        (self.0.ia_valid != 0).then_some(self)
    }

    /// Changes the attributes of `dentry` below `access`'s mount; takes its inode's lock.
    pub(crate) fn apply(mut self, access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
        let inode = dentry.inode().ok_or(ENOENT)?;
        let idmap = access.at(dentry)?.idmap().as_ptr();
        let lock = inode.lock();
        // SAFETY: All are valid, and the inode is locked, as `notify_change` wants.
        let ret = to_result(unsafe {
            bindings::notify_change(idmap, dentry.as_ptr(), &mut self.0, core::ptr::null_mut())
        });
        drop(lock);
        ret
    }
}
