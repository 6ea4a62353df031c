// SPDX-License-Identifier: GPL-2.0

//! Super blocks, of whatever filesystem.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{bindings, vfs::sync::load::once};
use kernel::{error::to_result, prelude::*, types::Opaque};

/// The unique identity of a filesystem.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uuid(pub(in crate::vfs) [u8; 16]);

impl Uuid {
    /// That of a filesystem that has none.
    pub(crate) const NONE: Self = Self([0; 16]);

    /// Whether the filesystem has none.
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::NONE
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

/// A state of the errors of writing out that a filesystem had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteErrors(pub(crate) u32);

/// The size of a block of a filesystem, and its logarithm.
#[derive(Clone, Copy)]
pub(crate) struct BlockSize(pub(in crate::vfs) c_ulong, pub(in crate::vfs) u8);

/// Any `struct super_block`.
///
/// # Invariants
///
/// It is a super block for as long as there is a reference.
#[repr(transparent)]
pub(crate) struct AnySuperBlock(Opaque<bindings::super_block>);

// SAFETY: Super blocks are shared between threads.
unsafe impl Send for AnySuperBlock {}
// SAFETY: As above.
unsafe impl Sync for AnySuperBlock {}

impl AnySuperBlock {
    /// # Safety
    ///
    /// `ptr` is a valid super block during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the contract of this function, and as the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// How many filesystems are stacked below, this one excluded.
    pub(crate) fn stack_depth(&self) -> usize {
        // SAFETY: The super block is alive; the depth is constant once mounted. Never negative.
        unsafe { (*self.as_ptr()).s_stack_depth as usize }
    }

    /// Whether the filesystem is on a block device.
    pub(crate) fn has_device(&self) -> bool {
        // SAFETY: The super block is alive; the device is constant once mounted.
        unsafe { !(*self.as_ptr()).s_bdev.is_null() }
    }

    /// The device number, `st_dev`.
    pub(crate) fn dev(&self) -> u32 {
        // SAFETY: The super block is alive; the number is constant.
        unsafe { (*self.as_ptr()).s_dev }
    }

    /// The unique identity of the filesystem; all zeroes if it has none.
    pub(crate) fn uuid(&self) -> Uuid {
        // SAFETY: The super block is alive; the identity is set when it is mounted.
        Uuid(unsafe { (*self.as_ptr()).s_uuid.b })
    }

    /// Whether the filesystem says that it keeps `i_version`. What a network filesystem means by
    /// that is another matter.
    pub(crate) fn counts_changes(&self) -> bool {
        // SAFETY: The super block is alive.
        let flags = unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() };
        flags & bindings::SB_I_VERSION as usize != 0
    }

    /// The magic number of `statfs(2)`.
    pub(crate) fn magic(&self) -> usize {
        // SAFETY: The super block is alive; the number is constant.
        unsafe { (*self.as_ptr()).s_magic }
    }

    /// The name of the filesystem type.
    pub(crate) fn type_name(&self) -> &CStr {
        // SAFETY: The type outlives its super blocks, and its name is a C string.
        unsafe { CStr::from_char_ptr((*(*self.as_ptr()).s_type).name) }
    }

    /// Whether the filesystem is mounted read-only, or was made so by an error.
    pub(crate) fn is_readonly(&self) -> bool {
        // SAFETY: The super block is alive; the flag may change, and either value is one.
        let flags = unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() };
        flags & bindings::SB_RDONLY as usize != 0
    }

    /// Whether the filesystem is being shut down: it has no names any more, and nobody can ask it for anything.
    pub(crate) fn is_shut_down(&self) -> bool {
        // SAFETY: The super block is alive; its root goes once, and either value is one.
        unsafe { once!((*self.as_ptr()).s_root).is_null() }
    }

    /// Whether the filesystem is frozen, or about to be.
    pub(crate) fn is_frozen(&self) -> bool {
        // SAFETY: The super block is alive; the state may change, and either value is one.
        unsafe { once!((*self.as_ptr()).s_writers.frozen) != 0 }
    }

    /// Whether what is written is to be on the disk at once (`-o sync`).
    pub(crate) fn is_synchronous(&self) -> bool {
        // SAFETY: The super block is alive; the flag may change, and either value is one.
        let flags = unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() };
        flags & bindings::SB_SYNCHRONOUS as usize != 0
    }

    /// `SB_I_*`.
    pub(in crate::vfs) fn flags_inside(&self) -> c_ulong {
        // SAFETY: The super block is alive; the flags may change, and either value is one.
        unsafe { (&raw const (*self.as_ptr()).s_iflags).read_volatile() }
    }

    /// Whether the filesystem was mounted in a user namespace that is not the first one.
    pub(in crate::vfs) fn is_of_other_users(&self) -> bool {
        // SAFETY: The super block is alive; the namespace is constant.
        let ns = unsafe { (*self.as_ptr()).s_user_ns };
        !core::ptr::eq(ns, &raw const bindings::init_user_ns)
    }

    /// What there is of errors of writing out, to compare with later. `EIO` if there were some that
    /// nobody has been told of.
    pub(crate) fn write_errors(&self) -> Result<WriteErrors> {
        // SAFETY: The super block is alive; the calls are atomic.
        unsafe {
            let errors = &raw mut (*self.as_ptr()).s_wb_err;
            let seen = bindings::errseq_sample(errors);
            to_result(bindings::errseq_check(errors, seen))?;
            Ok(WriteErrors(seen))
        }
    }

    /// Whether nothing went wrong in writing out since `seen`. `EIO`, `ENOSPC`.
    pub(crate) fn check_writes_since(&self, seen: WriteErrors) -> Result {
        // SAFETY: The super block is alive; the call is atomic.
        to_result(unsafe { bindings::errseq_check(&raw mut (*self.as_ptr()).s_wb_err, seen.0) })
    }

    /// What there is of errors of writing out that somebody has been told of, to compare with later: what nobody knows
    /// of yet is one that comes.
    pub(crate) fn write_errors_seen(&self) -> WriteErrors {
        // SAFETY: The super block is alive; the call is atomic.
        WriteErrors(unsafe { bindings::errseq_sample(&raw mut (*self.as_ptr()).s_wb_err) })
    }

    /// What went wrong in writing out since `seen`, and what `seen` is to be from now on.
    pub(crate) fn writes_since(&self, seen: WriteErrors) -> (Result, WriteErrors) {
        let mut since = seen.0;
        // SAFETY: The super block is alive; the call is atomic, and `since` is nobody else's.
        let err = unsafe {
            bindings::errseq_check_and_advance(&raw mut (*self.as_ptr()).s_wb_err, &raw mut since)
        };
        (to_result(err), WriteErrors(since))
    }

    /// Something went wrong in writing out: `syncfs(2)` tells each descriptor of this filesystem, once.
    pub(crate) fn note_write_error(&self, e: Error) {
        // SAFETY: The super block is alive; the call is atomic, and the number is an errno.
        unsafe { bindings::errseq_set(&raw mut (*self.as_ptr()).s_wb_err, e.to_errno()) };
    }

    /// The size of a block.
    pub(crate) fn block_size(&self) -> BlockSize {
        // SAFETY: The super block is alive; the size does not change while it is mounted.
        unsafe {
            BlockSize(
                (*self.as_ptr()).s_blocksize,
                (*self.as_ptr()).s_blocksize_bits,
            )
        }
    }

    /// Whether POSIX ACLs are on.
    pub(crate) fn has_posix_acl(&self) -> bool {
        // SAFETY: The super block is alive.
        let flags = unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() };
        flags & bindings::SB_POSIXACL as usize != 0
    }

    /// The largest offset that a file may have.
    pub(crate) fn max_bytes(&self) -> i64 {
        // SAFETY: The super block is alive; the limit is constant.
        unsafe { (*self.as_ptr()).s_maxbytes }
    }

    /// The granularity of timestamps in nanoseconds.
    pub(crate) fn time_granularity(&self) -> u32 {
        // SAFETY: The super block is alive; the granularity is constant.
        unsafe { (*self.as_ptr()).s_time_gran }
    }

    /// Writes out the whole filesystem and waits, as `syncfs(2)` does, without the caller needing a
    /// descriptor on it.
    pub(crate) fn sync(&self) -> Result {
        // SAFETY: The super block is alive and active; `s_umount` is what `sync_filesystem` wants.
        to_result(unsafe {
            // A filesystem that is stacked on this one may hold its own, of the same class.
            let level = (*self.as_ptr()).s_stack_depth;
            bindings::down_read_nested(&raw mut (*self.as_ptr()).s_umount, level);
            let ret = bindings::sync_filesystem(self.as_ptr());
            bindings::up_read(&raw mut (*self.as_ptr()).s_umount);
            ret
        })
    }
}
