// SPDX-License-Identifier: GPL-2.0

//! Renaming.

use crate::{
    bindings,
    vfs::{
        object::{
            cred::NewName, dentry::Dentry, inode::Inode, inode_lock::InodeLock, mount::WriteAccess,
        },
        own::{dentry::DEntry, file_system::FileSystem, inode::Locked},
        value::name::Name,
    },
};
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*, sync::aref::ARef, types::NotThreadSafe};

/// A rename that the VFS asks of a filesystem.
///
/// # Invariants
///
/// `old` is a positive child of `old_dir`, and `new` a child of `new_dir`. Both directories are locked,
/// and so are the inodes of both names, but for directories that keep their parent.
pub(crate) struct Rename<'a, T: FileSystem> {
    old_dir: Locked<'a, T>,
    old: &'a DEntry<T>,
    new_dir: Locked<'a, T>,
    new: &'a DEntry<T>,
    flags: u32,
}

impl<'a, T: FileSystem> Rename<'a, T> {
    /// # Safety
    ///
    /// The arguments are those of `->rename`, during it.
    pub(in crate::vfs) unsafe fn new(
        (old_dir, old): (Locked<'a, T>, &'a DEntry<T>),
        (new_dir, new): (Locked<'a, T>, &'a DEntry<T>),
        flags: u32,
    ) -> Self {
        // INVARIANT: So says the contract of `->rename`
        // (`Documentation/filesystems/directory-locking.rst`).
        Self {
            old_dir,
            old,
            new_dir,
            new,
            flags,
        }
    }

    /// The directory that the name goes from.
    pub(crate) fn old_dir(&self) -> &Locked<'a, T> {
        &self.old_dir
    }

    /// What is renamed.
    pub(crate) fn old(&self) -> &'a DEntry<T> {
        self.old
    }

    /// The directory that the name goes to.
    pub(crate) fn new_dir(&self) -> &Locked<'a, T> {
        &self.new_dir
    }

    /// The name that it goes to, with what has it now.
    pub(crate) fn new_name(&self) -> &'a DEntry<T> {
        self.new
    }

    /// The name that it goes from, for what is left there.
    pub(crate) fn left_name(&self) -> LeftName<'_, T> {
        LeftName(self)
    }

    /// `RENAME_*`.
    pub(crate) fn flags(&self) -> u32 {
        self.flags
    }

    /// How the directory `dentry`, one of the two that are renamed, and those in it may be locked.
    pub(crate) fn locks_below(&self, dentry: &DEntry<T>) -> LocksBelow<'a, T> {
        let keeps_parent = core::ptr::eq(self.old_dir.get(), self.new_dir.get());
        let is_dir = |dentry: &'a DEntry<T>| dentry.node().filter(|inode| inode.is_dir());
        let exchange = self.flags & bindings::RENAME_EXCHANGE != 0;
        let order = match self.new.node() {
            // The VFS holds the parents, and the directory itself if it gets another one.
            None => Order::Wait(bindings::inode_i_mutex_lock_class_I_MUTEX_NORMAL),
            Some(_) if is_dir(self.old).is_none() || is_dir(self.new).is_none() => Order::Try,
            // Neither of the two.
            Some(_) if keeps_parent && exchange => {
                Order::Wait(bindings::inode_i_mutex_lock_class_I_MUTEX_NORMAL)
            }
            Some(_) if keeps_parent => Order::Try,
            // Both, one of them as a normal one; and nobody else who locks directories that are
            // beside each other.
            Some(_) => Order::Wait(bindings::inode_i_mutex_lock_class_I_MUTEX_NONDIR2),
        };
        let moved = [self.old, self.new]
            .into_iter()
            .find(|renamed| !keeps_parent && core::ptr::eq(*renamed, dentry))
            .and_then(is_dir);
        // SAFETY: By the type invariant: it gets another parent.
        let held = moved.map(|inode| unsafe { Locked::assume(inode) });
        LocksBelow { held, order }
    }

    /// The rename has happened: moves the dentries, whose names change with that. For a type with
    /// `FS_RENAME_DOES_D_MOVE`, whose operation has to do it itself.
    pub(crate) fn moved(self) {
        const { assert!(T::FLAGS & bindings::FS_RENAME_DOES_D_MOVE != 0) };
        // SAFETY: By the type invariant, both are dentries of one filesystem whose parents are locked,
        // and the source is positive; the VFS exchanges positive ones only.
        unsafe {
            if self.flags & bindings::RENAME_EXCHANGE != 0 {
                bindings::d_exchange(self.old.as_ptr(), self.new.as_ptr());
            } else {
                bindings::d_move(self.old.as_ptr(), self.new.as_ptr());
            }
        }
    }
}

/// See [`Rename::left_name`].
pub(crate) struct LeftName<'a, T: FileSystem>(&'a Rename<'a, T>);

// SAFETY: The directory is locked, by the invariant of `Rename`, and `moved` takes the `Rename`, which
// is borrowed here.
unsafe impl<T: FileSystem> NewName<T> for LeftName<'_, T> {
    fn entry(&self) -> &DEntry<T> {
        self.0.old
    }
}

/// Whether a rename may wait for more locks of directories.
///
/// Directories are locked from above, and other objects after them. What is replaced, or exchanged with
/// the directory, is locked by the VFS already: whoever has locked a directory below may be waiting for
/// it, if it is no directory (`link(2)`), or is beside the one that is renamed (another rename, unless
/// that is kept away by `s_vfs_rename_mutex`, which those have that change the parent).
#[derive(Clone, Copy)]
enum Order {
    /// What is locked comes before: in this subclass of lockdep's.
    Wait(u32),
    /// Something that is locked comes after.
    Try,
}

/// The locks that a rename may take of the directory that it moves, and of those in it: one at a time.
pub(crate) struct LocksBelow<'a, T: FileSystem> {
    /// The directory itself, if the VFS has locked it.
    held: Option<Locked<'a, T>>,
    order: Order,
}

impl<T: FileSystem> LocksBelow<'_, T> {
    fn is_held(&self, dir: &Inode) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| core::ptr::eq::<Inode>(&**held.get(), dir))
    }

    /// Locks `dir`, the directory or one in it; `None` if it is locked. `EBUSY` if somebody else has
    /// locked it and must not be waited for.
    pub(crate) fn lock<'b>(&self, dir: &'b Inode) -> Result<Option<InodeLock<'b>>> {
        if self.is_held(dir) {
            return Ok(None);
        }
        match self.order {
            Order::Wait(subclass) => Ok(Some(dir.lock_nested(subclass))),
            Order::Try => dir.try_lock().ok_or(EBUSY).map(Some),
        }
    }

    /// What `name` means in `dir`, the directory or one in it; `None` if nothing. `EBUSY` as
    /// [`LocksBelow::lock`].
    pub(crate) fn lookup(&self, dir: &DEntry<T>, name: &Name) -> Result<Option<ARef<DEntry<T>>>> {
        let inode = dir.positive()?;
        if let (Order::Try, false) = (self.order, self.is_held(inode)) {
            // Who only looks is in nobody's way.
            let _lock = inode.try_lock_shared().ok_or(EBUSY)?;
            // SAFETY: Just locked.
            return unsafe { DEntry::lookup_locked(dir, name) };
        }
        let _lock = self.lock(inode)?;
        // SAFETY: Just locked, or by the VFS, which is what a `Locked` says.
        unsafe { DEntry::lookup_locked(dir, name) }
    }
}

/// The two names of a rename that the kernel itself does, with their directories locked.
///
/// # Invariants
///
/// `rd` was filled in by `start_renaming` or `start_renaming_dentry`.
pub(crate) struct Renaming<'a> {
    rd: bindings::renamedata,
    _access: PhantomData<&'a WriteAccess<'a>>,
    _not_send: NotThreadSafe,
}

impl<'a> Renaming<'a> {
    /// Locks the directories `old_dir` and `new_dir` and looks both names up. `ENOENT` if there is
    /// no `old_name` (or, to exchange, no `new_name`); `EINVAL` and `ENOTEMPTY` if one is above the
    /// other; `EXDEV` if one is not on the filesystem that `access` is for.
    pub(crate) fn start(
        access: &'a WriteAccess<'_>,
        old_dir: &Dentry,
        old_name: &Name,
        new_dir: &Dentry,
        new_name: &Name,
        flags: u32,
    ) -> Result<Self> {
        let mut rd = Self::between(access, old_dir, new_dir, flags)?;
        let (mut old, mut new) = (old_name.qstr(), new_name.qstr());
        // SAFETY: All are valid during the call; the guard keeps the dentries referenced.
        to_result(unsafe { bindings::start_renaming(&mut rd, 0, &mut old, &mut new) })?;
        // INVARIANT: The call succeeded.
        Ok(Self {
            rd,
            _access: PhantomData,
            _not_send: NotThreadSafe,
        })
    }

    /// As [`Renaming::start`], for the object `source`, which is not looked up if it is still
    /// `old_name` in `old_dir`. That the directory may be searched is checked with the rest
    /// (`may_delete_dentry`), under the same locks.
    pub(crate) fn start_known(
        access: &'a WriteAccess<'_>,
        (old_dir, source): (&Dentry, &Dentry),
        old_name: &Name,
        new_dir: &Dentry,
        new_name: &Name,
        flags: u32,
    ) -> Result<Self> {
        if !old_dir.is_revalidated() && source.is_in(old_dir) {
            let mut rd = Self::between(access, old_dir, new_dir, flags)?;
            let mut new = new_name.qstr();
            // SAFETY: All are valid during the call; the guard keeps the dentries referenced.
            let ret = to_result(unsafe {
                bindings::start_renaming_dentry(&mut rd, 0, source.as_ptr(), &mut new)
            });
            match ret {
                Ok(()) => {
                    // INVARIANT: The call succeeded.
                    let this = Self {
                        rd,
                        _access: PhantomData,
                        _not_send: NotThreadSafe,
                    };
                    // SAFETY: The parent is locked.
                    if unsafe { source.name_in_place() }?.as_bytes() == old_name.as_bytes() {
                        return Ok(this);
                    }
                }
                // It is somewhere else by now, or above the new name.
                Err(e) if e == EINVAL => {}
                Err(e) => return Err(e),
            }
        }
        Self::start(access, old_dir, old_name, new_dir, new_name, flags)
    }

    fn between(
        access: &WriteAccess<'_>,
        old_dir: &Dentry,
        new_dir: &Dentry,
        flags: u32,
    ) -> Result<bindings::renamedata> {
        old_dir.require_dir()?;
        new_dir.require_dir()?;
        access.at(new_dir)?;
        Ok(bindings::renamedata {
            mnt_idmap: access.at(old_dir)?.idmap().as_ptr(),
            old_parent: old_dir.as_ptr(),
            new_parent: new_dir.as_ptr(),
            flags,
            ..pin_init::zeroed()
        })
    }

    /// What is to be renamed.
    pub(crate) fn source(&self) -> &Dentry {
        // SAFETY: By the type invariant, the dentry is referenced until `end_renaming`.
        unsafe { Dentry::from_raw(self.rd.old_dentry) }
    }

    /// What has the new name now; negative if nothing has.
    pub(crate) fn target(&self) -> &Dentry {
        // SAFETY: As above.
        unsafe { Dentry::from_raw(self.rd.new_dentry) }
    }

    /// Renames.
    pub(crate) fn commit(mut self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::vfs_rename(&mut self.rd) })
    }
}

impl Drop for Renaming<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the end of the guard.
        unsafe { bindings::end_renaming(&mut self.rd) };
    }
}
