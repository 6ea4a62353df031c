// SPDX-License-Identifier: GPL-2.0

//! File types and permission bits.
//!
//! C header: [`include/uapi/linux/stat.h`](srctree/include/uapi/linux/stat.h)

use kernel::prelude::*;

/// A `umode_t`: the type of an inode and its permission bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u16);

/// What kind of object an inode is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileType {
    Regular,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

const S_IFMT: u16 = 0o170000;

impl Mode {
    /// `S_IALLUGO`: the permission bits with set-id and sticky.
    pub(crate) const PERMISSIONS: u16 = 0o7777;

    /// The permission bits, with set-id and sticky.
    pub(crate) fn permissions(self) -> u16 {
        self.0 & Self::PERMISSIONS
    }

    /// Whether there are set-id bits.
    pub(crate) fn has_set_id(self) -> bool {
        self.0 & 0o6000 != 0
    }

    /// The same without set-id bits.
    pub(crate) fn without_set_id(self) -> Self {
        Self(self.0 & !0o6000)
    }

    /// The same file type, with the permission bits of `other`.
    pub(crate) fn with_permissions_of(self, other: Self) -> Self {
        Self(self.0 & S_IFMT | other.permissions())
    }

    /// The same file type, with permissions for the owner only.
    pub(crate) fn private(self) -> Self {
        Self(self.0 & S_IFMT | if self.is_dir() { 0o700 } else { 0o600 })
    }

    /// Whether the group or others may write; with an ACL, whether anybody but the owner may.
    pub(crate) fn others_write(self) -> bool {
        self.0 & 0o022 != 0
    }

    /// The file type; an unknown one, which no kernel makes, counts as a socket: it has no data.
    pub(crate) fn file_type(self) -> FileType {
        match self.0 & S_IFMT {
            0o100000 => FileType::Regular,
            0o040000 => FileType::Directory,
            0o120000 => FileType::Symlink,
            0o020000 => FileType::CharDevice,
            0o060000 => FileType::BlockDevice,
            0o010000 => FileType::Fifo,
            _ => FileType::Socket,
        }
    }

    /// Whether this is a directory.
    pub(crate) fn is_dir(self) -> bool {
        self.0 & S_IFMT == 0o040000
    }

    /// Whether this is a device, a FIFO or a socket.
    pub(crate) fn is_special(self) -> bool {
        matches!(self.0 & S_IFMT, 0o020000 | 0o060000 | 0o010000 | 0o140000)
    }

    /// Whether this is a block device.
    pub(crate) fn is_block_device(self) -> bool {
        self.file_type() == FileType::BlockDevice
    }

    /// Whether this is a regular file.
    pub(crate) fn is_regular(self) -> bool {
        self.0 & S_IFMT == 0o100000
    }

    /// `EINVAL` unless this is a regular file.
    pub(in crate::vfs) fn require_regular(self) -> Result {
        match self.is_regular() {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// Whether both are of the same file type.
    pub(crate) fn same_type(self, other: Self) -> bool {
        self.0 & S_IFMT == other.0 & S_IFMT
    }
}
