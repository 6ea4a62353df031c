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
