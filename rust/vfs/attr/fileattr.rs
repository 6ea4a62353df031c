// SPDX-License-Identifier: GPL-2.0

//! The attributes of `FS_IOC_GETFLAGS`, that `chattr(1)` changes.
//!
//! C header: [`include/linux/fileattr.h`](srctree/include/linux/fileattr.h)

use crate::{
    bindings,
    vfs::{
        mount::{path::Path, write_access::WriteAccess},
        object::dentry::Dentry,
        value::errno::EOPNOTSUPP,
    },
};
use kernel::{error::to_result, prelude::*};

/// The `FS_IOC_GETFLAGS` attributes of an object that may be about to be copied, of which the caller of
/// a change knows.
///
/// # Invariants
///
/// `attr` was filled in by the filesystem of the object `of`, which may be gone: nobody looks at it.
pub(crate) struct Shown {
    /// Only compared.
    of: *const bindings::inode,
    attr: bindings::file_kattr_full,
}

impl Shown {
    /// Those at `path`.
    pub(crate) fn at(path: Path<'_>) -> Result<Self> {
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

/// What the VFS asks a filesystem of ours for: to tell the attributes of an object, or to change them to
/// these.
pub(crate) struct Request<'a>(&'a mut bindings::file_kattr_full);

impl Request<'_> {
    /// # Safety
    ///
    /// `fa` is valid, and nobody else uses it, for as long as this lives.
    pub(in crate::vfs) unsafe fn from_raw(fa: *mut bindings::file_kattr) -> Self {
        // SAFETY: By the contract of this function; the kernel's bindings have the type without fields.
        Self(unsafe { &mut *fa.cast() })
    }

    /// Tells those of what is at `path`. `ENOTTY` if it has none.
    pub(crate) fn read(&mut self, path: Path<'_>) -> Result {
        let fa = core::ptr::from_mut(self.0).cast();
        // SAFETY: The structure is the request's alone.
        unsafe { fileattr_get(path, fa) }
    }

    /// Makes the change of what was `shown` to these of `dentry`, which need not be what was shown: it may
    /// be a copy. Returns the flags (`FS_*_FL`) that it has then. Those of its protection only who
    /// `may_protect` changes: `EPERM`. `EOPNOTSUPP` for a directory that is to ignore the case of names:
    /// whoever is stacked on it does not.
    pub(crate) fn apply(
        &mut self,
        access: &WriteAccess<'_>,
        dentry: &Dentry,
        shown: &Shown,
        may_protect: bool,
    ) -> Result<u32> {
        let path = access.at(dentry)?;
        let inode = path.dentry.require_inode()?;
        let new = &mut *self.0;
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
        Ok(new.flags)
    }
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

/// Reads the `FS_IOC_GETFLAGS` attributes at `path`.
///
/// # Safety
///
/// `fa` is valid.
unsafe fn fileattr_get(path: Path<'_>, fa: *mut bindings::file_kattr) -> Result {
    path.dentry.require_inode()?;
    // SAFETY: `path` is valid during the call.
    let ret = to_result(unsafe { bindings::vfs_fileattr_get(path.dentry.as_ptr(), fa) });
    // A filesystem without the operation says so to the VFS in a code of the kernel's own.
    match ret {
        Err(e) if e.to_errno() == -(bindings::ENOIOCTLCMD as c_int) => Err(ENOTTY),
        other => other,
    }
}

/// The flags of an object, as its filesystem has them.
pub(super) struct FileAttr;

impl FileAttr {
    /// Those of what is at `path`.
    pub(super) fn of(path: Path<'_>) -> Result<bindings::file_kattr_full> {
        let mut fa = bindings::file_kattr_full::default();
        fa.set_flags_valid(true);
        // SAFETY: The structure is ours.
        unsafe { fileattr_get(path, (&raw mut fa).cast())? };
        Ok(fa)
    }

    /// Sets them to `new`. `EOPNOTSUPP`.
    pub(super) fn set(path: Path<'_>, new: &mut bindings::file_kattr_full) -> Result {
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
