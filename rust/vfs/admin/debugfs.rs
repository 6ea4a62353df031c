// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that are computed when they are read, and commands that are written to them.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)
//!
//! `kernel::debugfs` is not used: its operations do not keep the module, so that closing a file after
//! the module has gone would use what went with it. A file of ours that is open keeps the module.
//!
//! Nothing here fails: who cannot be shown is not. Removing a directory waits for those who are
//! reading a file in it just then; whoever has one open gets `EIO` afterwards.

use crate::{
    bindings,
    vfs::sync::rcu::{RcuArc, Shared},
};
use core::marker::PhantomData;
use kernel::{prelude::*, seq_file::SeqFile, uaccess::UserSlice};

/// A file of a directory whose data is a `T`.
pub(crate) trait File<T>: 'static {
    /// Its name.
    const NAME: &'static CStr;

    /// Prints what is in it. It may sleep, but must not wait for who removes the directory.
    fn show(data: &T, seq: &SeqFile);
}

/// The length of the longest command.
const COMMAND_MAX: usize = 256;

/// A file that commands are written to, too.
pub(crate) trait Writable<T>: File<T> {
    /// Does what was written by one `write(2)`, which fails as this does. It may sleep, as
    /// [`File::show`] may.
    fn store(data: &T, text: &[u8]) -> Result;
}

/// A directory with what its files show. Dropping it removes it. One in another keeps that, as its
/// `P`: removing a directory would remove what is in it, too.
///
/// # Invariants
///
/// `dentry` is what `debugfs_create_dir` returned: a directory, which is there until this is dropped,
/// or an error.
pub(crate) struct Directory<T: Send + Sync + 'static, P = ()> {
    dentry: *mut bindings::dentry,
    /// In a box: the files point at it.
    data: KBox<T>,
    /// Goes after the directory, which `drop` removes.
    _parent: P,
}

// SAFETY: debugfs synchronises itself; the data and the parent may be sent.
unsafe impl<T: Send + Sync, P: Send> Send for Directory<T, P> {}
// SAFETY: As above; the data and the parent may be shared.
unsafe impl<T: Send + Sync, P: Sync> Sync for Directory<T, P> {}

impl<T: Send + Sync + 'static, P: Send + Sync> Shared for Directory<T, P> {}

impl<T: Send + Sync + 'static> Directory<T> {
    /// Makes the directory `name` in debugfs itself. `ENOMEM`.
    pub(crate) fn new(name: &CStr, data: T) -> Result<Self> {
        // SAFETY: Null stands for the root of debugfs.
        unsafe { Self::make(core::ptr::null_mut(), (), name, data) }
    }
}

impl<T, U, Q> Directory<T, RcuArc<Directory<U, Q>>>
where
    T: Send + Sync + 'static,
    U: Send + Sync + 'static,
    Q: Send + Sync,
{
    /// Makes the directory `name` in `parent`. `ENOMEM`.
    pub(crate) fn below(parent: RcuArc<Directory<U, Q>>, name: &CStr, data: T) -> Result<Self> {
        // SAFETY: By the invariant of the parent, which is kept; an error as a parent has an error as
        // its child.
        unsafe { Self::make(parent.dentry, parent, name, data) }
    }
}

impl<T: Send + Sync + 'static, P> Directory<T, P> {
    /// # Safety
    ///
    /// `at` is null, an error, or a directory of debugfs that is there for as long as `parent` is.
    unsafe fn make(at: *mut bindings::dentry, parent: P, name: &CStr, data: T) -> Result<Self> {
        let data = KBox::new(data, GFP_KERNEL)?;
        // SAFETY: By the contract of this function; the name is a C string.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), at) };
        // INVARIANT: It is what was returned, and it stays: nobody removes what is above it.
        Ok(Self {
            dentry,
            data,
            _parent: parent,
        })
    }

    /// Adds a file that root may read.
    pub(crate) fn add<F: File<T>>(&self) {
        // SAFETY: It is the table of a file of this data.
        unsafe { self.add_file(F::NAME, 0o400, const { &Table::<T, F>::OPS }) };
    }

    /// Adds a file that root may read and write.
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn add_writable<F: Writable<T>>(&self) {
        // SAFETY: It is the table of a file of this data.
        unsafe { self.add_file(F::NAME, 0o600, const { &WritableTable::<T, F>::OPS }) };
    }

    /// # Safety
    ///
    /// `ops` are a table for the data `T`.
    unsafe fn add_file(&self, name: &CStr, mode: u16, ops: &'static bindings::file_operations) {
        // SAFETY: The directory is one, or an error. The data stays where it is until the directory
        // is removed, and with it the file; the table is for it, by the contract of this function.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                self.dentry,
                (&raw const *self.data).cast_mut().cast(),
                core::ptr::null(),
                ops,
            );
        }
    }
}

impl<T: Send + Sync + 'static, P> Drop for Directory<T, P> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; an error is nothing to be removed. When it returns, nobody
        // uses the data.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}

struct Table<T, F>(PhantomData<(T, F)>);

impl<T: Send + Sync + 'static, F: File<T>> Table<T, F> {
    const OPS: bindings::file_operations = bindings::file_operations {
        owner: crate::THIS_MODULE.as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `->open` of a file that [`Directory::add`] made, which debugfs keeps during the call.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the contract of this function; `show` gets the data.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// Called by `seq_read` for a file that [`Table::open`] has opened, which debugfs keeps from
    /// being removed during the call.
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: The file is there, so the directory is, and its data.
        let (data, seq) = unsafe { (&*(*seq).private.cast::<T>(), SeqFile::from_raw(seq)) };
        F::show(data, seq);
        0
    }
}

struct WritableTable<T, F>(PhantomData<(T, F)>);

impl<T: Send + Sync + 'static, F: Writable<T>> WritableTable<T, F> {
    const OPS: bindings::file_operations = bindings::file_operations {
        write: Some(Self::write),
        ..Table::<T, F>::OPS
    };

    /// # Safety
    ///
    /// `->write` of a file that [`Directory::add_writable`] made and [`Table::open`] has opened, which
    /// debugfs keeps from being removed during the call.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        text: *const c_char,
        len: usize,
        _position: *mut i64,
    ) -> isize {
        // SAFETY: The file is there, so the directory is, and its data; `single_open` has left both.
        let data = unsafe {
            let seq = (*file).private_data.cast::<bindings::seq_file>();
            &*(*seq).private.cast::<T>()
        };
        let store = || {
            if len > COMMAND_MAX {
                return Err(EINVAL);
            }
            let mut copy = KVec::new();
            UserSlice::new(UserPtr::from_addr(text.addr()), len).read_all(&mut copy, GFP_KERNEL)?;
            F::store(data, &copy)
        };
        match store() {
            // CAST: No longer than a command.
            Ok(()) => len as isize,
            Err(e) => e.to_errno() as isize,
        }
    }
}
