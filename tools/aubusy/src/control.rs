// SPDX-License-Identifier: GPL-2.0

//! The commands of a union, as `linux/aufs_type.h` of aufs has them, and the one that is not aufs's.

use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use std::ffi::{OsString, c_void};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// `AuCtlType`.
const GROUP: u8 = b'A';

/// `union aufs_brinfo`.
#[repr(C, align(8))]
#[derive(Clone)]
struct BranchInfo {
    id: u16,
    permission: i32,
    path: [u8; 4088],
}

/// `struct aufs_ibusy`.
#[repr(C, align(8))]
#[derive(Default)]
struct Busy {
    ino: u64,
    branch_ino: u64,
    index: i16,
}

/// `struct aufs2_branch_fd`.
#[repr(C)]
struct BranchFd {
    flags: u32,
    id: u32,
}

/// `struct aufs_stbr`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
struct Side {
    id: u16,
    index: i16,
    room: [u64; 4],
}

/// `struct aufs_mvdown`.
#[repr(C, align(8))]
#[derive(Default)]
struct MoveDown {
    flags: u32,
    upper: Side,
    lower: Side,
    why_not: i8,
}

const MOVE_DOWN: Opcode = opcode::read_write::<MoveDown>(GROUP, 4);
/// `AUFS_MVDOWN_OWLOWER`, `_KUPPER`, `_BRID_UPPER`, `_BRID_LOWER`, and `_BOTTOM`, an answer.
const OVERWRITE: u32 = 1 << 1;
const KEEP: u32 = 1 << 2;
const UPPER_GIVEN: u32 = 1 << 7;
const LOWER_GIVEN: u32 = 1 << 8;
const BOTTOM: u32 = 1 << 12;

const BRANCH_FD: Opcode = opcode::write::<BranchFd>(GROUP, 64);
const BRANCHES: Opcode = opcode::write::<BranchInfo>(GROUP, 5);
const BUSY: Opcode = opcode::read_write::<Busy>(GROUP, 3);

/// A command whose argument is a pointer, and whose result is a number.
struct Command<const OPCODE: Opcode>(*mut c_void);

// SAFETY: All of them read and write no more than the room that `Union` gives them, and keep no
// pointer to it.
unsafe impl<const OPCODE: Opcode> Ioctl for Command<OPCODE> {
    type Output = usize;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> io::Result<usize> {
        usize::try_from(out).map_err(|_| io::Errno::OVERFLOW)
    }
}

/// A branch, as the union tells of it.
#[derive(Clone, Debug)]
pub struct Branch {
    /// What it keeps when its index changes.
    pub id: u16,
    /// Its path, with octal escapes.
    pub path: OsString,
}

/// Where a file was moved from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The index of the branch that it was on.
    pub upper: i16,
    /// That of the one that it is on.
    pub lower: i16,
    /// Whether no branch below that is written to.
    pub is_bottom: bool,
}

/// Why a file was not moved down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// What it would be in is opaque above the lower branch.
    Hidden,
    /// A whiteout hides what is on the lower branch.
    Whiteout,
    /// A branch in between has the name.
    Between,
    /// No branch below is written to.
    Bottom,
    /// It is not on the branch that was given.
    NoUpper,
    /// The branch that was given is not below it.
    NoLower,
    /// What the error says.
    Other,
}

/// Moves the file that is open to a lower branch that is written to: the one with the identity `lower`, or the next one.
/// With `upper`, it has to be on that. `overwrite` replaces a file of its name there, `keep` leaves it where it is, too.
/// `EPERM` without `CAP_SYS_ADMIN`; `EINVAL`, and why; `EBUSY` of one that is in use; `EEXIST`; `ENOTTY` of what is no
/// file of a union.
pub fn move_down(
    file: &OwnedFd,
    overwrite: bool,
    keep: bool,
    upper: Option<u16>,
    lower: Option<u16>,
) -> Result<Moved, (io::Errno, WhyNot)> {
    let mut wanted = MoveDown::default();
    let mut flag = |is_set: bool, flag: u32| wanted.flags |= if is_set { flag } else { 0 };
    flag(overwrite, OVERWRITE);
    flag(keep, KEEP);
    flag(upper.is_some(), UPPER_GIVEN);
    flag(lower.is_some(), LOWER_GIVEN);
    wanted.upper.id = upper.unwrap_or(0);
    wanted.lower.id = lower.unwrap_or(0);
    let command = Command::<MOVE_DOWN>((&raw mut wanted).cast());
    // SAFETY: The argument is the structure that the command wants.
    let done = unsafe { ioctl(file, command) };
    match done {
        Ok(_) => Ok(Moved {
            upper: wanted.upper.index,
            lower: wanted.lower.index,
            is_bottom: wanted.flags & BOTTOM != 0,
        }),
        Err(e) => Err((
            e,
            match wanted.why_not {
                1 => WhyNot::Hidden,
                2 => WhyNot::Whiteout,
                3 => WhyNot::Between,
                4 => WhyNot::Bottom,
                5 => WhyNot::NoUpper,
                6 => WhyNot::NoLower,
                _ => WhyNot::Other,
            },
        )),
    }
}

/// A mounted union.
#[derive(Debug)]
pub struct Union(OwnedFd);

impl From<OwnedFd> for Union {
    /// The union that a directory is in, which is open for reading.
    fn from(dir: OwnedFd) -> Self {
        Self(dir)
    }
}

impl Union {
    /// Opens the union that `at` is in.
    pub fn open(at: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(at, flags, Mode::empty())?))
    }

    /// The number of the device that its files are on.
    pub fn device(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.0)?.st_dev)
    }

    /// The branches, topmost first.
    pub fn branches(&self) -> io::Result<Vec<Branch>> {
        let command = Command::<BRANCHES>(std::ptr::null_mut());
        // SAFETY: With a null pointer the command writes nothing.
        let count = unsafe { ioctl(&self.0, command)? };
        // Some may be added meanwhile: room for them, too.
        let room = count + 64;
        let empty = BranchInfo {
            id: 0,
            permission: 0,
            path: [0; 4088],
        };
        let mut infos = vec![empty; room];
        let command = Command::<BRANCHES>(infos.as_mut_ptr().cast());
        // SAFETY: There is room for all branches.
        unsafe { ioctl(&self.0, command)? };
        let branch = |info: &BranchInfo| {
            let end = info.path.iter().position(|&byte| byte == 0);
            Branch {
                id: info.id,
                path: OsString::from_vec(info.path[..end.unwrap_or(info.path.len())].to_vec()),
            }
        };
        Ok(infos
            .iter()
            .map(branch)
            .take_while(|branch| !branch.path.is_empty())
            .collect())
    }

    /// The root directory of the branch with the identity `id`, as `O_PATH` opens it, wherever its path leads by now;
    /// nothing is mounted there. As long as it is open, the branch is busy. `EPERM` without `CAP_SYS_ADMIN`; `EINVAL`
    /// if no branch has the identity; `ENOTTY` of a module that has no such command yet.
    pub fn branch_root(&self, id: u16) -> io::Result<OwnedFd> {
        let mut wanted = BranchFd {
            flags: (OFlags::PATH | OFlags::CLOEXEC).bits(),
            id: id.into(),
        };
        let command = Command::<BRANCH_FD>((&raw mut wanted).cast());
        // SAFETY: The argument is the structure that the command wants.
        let fd = unsafe { ioctl(&self.0, command)? };
        let fd = RawFd::try_from(fd).map_err(|_| io::Errno::BADF)?;
        // SAFETY: The command has opened it for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Whether the inode with the number `ino` keeps the branch at `index`.
    pub fn is_busy(&self, ino: u64, index: i16) -> io::Result<bool> {
        let mut busy = Busy {
            ino,
            index,
            ..Busy::default()
        };
        let command = Command::<BUSY>((&raw mut busy).cast());
        // SAFETY: The argument is the structure that the command wants.
        unsafe { ioctl(&self.0, command)? };
        Ok(busy.branch_ino != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of aufs.
    #[test]
    fn numbers() {
        assert_eq!(MOVE_DOWN, 0xc060_4104);
        assert_eq!(BRANCHES, 0x5000_4105);
        assert_eq!(BUSY, 0xc018_4103);
        assert_eq!(BRANCH_FD, 0x4008_4140);
    }
}
