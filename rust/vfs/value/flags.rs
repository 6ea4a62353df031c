// SPDX-License-Identifier: GPL-2.0

//! Numbers that the VFS and user space have names for.

// Flags of `open(2)`: [`include/uapi/asm-generic/fcntl.h`](srctree/include/uapi/asm-generic/fcntl.h).
pub(crate) use crate::bindings::{
    O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_DSYNC, O_EXCL, O_LARGEFILE,
    O_NOATIME, O_NOCTTY, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_SYNC, O_TMPFILE, O_TRUNC,
    O_WRONLY,
};
// Ways to seek: `lseek(2)`.
pub(crate) use crate::bindings::{SEEK_CUR, SEEK_DATA, SEEK_HOLE, SEEK_SET};
// Flags of `renameat2(2)`.
pub(crate) use crate::bindings::{RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT};
// What is to be done with the space of a file: `fallocate(2)`.
pub(crate) use crate::bindings::{
    FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_ZERO_RANGE,
};
// Flags of an I/O in progress.
pub(crate) use crate::bindings::{IOCB_DSYNC, IOCB_SYNC};
// Types of directory entries: `readdir(3)`.
pub(crate) use crate::bindings::{DT_DIR, DT_UNKNOWN};
// Flags of a filesystem type.
pub(crate) use crate::bindings::{FS_ALLOW_IDMAP, FS_RENAME_DOES_D_MOVE};
// Flags of an open that the kernel does for itself.
pub(crate) use crate::bindings::FMODE_EXEC;

/// How a directory below is opened to be read. Who is above keeps access times itself.
pub(crate) const READ_DIR: u32 = O_RDONLY | O_DIRECTORY | O_LARGEFILE | O_NOATIME;

/// Flags that are for the open itself, and not for the file.
pub(crate) const OPEN_ONLY: u32 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;

/// Flags that are not for a file below that serves one of ours: the open of a file without a name was done.
pub(crate) const NOT_BELOW: u32 = OPEN_ONLY | O_TMPFILE;
