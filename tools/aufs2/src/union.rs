// SPDX-License-Identifier: GPL-2.0

//! Mounted unions and their branches, as procfs and sysfs tell of them.

use crate::layers::Seen;
use crate::tree::{self, Tree};
use aubusy::control::Union as Control;
use aubusy::print::escaped;
use aubusy::{Root, unescape};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, Stat, StatxFlags, flock, fstat, fstatfs, fstatvfs,
    makedev, open, statx,
};
use rustix::io::Errno;
use serde::Serialize;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The names that the module registers.
const TYPES: [&[u8]; 2] = [b"aufs2", b"aufs"];
/// What `statfs(2)` says of a union.
const MAGIC: i64 = 0x6175_6673;
/// Where the branches are told.
const SYSFS: [&str; 2] = ["/sys/fs/aufs", "/sys/fs/aufs2"];

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// 0 is the topmost one.
    pub index: usize,
    /// What it keeps when its index changes.
    pub id: Option<u16>,
    /// Its path, or what is said of one that has none.
    pub path: PathBuf,
    /// `rw`, `ro+wh` and the like.
    pub permission: String,
    /// What its directory is, wherever that is now. A module before this was told has none.
    pub root: Option<Root>,
}

impl Branch {
    /// From the texts of `brN`, `PATH=PERMISSION`, with octal escapes, of `bridN`, and of `rootN`, `MAJOR:MINOR INODE`.
    fn parse(index: usize, text: &[u8], id: &[u8], root: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let at = text.iter().rposition(|&byte| byte == b'=')?;
        Some(Self {
            index,
            id: std::str::from_utf8(id).ok()?.trim_end().parse().ok(),
            path: PathBuf::from(unescape(&text[..at])),
            permission: String::from_utf8_lossy(&text[at + 1..]).into_owned(),
            root: parse_root(root),
        })
    }

    /// Whether the union writes to it, by its permission.
    pub fn is_writable(&self) -> bool {
        self.permission.starts_with("rw")
    }

    /// Whether its whiteouts and marks count.
    pub fn has_whiteouts(&self) -> bool {
        self.is_writable() || self.permission.split('+').any(|word| word == "wh")
    }
}

/// `MAJOR:MINOR INODE`.
fn parse_root(text: &[u8]) -> Option<Root> {
    let (device, ino) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    Some(Root {
        device: makedev(major.parse().ok()?, minor.parse().ok()?),
        ino: ino.parse().ok()?,
    })
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, path) = (self.index, escaped(&self.path));
        write!(f, "{index} {path}={}", self.permission)
    }
}

/// A union.
#[derive(Clone, Debug)]
pub struct Union {
    /// The number of the mount.
    pub mount: u64,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Its number, in hexadecimal digits.
    pub si: String,
    /// The options that the kernel shows.
    pub options: String,
    /// Its branches, topmost first.
    pub branches: Vec<Branch>,
}

impl Union {
    /// All unions that are mounted here, each once for every mount of it.
    pub fn all() -> Result<Vec<Self>, String> {
        let mounts = mounts()?;
        let unions = mounts.iter().filter(|mount| mount.is_union());
        unions.map(Self::of_mount).collect()
    }

    fn of_mount(mount: &Mount) -> Result<Self, String> {
        let si = mount
            .si()
            .ok_or_else(|| format!("{}: no si= in its options", escaped(&mount.point)))?;
        Ok(Self {
            mount: mount.id,
            mountpoint: mount.point.clone(),
            si: si.to_owned(),
            options: mount.options.clone(),
            branches: branches(si)?,
        })
    }

    /// The branch that is meant by a path or an index.
    pub fn branch(&self, wanted: &OsStr) -> Result<&Branch, String> {
        let paths: Vec<&Path> = self.branches.iter().map(|branch| &*branch.path).collect();
        let found = aubusy::find(&paths, |index| self.branches[index].root, wanted);
        found
            .and_then(|index| self.branches.get(index))
            .ok_or_else(|| format!("{}: no such branch", escaped(wanted)))
    }

    /// The union, to be asked, by where it is mounted, unless something else is mounted over that.
    pub fn control(&self) -> rustix::io::Result<Control> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(&self.mountpoint, flags, Mode::empty())?;
        let is_it = mount_of(&dir).is_ok_and(|id| id == self.mount);
        is_it.then(|| Control::from(dir)).ok_or(Errno::NOENT)
    }

    /// What the union shows, from its root on, without what is mounted in it.
    pub fn root(&self) -> Result<Tree, String> {
        for mount in mounts()? {
            let is_whole = mount.is_union() && mount.root == Path::new("/");
            if !is_whole || mount.si() != Some(&self.si) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(there) = open(&mount.point, flags, Mode::empty()) else {
                continue;
            };
            if mount_of(&there).is_ok_and(|id| id == mount.id) {
                return Ok(Tree::of(there));
            }
        }
        let shown = escaped(&self.mountpoint);
        Err(format!(
            "{shown}: all of the union is to be looked at, and only a part of it is mounted where it can be"
        ))
    }

    /// Whether an option was given that has no value.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.split(',').any(|option| option == name)
    }

    /// The topmost branch that is written to.
    pub fn writable(&self) -> Result<&Branch, String> {
        let mut branches = self.branches.iter();
        branches
            .find(|branch| branch.is_writable())
            .ok_or_else(|| format!("{}: no branch is writable", escaped(&self.mountpoint)))
    }
}

/// Nobody else changes the branches of a union by this program, until this goes.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "it is locked")] OwnedFd);

impl Alone {
    /// An error if somebody does, or has since the branches of `union` were looked at.
    pub fn new(union: &Union) -> Result<Self, String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = folder(&union.si)?;
        let failed = |e: Errno| format!("{}: {}", escaped(&dir), io::Error::from(e));
        let dir_fd = open(&dir, flags, Mode::empty()).map_err(failed)?;
        match flock(&dir_fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if branches(&union.si)? == union.branches => Ok(Self(dir_fd)),
            Ok(()) | Err(Errno::WOULDBLOCK) => {
                let at = escaped(&union.mountpoint);
                Err(format!(
                    "{at}: its branches are being changed by another aufs2"
                ))
            }
            Err(e) => Err(failed(e)),
        }
    }
}

/// Refuses branches that another union has, too, or that are in one of its, or the other way round: it would see them
/// change.
pub fn refuse_shared(union: &Union, wanted: &[&Branch]) -> Result<(), String> {
    // What a branch is, and what it is in, where its path leads there.
    let with_above = |branch: &Branch| {
        let is_there = branch.root.is_some() && Root::at(&branch.path) == branch.root;
        let above = is_there
            .then(|| tree::with_above(&branch.path).ok())
            .flatten();
        above.unwrap_or_else(|| branch.root.into_iter().collect())
    };
    let has =
        |roots: &[Root], branch: &Branch| branch.root.is_some_and(|root| roots.contains(&root));
    let wanted: Vec<_> = wanted
        .iter()
        .map(|branch| (*branch, with_above(branch)))
        .collect();
    for si in all_numbers()? {
        // It may have gone since.
        let Ok(theirs) = branches(&si) else {
            continue;
        };
        if si == union.si {
            continue;
        }
        let theirs: Vec<_> = theirs
            .iter()
            .map(|other| (other, with_above(other)))
            .collect();
        let is_shared = |(branch, above): &&(&Branch, Vec<Root>)| {
            theirs
                .iter()
                .any(|(other, others)| has(above, other) || has(others, branch))
        };
        if let Some((branch, _)) = wanted.iter().find(is_shared) {
            return Err(format!(
                "branch {branch}: another union has it, too (si={si})"
            ));
        }
    }
    Ok(())
}

/// What a path shows, as the union has it.
#[derive(Clone, Copy, Debug)]
pub enum Shows {
    /// An object.
    This(Stat),
    /// Nothing.
    Nothing,
    /// That was not asked.
    Unknown,
}

/// A path in a union.
#[derive(Debug)]
pub struct At {
    /// The union.
    pub union: Union,
    /// The path from the root of the union on.
    pub inside: PathBuf,
    /// What shows there in the union.
    pub shows: Shows,
    /// Whether the path can be that of a directory only.
    pub is_dir: bool,
    /// A directory of the union, if one can be read.
    pub control: rustix::io::Result<Control>,
}

impl At {
    /// What is at `path`, to which a symbolic link may lead.
    pub fn of(path: &Path) -> Result<Self, String> {
        let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| format!("{}: {}", escaped(path), io::Error::from(e)))?;
        Self::found(path, &found, &[], Shows::Unknown)
    }

    /// What `path` names, of which the last parts may not be there. A symbolic link is what is named by its path.
    pub fn named(path: &Path) -> Result<Self, String> {
        let mut here = path;
        let mut rest = Vec::new();
        let mut shows = Shows::Unknown;
        let bytes = path.as_os_str().as_bytes();
        let is_dir = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
        loop {
            let mut flags = OFlags::PATH | OFlags::CLOEXEC;
            flags.set(OFlags::NOFOLLOW, rest.is_empty());
            let is_empty = here.as_os_str().is_empty() && !rest.is_empty();
            let opened = if is_empty { Path::new(".") } else { here };
            match open(opened, flags, Mode::empty()) {
                Ok(found) => {
                    if rest.is_empty() && !is_dir {
                        let stat = fstat(&found).map_err(io::Error::from);
                        let stat = stat.map_err(|e| format!("{}: {e}", escaped(path)))?;
                        shows = Shows::This(stat);
                    }
                    rest.reverse();
                    return Self::found(path, &found, &rest, shows).map(|at| Self { is_dir, ..at });
                }
                // With a slash at its end it may be there, and be no directory.
                Err(Errno::NOENT) if !is_dir => shows = Shows::Nothing,
                Err(Errno::NOENT | Errno::NOTDIR) => shows = Shows::Unknown,
                Err(e) => return Err(format!("{}: {}", escaped(opened), io::Error::from(e))),
            }
            let (Some(name), Some(parent)) = (here.file_name(), here.parent()) else {
                return Err(format!("{}: cannot be resolved", escaped(path)));
            };
            rest.push(name);
            here = parent;
        }
    }

    /// The union that a file is in which was opened.
    pub fn union_of(found: &OwnedFd) -> Result<Union, String> {
        let id = mount_of(found).map_err(|e| e.to_string())?;
        let mounts = mounts()?;
        let mount = mounts.iter().find(|mount| mount.id == id);
        let mount = mount.filter(|mount| mount.is_union());
        Union::of_mount(mount.ok_or("not in a union")?)
    }

    /// What is `rest` from `found` on; that is what the union is known by, whatever is mounted over what.
    fn found(path: &Path, found: &OwnedFd, rest: &[&OsStr], what: Shows) -> Result<Self, String> {
        let shown = escaped(path);
        let failed = |e: io::Error| format!("{shown}: {e}");
        let id = mount_of(found).map_err(failed)?;
        let mounts = mounts()?;
        let Some(mount) = mounts.iter().find(|mount| mount.id == id) else {
            return Err(if is_union(found) {
                format!("{shown}: in a union that is not mounted in this mount namespace")
            } else {
                format!("{shown}: not in a union")
            });
        };
        if !mount.is_union() {
            return Err(format!("{shown}: not in a union"));
        }
        let real = fs::read_link(link_to(found)).map_err(|e| {
            if Errno::from_io_error(&e) == Some(Errno::NAMETOOLONG) {
                format!("{shown}: its path in the union is longer than the kernel tells")
            } else {
                failed(e)
            }
        })?;
        let is_gone = real.as_os_str().as_bytes().ends_with(b" (deleted)") && !real.exists();
        let from = real.strip_prefix(&mount.point).ok();
        let from = from
            .filter(|_| !is_gone)
            .ok_or_else(|| format!("{shown}: where that is in the union cannot be found out"))?;
        let mut inside = mount
            .root
            .strip_prefix("/")
            .unwrap_or(&mount.root)
            .join(from);
        inside.extend(rest);
        Ok(Self {
            union: Union::of_mount(mount)?,
            inside,
            shows: what,
            is_dir: false,
            control: directory(found, &real, id).map(Control::from),
        })
    }

    /// The union, to be asked.
    pub fn ask(&self) -> Result<&Control, String> {
        self.control.as_ref().map_err(|e| {
            let error = io::Error::from(*e);
            format!("{}: {error}", escaped(&self.union.mountpoint))
        })
    }

    /// Looks at those of the branches of the union, in that order; each of them can be looked at.
    pub fn see<'a>(&self, branches: &'a [Branch]) -> Result<Vec<Seen<'a>>, String> {
        let see = |branch| {
            let tree = self.tree(branch);
            let tree = tree.map_err(|e| format!("branch {branch} cannot be looked at: {e}"))?;
            Ok(Seen { branch, tree })
        };
        branches.iter().map(see).collect()
    }

    fn tree(&self, branch: &Branch) -> Result<Tree, String> {
        tree(self.control.as_ref().map_err(|e| *e), branch)
    }
}

/// A branch, by what the union that it is of gives of it; or by its path, if nobody may have that, and the path leads to
/// it.
pub fn tree(control: Result<&Control, Errno>, branch: &Branch) -> Result<Tree, String> {
    let given = match (control, branch.id) {
        (Ok(control), Some(id)) => control.branch_root(id),
        (Err(e), _) => Err(e),
        (_, None) => Err(Errno::INVAL),
    };
    let refused = match given {
        Ok(root) => return Ok(Tree::from(root)),
        Err(Errno::NOTTY) => return Err("the module is older than this program".to_owned()),
        Err(Errno::INVAL) => return Err("it has just gone".to_owned()),
        Err(e) => io::Error::from(e).to_string(),
    };
    let Some(root) = branch.root.filter(|_| branch.path.is_absolute()) else {
        return Err(refused);
    };
    let tree = Tree::open(&branch.path).map_err(|e| e.to_string())?;
    if tree.root().map_err(|e| e.to_string())? != root {
        return Err("its path leads elsewhere: run it as root".to_owned());
    }
    Ok(tree)
}

/// Whether something is in a union, wherever that is mounted.
pub fn is_union(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|stat| stat.f_type == MAGIC)
}

/// The number of the mount that something is on.
pub fn mount_of(file: &OwnedFd) -> io::Result<u64> {
    let stat = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    Ok(stat.stx_mnt_id)
}

/// What leads to a file that is open.
pub fn link_to(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// `found`, or else the directory that it is in, opened for reading.
fn directory(found: &OwnedFd, real: &Path, mount: u64) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(link_to(found), flags, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let parent = real.parent().ok_or(Errno::NOENT)?;
            let parent = open(parent, flags, Mode::empty())?;
            let is_there = mount_of(&parent).is_ok_and(|id| id == mount);
            is_there.then_some(parent).ok_or(Errno::NOTDIR)
        }
        other => other,
    }
}

/// The numbers of all unions there are, in any mount namespace; none without the module.
pub fn all_numbers() -> Result<Vec<String>, String> {
    // Where there is another aufs, ours has the longer name.
    let dirs = SYSFS.iter().rev().find_map(|dir| fs::read_dir(dir).ok());
    let Some(dirs) = dirs else {
        let has_sysfs = Path::new("/sys/fs").is_dir();
        return has_sysfs
            .then(Vec::new)
            .ok_or_else(|| "/sys/fs is not there: is sysfs mounted?".to_owned());
    };
    let mut numbers = Vec::new();
    for entry in dirs {
        let name = entry.map_err(|e| format!("/sys/fs/aufs: {e}"))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("si_"));
        numbers.extend(number.map(str::to_owned));
    }
    Ok(numbers)
}

/// Where sysfs has the union `si`.
fn folder(si: &str) -> Result<PathBuf, String> {
    let mut dirs = SYSFS
        .iter()
        .map(|dir| Path::new(dir).join(format!("si_{si}")));
    let found = dirs.find(|dir| dir.is_dir());
    found.ok_or_else(|| "the union has nothing in /sys/fs/aufs: is sysfs mounted?".to_owned())
}

/// The branches of the union `si`.
pub fn branches(si: &str) -> Result<Vec<Branch>, String> {
    let dir = folder(si)?;
    let mut branches = Vec::new();
    // They may change while they are read: then it is read again.
    for _ in 0..100 {
        branches.clear();
        loop {
            let index = branches.len();
            let Ok(text) = fs::read(dir.join(format!("br{index}"))) else {
                break;
            };
            let more =
                |file: &str| fs::read(dir.join(format!("{file}{index}"))).unwrap_or_default();
            let branch = Branch::parse(index, &text, &more("brid"), &more("root"));
            branches.push(branch.ok_or_else(|| format!("br{index} is not understood"))?);
        }
        let same = branches.iter().all(|branch| {
            let read = |file: &str| fs::read(dir.join(format!("{file}{}", branch.index)));
            let again = read("br").and_then(|text| Ok((text, read("brid")?)));
            again.is_ok_and(|(text, id)| {
                let root = read("root").unwrap_or_default();
                Branch::parse(branch.index, &text, &id, &root).as_ref() == Some(branch)
            })
        });
        if same && !dir.join(format!("br{}", branches.len())).exists() {
            return Ok(branches);
        }
    }
    Err("the branches change all the time".to_owned())
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    id: u64,
    /// What of the union is mounted there: `/` but for a bind mount.
    root: PathBuf,
    point: PathBuf,
    kind: Vec<u8>,
    options: String,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|&byte| byte == b' ');
        let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        let root = PathBuf::from(unescape(words.nth(2)?));
        let point = PathBuf::from(unescape(words.next()?));
        let mut words = words.skip_while(|word| *word != b"-").skip(1);
        let kind = words.next()?.to_vec();
        let options = words.nth(1).unwrap_or_default();
        Some(Self {
            id,
            root,
            point,
            kind,
            options: unescape(options).to_string_lossy().into_owned(),
        })
    }

    /// The number of the union.
    fn si(&self) -> Option<&str> {
        let mut options = self.options.split(',');
        options.find_map(|option| option.strip_prefix("si="))
    }

    fn is_union(&self) -> bool {
        TYPES.contains(&&self.kind[..])
    }
}

fn mounts() -> Result<Vec<Mount>, String> {
    let text = fs::read("/proc/self/mountinfo").map_err(|e| format!("/proc: {e}"))?;
    let lines = text.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(Mount::parse).collect())
}

/// How much there is on a filesystem, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Space {
    /// In all.
    pub size: u64,
    /// For who is not root.
    pub available: u64,
}

impl Space {
    /// That of the filesystem of a directory.
    pub fn of(dir: impl AsFd) -> Option<Self> {
        let stat = fstatvfs(dir).ok()?;
        Some(Self {
            size: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

/// What of a path can be shown: JSON has no other strings.
pub fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_of_sysfs() {
        let branch =
            Branch::parse(1, b"/a\\040b=c=ro+wh\n", b"12\n", b"8:1 77\n").expect("a branch");
        assert_eq!(branch.path, Path::new("/a b=c"));
        assert_eq!(branch.permission, "ro+wh");
        assert_eq!(branch.id, Some(12));
        let device = makedev(8, 1);
        assert_eq!(branch.root, Some(Root { device, ino: 77 }));
        assert!(branch.has_whiteouts() && !branch.is_writable());
        assert!(Branch::parse(0, b"/a=rw+nolwh", b"", b"").is_some_and(|b| b.is_writable()));
        assert_eq!(Branch::parse(0, b"/a", b"0", b""), None);
        for text in [&b""[..], b"8:1", b"8 1", b"8:x 1", b"8:1 -1"] {
            assert_eq!(parse_root(text), None);
        }
    }

    #[test]
    fn a_path_is_the_branch_only_if_it_leads_there() {
        let branch = |path: &str, root| Branch {
            index: 0,
            id: Some(1),
            path: PathBuf::from(path),
            permission: "ro".to_owned(),
            root,
        };
        let area = std::env::temp_dir();
        let at = |path: &Path| Root::at(path).expect("a directory");
        let (here, elsewhere) = (Some(at(&area)), Some(at(Path::new("/proc"))));
        let area = area.to_str().expect("text");
        let seen = |branch: &Branch| tree(Err(Errno::PERM), branch);
        assert!(seen(&branch(area, here)).is_ok());
        let error = seen(&branch(area, elsewhere)).expect_err("it is not looked at");
        assert!(error.contains("leads elsewhere"), "{error}");
        for branch in [
            branch(area, None),
            branch("mem", here),
            branch("(unreachable)/a", here),
        ] {
            let error = seen(&branch).expect_err("it is not looked at");
            assert!(error.contains("not permitted"), "{error}");
        }
    }

    #[test]
    fn mountinfo() {
        let line = b"30 1 0:25 /sub /u\\040x rw,relatime shared:1 master:2 - aufs none rw,si=1f";
        let mount = Mount::parse(line).expect("a mount");
        assert_eq!(mount.id, 30);
        assert_eq!(mount.point, Path::new("/u x"));
        assert_eq!(mount.root, Path::new("/sub"));
        assert_eq!(mount.options, "rw,si=1f");
        assert!(mount.is_union());
        assert!(Mount::parse(b"30 1 0:25 /").is_none());
    }
}
