// SPDX-License-Identifier: GPL-2.0

//! The attributes of `FS_IOC_GETFLAGS`, that `chattr(1)` changes.
//!
//! C header: [`include/linux/fileattr.h`](srctree/include/linux/fileattr.h)

use super::protection::Protection;
use crate::{
    bindings,
    vfs::{
        object::{dentry::Dentry, path::Path, write_access::WriteAccess},
        value::errno::EOPNOTSUPP,
    },
};
use kernel::{error::to_result, prelude::*};

/// Reads the `FS_IOC_GETFLAGS` attributes at `path`.
///
/// # Safety
///
/// `fa` is valid.
pub(in crate::vfs) unsafe fn fileattr_get(path: Path<'_>, fa: *mut bindings::file_kattr) -> Result {
    path.dentry.require_inode()?;
    // SAFETY: `path` is valid during the call.
    let ret = to_result(unsafe { bindings::vfs_fileattr_get(path.dentry.as_ptr(), fa) });
    // A filesystem without the operation says so to the VFS in a code of the kernel's own.
    match ret {
        Err(e) if e.to_errno() == -(bindings::ENOIOCTLCMD as c_int) => Err(ENOTTY),
        other => other,
    }
}

/// The `FS_IOC_GETFLAGS` attributes of an object that may be about to be copied, of which the caller of
/// a change knows.
///
/// # Invariants
///
/// `attr` was filled in by the filesystem of the object `of`, which may be gone: nobody looks at it.
pub(in crate::vfs) struct Shown {
    /// Only compared.
    of: *const bindings::inode,
    attr: bindings::file_kattr_full,
}

impl Shown {
    /// Those at `path`.
    pub(in crate::vfs) fn at(path: Path<'_>) -> Result<Self> {
        Ok(Self {
            of: path.dentry.require_inode()?.as_ptr(),
            attr: FileAttr::of(path)?,
        })
    }

    /// Makes of `new`, which changes what was shown, the same change of what is at `path` now. A copy has
    /// attributes that say where it is, its project and how its data lies, and not those of the
    /// original; all are given as one when one of them is changed.
    fn translate(&self, new: &mut bindings::file_kattr_full, path: Path<'_>) -> Result {
        if core::ptr::eq(self.of, path.dentry.require_inode()?.as_ptr()) {
            return Ok(());
        }
        let (old, is) = (&self.attr, FileAttr::of(path)?);
        new.flags ^= old.flags ^ is.flags;
        new.fsx_xflags ^= old.fsx_xflags ^ is.fsx_xflags;
        let keep = |new: &mut u32, old: u32, is: u32| {
            if *new == old {
                *new = is;
            }
        };
        keep(&mut new.fsx_projid, old.fsx_projid, is.fsx_projid);
        keep(&mut new.fsx_extsize, old.fsx_extsize, is.fsx_extsize);
        keep(
            &mut new.fsx_cowextsize,
            old.fsx_cowextsize,
            is.fsx_cowextsize,
        );
        Ok(())
    }
}

/// Changes what was `shown` of the `FS_IOC_SETFLAGS` attributes at `path` to `fa`; for whoever has the
/// right to write to its mount. Returns the protection that the object has then, which only who
/// `may_protect` changes: `EPERM`. `EOPNOTSUPP` for a directory that is to ignore the case of names:
/// whoever is stacked on it does not.
///
/// # Safety
///
/// `fa` is valid, and nobody else uses it.
pub(in crate::vfs) unsafe fn fileattr_set(
    path: Path<'_>,
    shown: &Shown,
    may_protect: bool,
    fa: *mut bindings::file_kattr,
) -> Result<Protection> {
    let inode = path.dentry.require_inode()?;
    // SAFETY: By the contract of this function.
    let new = unsafe { &mut *fa.cast::<bindings::file_kattr_full>() };
    if new.flags & bindings::FS_CASEFOLD_FL != 0 && !inode.ignores_case() {
        return Err(EOPNOTSUPP);
    }
    shown.translate(new, path)?;
    // What the VFS has compared with may have been read in the moment in which somebody had it off.
    if !may_protect {
        let is = FileAttr::of(path)?;
        if (new.flags ^ is.flags) & (bindings::FS_IMMUTABLE_FL | bindings::FS_APPEND_FL) != 0 {
            return Err(EPERM);
        }
    }
    FileAttr::set(path, new)?;
    Ok(Protection::of_flags(new.flags))
}

/// The flags that a copy of an object takes over, as `FS_*_FL` and as `FS_XFLAG_*`.
const COPIED_FLAGS: [(u32, u32); 3] = [
    (bindings::FS_SYNC_FL, bindings::FS_XFLAG_SYNC),
    (bindings::FS_NOATIME_FL, bindings::FS_XFLAG_NOATIME),
    (bindings::FS_NODUMP_FL, bindings::FS_XFLAG_NODUMP),
];

/// Gives `target` those of the flags that the object at `source` has, and not those that it has from its
/// directory. Filesystems without such flags are left alone, as they are where they do not know one.
pub(crate) fn copy_flags(source: Path<'_>, access: &WriteAccess<'_>, target: &Dentry) -> Result {
    let to = access.at(target)?;
    let Ok(is) = FileAttr::of(to) else {
        return Ok(());
    };
    let wanted = FileAttr::of(source).map_or(0, |old| old.flags);
    for (flag, xflag) in COPIED_FLAGS {
        if (is.flags ^ wanted) & flag == 0 {
            continue;
        }
        let mut new = FileAttr::of(to)?;
        // Filesystems look at one of the two forms, whichever they know better.
        new.flags ^= flag;
        new.fsx_xflags = new.fsx_xflags & !xflag | if wanted & flag != 0 { xflag } else { 0 };
        match FileAttr::set(to, &mut new) {
            Err(e) if e == EOPNOTSUPP => {}
            other => other?,
        }
    }
    Ok(())
}

/// The flags of an object, as its filesystem has them.
pub(in crate::vfs) struct FileAttr;

impl FileAttr {
    /// Those of what is at `path`.
    pub(in crate::vfs) fn of(path: Path<'_>) -> Result<bindings::file_kattr_full> {
        let mut fa = bindings::file_kattr_full::default();
        fa.set_flags_valid(true);
        // SAFETY: The structure is ours.
        unsafe { fileattr_get(path, (&raw mut fa).cast())? };
        Ok(fa)
    }

    /// Sets them to `new`. `EOPNOTSUPP`.
    pub(in crate::vfs) fn set(path: Path<'_>, new: &mut bindings::file_kattr_full) -> Result {
        let new = core::ptr::from_mut(new).cast();
        // SAFETY: All are valid during the call.
        let ret = to_result(unsafe {
            bindings::vfs_fileattr_set(path.idmap().as_ptr(), path.dentry.as_ptr(), new)
        });
        match ret {
            // A filesystem that only tells of them: as in `fileattr_get`, but what the ioctl makes of it.
            Err(e) if e.to_errno() == -(bindings::ENOIOCTLCMD as c_int) => Err(EOPNOTSUPP),
            other => other,
        }
    }
}
