// SPDX-License-Identifier: GPL-2.0

//! Who keeps a branch of a mounted union from being removed.
//!
//! The union itself knows which of its objects need the branch, and `/proc` which
//! process uses which object. What has no process is not found: a mount in the
//! union, a loop device, a file that is held by the kernel.

pub mod control;
pub mod print;
pub mod process;

use control::Union;
use print::escaped;
use process::Use;
use rustix::fs::{AtFlags, CWD, FileType, Stat, statat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A use of the branch.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub command: String,
    /// What it uses, and how.
    pub of: Use,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (command, how, path) = (escaped(&self.command), self.of.how, escaped(&self.of.path));
        write!(f, "{} {command} {how} {path}", self.pid)
    }
}

/// Who keeps the branch of the union at `at` that `wanted` means, by path or index.
pub fn holders(at: &Path, wanted: &OsStr) -> Result<Vec<Holder>, String> {
    let union = Union::open(at).map_err(|e| format!("{}: {}", escaped(at), io::Error::from(e)))?;
    holders_of(&union, at, wanted)
}

/// The same of a union that was opened; `at` is what it is called in a message.
pub fn holders_of(union: &Union, at: &Path, wanted: &OsStr) -> Result<Vec<Holder>, String> {
    let failed = |e: Errno| format!("{}: {}", escaped(at), io::Error::from(e));
    let branches = union.branches().map_err(|e| match e {
        Errno::NOTTY => format!("{}: not on a union", escaped(at)),
        e => failed(e),
    })?;
    let paths: Vec<PathBuf> = branches
        .iter()
        .map(|branch| PathBuf::from(unescape(branch.path.as_bytes())))
        .collect();
    let root = |index: usize| {
        let root = union.branch_root(branches[index].id).ok()?;
        Some(Root::of(&rustix::fs::fstat(root).ok()?))
    };
    let index = find(&paths, root, wanted)
        .and_then(|index| i16::try_from(index).ok())
        .ok_or_else(|| format!("{}: no such branch", escaped(wanted)))?;
    let device = union.device().map_err(failed)?;
    // An inode is asked about once, however many use it.
    let mut known = HashMap::new();
    let mut holders = Vec::new();
    let mut unseen = None;
    let processes = process::all().map_err(|e| format!("/proc: {e}"))?;
    let me = std::process::id();
    for pid in processes.into_iter().filter(|&pid| pid != me) {
        let uses = process::uses(pid, device);
        if uses.is_partial {
            unseen.get_or_insert(pid);
        }
        for of in uses.found {
            let needs = if let Some(&needs) = known.get(&of.ino) {
                needs
            } else {
                let needs = union.is_busy(of.ino, index).map_err(|e| match e {
                    Errno::PERM => format!(
                        "{}: who keeps a branch is told to root only: run it as root",
                        escaped(at)
                    ),
                    e => failed(e),
                })?;
                known.insert(of.ino, needs);
                needs
            };
            if needs {
                let command = process::command(pid);
                holders.push(Holder { pid, command, of });
            }
        }
    }
    match unseen {
        // It may be one of those.
        Some(pid) if holders.is_empty() => Err(format!(
            "what process {pid} and others have open cannot be seen: run it as root"
        )),
        None if holders.is_empty() && !process::sees_all() => Err(
            "not all processes can be seen from here: run it as root, where no process is hidden"
                .to_owned(),
        ),
        _ => Ok(holders),
    }
}

/// What tells a directory from others, wherever it is: the device and the number that `stat(2)` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Root {
    /// The device.
    pub device: u64,
    /// The number of the inode.
    pub ino: u64,
}

impl Root {
    /// That of what `stat` is of.
    pub fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            ino: stat.st_ino,
        }
    }

    /// That of the directory that a path leads to, if one is there.
    pub fn at(path: &Path) -> Option<Self> {
        let stat = statat(CWD, path, AtFlags::NO_AUTOMOUNT).ok()?;
        let is_dir = FileType::from_raw_mode(stat.st_mode).is_dir();
        is_dir.then(|| Self::of(&stat))
    }
}

/// What a branch in memory has for a path.
pub const MEMORY: &str = "mem";

/// The index of the branch that is meant, of those with the given paths and roots, as the kernel finds it in a
/// remount: the one of the directory at `wanted`, whatever it is called there, or else the one that was given that path,
/// or else by its index.
pub fn find<P: AsRef<Path>>(
    paths: &[P],
    root: impl Fn(usize) -> Option<Root>,
    wanted: &OsStr,
) -> Option<usize> {
    let by_path = |path: &Path| paths.iter().position(|other| other.as_ref() == path);
    let by_index = || {
        let index = wanted.to_str()?.parse::<usize>().ok()?;
        (index < paths.len()).then_some(index)
    };
    let path = Path::new(wanted);
    if wanted == MEMORY {
        return by_path(path);
    }
    let by_root = || {
        let there = Root::at(path)?;
        (0..paths.len()).find(|&index| root(index) == Some(there))
    };
    by_root()
        .or_else(|| by_path(path))
        .or_else(|| by_path(&std::path::absolute(path).ok()?))
        .or_else(by_index)
        .or_else(|| by_path(&path.canonicalize().ok()?))
}

/// Undoes octal escapes, of the kernel's and of [`print::escaped`].
pub fn unescape(text: &[u8]) -> OsString {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(unescape(b"/a\\040b\\134"), "/a b\\");
        assert_eq!(unescape(b"/a\\04"), "/a\\04");
        assert_eq!(unescape(b"/\\999"), "/\\999");
        assert_eq!(unescape(b""), "");
    }

    #[test]
    fn branches() {
        let find = |wanted: &str| super::find(&["/rw", "/ro", "0"], |_| None, OsStr::new(wanted));
        assert_eq!(find("/ro"), Some(1));
        assert_eq!(find("1"), Some(1));
        assert_eq!(find("0"), Some(2));
        assert_eq!(find("3"), None);
        assert_eq!(find("/nosuch"), None);
        assert_eq!(find("-1"), None);
    }

    /// What is at the path goes before what was given that path, as it does in the kernel.
    #[test]
    fn branches_by_what_they_are() {
        let root = Root::at(Path::new("/")).expect("a directory");
        let roots = [None, Some(root)];
        let find = |paths: [&str; 2], wanted: &str| {
            super::find(&paths, |index| roots[index], OsStr::new(wanted))
        };
        assert_eq!(find(["/", "/elsewhere"], "/"), Some(1));
        assert_eq!(find(["/", "/elsewhere"], "/proc/.."), Some(1));
        assert_eq!(find(["/proc", "/elsewhere"], "/proc"), Some(0));
        assert_eq!(find(["/proc", "mem"], "mem"), Some(1));
        assert_eq!(find(["/proc", "/elsewhere"], "mem"), None);
    }
}
