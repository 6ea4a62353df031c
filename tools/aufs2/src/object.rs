// SPDX-License-Identifier: GPL-2.0

//! What an object is beside its data: what a copy of it, or an archive, has to have.

use crate::tree::{Tree, is_dir, is_file};
use crate::union::link_to;
use aubusy::Root;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Stat, fstat, getxattr, listxattr, readlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The access ACL, as an extended attribute.
pub const ACL_ACCESS: &str = "system.posix_acl_access";
/// The ACL that what is made in a directory gets.
pub const ACL_DEFAULT: &str = "system.posix_acl_default";

/// What is seen of an object beside its data.
#[derive(Debug)]
pub struct Looks {
    /// What `stat(2)` says of it.
    pub stat: Stat,
    /// Where a symbolic link leads.
    pub target: Option<OsString>,
    /// Extended attributes, ACLs included, by name, in order.
    pub attributes: Vec<(OsString, Vec<u8>)>,
}

/// An object in a tree, as it was when it was looked at.
#[derive(Debug)]
pub struct Object {
    /// What it is, as `O_PATH` has opened it.
    pub fd: OwnedFd,
    /// What it was then.
    pub looks: Looks,
}

impl Object {
    /// What is at a path in a tree.
    pub fn at(tree: &Tree, inside: &Path) -> io::Result<Self> {
        Self::of(tree.find(inside)?.ok_or(Errno::NOENT)?)
    }

    /// What was opened, as `O_PATH` does it.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        let stat = fstat(&fd)?;
        let target = if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            let target = readlinkat(&fd, "", Vec::new())?;
            Some(OsString::from_vec(target.into_bytes()))
        } else {
            None
        };
        let looks = Looks {
            attributes: attributes(&fd)?,
            stat,
            target,
        };
        Ok(Self { fd, looks })
    }

    /// Its kind.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.looks.stat.st_mode)
    }

    /// Whether it has other names, which are to be links to one object.
    pub fn has_names(&self) -> bool {
        !is_dir(&self.looks.stat) && self.looks.stat.st_nlink > 1
    }

    /// Fails if `file` is another one by now.
    pub fn is_this(&self, file: impl AsFd) -> io::Result<()> {
        let same = Root::of(&fstat(file)?) == Root::of(&self.looks.stat);
        same.then_some(())
            .ok_or_else(|| io::Error::other("changed while it was read"))
    }

    /// Fails if a file is not what it was: its data may be of before and after a change.
    pub fn is_still(&self) -> io::Result<()> {
        let of = |stat: &Stat| {
            (
                stat.st_size,
                (stat.st_mtime, stat.st_mtime_nsec),
                (stat.st_ctime, stat.st_ctime_nsec),
            )
        };
        let now = fstat(&self.fd)?;
        if is_file(&now) && of(&now) != of(&self.looks.stat) {
            return Err(io::Error::other("changed while it was read"));
        }
        Ok(())
    }
}

/// The extended attributes of an object. A filesystem may have none.
fn attributes(fd: &OwnedFd) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let link = link_to(fd);
    let names = match grown(|room| listxattr(&link, room)) {
        Ok(names) => names,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut found = Vec::new();
    for name in names.split(|&byte| byte == 0) {
        if name.is_empty() {
            continue;
        }
        let name = OsStr::from_bytes(name);
        match grown(|room| getxattr(&link, name, room)) {
            Ok(value) => found.push((name.to_owned(), value)),
            // It has gone since, or is named and not kept.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What `get` has to tell, with as much room as it wants.
fn grown(get: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut room = vec![0; 4096];
    loop {
        match get(&mut room) {
            Ok(length) => {
                room.truncate(length);
                return Ok(room);
            }
            // No list and no value is as long as that.
            Err(Errno::RANGE) if room.len() < 1 << 20 => room.resize(room.len() * 4, 0),
            Err(e) => return Err(e),
        }
    }
}
