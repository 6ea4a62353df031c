// SPDX-License-Identifier: GPL-2.0

//! The directory of a writable branch in which objects stay that have no other name on it.
//!
//! It is that of aufs, and names in it are two numbers, as its are, of which ours begin with a 0, and are swept at
//! the next mount; or say what the object was copied from ([`plink_records`](super::plink_records)), and stay.

use super::{branch::Branch, private, tree};
use crate::{
    union::text::names,
    vfs::{
        below::namei::{self, Creating},
        mount::write_access::WriteAccess,
        object::dentry::Dentry,
        value::{mode::Mode, name::Name},
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// The mode of the directory: it is nobody's business.
const MODE: Mode = Mode(0o040700);

/// Takes the place of the serial number of a pseudo-link that has a [record](super::plink_records), and with that its
/// name.
pub(crate) const RECORDED: u64 = u64::MAX;

/// The directory of a branch, if it has one.
pub(crate) fn find_dir(branch: &Branch) -> Result<Option<ARef<Dentry>>> {
    namei::lookup(branch.mnt(), branch.root(), Name::new(names::PLINKS)?)
}

/// The directory of a branch; made if it is not there. `EIO` if it cannot be had.
pub(crate) fn dir(access: &WriteAccess<'_>, branch: &Branch) -> Result<ARef<Dentry>> {
    // Not what a filesystem says that gives an object no other name.
    try_dir(access, branch).map_err(|e| if e == EPERM || e == ENOTDIR { EIO } else { e })
}

/// As [`dir`]; `EPERM` or `ENOTDIR` if it cannot be had.
pub(crate) fn try_dir(access: &WriteAccess<'_>, branch: &Branch) -> Result<ARef<Dentry>> {
    let dir = match find_dir(branch)? {
        Some(dir) => dir,
        None => match Creating::start(access, branch.root(), Name::new(names::PLINKS)?) {
            Ok(creating) => creating.mkdir(MODE)?,
            Err(e) if e == EEXIST => find_dir(branch)?.ok_or(EIO)?,
            Err(e) => return Err(e),
        },
    };
    private::make(access, branch, &dir, names::PLINKS)?;
    Ok(dir)
}

/// Removes the pseudo-links that an earlier mount has left. What others have put there stays.
pub(crate) fn sweep(branch: &Branch) -> Result {
    let Some(dir) = find_dir(branch)? else {
        return Ok(());
    };
    if !dir.inode().is_some_and(|inode| inode.is_dir()) {
        return Ok(());
    }
    let found = tree::names(branch, &dir)?;
    if !found.iter().any(|name| names::is_serial_plink(name)) {
        return Ok(());
    }
    let access = branch.mnt().want_write()?;
    for name in found.iter().filter(|name| names::is_serial_plink(name)) {
        tree::remove(&access, branch, &dir, Name::new(name)?)?;
    }
    Ok(())
}
