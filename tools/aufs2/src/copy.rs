// SPDX-License-Identifier: GPL-2.0

//! Makes copies of objects in a tree that nobody else knows, and takes trees away.

use crate::names::OPAQUE;
use crate::object::{ACL_ACCESS, ACL_DEFAULT, Looks, Object};
use crate::stop;
use crate::tree::{Tree, is_dir, is_file};
use crate::union::link_to;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps,
    UTIME_OMIT, Uid, XattrFlags, chmod, chownat, copy_file_range, ftruncate, ioctl_ficlone,
    ioctl_getflags, ioctl_setflags, linkat, mkdirat, mknodat, openat, removexattr, seek, setxattr,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much is copied at once.
const PIECE: usize = 1 << 20;

/// What `chattr(1)` can set that is an object's own, and that a copy has to have.
const KEPT: IFlags = IFlags::IMMUTABLE
    .union(IFlags::APPEND)
    .union(IFlags::NOATIME)
    .union(IFlags::NODUMP)
    .union(IFlags::DIRSYNC);
/// What is in the way of changes.
const PROTECTING: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);

/// A tree in the making. Directories get their attributes, and objects their protection, when all is in them.
#[derive(Debug)]
pub struct Copies<'a> {
    tree: &'a Tree,
    dirs: Vec<(PathBuf, Looks, IFlags)>,
    protected: Vec<(PathBuf, IFlags)>,
}

impl<'a> Copies<'a> {
    /// Copies to be made in `tree`, which is empty.
    pub fn new(tree: &'a Tree) -> io::Result<Self> {
        // What the directory above wants to be given to what is made there is not in the original.
        let root = tree.dir(Path::new(""))?;
        let link = link_to(&root);
        for name in [ACL_ACCESS, ACL_DEFAULT] {
            match removexattr(&link, name) {
                Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Self {
            tree,
            dirs: Vec::new(),
            protected: Vec::new(),
        })
    }

    /// Copies what is at `from` in another tree to `to`; a directory without what is in it. The root is there already.
    pub fn copy(&mut self, source: &Tree, from: &Path, to: &Path) -> io::Result<()> {
        let object = Object::at(source, from)?;
        if object.kind().is_dir() {
            if !to.as_os_str().is_empty() {
                let (dir, name) = self.tree.parent(to)?;
                mkdirat(&dir, name, Mode::RWXU)?;
            }
            // The root is to be moved, so nothing protects it.
            let flags = if to.as_os_str().is_empty() {
                IFlags::empty()
            } else {
                flags_of(reopened(&object.fd, OFlags::DIRECTORY)?)?
            };
            self.dirs.push((to.to_owned(), object.looks, flags));
            return Ok(());
        }
        let (dir, name) = self.tree.parent(to)?;
        let mut flags = IFlags::empty();
        if object.kind().is_file() {
            let data = source.file(from)?;
            object.is_this(&data)?;
            let made = openat(
                &dir,
                name,
                OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::RUSR | Mode::WUSR,
            )?;
            flags = flags_of(&data)?;
            let made = File::from(made);
            copy_data(&data, &made, object.looks.stat.st_size)?;
            object.is_still()?;
        } else if let Some(target) = &object.looks.target {
            symlinkat(target, &dir, name)?;
        } else {
            let kind = object.kind();
            mknodat(
                &dir,
                name,
                kind,
                Mode::RUSR | Mode::WUSR,
                object.looks.stat.st_rdev,
            )?;
        }
        let made = self.tree.find(to)?.ok_or(Errno::NOENT)?;
        dress(&made, &object.looks)?;
        if !flags.is_empty() {
            self.protected.push((to.to_owned(), flags));
        }
        Ok(())
    }

    /// Gives what is at `from` in the tree another name.
    pub fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (old_dir, old_name) = self.tree.parent(from)?;
        let (dir, name) = self.tree.parent(to)?;
        Ok(linkat(&old_dir, old_name, &dir, name, AtFlags::empty())?)
    }

    /// Makes a mark with `text` in it.
    pub fn mark(&self, to: &Path, text: &[u8]) -> io::Result<()> {
        let (dir, name) = self.tree.parent(to)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&dir, name, flags, Mode::from_raw_mode(0o444))?;
        let link = link_to(&file);
        for name in [ACL_ACCESS, ACL_DEFAULT] {
            let _ = removexattr(&link, name);
        }
        chmod(&link, Mode::from_raw_mode(0o444))?;
        File::from(file).write_all_at(text, 0)
    }

    /// Ends it: all has the attributes that it is to have.
    pub fn finish(mut self) -> io::Result<()> {
        // What is in a directory changes its times: the deepest ones first.
        while let Some((inside, looks, flags)) = self.dirs.pop() {
            let dir = self.tree.dir(&inside)?;
            dress(&dir, &looks)?;
            if !flags.is_empty() {
                self.protected.push((inside, flags));
            }
        }
        for (inside, flags) in &self.protected {
            let dir = self.tree.stat(inside)?.is_some_and(|stat| is_dir(&stat));
            let made = if dir {
                File::from(self.tree.dir(inside)?)
            } else {
                self.tree.file(inside)?
            };
            let has = ioctl_getflags(&made)?;
            ioctl_setflags(&made, has.difference(KEPT).union(*flags))?;
        }
        Ok(())
    }
}

/// What was opened as `O_PATH` does it, to be read.
fn reopened(fd: &OwnedFd, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(link_to(fd), flags, Mode::empty())
}

/// What `chattr(1)` has set of what a copy has to have. A filesystem may have none of that.
fn flags_of(file: impl AsFd) -> io::Result<IFlags> {
    match ioctl_getflags(file) {
        Ok(flags) => Ok(flags.intersection(KEPT)),
        Err(Errno::NOTTY | Errno::NOTSUP | Errno::INVAL | Errno::NOSYS) => Ok(IFlags::empty()),
        Err(e) => Err(e.into()),
    }
}

/// Gives `made` what an object has beside its data.
fn dress(made: &OwnedFd, looks: &Looks) -> io::Result<()> {
    let stat = &looks.stat;
    let link = link_to(made);
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    if looks.target.is_none() {
        chmod(&link, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    for (name, value) in &looks.attributes {
        setxattr(&link, name, value, XattrFlags::empty()).map_err(|e| {
            io::Error::new(
                io::Error::from(e).kind(),
                format!("{}: {}", name.to_string_lossy(), io::Error::from(e)),
            )
        })?;
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            #[allow(clippy::useless_conversion)] // as wide as the machine has it
            tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
        },
    };
    // A symbolic link has no other way.
    if looks.target.is_some() {
        utimensat(made, "", &times, AtFlags::EMPTY_PATH)?;
    } else {
        utimensat(CWD, &link, &times, AtFlags::empty())?;
    }
    Ok(())
}

/// Copies data; blocks are shared where the filesystem can do that, and holes stay holes.
fn copy_data(from: &File, to: &File, size: i64) -> io::Result<()> {
    let size = u64::try_from(size).unwrap_or(0);
    if size == 0 || ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let mut at = 0;
    while at < size {
        let start = match seek(from, SeekFrom::Data(at)) {
            Ok(start) => start.min(size),
            Err(Errno::NXIO) => size,
            // It does not know holes.
            Err(_) => at,
        };
        if start >= size {
            break;
        }
        let end = seek(from, SeekFrom::Hole(start)).unwrap_or(size).min(size);
        copy_piece(from, to, start, end.max(start + 1))?;
        at = end.max(start + 1);
    }
    Ok(ftruncate(to, size)?)
}

fn copy_piece(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let mut at = start;
    let mut room = Vec::new();
    while at < end {
        if stop::is_wanted() {
            return Err(io::Error::other(stop::SAID));
        }
        let most = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        if room.is_empty() {
            let (mut read, mut written) = (at, at);
            match copy_file_range(from, Some(&mut read), to, Some(&mut written), most) {
                Ok(0) => return Err(io::Error::other("changed while it was read")),
                Ok(done) => {
                    at += done as u64;
                    continue;
                }
                // What is the matter is told below, if it stays so.
                Err(_) => {}
            }
            room.resize(PIECE, 0);
        }
        let found = from.read_at(&mut room[..most], at)?;
        if found == 0 {
            return Err(io::Error::other("changed while it was read"));
        }
        to.write_all_at(&room[..found], at)?;
        at += found as u64;
    }
    Ok(())
}

/// Takes away all that is in the root of a tree, but for what is `kept` there. Nothing ends that: half of it is of no use.
pub fn clear(tree: &Tree, kept: &[&str]) -> Result<(), (PathBuf, io::Error)> {
    let root = PathBuf::new();
    let mut dirs = vec![root.clone()];
    // Each before what is in it.
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(dir) = dirs.pop() {
        let failed = |e: io::Error| (dir.clone(), e);
        unprotect(tree, &dir).map_err(failed)?;
        let open = tree.dir(&dir).map_err(failed)?;
        let mut names = tree.names(&dir).map_err(failed)?;
        // What hides something goes first: half way, nothing hides what is below in the place of what has gone.
        names.sort_by_key(|name| match name.as_bytes() {
            name if name == OPAQUE.as_bytes() => 0,
            name if name.starts_with(b".wh.") => 1,
            _ => 2,
        });
        for name in names {
            if dir == root && kept.iter().any(|kept| name == *kept) {
                continue;
            }
            let inside = dir.join(&name);
            let failed = |e: io::Error| (inside.clone(), e);
            let Some(stat) = tree.stat(&inside).map_err(failed)? else {
                continue;
            };
            if is_dir(&stat) {
                dirs.push(inside.clone());
                found.push(inside);
            } else {
                take(tree, &open, &name, &inside, &stat).map_err(failed)?;
            }
        }
    }
    while let Some(dir) = found.pop() {
        let failed = |e: io::Error| (dir.clone(), e);
        let (parent, name) = tree.parent(&dir).map_err(failed)?;
        match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(failed(e.into())),
        }
    }
    Ok(())
}

/// Removes what is no directory.
fn take(tree: &Tree, dir: &OwnedFd, name: &OsStr, inside: &Path, stat: &Stat) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::PERM) if is_file(stat) => {
            unprotect(tree, inside)?;
            Ok(unlinkat(dir, name, AtFlags::empty())?)
        }
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Takes away what `chattr(1)` has set that keeps an object, or what is in it, from being removed.
fn unprotect(tree: &Tree, inside: &Path) -> io::Result<()> {
    let fd = tree.find(inside)?.ok_or(Errno::NOENT)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    if !kind.is_dir() && !kind.is_file() {
        return Ok(());
    }
    let file = reopened(&fd, OFlags::empty())?;
    if let Ok(flags) = ioctl_getflags(&file) {
        if flags.intersects(PROTECTING) {
            ioctl_setflags(&file, flags.difference(PROTECTING))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

    fn area(name: &str) -> PathBuf {
        let area = std::env::temp_dir().join(format!("aufs2-{name}-{}", std::process::id()));
        fs::create_dir(&area).expect("a folder");
        area
    }

    /// What is copied is what it was, and nothing is followed.
    #[test]
    fn a_copy() {
        let area = area("copy");
        let (from, to) = (area.join("from"), area.join("to"));
        for dir in [&from, &to, &from.join("d")] {
            fs::create_dir(dir).expect("a folder");
        }
        let odd = OsStr::from_bytes(b"a\n\xff");
        let sparse = fs::File::create(from.join(odd)).expect("a file");
        sparse.write_all_at(b"begin", 0).expect("it is written");
        sparse.write_all_at(b"end", 1 << 22).expect("it is written");
        fs::set_permissions(from.join(odd), fs::Permissions::from_mode(0o4711)).expect("a mode");
        symlink("/etc/passwd", from.join("d/link")).expect("a link");
        fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o500)).expect("a mode");
        let source = Tree::open(&from).expect("a tree");
        let target = Tree::open(&to).expect("a tree");
        let mut copies = Copies::new(&target).expect("copies");
        for inside in ["", "d", "d/link"].map(Path::new) {
            copies.copy(&source, inside, inside).expect("it is copied");
        }
        let odd = Path::new(odd);
        copies.copy(&source, odd, odd).expect("it is copied");
        copies.link(odd, Path::new("d/again")).expect("a link");
        assert!(copies.copy(&source, odd, odd).is_err());
        let mark = Path::new("d/.wh.x");
        copies.mark(mark, b"").expect("a mark");
        copies.finish().expect("it is whole");
        let of = |path: PathBuf| {
            let stat = fs::symlink_metadata(path).expect("it is there");
            (stat.mode(), stat.len(), stat.mtime(), stat.mtime_nsec())
        };
        for inside in [Path::new("d/link"), odd] {
            assert_eq!(of(from.join(inside)), of(to.join(inside)));
        }
        assert_eq!(of(from.join("d")).0, of(to.join("d")).0);
        assert_eq!(of(from.join("d")).3, of(to.join("d")).3);
        assert_eq!(of(to.join(mark)).0, 0o100_444);
        let there = fs::metadata(to.join(odd)).expect("it is there");
        assert!(there.blocks() < 4096, "{}", there.blocks());
        assert_eq!(there.nlink(), 2);
        let data = fs::read(to.join(odd)).expect("it is read");
        assert!(data.starts_with(b"begin\0") && data.ends_with(b"\0end"));
        fs::remove_dir_all(&area).expect("it goes");
    }

    /// All goes but what is kept, and what links lead to.
    #[test]
    fn cleared() {
        let area = area("clear");
        let dir = area.join("dir");
        fs::create_dir_all(dir.join("a/b/c")).expect("a folder");
        fs::create_dir(area.join("outside")).expect("a folder");
        for file in ["outside/f", "dir/kept", "dir/a/b/f", "dir/a/kept"] {
            fs::write(area.join(file), "").expect("a file");
        }
        symlink(area.join("outside"), dir.join("a/link")).expect("a link");
        symlink("..", dir.join("up")).expect("a link");
        let tree = Tree::open(&dir).expect("a tree");
        clear(&tree, &["kept"]).expect("it goes");
        assert_eq!(tree.names(Path::new("")).expect("it is read"), ["kept"]);
        assert!(area.join("outside/f").exists());
        fs::remove_dir_all(&area).expect("it goes");
    }
}
