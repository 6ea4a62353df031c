// SPDX-License-Identifier: GPL-2.0

//! A directory tree, read from its root on. No symbolic link in it is followed, nothing in it is entered
//! that is mounted there, nothing is waited for, and what cannot be looked at is an error.

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A tree.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

impl From<OwnedFd> for Tree {
    /// That of a directory.
    fn from(root: OwnedFd) -> Self {
        Self { root }
    }
}

impl Tree {
    /// That of the directory at `path`, which is no symbolic link.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = open(path, flags, Mode::empty())?;
        // As the union has it: with what is below the mounts in it. Who may not have that goes up to those.
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let root = open_tree(&there, "", flags).unwrap_or(there);
        Ok(Self { root })
    }

    /// What is at a path in it; none if nothing is.
    pub fn stat(&self, inside: &Path) -> io::Result<Option<Stat>> {
        match self.at(inside, OFlags::PATH)? {
            Some(found) => Ok(Some(fstat(found)?)),
            None => Ok(None),
        }
    }

    /// The names in a directory in it, in order.
    pub fn names(&self, inside: &Path) -> io::Result<Vec<OsString>> {
        let dir = self
            .at(inside, OFlags::RDONLY | OFlags::DIRECTORY)?
            .ok_or(Errno::NOENT)?;
        let mut names = Vec::new();
        for entry in Dir::new(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The first `most` bytes of a file in it; none if no regular file is there.
    pub fn read(&self, inside: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
        // Not a device, which opening may do something to. It may have become one meanwhile.
        if !self.stat(inside)?.is_some_and(|stat| is_file(&stat)) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(file) = self.at(inside, flags)? else {
            return Ok(None);
        };
        if !is_file(&fstat(&file)?) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        File::from(file).take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn at(&self, inside: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let inside = if inside.as_os_str().is_empty() {
            Path::new(".")
        } else {
            inside
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat2(&self.root, inside, flags, Mode::empty(), resolve) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::XDEV) => Err(io::Error::other("something is mounted there")),
            Err(e) => Err(e.into()),
        }
    }
}

/// Whether it is a directory.
pub fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}
