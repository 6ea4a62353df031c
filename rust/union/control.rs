// SPDX-License-Identifier: GPL-2.0

//! The `ioctl(2)` commands of a union's directories, with the numbers and structures of aufs
//! (`include/uapi/linux/aufs_type.h`).

use super::{branch::Branch, instance::Union};
use crate::vfs::{
    errno::ESTALE,
    file::{FsFile, KernelFile},
    flags,
    ioctl::{may_administer, Command},
};
use kernel::{prelude::*, sync::Arc};

/// `AUFS_CTL_WBR_FD`: a descriptor of the root of a writable branch.
const WRITABLE_BRANCH_FD: u32 = 0x4008_4102;

/// `struct aufs_wbr_fd`: `__u32 oflags; __s16 brid;`, aligned to 8 bytes.
const WRITABLE_BRANCH_FD_SIZE: usize = 8;

/// `->unlocked_ioctl` of a directory.
pub(super) fn ioctl(file: &FsFile<Union>, command: Command) -> Result<u32> {
    match command.number() {
        WRITABLE_BRANCH_FD => writable_branch_fd(file, command),
        _ => Err(ENOTTY),
    }
}

/// Opens the root of the branch with the given identity, or of the topmost writable one if it is
/// negative. It shows what the union does not: whoever asks must be an administrator.
///
/// `EPERM`; `EINVAL` for flags other than `O_CLOEXEC`, `O_RDONLY` and `O_DIRECTORY`, or an identity
/// that no branch has; `EROFS` if the branch is not writable.
fn writable_branch_fd(file: &FsFile<Union>, command: Command) -> Result<u32> {
    if !may_administer() {
        return Err(EPERM);
    }
    let mut reader = command.reader(WRITABLE_BRANCH_FD_SIZE);
    let oflags: u32 = reader.read()?;
    let brid: i16 = reader.read()?;
    let known = flags::O_CLOEXEC | flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE;
    if oflags & !known != 0 {
        return Err(EINVAL);
    }
    let table = file.node().sb().data().table()?;
    let branch: &Arc<Branch> = match u16::try_from(brid) {
        Ok(id) => table
            .branches
            .iter()
            .find(|branch| branch.id().0 == id)
            .ok_or(EINVAL)?,
        Err(_) => table.writable()?,
    };
    if !branch.is_writable() {
        return Err(EROFS);
    }
    let root = branch.at(branch.root());
    root.inode().ok_or(ESTALE)?;
    KernelFile::open(
        root,
        flags::O_RDONLY | flags::O_DIRECTORY | flags::O_LARGEFILE,
    )?
    .install(oflags & flags::O_CLOEXEC)
}
