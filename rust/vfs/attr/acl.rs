// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists.
//!
//! C header: [`include/linux/posix_acl.h`](srctree/include/linux/posix_acl.h)

use crate::{
    bindings,
    vfs::{
        mount::{path::Path, write_access::WriteAccess},
        object::{dentry::Dentry, glimpse::Glimpse, idmap::Idmap, inode::Inode},
        sync::rcu::Reading,
        value::errno::{ENODATA, EOPNOTSUPP},
    },
};
use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};

/// Which ACL of an inode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AclType {
    /// The one that access is checked against.
    Access,
    /// The one that new objects in a directory inherit.
    Default,
}

impl AclType {
    pub(in crate::vfs) fn new(raw: c_int) -> Self {
        if raw == bindings::ACL_TYPE_DEFAULT as c_int {
            Self::Default
        } else {
            Self::Access
        }
    }

    /// The extended attribute that the ACL is kept in.
    pub(crate) fn xattr_name(self) -> &'static CStr {
        match self {
            Self::Access => c"system.posix_acl_access",
            Self::Default => c"system.posix_acl_default",
        }
    }

    /// Whether it is in the cache that `inode` has no such ACL.
    fn is_known_to_be_none(self, inode: &Inode) -> bool {
        let _guard = kernel::sync::rcu::read_lock();
        // SAFETY: The inode is alive; what is not null is not looked at. RCU is what the call wants.
        unsafe { bindings::get_cached_acl_rcu(inode.as_ptr(), self.to_raw()) }.is_null()
    }

    fn to_raw(self) -> c_int {
        match self {
            Self::Access => bindings::ACL_TYPE_ACCESS as c_int,
            Self::Default => bindings::ACL_TYPE_DEFAULT as c_int,
        }
    }
}

/// A counted, immutable ACL.
///
/// # Invariants
///
/// The pointer is an ACL of which this owns a count.
#[repr(transparent)]
pub(crate) struct Acl(NonNull<bindings::posix_acl>);

impl Drop for Acl {
    fn drop(&mut self) {
        // SAFETY: The count is ours.
        unsafe { bindings::posix_acl_release(self.0.as_ptr()) };
    }
}

impl Acl {
    /// # Safety
    ///
    /// `ptr` is null, or a valid ACL with a count that this takes over.
    unsafe fn from_owned(ptr: *mut bindings::posix_acl) -> Option<Self> {
        // INVARIANT: By the contract of this function.
        NonNull::new(ptr).map(Self)
    }

    /// # Safety
    ///
    /// `ptr` holds null, or a valid ACL that lives as long as the reference.
    pub(in crate::vfs) unsafe fn borrow(ptr: &*mut bindings::posix_acl) -> Option<&Self> {
        if ptr.is_null() {
            return None;
        }
        // SAFETY: `Acl` is transparent over a non-null pointer, which this is.
        Some(unsafe { &*core::ptr::from_ref(ptr).cast::<Self>() })
    }

    /// The pointer, null or error pointer that C expects.
    pub(in crate::vfs) fn into_c(result: Result<Option<Self>>) -> *mut bindings::posix_acl {
        match result {
            Ok(Some(acl)) => core::mem::ManuallyDrop::new(acl).0.as_ptr(),
            Ok(None) => core::ptr::null_mut(),
            Err(e) => e.to_ptr(),
        }
    }

    /// The ACL of the inode at `path`, as user space would get it there.
    pub(crate) fn get(path: Path<'_>, acl_type: AclType) -> Result<Option<Self>> {
        path.dentry.require_inode()?;
        // SAFETY: `path` is valid during the call, the name static.
        let acl = from_err_ptr(unsafe {
            bindings::vfs_get_acl(
                path.idmap().as_ptr(),
                path.dentry.as_ptr(),
                acl_type.xattr_name().as_char_ptr(),
            )
        });
        match acl {
            // SAFETY: The call returned a count, or null.
            Ok(acl) => Ok(unsafe { Self::from_owned(acl) }),
            Err(e) if e == ENODATA || e == EOPNOTSUPP => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The ACL of `inode` for a permission check, without the path that leads there.
    pub(crate) fn of_inode(inode: &Inode, acl_type: AclType) -> Result<Option<Self>> {
        // SAFETY: The inode is alive.
        let acl = unsafe { bindings::get_inode_acl(inode.as_ptr(), acl_type.to_raw()) };
        let acl = from_err_ptr(acl)?;
        // SAFETY: The call returned a count, or null.
        Ok(unsafe { Self::from_owned(acl) })
    }

    /// The ACL of `inode` if it is cached, within an RCU walk. `ECHILD` if it is not.
    pub(crate) fn of_inode_rcu(
        inode: Glimpse<'_, Inode>,
        acl_type: AclType,
        _reading: Reading<'_>,
    ) -> Result<Option<Self>> {
        // SAFETY: The inode is there; so is its ACL, within the read-side critical section of `_reading`.
        let acl = unsafe { bindings::get_cached_acl_rcu(inode.get().as_ptr(), acl_type.to_raw()) };
        // An ACL found without a count may only be used within the walk, where the VFS counts none.
        // `ACL_DONT_CACHE` and the sentinels of a read in progress are no ACLs.
        // SAFETY: The call only looks at the pointer's value.
        if unsafe { bindings::is_uncached_acl(acl) } {
            return Err(ECHILD);
        }
        if !acl.is_null() {
            return Err(ECHILD);
        }
        Ok(None)
    }

    /// Sets or removes an ACL of `dentry` on `access`'s mount.
    pub(crate) fn set(
        access: &WriteAccess<'_>,
        dentry: &Dentry,
        acl: Option<&Self>,
        acl_type: AclType,
    ) -> Result {
        dentry.require_inode()?;
        let idmap = access.at(dentry)?.idmap().as_ptr();
        let name = acl_type.xattr_name().as_char_ptr();
        // What is set on an idmapped mount is translated where it is, and may be what an inode of some
        // filesystem has in its cache.
        let copy = match acl {
            Some(acl) if !core::ptr::eq(idmap, Idmap::nop().as_ptr()) => Some(acl.duplicate()?),
            _ => None,
        };
        // SAFETY: All are valid during the call.
        to_result(unsafe {
            match copy.as_ref().or(acl) {
                Some(acl) => bindings::vfs_set_acl(idmap, dentry.as_ptr(), name, acl.0.as_ptr()),
                None => bindings::vfs_remove_acl(idmap, dentry.as_ptr(), name),
            }
        })
    }

    /// An ACL with the same entries that is nobody else's. `ENOMEM`.
    fn duplicate(&self) -> Result<Self> {
        // SAFETY: The ACL is valid.
        let new = unsafe { bindings::posix_acl_clone(self.0.as_ptr(), bindings::GFP_KERNEL) };
        // SAFETY: The call returned a count, or null.
        unsafe { Self::from_owned(new) }.ok_or(ENOMEM)
    }

    /// The permission bits of the group that owns the object, where the mode has the mask instead.
    fn group_bits(&self) -> Option<u16> {
        let acl = self.0.as_ptr().cast::<bindings::posix_acl_full>();
        // SAFETY: The ACL has as many entries as it says, and is not changed.
        unsafe {
            let count = (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count as usize;
            let entries = core::slice::from_raw_parts((*acl).a_entries.as_ptr(), count);
            let of_group = |tag: i16| u32::from(tag as u16) == bindings::ACL_GROUP_OBJ;
            entries
                .iter()
                .find(|entry| of_group(entry.e_tag))
                .map(|entry| (entry.e_perm & 7) << 3)
        }
    }

    /// The ACL as it is seen through a mount with `idmap`. `ENOMEM`.
    pub(crate) fn through(self, idmap: &Idmap) -> Result<Self> {
        if core::ptr::eq(idmap, Idmap::nop()) {
            return Ok(self);
        }
        let this = self.duplicate()?;
        let to = this.0.as_ptr().cast::<bindings::posix_acl_full>();
        // SAFETY: The new ACL has as many entries as it says, and is not shared yet.
        unsafe {
            let count = (*to).__bindgen_anon_1.__bindgen_anon_1.a_count;
            let entries = (*to).a_entries.as_mut_ptr();
            let ns = &raw mut bindings::init_user_ns;
            for i in 0..count as usize {
                let entry = entries.add(i);
                match u32::from((*entry).e_tag as u16) {
                    bindings::ACL_USER => {
                        let id = (*entry).__bindgen_anon_1.e_uid;
                        let id = bindings::make_vfsuid(idmap.as_ptr(), ns, id);
                        (*entry).__bindgen_anon_1.e_uid.val = id.val;
                    }
                    bindings::ACL_GROUP => {
                        let id = (*entry).__bindgen_anon_1.e_gid;
                        let id = bindings::make_vfsgid(idmap.as_ptr(), ns, id);
                        (*entry).__bindgen_anon_1.e_gid.val = id.val;
                    }
                    _ => {}
                }
            }
        }
        Ok(this)
    }

    /// Whether the current task, which sees `inode` through `idmap`, may set an ACL on it and keep its
    /// set-group-id bit.
    pub(crate) fn keeps_sgid(inode: &Inode, idmap: &Idmap) -> bool {
        // SAFETY: Both are valid during the calls.
        unsafe {
            let group = bindings::i_gid_into_vfsgid(idmap.as_ptr(), inode.as_ptr());
            bindings::in_group_or_capable(idmap.as_ptr(), inode.as_ptr(), group)
        }
    }
}

/// Whether `name` is an attribute that an ACL is kept in.
pub(crate) fn is_acl(name: &CStr) -> bool {
    name == AclType::Access.xattr_name() || name == AclType::Default.xattr_name()
}

/// An ACL that a copy did not get.
pub(crate) struct NotCopied {
    /// Why.
    pub(crate) error: Error,
    /// What the owning group may do, by the ACL: the group's bits of the mode are the mask, which would
    /// give it what it is denied.
    pub(crate) group_bits: Option<u16>,
}

/// Copies the ACL in the attribute `name` of the object at `source` to `target`.
pub(crate) fn copy(
    source: Path<'_>,
    access: &WriteAccess<'_>,
    target: &Dentry,
    name: &CStr,
) -> Result<(), NotCopied> {
    let is_access = name == AclType::Access.xattr_name();
    let acl_type = match is_access {
        true => AclType::Access,
        false => AclType::Default,
    };
    let without_bits = |error| NotCopied {
        error,
        group_bits: None,
    };
    let Some(acl) = Acl::get(source, acl_type).map_err(without_bits)? else {
        return Ok(());
    };
    let acl = acl.through(source.idmap()).map_err(without_bits)?;
    Acl::set(access, target, Some(&acl), acl_type).map_err(|error| NotCopied {
        error,
        group_bits: acl.group_bits().filter(|_| is_access),
    })
}

/// Removes the ACLs of an object that was just made.
pub(crate) fn clear(access: &WriteAccess<'_>, dentry: &Dentry) -> Result {
    let path = access.at(dentry)?;
    let Some(inode) = dentry.inode().filter(|inode| inode.has_posix_acl()) else {
        return Ok(());
    };
    for acl_type in [AclType::Access, AclType::Default] {
        if acl_type == AclType::Default && !inode.is_dir() {
            continue;
        }
        if acl_type.is_known_to_be_none(inode) {
            continue;
        }
        if Acl::get(path, acl_type)?.is_some() {
            Acl::set(access, dentry, None, acl_type)?;
        }
    }
    Ok(())
}
