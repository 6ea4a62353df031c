// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.
//!
//! C header: [`include/linux/xattr.h`](srctree/include/linux/xattr.h)

use crate::{
    bindings,
    vfs::{
        mount::{path::Path, write_access::WriteAccess},
        object::dentry::Dentry,
        value::errno::{ECANCELED, EOPNOTSUPP},
    },
};
use kernel::{error::to_result, prelude::*};

/// The attribute that file capabilities are kept in.
pub(crate) const CAPABILITY: &CStr = c"security.capability";

/// How often something is read that has another length by then.
const TRIES: u32 = 2;

/// A list of names, each ended by a NUL, as `listxattr(2)` returns it; no memory for none.
pub(crate) struct NameList(Option<KVVec<u8>>);

impl NameList {
    /// The names of the inode at `path`.
    /// `EIO` if they do not fit into what their length is said to be, twice: a server decides how often
    /// they do not.
    pub(crate) fn of(path: Path<'_>) -> Result<Self> {
        for _ in 0..TRIES {
            let want = list(path, &mut [])?;
            if want == 0 {
                return Ok(Self(None));
            }
            let mut buf = KVVec::from_elem(0u8, want, GFP_KERNEL)?;
            match list(path, &mut buf) {
                Ok(len) => {
                    buf.truncate(len);
                    return Ok(Self(Some(buf)));
                }
                // It grew in between.
                Err(e) if e == ERANGE => continue,
                Err(e) => return Err(e),
            }
        }
        Err(EIO)
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The names, one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        self.as_bytes()
            .split_inclusive(|&b| b == 0)
            .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    }

    /// Keeps the names that `f` wants.
    pub(crate) fn retain(self, f: impl Fn(&CStr) -> bool) -> Result<Self> {
        let mut kept = KVVec::with_capacity(self.as_bytes().len(), GFP_KERNEL)?;
        for name in self.iter().filter(|name| f(name)) {
            kept.extend_from_slice(name.to_bytes_with_nul(), GFP_KERNEL)?;
        }
        Ok(Self(Some(kept)))
    }
}

fn length(ret: isize) -> Result<usize> {
    // CAST: Errors are small negative numbers.
    to_result(ret.min(0) as c_int)?;
    Ok(ret as usize)
}

/// The start of a buffer; null, which asks for the length only, for an empty one.
fn start(buf: &mut [u8]) -> *mut u8 {
    if buf.is_empty() {
        core::ptr::null_mut()
    } else {
        buf.as_mut_ptr()
    }
}

fn list(path: Path<'_>, buf: &mut [u8]) -> Result<usize> {
    path.dentry.require_inode()?;
    // SAFETY: `path` is valid during the call, the buffer as long as it says.
    length(unsafe { bindings::vfs_listxattr(path.dentry.as_ptr(), start(buf).cast(), buf.len()) })
}

/// Reads the attribute `name` at `path` into `buf`; returns the length of the value. With an empty
/// `buf` only asks for the length.
pub(crate) fn get(path: Path<'_>, name: &CStr, buf: &mut [u8]) -> Result<usize> {
    path.dentry.require_inode()?;
    // SAFETY: `path` is valid during the call, the buffer as long as it says.
    length(unsafe {
        bindings::vfs_getxattr(
            path.idmap().as_ptr(),
            path.dentry.as_ptr(),
            name.as_char_ptr(),
            start(buf).cast(),
            buf.len(),
        )
    })
}

/// Reads the whole attribute `name` at `path`. `EIO` as for [`NameList::of`].
pub(crate) fn get_all(path: Path<'_>, name: &CStr) -> Result<KVVec<u8>> {
    for _ in 0..TRIES {
        let want = get(path, name, &mut [])?;
        let mut buf = KVVec::from_elem(0u8, want, GFP_KERNEL)?;
        match get(path, name, &mut buf) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(e) if e == ERANGE => continue,
            Err(e) => return Err(e),
        }
    }
    Err(EIO)
}

/// Sets an attribute of `dentry` on `access`'s mount.
pub(crate) fn set(
    access: &WriteAccess<'_>,
    dentry: &Dentry,
    name: &CStr,
    value: &[u8],
    flags: u32,
) -> Result {
    dentry.require_inode()?;
    let idmap = access.at(dentry)?.idmap().as_ptr();
    // SAFETY: All are valid during the call; the value as long as it says.
    to_result(unsafe {
        bindings::vfs_setxattr(
            idmap,
            dentry.as_ptr(),
            name.as_char_ptr(),
            value.as_ptr().cast(),
            value.len(),
            flags as c_int,
        )
    })
}

/// Removes an attribute of `dentry` on `access`'s mount.
pub(crate) fn remove(access: &WriteAccess<'_>, dentry: &Dentry, name: &CStr) -> Result {
    dentry.require_inode()?;
    let idmap = access.at(dentry)?.idmap().as_ptr();
    // SAFETY: All are valid during the call.
    to_result(unsafe { bindings::vfs_removexattr(idmap, dentry.as_ptr(), name.as_char_ptr()) })
}

/// Whether a security module wants the attribute `name` of the object at `source` copied with it:
/// some make their own for the copy.
pub(crate) fn may_copy(source: Path<'_>, name: &CStr) -> Result<bool> {
    source.dentry.require_inode()?;
    // SAFETY: The dentry is alive, the name a C string.
    let ret = to_result(unsafe {
        bindings::security_inode_copy_up_xattr(source.dentry.as_ptr(), name.as_char_ptr())
    });
    match ret {
        Err(e) if e == ECANCELED => Ok(false),
        Err(e) if e == EOPNOTSUPP => Ok(true),
        other => other.map(|()| true),
    }
}

/// Whether the current task may know of `trusted.` attributes.
pub(crate) fn may_see_trusted() -> bool {
    // SAFETY: The initial user namespace is always there.
    unsafe {
        bindings::ns_capable_noaudit(
            &raw mut bindings::init_user_ns,
            bindings::CAP_SYS_ADMIN as c_int,
        )
    }
}
