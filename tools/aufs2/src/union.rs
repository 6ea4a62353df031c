// SPDX-License-Identifier: GPL-2.0

//! Mounted unions and their branches, as procfs and sysfs tell of them.

use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The names that the module registers.
const TYPES: [&[u8]; 2] = [b"aufs2", b"aufs"];
/// Where the branches are told.
const SYSFS: [&str; 2] = ["/sys/fs/aufs", "/sys/fs/aufs2"];

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// 0 is the topmost one.
    pub index: usize,
    /// Its path, or what is said of one that has none.
    pub path: PathBuf,
    /// `rw`, `ro+wh` and the like.
    pub permission: String,
}

impl Branch {
    /// From the text of `brN`: `PATH=PERMISSION`, with octal escapes.
    fn parse(index: usize, text: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let at = text.iter().rposition(|&byte| byte == b'=')?;
        Some(Self {
            index,
            path: PathBuf::from(unescape(&text[..at])),
            permission: String::from_utf8_lossy(&text[at + 1..]).into_owned(),
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

    /// Its directory, if there is one that can be come to.
    pub fn dir(&self) -> Option<&Path> {
        let is_there = self.path.is_absolute() && self.path.is_dir();
        is_there.then_some(&*self.path)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, path) = (self.index, self.path.display());
        write!(f, "{index} {path}={}", self.permission)
    }
}

/// A union.
#[derive(Clone, Debug)]
pub struct Union {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// What of it is mounted there: `/` but for a bind mount.
    pub root: PathBuf,
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

    /// The union that `path` is in, and the path in there.
    pub fn of(path: &Path) -> Result<(Self, PathBuf), String> {
        let path = absolute(path)?;
        let mounts = mounts()?;
        // The last one of those that are mounted over each other.
        let mount = mounts
            .iter()
            .rev()
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.as_os_str().len())
            .filter(|mount| mount.is_union())
            .ok_or_else(|| format!("{}: not in a union", path.display()))?;
        let union = Self::of_mount(mount)?;
        let inside = path.strip_prefix(&mount.point).map_err(|e| e.to_string())?;
        let root = union.root.strip_prefix("/").unwrap_or(&union.root);
        let inside = root.join(inside);
        Ok((union, inside))
    }

    fn of_mount(mount: &Mount) -> Result<Self, String> {
        let si = mount
            .options
            .split(',')
            .find_map(|option| option.strip_prefix("si="))
            .ok_or_else(|| format!("{}: no si= in its options", mount.point.display()))?;
        Ok(Self {
            mountpoint: mount.point.clone(),
            root: mount.root.clone(),
            si: si.to_owned(),
            options: mount.options.clone(),
            branches: branches(si)?,
        })
    }

    /// The branch that is meant by a path or an index.
    pub fn branch(&self, wanted: &OsStr) -> Result<&Branch, String> {
        let by_path = |path: &Path| self.branches.iter().find(|branch| branch.path == path);
        let by_index = || self.branches.get(wanted.to_str()?.parse::<usize>().ok()?);
        by_path(Path::new(wanted))
            .or_else(by_index)
            .or_else(|| by_path(&Path::new(wanted).canonicalize().ok()?))
            .ok_or_else(|| format!("{}: no such branch", Path::new(wanted).display()))
    }

    /// The topmost branch that is written to.
    pub fn writable(&self) -> Result<&Branch, String> {
        let mut branches = self.branches.iter();
        branches
            .find(|branch| branch.is_writable())
            .ok_or_else(|| format!("{}: no branch is writable", self.mountpoint.display()))
    }
}

/// The branches of the union `si`.
fn branches(si: &str) -> Result<Vec<Branch>, String> {
    let dir = SYSFS
        .iter()
        .map(|dir| Path::new(dir).join(format!("si_{si}")))
        .find(|dir| dir.is_dir())
        .ok_or("the union has nothing in /sys/fs/aufs: is sysfs mounted?")?;
    let mut branches = Vec::new();
    // They may change while they are read: then it is read again.
    for _ in 0..100 {
        branches.clear();
        loop {
            let index = branches.len();
            let Ok(text) = fs::read(dir.join(format!("br{index}"))) else {
                break;
            };
            let branch = Branch::parse(index, &text);
            branches.push(branch.ok_or_else(|| format!("br{index} is not understood"))?);
        }
        let same = branches.iter().all(|branch| {
            let again = fs::read(dir.join(format!("br{}", branch.index)));
            again.is_ok_and(|text| Branch::parse(branch.index, &text).as_ref() == Some(branch))
        });
        if same && !dir.join(format!("br{}", branches.len())).exists() {
            return Ok(branches);
        }
    }
    Err("the branches change all the time".to_owned())
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    root: PathBuf,
    point: PathBuf,
    kind: Vec<u8>,
    options: String,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|&byte| byte == b' ');
        let root = PathBuf::from(unescape(words.nth(3)?));
        let point = PathBuf::from(unescape(words.next()?));
        let mut words = words.skip_while(|word| *word != b"-").skip(1);
        let kind = words.next()?.to_vec();
        let options = words.nth(1).unwrap_or_default();
        Some(Self {
            root,
            point,
            kind,
            options: String::from_utf8_lossy(&unescape(options).into_vec()).into_owned(),
        })
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

/// The absolute path of `path`, whose last component may be a symbolic link, and the last ones not there.
fn absolute(path: &Path) -> Result<PathBuf, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let whole = std::path::absolute(path).map_err(failed)?;
    let mut dir = &*whole;
    let mut rest = Vec::new();
    loop {
        let is_last_link = rest.is_empty() && dir.is_symlink();
        match dir.canonicalize() {
            Ok(mut found) if !is_last_link => {
                found.extend(rest.iter().rev());
                return Ok(found);
            }
            Err(e) if !is_last_link && !is_missing(&e) => return Err(failed(e)),
            _ => {}
        }
        let (Some(name), Some(parent)) = (dir.file_name(), dir.parent()) else {
            return Err(format!("{}: cannot be resolved", path.display()));
        };
        rest.push(name);
        dir = parent;
    }
}

/// Whether nothing is there.
fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Undoes octal escapes.
fn unescape(text: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(code);
            rest = &after[3..];
        } else {
            plain.push(first);
            rest = after;
        }
    }
    OsString::from_vec(plain)
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
    /// That of the filesystem of `dir`.
    pub fn of(dir: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(dir).ok()?;
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
        let branch = Branch::parse(1, b"/a\\040b=c=ro+wh\n").expect("a branch");
        assert_eq!(branch.path, Path::new("/a b=c"));
        assert_eq!(branch.permission, "ro+wh");
        assert!(branch.has_whiteouts() && !branch.is_writable());
        assert!(Branch::parse(0, b"/a=rw+nolwh").is_some_and(|b| b.is_writable()));
        assert_eq!(Branch::parse(0, b"/a"), None);
        let gone = Branch::parse(0, b"(unreachable)/a=rw").expect("a branch");
        assert_eq!(gone.dir(), None);
    }

    #[test]
    fn mountinfo() {
        let line = b"30 1 0:25 /sub /u\\040x rw,relatime shared:1 master:2 - aufs none rw,si=1f";
        let mount = Mount::parse(line).expect("a mount");
        assert_eq!(mount.point, Path::new("/u x"));
        assert_eq!(mount.root, Path::new("/sub"));
        assert_eq!(mount.options, "rw,si=1f");
        assert!(mount.is_union());
        assert!(Mount::parse(b"30 1 0:25 /").is_none());
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"/a\\040b\\134"), "/a b\\");
        assert_eq!(unescape(b"/a\\04"), "/a\\04");
        assert_eq!(unescape(b""), "");
    }
}
