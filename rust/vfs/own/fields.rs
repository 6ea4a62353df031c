// SPDX-License-Identifier: GPL-2.0

//! The attributes that a stacked inode repeats from the inode below it.

use super::{file_system::FileSystem, inode::OwnInode};
use crate::{
    bindings,
    vfs::{
        attr::protection,
        object::{idmap::Idmap, inode::Inode},
        sync::load::{once, store},
        value::mode::Mode,
    },
};
use core::sync::atomic::{fence, Ordering};

/// `i_flags` that a stacked inode takes over: what the VFS itself enforces.
///
/// `S_NOSEC` says that a write has no privileges to take away. The filesystem below keeps it up to
/// date; here it is as old as the last [`OwnInode::refresh_owner`], which comes before each write.
const COPIED_FLAGS: u32 = bindings::S_SYNC
    | bindings::S_NOSEC
    | bindings::S_NOATIME
    | bindings::S_APPEND
    | bindings::S_IMMUTABLE
    | bindings::S_DIRSYNC;

/// The user and the group that own `inode`, seen through `idmap`.
fn owner(inode: &Inode, idmap: &Idmap) -> (u32, u32) {
    let inode = inode.as_ptr();
    // SAFETY: The inode is alive; the fields may change at any time, as anywhere in the VFS.
    unsafe {
        // What the calls find out first.
        if core::ptr::eq(idmap, Idmap::nop()) {
            return (once!((*inode).i_uid.val), once!((*inode).i_gid.val));
        }
        (
            bindings::i_uid_into_vfsuid(idmap.as_ptr(), inode).val,
            bindings::i_gid_into_vfsgid(idmap.as_ptr(), inode).val,
        )
    }
}

impl<T: FileSystem> OwnInode<T> {
    /// Repeats owner, mode, flags, times and size of `real`, seen through `idmap`. May sleep where there
    /// are set-id bits: [`FileSystem::has_set_id`].
    ///
    /// `i_lock` keeps two of these from mixing; readers of single fields take no lock, as anywhere
    /// in the VFS.
    pub(crate) fn copy_attr(&self, real: &Inode, idmap: &Idmap) {
        if self.has_owner_of(real, idmap) && self.has_data_of(real) {
            return;
        }
        let inode = self.as_ptr();
        let mut has_set_id = None;
        loop {
            // SAFETY: The inode is alive; `i_lock` serialises writers of the fields.
            let asks = unsafe {
                bindings::spin_lock(&raw mut (*inode).i_lock);
                let asks = self.repeat(real, idmap, has_set_id);
                bindings::spin_unlock(&raw mut (*inode).i_lock);
                asks
            };
            // What was repeated as meaning something has to mean it still: meanwhile the inode may have
            // come to stand for another one, and its bits are not to come back.
            if !asks && has_set_id != Some(true) {
                return;
            }
            has_set_id = match (T::has_set_id(self, real), asks) {
                (Some(true), false) => return,
                // Whoever has put another one in its place repeats that.
                (None, true) => return,
                (None, false) => Some(false),
                (answer, _) => answer,
            };
        }
    }

    /// Whether [`FileSystem::has_set_id`] says what the set-id bits of an inode with `mode` mean.
    fn asks_of(mode: Mode) -> bool {
        T::HAS_HAS_SET_ID && mode.has_set_id() && mode.is_regular()
    }

    /// Writes all that [`OwnInode::copy_attr`] repeats, with set-id bits if they are known to mean something.
    /// Where that is not known it writes nothing, as who runs the file in between would get neither the
    /// rights nor an error: whether [`FileSystem::has_set_id`] is to be asked, and this to be called again.
    /// That may sleep, and this may be called with a spin lock.
    ///
    /// # Safety
    ///
    /// Nobody else writes these fields: `i_lock` is held, or the inode is new.
    #[must_use]
    pub(super) unsafe fn repeat(
        &self,
        real: &Inode,
        idmap: &Idmap,
        has_set_id: Option<bool>,
    ) -> bool {
        let (to, from) = (self.as_ptr(), real.as_ptr());
        // An inode keeps its type, which its tables are for.
        let mode = self.mode().with_permissions_of(real.mode());
        let mode = match (Self::asks_of(mode), has_set_id) {
            (true, None) => return true,
            (true, Some(false)) => mode.without_set_id(),
            _ => mode,
        };
        let (uid, gid) = owner(real, idmap);
        // SAFETY: Both inodes are alive, and the fields of this one ours to write, by the contract of
        // this function; those of the other may change at any time, as anywhere in the VFS.
        unsafe {
            store!((*to).i_uid.val, uid);
            store!((*to).i_gid.val, gid);
            store!((*to).i_mode, mode.0);
            let flags = once!((*to).i_flags);
            if (flags ^ once!((*from).i_flags)) & COPIED_FLAGS != 0 {
                let flags = protection::repeated(real, flags);
                bindings::inode_set_flags(to, flags & COPIED_FLAGS, COPIED_FLAGS);
            }
            store!((*to).i_atime_sec, once!((*from).i_atime_sec));
            store!((*to).i_atime_nsec, once!((*from).i_atime_nsec));
            store!((*to).i_mtime_sec, once!((*from).i_mtime_sec));
            store!((*to).i_mtime_nsec, once!((*from).i_mtime_nsec));
            // As `inode_get_ctime()`, `inode_set_ctime_to_ts()` and `i_size_write()` do, which would be
            // calls.
            let nsec = once!((*from).i_ctime_nsec) & !bindings::I_CTIME_QUERIED;
            store!((*to).i_ctime_sec, once!((*from).i_ctime_sec));
            store!((*to).i_ctime_nsec, nsec);
            let size = real.size();
            // The attributes before the size, as `i_size_write()` has it.
            fence(Ordering::Release);
            store!((*to).i_size, size);
        }
        false
    }

    /// Has security modules ask for the label again when they need it next: it may be another one now.
    /// Takes nothing but a lock of theirs.
    pub(crate) fn invalidate_label(&self) {
        // SAFETY: The inode is alive.
        unsafe { bindings::security_inode_invalidate_secctx(self.as_ptr()) };
    }

    /// Repeats all of that if what decides about privileges has changed: owner, mode or flags.
    pub(crate) fn refresh_owner(&self, real: &Inode, idmap: &Idmap) {
        if !self.has_owner_of(real, idmap) {
            self.copy_attr(real, idmap);
        }
    }

    /// Whether owner, mode and flags are those of `real`. Not where set-id bits may have come to mean
    /// nothing: [`FileSystem::has_set_id`] has to be asked.
    fn has_owner_of(&self, real: &Inode, idmap: &Idmap) -> bool {
        if Self::asks_of(self.mode()) {
            return false;
        }
        let (to, from) = (self.as_ptr(), real.as_ptr());
        // SAFETY: Both inodes are alive; the fields may change at any time, as anywhere in the VFS.
        unsafe {
            (once!((*to).i_uid.val), once!((*to).i_gid.val)) == owner(real, idmap)
                && (once!((*to).i_flags) ^ once!((*from).i_flags)) & COPIED_FLAGS == 0
                && self.mode() == real.mode()
        }
    }

    /// Whether times and size are those of `real`, as they mostly are: the clock is slower than writes
    /// are. Who changes them in this moment repeats them after that.
    fn has_data_of(&self, real: &Inode) -> bool {
        let (to, from) = (self.as_ptr(), real.as_ptr());
        // SAFETY: Both inodes are alive; the fields may change at any time, as anywhere in the VFS.
        unsafe {
            // That of the branch may have a mark that it was asked for.
            let ctime_nsec = once!((*from).i_ctime_nsec) & !bindings::I_CTIME_QUERIED;
            once!((*to).i_mtime_sec) == once!((*from).i_mtime_sec)
                && once!((*to).i_mtime_nsec) == once!((*from).i_mtime_nsec)
                && once!((*to).i_ctime_sec) == once!((*from).i_ctime_sec)
                && once!((*to).i_ctime_nsec) == ctime_nsec
                && once!((*to).i_atime_sec) == once!((*from).i_atime_sec)
                && once!((*to).i_atime_nsec) == once!((*from).i_atime_nsec)
                && self.size() == real.size()
        }
    }

    /// Repeats the access time of `real`.
    pub(crate) fn copy_atime(&self, real: &Inode) {
        let (to, from) = (self.as_ptr(), real.as_ptr());
        // SAFETY: Both inodes are alive; `i_lock` serialises writers of the fields.
        unsafe {
            bindings::spin_lock(&raw mut (*to).i_lock);
            store!((*to).i_atime_sec, once!((*from).i_atime_sec));
            store!((*to).i_atime_nsec, once!((*from).i_atime_nsec));
            bindings::spin_unlock(&raw mut (*to).i_lock);
        }
    }

    /// Whether owner, mode and protection, by which the VFS decides who may do what, are as `real` has
    /// them; never where owners are mapped on the way. Loads only: also for an RCU walk.
    pub(crate) fn has_mode_of(&self, real: &Inode) -> bool {
        let (to, from) = (self.as_ptr(), real.as_ptr());
        // SAFETY: Both inodes are alive; the fields may change at any time, as anywhere in the VFS.
        unsafe {
            self.mode() == real.mode()
                && once!((*to).i_uid.val) == once!((*from).i_uid.val)
                && once!((*to).i_gid.val) == once!((*from).i_gid.val)
                && (once!((*to).i_flags) ^ once!((*from).i_flags)) & protection::FLAGS == 0
        }
    }

    /// Sets the link count that `stat` shows.
    pub(crate) fn set_nlink(&self, nlink: u32) {
        // SAFETY: Called with `i_lock` held.
        self.change_nlink(|_, inode| unsafe { bindings::set_nlink(inode, nlink) });
    }

    /// One link fewer; an inode that has none left is not cached once unused.
    pub(crate) fn drop_nlink(&self) {
        self.change_nlink(|now, inode| {
            if now != 0 {
                // SAFETY: Called with `i_lock` held.
                unsafe { bindings::drop_nlink(inode) };
            }
        });
    }

    /// One link more.
    pub(crate) fn inc_nlink(&self) {
        // SAFETY: Called with `i_lock` held.
        self.change_nlink(|now, inode| unsafe {
            match now {
                0 => bindings::set_nlink(inode, 1),
                _ => bindings::inc_nlink(inode),
            }
        });
    }

    /// Calls `change` with the link count as it is. `i_lock` keeps those who change it, and the super
    /// block's count of those without any, from mixing.
    fn change_nlink(&self, change: impl FnOnce(u32, *mut bindings::inode)) {
        let inode = self.as_ptr();
        // SAFETY: The inode is alive.
        unsafe { bindings::spin_lock(&raw mut (*inode).i_lock) };
        change(self.nlink(), inode);
        // SAFETY: The lock was taken above.
        unsafe { bindings::spin_unlock(&raw mut (*inode).i_lock) };
    }
}
