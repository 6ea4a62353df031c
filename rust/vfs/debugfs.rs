// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that are computed when they are read.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)
//!
//! `kernel::debugfs` is not used: its operations do not keep the module, so that closing a file after
//! the module has gone would use what went with it. A file of ours that is open keeps the module.
//!
//! Nothing here fails: who cannot be shown is not. Removing a directory waits for those who are
//! reading a file in it just then; whoever has one open gets `EIO` afterwards.

use crate::bindings;
use core::marker::PhantomData;
use kernel::{prelude::*, seq_file::SeqFile};

/// A file of a directory whose data is a `T`.
pub(crate) trait File<T>: 'static {
    /// Its name.
    const NAME: &'static CStr;

    /// Prints what is in it. It may sleep, but must not wait for who removes the directory.
    fn show(data: &T, seq: &SeqFile);
}

/// A directory with what its files show. Dropping it removes it.
///
/// # Invariants
///
/// `dentry` is what `debugfs_create_dir` returned: a directory, or an error.
pub(crate) struct Directory<T: Send + Sync + 'static> {
    dentry: *mut bindings::dentry,
    /// In a box: the files point at it.
    data: KBox<T>,
}

// SAFETY: debugfs synchronises itself; the data may be sent.
unsafe impl<T: Send + Sync> Send for Directory<T> {}
// SAFETY: As above; the data may be shared.
unsafe impl<T: Send + Sync> Sync for Directory<T> {}

impl<T: Send + Sync + 'static> Directory<T> {
    /// Makes the directory `name` in debugfs itself. `ENOMEM`.
    pub(crate) fn new(name: &CStr, data: T) -> Result<Self> {
        // SAFETY: Null stands for the root of debugfs.
        unsafe { Self::below(core::ptr::null_mut(), name, data) }
    }

    /// Makes the directory `name` in this one, which has to outlive it. `ENOMEM`.
    pub(crate) fn subdirectory<U: Send + Sync>(
        &self,
        name: &CStr,
        data: U,
    ) -> Result<Directory<U>> {
        // SAFETY: By the type invariant; an error as a parent has an error as its child.
        unsafe { Directory::below(self.dentry, name, data) }
    }

    /// # Safety
    ///
    /// `parent` is null, an error, or a directory of debugfs.
    unsafe fn below(parent: *mut bindings::dentry, name: &CStr, data: T) -> Result<Self> {
        let data = KBox::new(data, GFP_KERNEL)?;
        // SAFETY: By the contract of this function; the name is a C string.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent) };
        // INVARIANT: It is what was returned.
        Ok(Self { dentry, data })
    }

    /// Adds a file that root may read.
    pub(crate) fn add<F: File<T>>(&self) {
        // SAFETY: The directory is one, or an error. The data stays where it is until the directory
        // is removed, and with it the file.
        unsafe {
            bindings::debugfs_create_file_full(
                F::NAME.as_char_ptr(),
                0o400,
                self.dentry,
                (&raw const *self.data).cast_mut().cast(),
                core::ptr::null(),
                const { &Table::<T, F>::OPS },
            );
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Directory<T> {
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
