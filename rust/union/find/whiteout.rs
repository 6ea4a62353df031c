// SPDX-License-Identifier: GPL-2.0

//! Finding whiteouts and opaque directories: `Documentation/on-disk-format.md`.

use crate::{
    union::{branch::branch::Branch, object::stack::Layer, text::names},
    vfs::{
        below::namei::{self, Search},
        mount::file::KernelFile,
        object::dentry::Dentry,
        value::{
            errno::{ENAMETOOLONG, EREMOTE},
            flags,
            name::{Joined, Name, NAME_MAX},
        },
    },
};
use kernel::{prelude::*, sync::aref::ARef};

/// What the name of a whiteout starts with.
pub(crate) const PREFIX: &Name = Name::literal(names::PREFIX);
/// See [`is_opaque`].
pub(crate) const OPAQUE: &Name = Name::literal(names::OPAQUE);

/// The whiteout of `name` in the directory `dir`, if there is one. A directory is none.
pub(crate) fn find(dir: &Layer, name: &Name) -> Result<Option<ARef<Dentry>>> {
    find_by(&dir.search()?, dir, name)
}

/// As [`find`], with the `search` of `dir`, in which the name itself was looked for.
pub(crate) fn find_by(
    search: &Search<'_>,
    dir: &Layer,
    name: &Name,
) -> Result<Option<ARef<Dentry>>> {
    match Joined::new(PREFIX, name) {
        Some(whiteout) => Ok(search.find(&whiteout)?.filter(|dentry| !is_dir(dentry))),
        None => Ok(locate_long(&dir.branch, &dir.dentry, name)?.found),
    }
}

/// The mark `whiteout` in `dir`, if there is one.
pub(crate) fn find_at(
    branch: &Branch,
    dir: &Dentry,
    whiteout: &Name,
) -> Result<Option<ARef<Dentry>>> {
    let found = namei::lookup(branch.mnt(), dir, whiteout)?;
    Ok(found.filter(|dentry| !is_dir(dentry)))
}

/// Whether `name` is whited out in `dir`.
pub(crate) fn exists(dir: &Layer, name: &Name) -> Result<bool> {
    Ok(find(dir, name)?.is_some())
}

/// Where the whiteout of a name is, or would be, that is too long to have the name in its own.
pub(crate) struct LongWhiteout {
    pub(crate) name: names::Buffer,
    pub(crate) found: Option<ARef<Dentry>>,
    /// Which one of those of the same hash it is.
    pub(crate) slot: u8,
}

/// The one of `name` in `dir`. `ENAMETOOLONG` if there are too many with its hash.
pub(crate) fn locate_long(branch: &Branch, dir: &Dentry, name: &Name) -> Result<LongWhiteout> {
    for slot in 0..names::LONG_SLOTS {
        let buffer = names::long(name, slot);
        let found = namei::lookup(branch.mnt(), dir, Name::new(buffer.as_bytes())?)?;
        match found {
            None => {
                return Ok(LongWhiteout {
                    name: buffer,
                    found: None,
                    slot,
                })
            }
            Some(dentry) if hidden_name(branch, &dentry)?.is(name) => {
                return Ok(LongWhiteout {
                    name: buffer,
                    found: Some(dentry),
                    slot,
                })
            }
            Some(_) => {}
        }
    }
    Err(ENAMETOOLONG)
}

fn is_dir(dentry: &Dentry) -> bool {
    dentry.inode().is_some_and(|inode| inode.is_dir())
}

/// A name that was read from a file.
pub(crate) struct HiddenName {
    bytes: [u8; NAME_MAX + 1],
    len: usize,
}

impl HiddenName {
    /// The name; none if what the file has cannot be one.
    pub(crate) fn get(&self) -> Option<&Name> {
        Name::new(&self.bytes[..self.len]).ok()
    }

    fn is(&self, name: &Name) -> bool {
        &self.bytes[..self.len] == name.as_bytes()
    }
}

/// The name that a whiteout of a long name hides.
pub(crate) fn hidden_name(branch: &Branch, dentry: &Dentry) -> Result<HiddenName> {
    let mut name = HiddenName {
        bytes: [0; NAME_MAX + 1],
        len: 0,
    };
    if dentry
        .inode()
        .is_some_and(|inode| inode.mode().is_regular())
    {
        let file = KernelFile::open(branch.at(dentry), flags::O_RDONLY | flags::O_NOATIME)?;
        name.len = file.read_at(&mut name.bytes, 0)?;
    }
    Ok(name)
}

/// Whether the directory `dir` hides those of the same name below.
pub(crate) fn is_opaque(dir: &Layer) -> Result<bool> {
    match find_at(&dir.branch, &dir.dentry, OPAQUE) {
        // Nothing can be seen in it, and nothing of what it may hide.
        Err(e) if e == EREMOTE => Ok(true),
        found => Ok(found?.is_some()),
    }
}
