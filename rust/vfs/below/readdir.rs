// SPDX-License-Identifier: GPL-2.0

//! Reading the entries of a directory of another filesystem.
//!
//! C header: `struct dir_context` in [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    vfs::{mount::file::KernelFile, sync::task::fatal_signal_pending},
};
use kernel::{error::to_result, prelude::*};

/// Filesystems that end a directory, without an error, where they cannot read it; where it would have
/// ended, the position is its size. romfs is one, too, but ends where its image does, which cannot be asked for.
const ENDS_EARLY: &[&[u8]] = &[b"iso9660", b"squashfs"];

/// An entry of a directory that is being read.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) ino: u64,
    /// `DT_*`, and nothing else.
    pub(crate) dirent_type: u32,
}

#[repr(C)]
struct Reader<'f> {
    ctx: bindings::dir_context,
    each: &'f mut dyn FnMut(Entry<'_>) -> bool,
    calls: usize,
}

/// # Safety
///
/// Called by `iterate_dir` with the `ctx` of a [`Reader`], and a name of `len` bytes.
unsafe extern "C" fn actor(
    ctx: *mut bindings::dir_context,
    name: *const c_char,
    len: c_int,
    _position: i64,
    ino: u64,
    dirent_type: c_uint,
) -> bool {
    // SAFETY: `ctx` is the first field of the `Reader` that `read_once` made, and borrowed mutably
    // by nobody else during the callback.
    let reader = unsafe { &mut *ctx.cast::<Reader<'_>>() };
    reader.calls += 1;
    // SAFETY: The filesystem gives a name of `len` bytes.
    let name = unsafe { core::slice::from_raw_parts(name.cast::<u8>(), len.max(0) as usize) };
    (reader.each)(Entry {
        name,
        ino,
        dirent_type: dirent_type & bindings::S_DT_MASK,
    })
}

impl KernelFile {
    /// Reads entries of this directory from `*position` on, as one `getdents(2)` would, until `each`
    /// returns `false` or the filesystem ends the batch. Returns how many entries were offered: 0 at
    /// the end of the directory.
    ///
    /// Filesystems keep a cursor in an open directory, and rely on the lock of the file's position:
    /// so this wants the file for itself.
    pub(crate) fn read_dir_once(
        &mut self,
        position: &mut i64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<usize> {
        let mut reader = Reader {
            ctx: bindings::dir_context {
                actor: Some(actor),
                pos: *position,
                count: i32::MAX,
                ..pin_init::zeroed()
            },
            each,
            calls: 0,
        };
        // SAFETY: The file is alive, and nobody else uses it.
        to_result(unsafe {
            (*self.as_ptr()).f_pos = *position;
            // From a pointer to the whole, as `actor` makes use of the whole.
            bindings::iterate_dir(self.as_ptr(), (&raw mut reader).cast())
        })?;
        *position = reader.ctx.pos;
        Ok(reader.calls)
    }

    /// Reads all entries of this directory; `each` may fail, which ends the reading. Returns whether these
    /// were all: there are filesystems that show what they could read, and no error. `EINTR` if the task
    /// is killed: a server may have no end of entries.
    pub(crate) fn read_dir(&mut self, mut each: impl FnMut(Entry<'_>) -> Result) -> Result<bool> {
        let mut position = 0;
        loop {
            if fatal_signal_pending() {
                return Err(EINTR);
            }
            let mut failed = Ok(());
            let offered = self.read_dir_once(&mut position, &mut |entry| {
                failed = each(entry);
                failed.is_ok()
            })?;
            failed?;
            if offered == 0 {
                let fs_type = self.path().mnt().super_block().type_name().to_bytes();
                return Ok(!ENDS_EARLY.contains(&fs_type) || position >= self.inode().size());
            }
        }
    }
}
