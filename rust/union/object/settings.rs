// SPDX-License-Identifier: GPL-2.0

//! What can be chosen at mount, and changed later.

use crate::union::text::{
    choice::{CopyUp, Create, Kind},
    options::{Fsync, Mmap, Udba},
};

/// What can be chosen at mount, and changed later.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) fsync: Fsync,
    pub(crate) udba: Udba,
    pub(crate) sum: bool,
    pub(crate) acl: bool,
    pub(crate) mmap: Mmap,
    pub(crate) mmap_path: bool,
    /// Whether open files show what their name means after the branches have changed.
    pub(crate) refrof: bool,
    pub(crate) create: Create,
    pub(crate) copy_up: CopyUp,
    /// Whether what has no room on its branch goes to another.
    pub(crate) retry: bool,
    /// Whether whiteouts show.
    pub(crate) show_whiteouts: bool,
    /// Whether branches with another owner or mode are warned of.
    pub(crate) warn_permission: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fsync: Fsync::Auto,
            udba: Udba::Reval,
            sum: false,
            acl: true,
            mmap: Mmap::Direct,
            mmap_path: false,
            refrof: true,
            create: Create::default(),
            copy_up: CopyUp::TopDownParent,
            retry: true,
            show_whiteouts: false,
            warn_permission: true,
        }
    }
}

/// [`Udba::Reval`] in packed settings.
pub(super) const UDBA_REVAL: u64 = 4;

impl Settings {
    pub(super) fn pack(self) -> u64 {
        let fsync = match self.fsync {
            Fsync::Auto => 0,
            Fsync::Strict => 1,
            Fsync::Volatile => 2,
        };
        let reval = u64::from(self.udba == Udba::Reval);
        let fault = u64::from(self.mmap == Mmap::Fault);
        let copy_up = match self.copy_up {
            CopyUp::TopDownParent => 0,
            CopyUp::BottomUpParent => 1,
            CopyUp::BottomUp => 2,
        };
        fsync
            | (reval * UDBA_REVAL)
            | u64::from(self.sum) << 3
            | u64::from(self.acl) << 4
            | fault << 5
            | u64::from(self.mmap_path) << 6
            | u64::from(self.refrof) << 7
            | u64::from(self.retry) << 8
            | u64::from(self.show_whiteouts) << 9
            | u64::from(self.warn_permission) << 10
            | copy_up << 12
            | self.create.kind.pack() << 16
            | u64::from(self.create.seconds) << 32
    }

    #[inline]
    pub(super) fn unpack(packed: u64) -> Self {
        Self {
            fsync: match packed & 3 {
                0 => Fsync::Auto,
                1 => Fsync::Strict,
                _ => Fsync::Volatile,
            },
            udba: if packed & UDBA_REVAL != 0 {
                Udba::Reval
            } else {
                Udba::None
            },
            sum: packed & 8 != 0,
            acl: packed & 16 != 0,
            mmap: if packed & 32 != 0 {
                Mmap::Fault
            } else {
                Mmap::Direct
            },
            mmap_path: packed & 64 != 0,
            refrof: packed & 128 != 0,
            retry: packed & 256 != 0,
            show_whiteouts: packed & 512 != 0,
            warn_permission: packed & 1024 != 0,
            copy_up: match packed >> 12 & 3 {
                0 => CopyUp::TopDownParent,
                1 => CopyUp::BottomUpParent,
                _ => CopyUp::BottomUp,
            },
            create: Create {
                kind: Kind::unpack(packed >> 16 & 0xf),
                low: 0,
                // CAST: The rest are other settings.
                seconds: (packed >> 32) as u16,
            },
        }
    }
}
