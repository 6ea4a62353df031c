// SPDX-License-Identifier: GPL-2.0

//! Finding, making and removing names on a mount.
//!
//! C header: [`include/linux/namei.h`](srctree/include/linux/namei.h)

use super::symlink::Target;
use crate::{
    bindings,
    vfs::{
        attr::stat::Stat,
        mount::{mount::Mount, write_access::WriteAccess},
        object::{
            dentry::{Dentry, NameSnapshot},
            inode::Inode,
        },
        value::{
            errno::{ENAMETOOLONG, ENOTEMPTY},
            mode::Mode,
            name::Name,
        },
    },
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe,
};

/// Looks `name` up in the directory `dir` with the current credentials; `None` if it means nothing.
/// Takes the directory's lock only if the name is not cached.
pub(crate) fn lookup(mnt: &Mount, dir: &Dentry, name: &Name) -> Result<Option<ARef<Dentry>>> {
    Search::start(mnt, dir)?.find(name)
}

/// A directory that the current credentials may look names up in. Nothing is kept of it, and so it is
/// asked once for several names that are looked for one right after the other, with those credentials.
pub(crate) struct Search<'a> {
    dir: &'a Dentry,
    is_cached: bool,
}

impl<'a> Search<'a> {
    /// Checks the permission. `EACCES`, `ENOTDIR`.
    pub(crate) fn start(mnt: &Mount, dir: &'a Dentry) -> Result<Self> {
        let inode = dir.require_dir()?;
        inode.permission(mnt.idmap(), bindings::MAY_EXEC)?;
        Ok(Self {
            dir,
            is_cached: has_all_names_cached(dir, inode),
        })
    }

    /// What `name` means; `None` if nothing. Takes the directory's lock only if the name is not cached.
    pub(crate) fn find(&self, name: &Name) -> Result<Option<ARef<Dentry>>> {
        let dir = self.dir.as_ptr();
        let mut qstr = name.qstr();
        if self.is_cached {
            // What `lookup_noperm_positive_unlocked` does, less the check of the name, which the type
            // has made, and less the dentry that it would make, and throw away, for a name that means
            // nothing.
            // SAFETY: The name has its length; the directory only salts the hash, and is alive, as it
            // is during the lookup.
            let found = unsafe {
                let hash = bindings::full_name_hash(dir.cast(), name.as_ptr(), name.len() as u32);
                qstr.__bindgen_anon_1.__bindgen_anon_1.hash = hash;
                bindings::d_lookup(dir, &qstr)
            };
            if found.is_null() {
                return Ok(None);
            }
            // SAFETY: The call returned a counted dentry.
            let found = unsafe { Dentry::from_raw_owned(found) };
            return Ok(found.is_positive().then_some(found));
        }
        let found = from_err_ptr(
            // SAFETY: All are valid during the call.
            unsafe { bindings::lookup_noperm_positive_unlocked(&mut qstr, dir) },
        );
        match found {
            // SAFETY: The call returned a counted dentry.
            Ok(dentry) => Ok(Some(unsafe { Dentry::from_raw_owned(dentry) })),
            // A name that is too long for the filesystem is on it nowhere.
            Err(e) if e == ENOENT || e == ENAMETOOLONG => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A name in a directory, for as long as that stays the parent of the dentry that it was taken from.
pub(super) struct NameIn {
    parent: ARef<Dentry>,
    name: NameSnapshot,
}

impl NameIn {
    /// That of `dentry`, whose parent is locked.
    pub(super) fn of(dentry: &Dentry) -> Self {
        Self {
            parent: dentry.parent(),
            name: dentry.name(),
        }
    }

    /// What has the name now. It is asked for once more if that fails: one answer was lost already.
    pub(super) fn look(&self, mnt: &Mount) -> Result<Option<ARef<Dentry>>> {
        let name = self.name.get()?;
        lookup(mnt, &self.parent, name).or_else(|_| lookup(mnt, &self.parent, name))
    }

    /// That the name means nothing is not to be believed any more. Under the directory's lock: what somebody
    /// makes there meanwhile is.
    fn distrust(&self, access: &WriteAccess<'_>) -> Result {
        Creating::start(access, &self.parent, self.name.get()?).map(|creating| creating.distrust())
    }
}

/// The error of something that failed by `error`, where asking what it has done fails by `unknown`: none by which
/// somebody does something else, as if it had done nothing.
pub(super) fn doubtful(error: Error, unknown: Error) -> Error {
    // Who may not ask, or is being killed, does nothing else.
    match unknown == error || unknown == EACCES || unknown == EINTR {
        true => error,
        false => EIO,
    }
}

/// Whether what is not in the dentry cache is not in the directory `dir` either, as on tmpfs: there,
/// `simple_lookup` never finds anything, nothing has to be revalidated, and the hash of a name is the
/// kernel's own.
fn has_all_names_cached(dir: &Dentry, inode: &Inode) -> bool {
    type Lookup = unsafe extern "C" fn(
        *mut bindings::inode,
        *mut bindings::dentry,
        c_uint,
    ) -> *mut bindings::dentry;
    // SAFETY: The inode is alive; its operations are constant.
    let lookup = unsafe { (*(*inode.as_ptr()).i_op).lookup };
    let is_simple = |op| core::ptr::fn_addr_eq::<Lookup, Lookup>(op, bindings::simple_lookup);
    // All dentries of the filesystem are asked about, or none.
    lookup.is_some_and(is_simple) && !dir.is_revalidated() && !dir.hashes_names()
}

/// The target of the symbolic link `dentry`. `EINVAL` if it is none.
pub(crate) fn read_link(dentry: &Dentry) -> Result<Target> {
    let mut done = bindings::delayed_call::default();
    // SAFETY: The dentry is alive; `done` is ours to run.
    let text = unsafe { bindings::vfs_get_link(dentry.as_ptr(), &mut done) };
    let text = from_err_ptr(text.cast_mut())?;
    let mut bytes = KVec::new();
    // SAFETY: The call returned a C string, which lives until `done` is run.
    let text = unsafe { CStr::from_char_ptr(text) };
    let copied = bytes.extend_from_slice(text.to_bytes(), GFP_KERNEL);
    // SAFETY: `done` was filled in by the call above.
    unsafe { bindings::do_delayed_call(&mut done) };
    copied?;
    Target::new(bytes)
}

/// A name in a locked directory, to make an object at.
///
/// # Invariants
///
/// The dentry is referenced, and its parent's `i_rwsem` is held for writing; both are ours to give
/// back by `end_creating`. The dentry is negative.
pub(crate) struct Creating<'a> {
    dentry: NonNull<bindings::dentry>,
    access: &'a WriteAccess<'a>,
    _not_send: NotThreadSafe,
}

impl<'a> Creating<'a> {
    /// Locks `dir` and looks `name` up in it. `EEXIST` if it means something already.
    ///
    /// The permission is checked by what is done then (`may_create_dentry`), under this lock, to search
    /// the directory as well as to write to it.
    pub(crate) fn start(access: &'a WriteAccess<'_>, dir: &Dentry, name: &Name) -> Result<Self> {
        dir.require_dir()?;
        access.at(dir)?;
        let mut qstr = name.qstr();
        let dentry = from_err_ptr(
            // SAFETY: All are valid during the call.
            unsafe { bindings::start_creating_noperm(dir.as_ptr(), &mut qstr) },
        )?;
        // SAFETY: The call returned a counted dentry.
        if unsafe { Dentry::from_raw(dentry) }.is_positive() {
            // SAFETY: It is ours to give back.
            unsafe { bindings::end_creating(dentry) };
            return Err(EEXIST);
        }
        // INVARIANT: `start_creating_noperm` locked the parent, and the dentry is negative.
        Ok(Self {
            // SAFETY: The call succeeded.
            dentry: unsafe { NonNull::new_unchecked(dentry) },
            access,
            _not_send: NotThreadSafe,
        })
    }

    fn idmap(&self) -> *mut bindings::mnt_idmap {
        self.access.mount().idmap().as_ptr()
    }

    fn dir(&self) -> *mut bindings::inode {
        // SAFETY: The parent is locked, so it stays the parent, and it is a directory.
        unsafe { (*(*self.dentry.as_ptr()).d_parent).d_inode }
    }

    /// What was made, with a reference. `EIO` if the filesystem made it but does not show it.
    fn made(self) -> Result<ARef<Dentry>> {
        // SAFETY: The dentry is referenced.
        let dentry = unsafe { Dentry::from_raw(self.dentry.as_ptr()) };
        if dentry.is_positive() && !dentry.is_unhashed() {
            return Ok(dentry.into());
        }
        // Some filesystems leave the dentry unhashed; what they made is found by its name.
        let (mnt, parent, name) = (self.access.mount(), dentry.parent(), dentry.name());
        drop(self);
        lookup(mnt, &parent, name.get()?)?.ok_or(EIO)
    }

    /// What was looked up is not to be believed any more: something has failed.
    fn distrust(&self) {
        // SAFETY: The dentry is referenced.
        unsafe { Dentry::from_raw(self.dentry.as_ptr()) }.distrust();
    }

    /// Makes a regular file. Where that, or making anything else, is an error, it may be there all the same; whoever
    /// looks for it asks the filesystem.
    pub(crate) fn create(self, mode: Mode) -> Result<ARef<Dentry>> {
        // SAFETY: By the type invariant.
        to_result(unsafe {
            bindings::vfs_create(
                self.idmap(),
                self.dentry.as_ptr(),
                mode.0,
                core::ptr::null_mut(),
            )
        })
        .inspect_err(|_| self.distrust())?;
        self.made()
    }

    /// Makes a directory.
    pub(crate) fn mkdir(self, mode: Mode) -> Result<ARef<Dentry>> {
        let (idmap, dir, access) = (self.idmap(), self.dir(), self.access);
        // SAFETY: The dentry is referenced.
        let dentry = unsafe { Dentry::from_raw(self.dentry.as_ptr()) };
        let place = dentry.is_revalidated().then(|| NameIn::of(dentry));
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: By the type invariant. The call takes the dentry over, and on error it ends the
        // operation as `end_creating` does.
        let made = from_err_ptr(unsafe {
            bindings::vfs_mkdir(
                idmap,
                dir,
                this.dentry.as_ptr(),
                mode.permissions(),
                core::ptr::null_mut(),
            )
        })
        .inspect_err(|_| {
            if let Some(place) = &place {
                // It has a name, or means something else by now.
                let _ = place.distrust(access);
            }
        })?;
        Self {
            // SAFETY: The call succeeded.
            dentry: unsafe { NonNull::new_unchecked(made) },
            access,
            _not_send: NotThreadSafe,
        }
        .made()
    }

    /// Makes a device, FIFO or socket node. `EINVAL` for anything else, of which a filesystem would make a
    /// node as well.
    pub(crate) fn mknod(self, mode: Mode, dev: u32) -> Result<ARef<Dentry>> {
        if !mode.is_special() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant.
        to_result(unsafe {
            bindings::vfs_mknod(
                self.idmap(),
                self.dir(),
                self.dentry.as_ptr(),
                mode.0,
                dev,
                core::ptr::null_mut(),
            )
        })
        .inspect_err(|_| self.distrust())?;
        self.made()
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(self, target: &CStr) -> Result<ARef<Dentry>> {
        // SAFETY: By the type invariant; the target is a C string.
        to_result(unsafe {
            bindings::vfs_symlink(
                self.idmap(),
                self.dir(),
                self.dentry.as_ptr(),
                target.as_char_ptr(),
                core::ptr::null_mut(),
            )
        })
        .inspect_err(|_| self.distrust())?;
        self.made()
    }

    /// Gives the inode of `old` this name, too. Where that is an error, it has not got it, as far as can be
    /// told: see [`Removing::unlink`].
    pub(crate) fn link(self, old: &Dentry) -> Result<ARef<Dentry>> {
        // SAFETY: By the type invariant; `old` is alive, and on the same mount by contract of
        // `vfs_link`, which answers `EXDEV` if it is on another super block.
        let linked = to_result(unsafe {
            bindings::vfs_link(
                old.as_ptr(),
                self.idmap(),
                self.dir(),
                self.dentry.as_ptr(),
                core::ptr::null_mut(),
            )
        });
        match linked {
            Ok(()) => self.made(),
            Err(e) => self.unless_linked(old, e),
        }
    }

    /// `error`, unless `old` has the name in spite of it.
    #[cold]
    #[inline(never)]
    fn unless_linked(self, old: &Dentry, error: Error) -> Result<ARef<Dentry>> {
        let mnt = self.access.mount();
        // SAFETY: The dentry is referenced.
        let at = NameIn::of(unsafe { Dentry::from_raw(self.dentry.as_ptr()) });
        self.distrust();
        drop(self);
        match at.look(mnt) {
            Ok(Some(found)) if found.has_inode_of(old) => {
                // Who has not been told has not counted it, either.
                let _ = Stat::now(mnt.at(&found));
                Ok(found)
            }
            Ok(_) => Err(error),
            Err(unknown) => Err(doubtful(error, unknown)),
        }
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the end of the guard.
        unsafe { bindings::end_creating(self.dentry.as_ptr()) };
    }
}

/// An object in a locked directory, to remove.
///
/// # Invariants
///
/// The dentry is referenced, positive, and its parent's `i_rwsem` is held for writing; both are ours
/// to give back by `end_dirop`.
pub(crate) struct Removing<'a> {
    dentry: NonNull<bindings::dentry>,
    access: &'a WriteAccess<'a>,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<'a> Removing<'a> {
    /// Locks `dir` and looks `name` up in it. `ENOENT` if it means nothing.
    ///
    /// The permission is checked by what is done then (`may_delete_dentry`), under this lock, to search
    /// the directory as well as to write to it.
    pub(crate) fn start(access: &'a WriteAccess<'_>, dir: &Dentry, name: &Name) -> Result<Self> {
        dir.require_dir()?;
        access.at(dir)?;
        let mut qstr = name.qstr();
        let dentry = from_err_ptr(
            // SAFETY: All are valid during the call.
            unsafe { bindings::start_removing_noperm(dir.as_ptr(), &mut qstr) },
        )?;
        // INVARIANT: `start_removing_noperm` locked the parent, and only returns positive dentries.
        Ok(Self {
            // SAFETY: The call succeeded.
            dentry: unsafe { NonNull::new_unchecked(dentry) },
            access,
            _not_send: PhantomData,
        })
    }

    /// As [`Removing::start`], for the object `known`, which is not looked up. `None` if that is not
    /// `name` in `dir` any more, or if the filesystem is asked about cached names.
    pub(crate) fn known(
        access: &'a WriteAccess<'_>,
        dir: &Dentry,
        known: &Dentry,
        name: &Name,
    ) -> Result<Option<Self>> {
        dir.require_dir()?;
        access.at(dir)?;
        if dir.is_revalidated() || !known.is_in(dir) {
            return Ok(None);
        }
        let dentry = from_err_ptr(
            // SAFETY: Both are valid during the call.
            unsafe { bindings::start_removing_dentry(dir.as_ptr(), known.as_ptr()) },
        );
        let Ok(dentry) = dentry else {
            return Ok(None);
        };
        // INVARIANT: `start_removing_dentry` locked the parent, and only returns positive dentries.
        let this = Self {
            // SAFETY: The call succeeded.
            dentry: unsafe { NonNull::new_unchecked(dentry) },
            access,
            _not_send: PhantomData,
        };
        // SAFETY: The parent is locked.
        let is_it = unsafe { known.name_in_place() }?.as_bytes() == name.as_bytes();
        Ok(is_it.then_some(this))
    }

    /// What is to be removed.
    pub(crate) fn dentry(&self) -> &Dentry {
        // SAFETY: By the type invariant.
        unsafe { Dentry::from_raw(self.dentry.as_ptr()) }
    }

    /// Removes an object that is not a directory.
    ///
    /// Where that is an error, the name is there, as far as can be told: a server may have removed it and then
    /// lost its answer, and whoever takes back what went with the removal has to know. What the name means is
    /// asked for again, with the current credentials and without the lock.
    pub(crate) fn unlink(self) -> Result {
        // SAFETY: By the type invariant.
        let removed = to_result(unsafe {
            bindings::vfs_unlink(
                self.access.mount().idmap().as_ptr(),
                self.dir(),
                self.dentry.as_ptr(),
                core::ptr::null_mut(),
            )
        });
        removed.or_else(|e| self.unless_gone(e))
    }

    /// Removes an empty directory. Of errors, as [`Removing::unlink`].
    pub(crate) fn rmdir(self) -> Result {
        // SAFETY: By the type invariant.
        let removed = to_result(unsafe {
            bindings::vfs_rmdir(
                self.access.mount().idmap().as_ptr(),
                self.dir(),
                self.dentry.as_ptr(),
                core::ptr::null_mut(),
            )
        });
        match removed {
            Err(e) if e != ENOTEMPTY => self.unless_gone(e),
            other => other,
        }
    }

    /// `error`, unless the name is gone in spite of it.
    #[cold]
    #[inline(never)]
    fn unless_gone(self, error: Error) -> Result {
        let (mnt, at): (_, ARef<Dentry>) = (self.access.mount(), self.dentry().into());
        let place = NameIn::of(&at);
        at.distrust();
        drop(self);
        match place.look(mnt) {
            Ok(None) => {
                // Who has not been told has not counted it, either.
                let _ = Stat::now(mnt.at(&at));
                Ok(())
            }
            Ok(Some(_)) => Err(error),
            Err(unknown) => Err(doubtful(error, unknown)),
        }
    }

    fn dir(&self) -> *mut bindings::inode {
        // SAFETY: The parent is locked, so it stays the parent, and it is a directory.
        unsafe { (*(*self.dentry.as_ptr()).d_parent).d_inode }
    }
}

impl Drop for Removing<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the end of the guard.
        unsafe { bindings::end_dirop(self.dentry.as_ptr()) };
    }
}
