// SPDX-License-Identifier: GPL-2.0

//! Emitting the entries of a directory to whoever reads it.
//!
//! C header: `struct dir_context` in [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    vfs::{
        below::readdir::Entry,
        mount::file::KernelFile,
        own::{file::FsFile, file_system::FileSystem},
    },
};
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*};

/// How many entries are emitted between two looks at the signals.
const BATCH: usize = 64;

/// The flag of an entry that does not look at them, to a reader that knows it.
const NO_SIGNAL_CHECK: u32 = bindings::FILLDIR_FLAG_NOINTR;

/// A reader of a directory.
///
/// # Invariants
///
/// The pointer is the VFS's, valid and the owner's alone during `'a`.
pub(crate) struct Emitter<'a>(*mut bindings::dir_context, PhantomData<&'a ()>);

impl Emitter<'_> {
    /// # Safety
    ///
    /// `ctx` is valid, and the caller's alone, during `'a`.
    pub(super) unsafe fn from_raw(ctx: *mut bindings::dir_context) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ctx, PhantomData)
    }

    /// The position of the next entry.
    pub(crate) fn position(&self) -> i64 {
        // SAFETY: The context is valid.
        unsafe { (*self.0).pos }
    }

    /// Emits `.` and `..` if the position is before their end; `false` if there is no room for them.
    pub(crate) fn emit_dots<T: FileSystem>(&mut self, file: &FsFile<T>) -> bool {
        // SAFETY: The context and the file are valid.
        unsafe { bindings::dir_emit_dots(file.as_ptr(), self.0) }
    }

    /// Emits `entries`, each as what `show` makes of it, from the current position on, of which each
    /// takes one, until the reader has no room for one.
    ///
    /// What a signal ends is ended by the next one of every [`BATCH`] entries: all of them are there,
    /// so that the reader does not wait for one.
    pub(crate) fn emit_all<'e, E>(&mut self, entries: &'e [E], show: impl Fn(&'e E) -> Entry<'e>) {
        let ctx = self.0;
        // SAFETY: The context is valid; who reads leaves these two as they are.
        let (actor, quiet) = unsafe { ((*ctx).actor, (*ctx).dt_flags_mask & NO_SIGNAL_CHECK) };
        let Some(actor) = actor else {
            return;
        };
        let mut position = self.position();
        let mut emit = |entry: &'e E, flags: u32| {
            let Entry {
                name,
                ino,
                dirent_type,
            } = show(entry);
            // SAFETY: The context is valid, the name as long as it says. This is `dir_emit()`, a call
            // of its own for each entry otherwise, of a type without other bits.
            let has_room = unsafe {
                let name = (name.as_ptr().cast(), name.len() as c_int);
                actor(ctx, name.0, name.1, position, ino, dirent_type | flags)
            };
            if has_room {
                position = position.wrapping_add(1);
                // SAFETY: The context is valid.
                unsafe { (*ctx).pos = position };
            }
            has_room
        };
        for batch in entries.chunks(BATCH) {
            let Some((first, others)) = batch.split_first() else {
                return;
            };
            if !emit(first, 0) || !others.iter().all(|entry| emit(entry, quiet)) {
                return;
            }
        }
    }
}

impl KernelFile {
    /// Passes entries of this directory on to the reader `out`, from its position on. `ENOTDIR`.
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn read_dir_into(&self, out: &mut Emitter<'_>) -> Result {
        if !self.inode().is_dir() {
            return Err(ENOTDIR);
        }
        // SAFETY: The file and the context are alive; the lock of its position, which an open directory
        // has, keeps other readers away.
        to_result(unsafe {
            bindings::f_pos_lock_nested(self.as_ptr());
            (*self.as_ptr()).f_pos = out.position();
            let ret = bindings::iterate_dir(self.as_ptr(), out.0);
            bindings::f_pos_unlock(self.as_ptr());
            ret
        })
    }
}
