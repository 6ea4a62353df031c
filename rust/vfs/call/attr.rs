// SPDX-License-Identifier: GPL-2.0

//! Changing the attributes of an inode.
//!
//! C header: `struct iattr` in [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{protection::Protection, stat::Stat};
use crate::{
    bindings,
    vfs::{
        object::{dentry::Dentry, idmap::Idmap, mount::WriteAccess, path::Path},
        own::{dentry::DEntry, file_system::FileSystem},
        sync::load::once,
        value::{errno::EOPNOTSUPP, mode::Mode},
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
pub(crate) struct Attr(bindings::iattr);

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

    /// Checks that the current task may change `dentry`, of the filesystem `T`, like this, and
    /// settles what the request implies (`setattr_prepare`).
    pub(crate) fn prepare<T: FileSystem>(&mut self, idmap: &Idmap, dentry: &DEntry<T>) -> Result {
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
    pub(crate) fn for_lower<T: FileSystem>(mut self, idmap: &Idmap, dentry: &DEntry<T>) -> Self {
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
