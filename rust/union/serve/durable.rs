// SPDX-License-Identifier: GPL-2.0

//! What was acknowledged is on the disk.
//!
//! Some filesystems write the data of a file out, and not that it has got a name meanwhile, when only
//! data is asked for: a copy whose name is not there after a crash is no copy. So the first one who
//! asks for the data of a file with a new name gets all of it ([`Node::has_new_name`]).

use crate::{
    union::object::{instance::Union, node::Node},
    vfs::{
        mount::file::KernelFile,
        ops::backing::{Change, Iocb},
        own::file::FsFile,
        value::flags,
    },
};
use kernel::prelude::*;

/// Filesystems whose `->fsync` takes no lock that comes before the one of an address space, and who
/// need it: the others write out by themselves what a new name needs (xfs, btrfs), or there is nothing
/// to write. Checked in the source of each.
const SYNCED_BELOW_MMAP_LOCK: &[&[u8]] = &[b"ext4", b"ext3", b"ext2"];

/// Writes out what `real`, which `user` is open on, has in a range. With the mounter's credentials.
pub(super) fn sync(
    user: &FsFile<Union>,
    real: &KernelFile,
    start: i64,
    end: i64,
    data_only: bool,
) -> Result {
    let node = user.own_inode().data();
    if node.has_new_name() {
        return node.write_out_names(|| real.sync());
    }
    real.sync_range(start, end, data_only)
}

/// What a write to `real` for `iocb` has to ask for. The union may have been told to write
/// everything at once (`-o sync`), which its branch was not.
#[inline(always)]
pub(super) fn for_write(iocb: &Iocb<'_, Union>, real: &KernelFile) -> Result<Change> {
    let inode = iocb.file().own_inode();
    let is_ours = inode.sb().is_synchronous();
    if inode.data().has_new_name()
        && (is_ours || iocb.is_synchronous() || real.inode().is_synchronous())
    {
        write_out_names(inode.data(), iocb.file(), real)?;
    }
    Ok(Change {
        without: 0,
        with: if is_ours { flags::IOCB_DSYNC } else { 0 },
        waits: false,
    })
}

/// As [`for_write`], for what else changes the data of a file: its filesystem acts upon the flags of
/// `user`. Says whether it has to be written out afterwards, by the caller.
pub(super) fn begin(user: &FsFile<Union>, real: &KernelFile) -> Result<bool> {
    let node = user.own_inode();
    let is_ours = node.sb().is_synchronous();
    let is_wanted = is_ours || user.flags() & flags::O_DSYNC != 0 || real.inode().is_synchronous();
    if is_wanted && node.data().has_new_name() && !node.sb().data().is_volatile() {
        write_out_names(node.data(), user, real)?;
    }
    Ok(is_ours && !node.sb().data().is_volatile())
}

/// `real` is about to be mapped so that it can be written to: whoever writes its pages out asks its
/// filesystem, and not the union (`msync(2)`).
pub(super) fn before_mapping(user: &FsFile<Union>, real: &KernelFile) -> Result {
    let fs = real.path().mnt().super_block().type_name();
    let node = user.own_inode();
    if node.sb().data().is_volatile() || !SYNCED_BELOW_MMAP_LOCK.contains(&fs.to_bytes()) {
        return Ok(());
    }
    write_out_names(node.data(), user, real)
}

#[cold]
fn write_out_names(node: &Node, user: &FsFile<Union>, real: &KernelFile) -> Result {
    let cred = &user.own_inode().sb().data().cred;
    cred.scope(|| node.write_out_names(|| real.sync()))
}
