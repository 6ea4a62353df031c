// SPDX-License-Identifier: GPL-2.0

//! A directory tree, read from its root on. No symbolic link in it is followed, nothing in it is entered
//! that is mounted there, nothing is waited for, and what cannot be looked at is an error.

use crate::union::mount_of;
use aubusy::Root;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path that is given to the kernel at once: less than `PATH_MAX`.
const LONGEST: usize = 4000;

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

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

impl Tree {
    /// That of the directory at `path`, which is no symbolic link.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::of(open(path, flags, Mode::empty())?))
    }

    /// That of a directory that was opened, without what is mounted in it.
    pub fn of(there: OwnedFd) -> Self {
        // As the union has it: with what is below the mounts in it. Who may not have that goes up to those.
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let root = open_tree(&there, "", flags).unwrap_or(there);
        Self { root }
    }

    /// What its root is.
    pub fn root(&self) -> io::Result<Root> {
        Ok(Root::of(&fstat(&self.root)?))
    }

    /// What is at a path in it, as `O_PATH` opens it, a symbolic link included; none if nothing is.
    pub fn find(&self, inside: &Path) -> io::Result<Option<OwnedFd>> {
        self.at(inside, OFlags::PATH)
    }

    /// A directory in it.
    pub fn dir(&self, inside: &Path) -> io::Result<OwnedFd> {
        let found = self.at(inside, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(found.ok_or(Errno::NOENT)?)
    }

    /// The directory that the last name of a path is in, and that name.
    pub fn parent<'a>(&self, inside: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let (Some(parent), Some(name)) = (inside.parent(), inside.file_name()) else {
            return Err(Errno::INVAL.into());
        };
        Ok((self.dir(parent)?, name))
    }

    /// A regular file in it, to be read.
    pub fn file(&self, inside: &Path) -> io::Result<File> {
        // Not a device, which opening may do something to. It may have become one meanwhile.
        if !self.stat(inside)?.is_some_and(|stat| is_file(&stat)) {
            return Err(io::Error::other("it is no file any more"));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.at(inside, flags)?.ok_or(Errno::NOENT)?;
        if !is_file(&fstat(&file)?) {
            return Err(io::Error::other("it is no file any more"));
        }
        Ok(File::from(file))
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
        let mut rest = inside.as_os_str().as_bytes();
        if rest.is_empty() {
            rest = b".";
        }
        let mut dir: Option<OwnedFd> = None;
        // A path may be longer than one call takes.
        while rest.len() > LONGEST {
            let Some(end) = rest[..LONGEST].iter().rposition(|&byte| byte == b'/') else {
                return Err(Errno::NAMETOOLONG.into());
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let Some(found) = self.step(dir.as_ref(), &rest[..end], flags)? else {
                return Ok(None);
            };
            dir = Some(found);
            rest = &rest[end + 1..];
        }
        self.step(dir.as_ref(), rest, flags)
    }

    /// What is at a path that is not too long from `dir` on, or else from the root.
    fn step(
        &self,
        dir: Option<&OwnedFd>,
        path: &[u8],
        flags: OFlags,
    ) -> io::Result<Option<OwnedFd>> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = dir.unwrap_or(&self.root);
        match openat2(dir, OsStr::from_bytes(path), flags, Mode::empty(), resolve) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::XDEV) => Err(io::Error::other("something is mounted there")),
            Err(e) => Err(e.into()),
        }
    }
}

/// What the directory at `path` is, and those above it, as far as they may be gone up to.
pub fn with_above(path: &Path) -> io::Result<Vec<Root>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = open(path, flags, Mode::empty())?;
    let mut found = vec![Root::of(&fstat(&here)?)];
    loop {
        let above = openat(&here, "..", flags, Mode::empty())?;
        let root = Root::of(&fstat(&above)?);
        if found.last() == Some(&root) && mount_of(&above)? == mount_of(&here)? {
            return Ok(found);
        }
        found.push(root);
        here = above;
    }
}

/// Whether it is a directory.
pub fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

/// Whether it is a regular file.
pub fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mkdirat;

    #[test]
    fn deeper_than_a_path_may_be() {
        let area = std::env::temp_dir().join(format!("aufs2-deep-{}", std::process::id()));
        std::fs::create_dir(&area).expect("a folder");
        let name = "d".repeat(250);
        let mut inside = std::path::PathBuf::new();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut dir = open(&area, flags, Mode::empty()).expect("it is there");
        for _ in 0..40 {
            mkdirat(&dir, &name, Mode::RWXU).expect("a folder");
            dir = openat(&dir, &name, flags, Mode::empty()).expect("it is there");
            inside.push(&name);
        }
        mkdirat(&dir, "leaf", Mode::RWXU).expect("a folder");
        let tree = Tree::open(&area).expect("a tree");
        assert_eq!(tree.names(&inside).expect("it is read"), ["leaf"]);
        let leaf = tree.stat(&inside.join("leaf")).expect("it is looked at");
        assert!(leaf.is_some_and(|stat| is_dir(&stat)));
        assert!(
            tree.stat(&inside.join("no"))
                .expect("it is looked at")
                .is_none()
        );
        std::fs::remove_dir_all(&area).expect("it goes");
    }
}
