// SPDX-License-Identifier: GPL-2.0

//! `stat(2)`, `statx(2)` and `statfs(2)`.
//!
//! How an object of ours shows what is below is in `ops::attr_ops`.
//!
//! C headers: [`include/linux/stat.h`](srctree/include/linux/stat.h),
//! [`include/linux/statfs.h`](srctree/include/linux/statfs.h)

use crate::{
    bindings,
    vfs::{
        mount::path::Path,
        object::super_block::AnySuperBlock,
        sync::load::once,
        value::{errno::succeeded, mode::Mode},
    },
};
use core::mem::MaybeUninit;
use kernel::{error::to_result, prelude::*};

/// What `stat(2)` makes of a device number of the kernel's: the major and the minor one.
pub(crate) fn device_numbers(device: u32) -> (u32, u32) {
    let bits = bindings::MINORBITS;
    (device >> bits, device & ((1 << bits) - 1))
}

/// The attributes of an inode.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Stat(pub(in crate::vfs) bindings::kstat);

impl Stat {
    /// All basic attributes of the inode at `path`, with no permission check.
    #[inline]
    pub(crate) fn of(path: Path<'_>) -> Result<Self> {
        Self::with_flags(path, 0)
    }

    /// As [`Stat::of`], of a server as it has them now, and not as it had them some seconds ago.
    pub(crate) fn now(path: Path<'_>) -> Result<Self> {
        Self::with_flags(path, bindings::AT_STATX_FORCE_SYNC)
    }

    #[inline]
    fn with_flags(path: Path<'_>, flags: u32) -> Result<Self> {
        path.dentry.require_inode()?;
        let mut stat = MaybeUninit::<bindings::kstat>::uninit();
        let mask = bindings::STATX_BASIC_STATS | bindings::STATX_BTIME;
        // SAFETY: `path` is valid during the call; the call fills `stat` in.
        succeeded(unsafe {
            bindings::vfs_getattr_nosec(&path.to_raw(), stat.as_mut_ptr(), mask, flags)
        })?;
        // SAFETY: The call succeeded, and has cleared all of it first.
        Ok(Self(unsafe { stat.assume_init() }))
    }

    /// # Safety
    ///
    /// `stat` is valid, and the caller's alone, during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(stat: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: By the contract of this function, and as `Stat` is transparent.
        unsafe { &mut *stat.cast() }
    }

    /// Asks for the attributes in `mask` (`STATX_*`) of the object at `path`, under the flags that
    /// `->getattr` got, with no permission check: `->getattr` was called after the one for the
    /// object that stands for this. `self` is as `->getattr` gets it.
    pub(crate) fn query(&mut self, path: Path<'_>, mask: u32, flags: u32) -> Result {
        let inode = path.dentry.require_inode()?.as_ptr();
        let special = bindings::S_AUTOMOUNT | bindings::S_DAX | bindings::S_VERITY;
        // SAFETY: The inode, its operations and its super block are alive.
        let (getattr, plain) = unsafe {
            let plain = once!((*inode).i_flags) & special == 0
                && once!((*(*inode).i_sb).s_flags) & bindings::SB_NOATIME as c_ulong == 0
                && !path.dentry.require_inode()?.mode().is_block_device();
            ((*(*inode).i_op).getattr, plain)
        };
        // `vfs_getattr_nosec` was called for the object above and left what it starts with here.
        // Below, it would do the same again, unless the inode is special.
        let ret = match getattr.filter(|_| plain) {
            // SAFETY: As the VFS calls it: `path` is valid during the call, and so is `self`.
            Some(getattr) => unsafe {
                getattr(
                    path.idmap().as_ptr(),
                    &path.to_raw(),
                    &mut self.0,
                    mask,
                    flags,
                )
            },
            // SAFETY: `path` is valid during the call; the call fills `self` in.
            None => unsafe {
                bindings::vfs_getattr_nosec(&path.to_raw(), &mut self.0, mask, flags)
            },
        };
        succeeded(ret)
    }

    /// File type and permission bits.
    pub(crate) fn mode(&self) -> Mode {
        Mode(self.0.mode)
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> i64 {
        self.0.size
    }

    /// Whether as many blocks are there as the size needs. There may still be holes, if there are also
    /// blocks after the end.
    pub(crate) fn is_dense(&self) -> bool {
        self.0.blocks.saturating_mul(512) >= self.0.size as u64
    }

    /// The device that the inode is on, as it shows.
    pub(crate) fn dev(&self) -> u32 {
        self.0.dev
    }

    /// The number of the inode, as it shows.
    pub(crate) fn ino(&self) -> u64 {
        self.0.ino
    }

    /// The part of the filesystem that the inode is in, which has numbers of its own; none if the
    /// filesystem does not tell, as those do that have no parts.
    pub(crate) fn subvolume(&self) -> Option<u64> {
        (self.0.result_mask & bindings::STATX_SUBVOL != 0).then_some(self.0.subvol)
    }

    /// When what is in the object was changed last: seconds, and nanoseconds.
    pub(crate) fn modified_at(&self) -> (i64, u32) {
        // CAST: Less than a second.
        (self.0.mtime.tv_sec, self.0.mtime.tv_nsec as u32)
    }

    /// The device number of a device inode.
    pub(crate) fn rdev(&self) -> u32 {
        self.0.rdev
    }

    /// Whether the object is the current task's.
    pub(crate) fn is_own(&self) -> bool {
        // SAFETY: The current credentials are alive.
        let uid = unsafe { (*bindings::current_cred()).fsuid.val };
        self.0.uid.val == uid
    }

    /// Whether the object is the current task's, and nobody else has any rights.
    pub(crate) fn is_private(&self) -> bool {
        self.is_own() && self.mode() == self.mode().private()
    }

    /// Whether `other` has the same owner, group, and permission bits.
    pub(crate) fn same_permissions(&self, other: &Self) -> bool {
        self.0.uid.val == other.0.uid.val
            && self.0.gid.val == other.0.gid.val
            && self.0.mode & 0o7777 == other.0.mode & 0o7777
    }

    /// Whether nothing has been done to the object, by its size and times, between this and `later`:
    /// where it is asked for them, the next change has a time of its own.
    pub(crate) fn is_unchanged(&self, later: &Self) -> bool {
        let time = |t: &bindings::timespec64| (t.tv_sec, t.tv_nsec);
        self.0.size == later.0.size
            && time(&self.0.mtime) == time(&later.0.mtime)
            && time(&self.0.ctime) == time(&later.0.ctime)
    }

    /// The number of links.
    pub(crate) fn nlink(&self) -> u32 {
        self.0.nlink
    }

    /// Sets the number of links.
    pub(crate) fn set_nlink(&mut self, nlink: u32) {
        self.0.nlink = nlink;
    }
}

/// What `statfs(2)` answers.
pub(crate) struct StatFs(pub(in crate::vfs) bindings::kstatfs_full);

impl StatFs {
    /// Asks the filesystem at `path`.
    pub(crate) fn of(path: Path<'_>) -> Result<Self> {
        let mut stat = MaybeUninit::<bindings::kstatfs_full>::zeroed();
        // SAFETY: `path` is valid during the call; the call fills `stat` in.
        to_result(unsafe { bindings::vfs_statfs(&path.to_raw(), stat.as_mut_ptr().cast()) })?;
        // SAFETY: The call succeeded.
        Ok(Self(unsafe { stat.assume_init() }))
    }

    /// Shows the answer as that of `sb`, with names of up to `name_max` bytes.
    pub(crate) fn identify(&mut self, sb: &AnySuperBlock, name_max: usize) {
        self.0.f_type = sb.magic() as c_long;
        self.0.f_namelen = name_max as c_long;
        // SAFETY: The super block is alive; its device number is constant.
        self.0.f_fsid = unsafe { bindings::u64_to_fsid(u64::from((*sb.as_ptr()).s_dev)) };
    }

    /// How many bytes are there for users that are not privileged.
    pub(crate) fn available(&self) -> u64 {
        self.0.f_bavail.saturating_mul(self.0.f_bsize.max(0) as u64)
    }

    /// How many files there can be, as far as the filesystem tells.
    pub(crate) fn files(&self) -> u64 {
        self.0.f_files
    }

    /// How many bytes there can be.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.f_blocks.saturating_mul(self.0.f_bsize.max(0) as u64)
    }

    /// Blocks, available blocks, files, and free files.
    pub(crate) fn room(&self) -> [u64; 4] {
        [
            self.0.f_blocks,
            self.0.f_bavail,
            self.0.f_files,
            self.0.f_ffree,
        ]
    }

    /// Adds the blocks and files of another filesystem.
    pub(crate) fn add(&mut self, other: &StatFs) {
        let scale = |blocks: u64| {
            blocks.saturating_mul(other.0.f_bsize.max(1) as u64) / self.0.f_bsize.max(1) as u64
        };
        let (blocks, bfree, bavail) = (
            scale(other.0.f_blocks),
            scale(other.0.f_bfree),
            scale(other.0.f_bavail),
        );
        self.0.f_blocks = self.0.f_blocks.saturating_add(blocks);
        self.0.f_bfree = self.0.f_bfree.saturating_add(bfree);
        self.0.f_bavail = self.0.f_bavail.saturating_add(bavail);
        self.0.f_files = self.0.f_files.saturating_add(other.0.f_files);
        self.0.f_ffree = self.0.f_ffree.saturating_add(other.0.f_ffree);
    }
}
