// SPDX-License-Identifier: GPL-2.0

//! Branches.

use super::{place::Place, volatile_mark::VolatileMark};
use crate::{
    union::{
        numbers::{
            branch_id::BranchId,
            fs_identity::{self, Identity},
            number::{Numbers, Object},
            plink_record::Records,
            range::Space,
        },
        text::options::{Access, Permission},
    },
    vfs::{
        admin::log::Log,
        attr::stat::Stat,
        below::claim::Claim,
        mount::{
            mount::Mount,
            path::{Path, PathBuf},
            private_mount::{PrivateMount, Unmounting},
        },
        object::{
            dentry::Dentry,
            inode::Inode,
            super_block::{AnySuperBlock, WriteErrors},
        },
        sync::{gate::Gate, load::Load, lockdep},
        value::errno::{EOPNOTSUPP, EREMOTE, ESTALE},
    },
};
use kernel::{
    pr_warn_once,
    prelude::*,
    str::BStr,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc, Mutex, SetOnce,
    },
};

/// `AUFS_SUPER_MAGIC`: a union is aufs to those who ask `statfs(2)`, and to a union above it.
pub(crate) const MAGIC: usize = 0x6175_6673;

/// A directory tree that is part of the union.
#[pin_data]
pub(crate) struct Branch {
    id: BranchId,
    /// [`Permission`], packed: `mod:` changes it.
    permission: Atomic<u32>,
    /// The path as it was given, for messages and listings.
    name: KVec<u8>,
    /// Where it is, for tools.
    place: Arc<Place>,
    /// Whether the union may be told to write to the branch: the mount that it was made from can be.
    can_write: bool,
    is_remote: bool,
    /// The device and the number of its root, as `stat(2)` has them, for tools. They are nothing else's as long as the
    /// branch is there.
    root_numbers: (u32, u64),
    /// Passed by whoever opens a file on the branch, and not by who opens a directory; closed while it is decided
    /// whether the branch can go or become read-only, and while a file on it is moved down.
    #[pin]
    pub(crate) gate: Gate,
    /// The numbers of its inodes.
    #[pin]
    pub(crate) numbers: Numbers,
    /// That of its filesystem, if it has one.
    pub(crate) fs_identity: Option<Identity>,
    /// What its pseudo-links were copied from.
    #[pin]
    pub(crate) records: Records,
    /// Where objects are made before they are shown; there once it is needed.
    #[pin]
    pub(crate) work: Mutex<Option<ARef<Dentry>>>,
    /// Held by who has taken the protection off an object: see [`super::lift`].
    #[pin]
    pub(super) lifting: Mutex<()>,
    /// Whether it was ever held: until then, what is unprotected is not so for a moment.
    pub(super) was_lifted: Atomic<bool>,
    /// Whether the filesystem turned out not to make nameless files.
    pub(crate) no_tmpfile: SetOnce<()>,
    /// That no other union, and no overlay, writes to the branch; there once this one wants to, and
    /// may.
    claim: SetOnce<Claim>,
    /// See [`Branch::is_swept`].
    is_swept: Atomic<bool>,
    /// Whether a regular file was copied to the branch.
    has_copies: Atomic<bool>,
    /// What is promised of what is written to the branch.
    pub(super) volatile_mark: VolatileMark,
    /// The errors of writing out that the union has been told of: see [`Branch::tell_of_writes`].
    errors_told: Atomic<u32>,
    /// Declared after everything that refers to it.
    mnt: PrivateMount,
    /// What who looks at the branch is given, where it is or may become writable: nothing is ever written by way of it.
    /// Else that is `mnt`.
    looked_at: Option<PrivateMount>,
    /// Declared last: told when the mount has gone.
    gone: Farewell,
}

/// Tells those who wait for it that a branch has gone.
struct Farewell(Arc<Atomic<bool>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// Knows whether a branch is still there, without keeping it.
pub(crate) struct Departure(Arc<Atomic<bool>>);

impl Departure {
    /// Whether the last reference to the branch has gone, and its mount with it.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// Filesystems that cannot be a branch: what they show is not files.
const REFUSED: &[&[u8]] = &[
    b"proc",
    b"sysfs",
    b"configfs",
    b"debugfs",
    b"tracefs",
    b"securityfs",
    b"cgroup",
    b"cgroup2",
    b"devpts",
    b"bpf",
];

/// Filesystems that nobody writes to.
const READ_ONLY: &[&[u8]] = &[b"squashfs", b"erofs", b"iso9660", b"cramfs", b"romfs"];

static WORK: lockdep::Classes = lockdep::Classes::new();
static LIFTING: lockdep::Classes = lockdep::Classes::new();

impl Branch {
    /// Makes a branch of the directory at `path`; not before what [`super::volatile::check`] says of it. Without a
    /// `permission`, the first branch is
    /// writable and others are not.
    ///
    /// `ENOTDIR`; `EREMOTE` as [`Dentry::require_dir`]; `EINVAL` for a filesystem that cannot be a
    /// branch, or a mount that cannot be cloned; `EROFS` for a read-only filesystem that is to be
    /// written to.
    pub(crate) fn new(
        log: &Log,
        id: BranchId,
        space: Arc<Space>,
        name: KVec<u8>,
        path: &PathBuf,
        permission: Option<Permission>,
        first: bool,
    ) -> Result<Arc<Self>> {
        let place = path.as_ref();
        let shown = BStr::from_bytes(&name);
        let fs = place.mnt().super_block();
        place.dentry().require_dir().map_err(|e| {
            match e == EREMOTE {
                true => log.error(fmt!(
                    "branch '{shown}': something else is mounted there when it is used"
                )),
                false => log.error(fmt!("branch '{shown}' is not a directory")),
            }
            match e == ENOENT {
                true => ENOTDIR,
                false => e,
            }
        })?;
        if place.inode().is_some_and(Inode::ignores_case) {
            log.error(fmt!(
                "branch '{shown}': a directory that ignores the case of names cannot be a branch"
            ));
            return Err(EINVAL);
        }
        let fs_type = fs.type_name().to_bytes();
        if REFUSED.contains(&fs_type) {
            log.error(fmt!(
                "branch '{shown}': a {} cannot be a branch",
                BStr::from_bytes(fs_type)
            ));
            return Err(EINVAL);
        }
        let permission = permission.unwrap_or(Permission::new(if READ_ONLY.contains(&fs_type) {
            Access::RealReadOnly
        } else if first && !place.mnt().is_readonly() {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        }));
        let can_write = !place.mnt().is_readonly() && fs.magic() != MAGIC;
        if permission.access == Access::ReadWrite && place.mnt().is_readonly() {
            log.error(fmt!("branch '{shown}' is read-only, and cannot be =rw"));
            return Err(EROFS);
        }
        if permission.access == Access::ReadWrite && fs.magic() == MAGIC {
            // The names that this union would write are reserved in that one.
            log.error(fmt!(
                "branch '{shown}' is a union itself, and cannot be =rw"
            ));
            return Err(EINVAL);
        }
        let mount = || {
            let mnt = PrivateMount::clone_of(place, permission.access == Access::ReadWrite)?;
            let looked_at = can_write.then(|| PrivateMount::look_at(place));
            Ok((mnt, looked_at.transpose()?))
        };
        let mounts = mount().inspect_err(|_: &Error| {
            log.error(fmt!(
                "branch '{shown}': its mount cannot be used by a union"
            ));
        })?;
        let place = Place::new(place, &name)?;
        Self::with_mounts(id, space, name, place, mounts, permission)
    }

    /// Makes a branch of the whole of the first one of `mounts`. If there is another one, of the same, it may be written
    /// to, and who only looks at it has that. An error of its filesystem, which is asked about the root.
    pub(crate) fn with_mounts(
        id: BranchId,
        space: Arc<Space>,
        name: KVec<u8>,
        place: Arc<Place>,
        (mnt, looked_at): (PrivateMount, Option<PrivateMount>),
        permission: Permission,
    ) -> Result<Arc<Self>> {
        let gone = Farewell(Arc::new(Atomic::new(false), GFP_KERNEL)?);
        let depth = mnt.super_block().stack_depth() + 1;
        let fs_identity = fs_identity::of(mnt.super_block());
        let is_remote = mnt.root().is_revalidated();
        let root = Stat::of(mnt.at(mnt.root()))?;
        Arc::pin_init(
            try_pin_init!(Self {
                id,
                permission: Atomic::new(permission.pack()),
                name,
                place,
                can_write: looked_at.is_some(),
                is_remote,
                root_numbers: (root.dev(), root.ino()),
                gate <- Gate::new(),
                numbers <- Numbers::new(space),
                fs_identity,
                records <- Records::new(depth),
                work <- Mutex::new(None, c"Branch::work", WORK.at(depth)),
                was_lifted: Atomic::new(false),
                lifting <- Mutex::new((), c"Branch::lifting", LIFTING.at(depth)),
                no_tmpfile: SetOnce::new(),
                claim: SetOnce::new(),
                is_swept: Atomic::new(false),
                has_copies: Atomic::new(false),
                volatile_mark: VolatileMark::new(),
                errors_told: Atomic::new(mnt.super_block().write_errors_seen().0),
                mnt,
                looked_at,
                gone,
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Its number, by which it is told apart.
    pub(crate) fn id(&self) -> BranchId {
        self.id
    }

    /// The mount.
    pub(crate) fn mnt(&self) -> &Mount {
        &self.mnt
    }

    /// All that it has: the mount, and that of who only looks.
    pub(crate) fn mounts(&self) -> [Option<&Mount>; 2] {
        [Some(&self.mnt), self.looked_at.as_deref()]
    }

    /// The root directory of the branch.
    pub(crate) fn root(&self) -> &Dentry {
        self.mnt.root()
    }

    /// The device and the number of its root, as `stat(2)` has them.
    pub(crate) fn root_numbers(&self) -> (u32, u64) {
        self.root_numbers
    }

    /// The root directory, for who only looks: nothing is written by way of it, also when the branch has become writable.
    pub(crate) fn looked_at(&self) -> Path<'_> {
        self.looked_at.as_ref().unwrap_or(&self.mnt).at(self.root())
    }

    /// A place on the branch.
    pub(crate) fn at<'a>(&'a self, dentry: &'a Dentry) -> Path<'a> {
        self.mnt.at(dentry)
    }

    /// Whether the two are one object: also where the filesystem has an inode for each name that it was
    /// looked up by, as those of servers may. `named` has a name now, so that it is not the other where that is gone.
    /// An error if it cannot be told.
    pub(crate) fn are_same(&self, named: &Dentry, other: &Dentry) -> Result<bool> {
        if !named.is_positive() || !other.is_positive() {
            return Ok(false);
        }
        if named.has_inode_of(other) {
            return Ok(true);
        }
        let named = Object::at(self.at(named))?;
        match Object::at(self.at(other)) {
            Err(e) if e == ENOENT || e == ESTALE => Ok(false),
            other => Ok(named == other?),
        }
    }

    /// The path as it was given.
    pub(crate) fn name(&self) -> &BStr {
        BStr::from_bytes(&self.name)
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// The permission as it is now.
    pub(crate) fn permission(&self) -> Permission {
        Permission::unpack(self.permission.load_once())
    }

    /// Changes the permission, as [`Branch::can_be`] has allowed. Callers exclude each other.
    pub(crate) fn set_permission(&self, permission: Permission) {
        let writable = permission.access == Access::ReadWrite;
        if writable {
            self.mnt.set_writable(true);
        }
        self.permission.store(permission.pack(), Release);
        if !writable {
            self.mnt.set_writable(false);
        }
    }

    /// Whether the branch may have `permission`. `EROFS`.
    pub(crate) fn can_be(&self, log: &Log, permission: Permission) -> Result {
        if permission.access == Access::ReadWrite && !self.can_write {
            let shown = self.name();
            log.error(fmt!("branch '{shown}' is read-only, and cannot be =rw"));
            return Err(EROFS);
        }
        Ok(())
    }

    /// Lets things be written through the mount, or not, whatever the permission says. Callers exclude
    /// each other.
    pub(crate) fn let_write(&self, on: bool) {
        self.mnt.set_writable(on);
    }

    /// Whether what an earlier mount left on the branch has been seen to, since the union may write to
    /// it: see [`super::work::sweep`].
    pub(crate) fn is_swept(&self) -> bool {
        self.is_swept.load(Acquire)
    }

    /// See [`Branch::is_swept`].
    pub(super) fn note_swept(&self) {
        self.is_swept.store(true, Release);
    }

    /// Has others know that the union writes to the branch. `EBUSY` if somebody else does already.
    pub(crate) fn claim(&self) -> Result {
        if self.claim.as_ref().is_none() {
            self.claim.populate(Claim::new(self.root())?);
        }
        Ok(())
    }

    /// Whether others know that the union writes to the branch: see [`Branch::claim`].
    pub(crate) fn is_claimed(&self) -> bool {
        self.claim.as_ref().is_some()
    }

    /// Whether the union writes to the branch, or has: what it has written may not be on the disk yet.
    pub(crate) fn was_written(&self) -> bool {
        // What is not this union's alone to write to is not claimed.
        self.is_writable() || self.is_swept()
    }

    /// Whether regular files have been copied to the branch since it came.
    #[inline]
    pub(crate) fn has_copies(&self) -> bool {
        self.has_copies.load_once()
    }

    /// See [`Branch::has_copies`].
    pub(crate) fn note_copy(&self) {
        self.has_copies.store(true, Release);
    }

    /// Whether the union writes to the branch.
    pub(crate) fn is_writable(&self) -> bool {
        self.permission().access == Access::ReadWrite
    }

    /// Whether somebody may change what is on the branch, or the union does not know better.
    pub(crate) fn may_change(&self) -> bool {
        self.permission().access != Access::RealReadOnly
    }

    /// Whether what is on the branch may change without this kernel being told: its filesystem wants to
    /// be asked whenever a name is used. That of a server does, and a union.
    pub(crate) fn is_remote(&self) -> bool {
        self.is_remote && self.may_change()
    }

    /// Whether whiteouts on the branch hide what is below it.
    pub(crate) fn obeys_whiteouts(&self) -> bool {
        self.permission().whiteouts
    }

    /// Whether anybody but the union itself has something open or mapped on the branch.
    pub(crate) fn is_open(&self) -> bool {
        self.mnt.is_shared()
    }

    /// Whether anybody but the union itself holds the branch, or looks at it.
    pub(crate) fn is_held(&self) -> bool {
        self.is_open() || self.looked_at.as_ref().is_some_and(|mnt| mnt.is_shared())
    }

    /// Whether to open a file here may mean to look up names, copy up, and wait for locks of
    /// directories: on a filesystem that is stacked itself, unless this union has made the file.
    pub(crate) fn looks_up_to_open(&self) -> bool {
        !self.is_writable() && self.mnt.super_block().stack_depth() > 0
    }

    /// Whether nothing is written out on the branch.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volatile_mark.errors().is_some()
    }

    /// Whether all that was written to the branch since it is volatile may still come to be on the
    /// disk. `EIO`, `ENOSPC`.
    pub(crate) fn check_writes(&self) -> Result {
        match self.volatile_mark.errors() {
            Some(seen) => self.mnt().super_block().check_writes_since(seen),
            None => Ok(()),
        }
    }

    /// Has `sb`, the union's, know what could not be written out on the branch since this was called last: `syncfs(2)`
    /// has its own look at that, in the super block that it was called for. When the union goes, its branch's filesystem
    /// is left to tell.
    pub(crate) fn tell_of_writes(&self, sb: &AnySuperBlock) {
        if sb.is_shut_down() {
            return;
        }
        let told = WriteErrors(self.errors_told.load(Relaxed));
        let (result, now) = self.mnt().super_block().writes_since(told);
        if let Err(e) = result {
            // Who comes in between is to find the error there, or to find it here, and tell of it twice.
            sb.note_write_error(e);
            self.errors_told.store(now.0, Release);
        }
    }

    /// Writes out all that the union has written here, as it is not to write here any more: `syncfs(2)` of its super
    /// block, `sb`, does not ask here then, but tells of what has failed.
    pub(crate) fn finish_writing(&self, sb: &AnySuperBlock) {
        if self.is_volatile() {
            // That is done when its mark is taken off.
            return;
        }
        let fs = self.mnt().super_block();
        let written = match self.is_served() {
            true => Ok(()),
            false => fs.sync(),
        };
        self.tell_of_writes(sb);
        if let Err(e) = written {
            sb.note_write_error(e);
        }
    }

    /// Whether a server has what was written when a file is closed: one that is gone would not let go of who asks it for
    /// more. What is on a disk, or stacked, wants to be asked for names as well, as vfat does.
    fn is_served(&self) -> bool {
        let fs = self.mnt().super_block();
        self.is_remote && !fs.has_device() && fs.stack_depth() == 0
    }

    /// Whether the union may have written something here that is not on the disk: also a moment ago, when it could, by who
    /// was at it when that ended.
    pub(crate) fn may_have_written(&self) -> bool {
        self.is_writable() || self.was_written() && !self.is_served()
    }

    /// Whether this is a branch of the directory at `place`.
    pub(crate) fn is_at(&self, place: &PathBuf) -> bool {
        core::ptr::eq::<Dentry>(self.root(), place.as_ref().dentry())
    }

    /// Something to wait for the branch's end with.
    pub(crate) fn departure(&self) -> Departure {
        Departure(self.gone.0.clone())
    }
}

/// Gives up references to branches. Those that nobody else holds are unmounted together: each waits for
/// a grace period by itself.
pub(crate) fn let_go(branches: KVVec<Arc<Branch>>) {
    // Without memory, it takes longer.
    let (Ok(mut mounts), Ok(mut last)) = (
        Unmounting::with_capacity(2 * branches.len()),
        KVVec::with_capacity(branches.len(), GFP_KERNEL),
    ) else {
        return;
    };
    for branch in branches {
        if let Some(mut branch) = Arc::into_unique_or_drop(branch) {
            let of_branch = branch.as_mut().project();
            mounts.add(of_branch.mnt);
            if let Some(looked_at) = of_branch.looked_at {
                mounts.add(looked_at);
            }
            // There is room.
            let _ = last.push_within_capacity(branch);
        }
    }
    drop(mounts);
    drop(last);
}

/// Refuses the directory `dentry` of `branch` if it ignores the case of names: the union, its whiteouts
/// and its copies do not. `EOPNOTSUPP`.
#[inline]
pub(crate) fn check_names(branch: &Branch, dentry: &Dentry) -> Result {
    match dentry.inode().is_some_and(Inode::ignores_case) {
        true => Err(refuse_names(branch)),
        false => Ok(()),
    }
}

#[cold]
fn refuse_names(branch: &Branch) -> Error {
    pr_warn_once!(
        "branch '{}' has a directory that ignores the case of names, which cannot be used\n",
        branch.name()
    );
    EOPNOTSUPP
}
