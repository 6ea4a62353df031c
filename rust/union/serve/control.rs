// SPDX-License-Identifier: GPL-2.0

//! The `ioctl(2)` commands of a union, with the numbers and structures of aufs
//! (`include/uapi/linux/aufs_type.h`).

use super::{mvdown, rdu};
use crate::{
    union::{
        branch::branch::Branch,
        branches::table::Table,
        change::busy,
        object::{instance::Union, listing::Listing},
        text::{
            escape::escape,
            options::{Access, Permission},
        },
    },
    vfs::{
        admin::ioctl::Command,
        mount::file::KernelFile,
        own::file::FsFile,
        sync::task::{fatal_signal_pending, may_administer},
        value::{
            errno::{EOPNOTSUPP, ESTALE},
            flags,
        },
    },
};
use kernel::{ioctl::_IOC_SIZE, prelude::*, sync::Arc};

/// `AUFS_CTL_BRINFO`: the branches.
const BRANCHES: u32 = 0x5000_4105;

/// `union aufs_brinfo`: `__s16 id; int perm; char path[];`, filled up.
const BRANCH_SIZE: usize = _IOC_SIZE(BRANCHES);
/// Where `path` is.
const BRANCH_PATH: usize = 8;
const _: () = assert!(BRANCH_SIZE == 4096);

/// `AUFS_CTL_IBUSY`: whether an inode keeps a branch.
const BUSY_INODE: u32 = 0xc018_4103;

/// `struct aufs_ibusy`: `__u64 ino, h_ino; __s16 bindex;`, aligned to 8 bytes.
const BUSY_INODE_SIZE: usize = _IOC_SIZE(BUSY_INODE);
/// Where `h_ino` is.
const BUSY_INODE_ANSWER: usize = 8;
const _: () = assert!(BUSY_INODE_SIZE == BUSY_INODE_ANSWER + 2 * size_of::<u64>());

/// `AUFS_CTL_WBR_FD`: a descriptor of the root of a writable branch.
const WRITABLE_BRANCH_FD: u32 = 0x4008_4102;

/// `struct aufs_wbr_fd`: `__u32 oflags; __s16 brid;`, aligned to 8 bytes.
const WRITABLE_BRANCH_FD_SIZE: usize = _IOC_SIZE(WRITABLE_BRANCH_FD);
const _: () = assert!(WRITABLE_BRANCH_FD_SIZE == 2 * size_of::<u32>());

/// `AUFS2_CTL_BRANCH_FD`, a command of our own, with a number that aufs has not come to: a descriptor of the root of
/// any branch, for who looks at branches, as paths may lead elsewhere by now.
const BRANCH_FD: u32 = 0x4008_4140;

/// `struct aufs2_branch_fd`: `__u32 oflags; __u32 brid;`.
const BRANCH_FD_SIZE: usize = _IOC_SIZE(BRANCH_FD);
const _: () = assert!(BRANCH_FD_SIZE == 2 * size_of::<u32>());

/// `AUFS_CTL_FHSM_FD`: a descriptor that tells a daemon how full branches are.
const FULLNESS_FD: u32 = 0x4004_4106;

/// `->unlocked_ioctl` of a regular file.
pub(crate) fn file_ioctl(file: &FsFile<Union>, command: Command) -> Result<u32> {
    match command.number() {
        mvdown::MOVE_DOWN => mvdown::ioctl(file, command),
        WRITABLE_BRANCH_FD => writable_branch_fd(file, command),
        BRANCH_FD => branch_fd(file, command),
        _ => Err(ENOTTY),
    }
}

/// `->unlocked_ioctl` of a directory. `listing` has the entries that the open directory shows, read anew if it is
/// told that they are to be.
pub(crate) fn dir_ioctl(
    file: &FsFile<Union>,
    command: Command,
    listing: impl FnOnce(bool) -> Result<Arc<Listing>>,
) -> Result<u32> {
    match command.number() {
        rdu::READ => rdu::read(file, command, listing),
        rdu::NUMBERS => rdu::numbers(command),
        WRITABLE_BRANCH_FD => writable_branch_fd(file, command),
        BRANCH_FD => branch_fd(file, command),
        BRANCHES => branches(file, command),
        BUSY_INODE => busy_inode(file, command),
        // As an aufs that was built without it.
        FULLNESS_FD => Err(EOPNOTSUPP),
        _ => Err(ENOTTY),
    }
}

/// How many branches there are, if the argument is null; otherwise writes a `union aufs_brinfo` for
/// each, topmost first, as aufs does: an identity, a permission, a path with octal escapes.
///
/// `EFAULT`; `E2BIG` for a path that there is no room for.
fn branches(file: &FsFile<Union>, command: Command) -> Result<u32> {
    let table = file.own_inode().sb().data().table()?;
    if command.is_null() {
        return Ok(u32::try_from(table.branches.len())?);
    }
    for (index, branch) in table.branches.iter().enumerate() {
        let mut path = KVec::new();
        branch.place().show(|piece| {
            escape(
                piece,
                |piece| Ok(path.extend_from_slice(piece, GFP_KERNEL)?),
            )
        })?;
        path.push(0, GFP_KERNEL)?;
        if path.len() > BRANCH_SIZE - BRANCH_PATH {
            return Err(E2BIG);
        }
        let mut writer = command.writer(index * BRANCH_SIZE, BRANCH_SIZE);
        // Two bytes of padding are behind the identity.
        writer.write(&u32::from(branch.id().0))?;
        writer.write(&aufs_permission(branch.permission()))?;
        writer.write_slice(&path)?;
    }
    Ok(0)
}

/// A permission in the bits of aufs: `AuBrPerm_RW`, `RO`, `RR`, `AuBrRAttr_WH` and the attributes.
fn aufs_permission(permission: Permission) -> i32 {
    let whiteouts = i32::from(permission.whiteouts) << 12;
    let access = match permission.access {
        Access::ReadWrite => 1,
        Access::ReadOnly => 1 << 1 | whiteouts,
        Access::RealReadOnly => 1 << 2 | whiteouts,
    };
    access | permission.attributes.aufs_bits()
}

/// Tells by `h_ino` whether the inode with the number `ino` of the union keeps the branch at the
/// index `bindex` from being removed: the number of the object there, or 0.
///
/// `EPERM`; `EFAULT`; `EINVAL` for an index that there is not.
fn busy_inode(file: &FsFile<Union>, command: Command) -> Result<u32> {
    if !may_administer() {
        return Err(EPERM);
    }
    let mut reader = command.reader(BUSY_INODE_SIZE);
    let ino: u64 = reader.read()?;
    let _: u64 = reader.read()?;
    let index: i16 = reader.read()?;
    let sb = file.own_inode().sb();
    let table = sb.data().table()?;
    let index = usize::try_from(index)?;
    if index >= table.branches.len() {
        return Err(EINVAL);
    }
    let user = match sb.find_inode(ino) {
        Some(inode) => busy::user(&inode, &table, index)?,
        None => None,
    };
    command
        .writer(BUSY_INODE_ANSWER, size_of::<u64>())
        .write(&user.unwrap_or(0))?;
    Ok(0)
}

/// Opens the root of the branch with the given identity, or of the topmost writable one if that is
/// negative, or the argument null. It shows what the union does not: whoever asks must be an administrator.
///
/// `EPERM`; `EINVAL` for flags other than `O_CLOEXEC`, `O_RDONLY` and `O_DIRECTORY`, or an identity
/// that no branch has; `ENOENT` if the branch is not writable, as aufs says it.
fn writable_branch_fd(file: &FsFile<Union>, command: Command) -> Result<u32> {
    if !may_administer() {
        return Err(EPERM);
    }
    let (mut oflags, mut brid): (u32, i16) = (0, -1);
    if !command.is_null() {
        let mut reader = command.reader(WRITABLE_BRANCH_FD_SIZE);
        (oflags, brid) = (reader.read()?, reader.read()?);
    }
    let known = flags::O_CLOEXEC | flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE;
    if oflags & !known != 0 {
        return Err(EINVAL);
    }
    let wanted = |table: &Table| {
        let branch: &Arc<Branch> = match u16::try_from(brid) {
            Ok(id) => branch_with(table, id)?,
            Err(_) => table.writable().map_err(|_| ENOENT)?,
        };
        Ok(branch.clone())
    };
    let flags = flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE;
    let file = open_root(file, wanted, |branch| match branch.is_writable() {
        true => KernelFile::open(branch.at(branch.root()), flags),
        false => Err(ENOENT),
    })?;
    file.install(oflags & flags::O_CLOEXEC)
}

/// Opens the root of the branch with the given identity as `O_PATH` does, on a mount that the union itself has of
/// it: nothing is mounted there, and whatever became of its path, it is the branch. Nothing is written by way of
/// it, whatever the permission of the branch is or becomes: what the union decides on goes by the union. It leads past
/// the directories above the branch: whoever asks must be an administrator.
///
/// `EPERM`; `EINVAL` for flags other than `O_CLOEXEC`, `O_PATH` and `O_DIRECTORY`, or an identity that no branch has;
/// `EFAULT`.
fn branch_fd(file: &FsFile<Union>, command: Command) -> Result<u32> {
    if !may_administer() {
        return Err(EPERM);
    }
    let mut reader = command.reader(BRANCH_FD_SIZE);
    let (oflags, id): (u32, u32) = (reader.read()?, reader.read()?);
    let known = flags::O_CLOEXEC | flags::O_PATH | flags::O_DIRECTORY | flags::O_LARGEFILE;
    if oflags & !known != 0 {
        return Err(EINVAL);
    }
    let id = u16::try_from(id).map_err(|_| EINVAL)?;
    let wanted = |table: &Table| Ok(branch_with(table, id)?.clone());
    // No filesystem is asked for that, so that one that does not answer is waited for by who looks at it only.
    let flags = flags::O_PATH | flags::O_DIRECTORY;
    let root = open_root(file, wanted, |branch| {
        KernelFile::open(branch.looked_at(), flags)
    })?;
    root.install(oflags & flags::O_CLOEXEC)
}

/// The branch with an identity. `EINVAL` if none has it.
fn branch_with(table: &Table, id: u16) -> Result<&Arc<Branch>> {
    let mut branches = table.branches.iter();
    branches.find(|branch| branch.id().0 == id).ok_or(EINVAL)
}

/// Has `open` open the root of a branch that is `wanted` of the table, while it is not being decided whether that
/// goes: whoever decides it has to know of the descriptor. `ESTALE`; `EINTR`.
fn open_root(
    file: &FsFile<Union>,
    wanted: impl Fn(&Table) -> Result<Arc<Branch>>,
    open: impl Fn(&Branch) -> Result<KernelFile>,
) -> Result<KernelFile> {
    let instance = file.own_inode().sb().data();
    loop {
        let table = instance.table()?;
        let branch = wanted(&table)?;
        if let Some(_inside) = branch.gate.enter() {
            branch.root().inode().ok_or(ESTALE)?;
            return open(&branch);
        }
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        // What is waited for must not wait for us.
        drop(branch);
        drop(table);
        instance.wait_for_change();
    }
}
