// SPDX-License-Identifier: GPL-2.0

//! A rename that the VFS asks for, and the locks that may be taken meanwhile.

use crate::{
    bindings,
    vfs::{
        object::{inode::Inode, inode_lock::InodeLock},
        own::{dentry::OwnDentry, file_system::FileSystem, inode::Locked, new_name::NewName},
        value::name::Name,
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// A rename that the VFS asks of a filesystem.
///
/// # Invariants
///
/// `old` is a positive child of `old_dir`, and `new` a child of `new_dir`. Both directories are locked,
/// and so are the inodes of both names, but for directories that keep their parent.
pub(crate) struct Rename<'a, T: FileSystem> {
    old_dir: Locked<'a, T>,
    old: &'a OwnDentry<T>,
    new_dir: Locked<'a, T>,
    new: &'a OwnDentry<T>,
    flags: u32,
}

impl<'a, T: FileSystem> Rename<'a, T> {
    /// # Safety
    ///
    /// The arguments are those of `->rename`, during it.
    pub(in crate::vfs) unsafe fn new(
        (old_dir, old): (Locked<'a, T>, &'a OwnDentry<T>),
        (new_dir, new): (Locked<'a, T>, &'a OwnDentry<T>),
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
    pub(crate) fn old(&self) -> &'a OwnDentry<T> {
        self.old
    }

    /// The directory that the name goes to.
    pub(crate) fn new_dir(&self) -> &Locked<'a, T> {
        &self.new_dir
    }

    /// The name that it goes to, with what has it now.
    pub(crate) fn new_name(&self) -> &'a OwnDentry<T> {
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
    pub(crate) fn locks_below(&self, dentry: &OwnDentry<T>) -> LocksBelow<'a, T> {
        let keeps_parent = core::ptr::eq(self.old_dir.get(), self.new_dir.get());
        let is_dir = |dentry: &'a OwnDentry<T>| dentry.own_inode().filter(|inode| inode.is_dir());
        let exchange = self.flags & bindings::RENAME_EXCHANGE != 0;
        let order = match self.new.own_inode() {
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
    fn entry(&self) -> &OwnDentry<T> {
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
    pub(crate) fn lookup(
        &self,
        dir: &OwnDentry<T>,
        name: &Name,
    ) -> Result<Option<ARef<OwnDentry<T>>>> {
        let inode = dir.positive()?;
        if let (Order::Try, false) = (self.order, self.is_held(inode)) {
            // Who only looks is in nobody's way.
            let _lock = inode.try_lock_shared().ok_or(EBUSY)?;
            // SAFETY: Just locked.
            return unsafe { OwnDentry::lookup_locked(dir, name) };
        }
        let _lock = self.lock(inode)?;
        // SAFETY: Just locked, or by the VFS, which is what a `Locked` says.
        unsafe { OwnDentry::lookup_locked(dir, name) }
    }
}
