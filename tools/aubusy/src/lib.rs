// SPDX-License-Identifier: GPL-2.0

//! Who keeps a branch of a mounted union from being removed.
//!
//! The union itself knows which of its objects need the branch, and `/proc` which
//! process uses which object. What has no process is not found: a mount in the
//! union, a loop device, a file that is held by the kernel.

pub mod control;
pub mod process;

use control::Union;
use process::Use;
use std::collections::HashMap;
use std::ffi::OsStr;
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
        let (how, path) = (self.of.how, self.of.path.display());
        write!(f, "{} {} {how} {path}", self.pid, self.command)
    }
}

/// Who keeps the branch of the union at `at` that `wanted` means, by path or index.
pub fn holders(at: &Path, wanted: &OsStr) -> Result<Vec<Holder>, String> {
    let failed = |e: rustix::io::Errno| format!("{}: {}", at.display(), std::io::Error::from(e));
    let union = Union::open(at).map_err(failed)?;
    let branches = union.branches().map_err(|e| match e {
        rustix::io::Errno::NOTTY => format!("{}: not on a union", at.display()),
        e => failed(e),
    })?;
    let paths: Vec<PathBuf> = branches
        .iter()
        .map(|path| PathBuf::from(unescape(path)))
        .collect();
    let index = find(&paths, wanted)
        .ok_or_else(|| format!("{}: no such branch", Path::new(wanted).display()))?;
    let device = union.device().map_err(failed)?;
    // An inode is asked about once, however many use it.
    let mut known = HashMap::new();
    let mut holders = Vec::new();
    let processes = process::all().map_err(|e| format!("/proc: {e}"))?;
    let me = std::process::id();
    for pid in processes.into_iter().filter(|&pid| pid != me) {
        for of in process::uses(pid, device) {
            let needs = if let Some(&needs) = known.get(&of.ino) {
                needs
            } else {
                let needs = union.is_busy(of.ino, index).map_err(failed)?;
                known.insert(of.ino, needs);
                needs
            };
            if needs {
                let command = process::command(pid);
                holders.push(Holder { pid, command, of });
            }
        }
    }
    Ok(holders)
}

/// The index of the branch that is meant.
fn find(paths: &[PathBuf], wanted: &OsStr) -> Option<i16> {
    let by_path = |path: &Path| paths.iter().position(|other| other == path);
    let by_index = || {
        let index = wanted.to_str()?.parse::<usize>().ok()?;
        (index < paths.len()).then_some(index)
    };
    let wanted_path = Path::new(wanted);
    let index = by_path(wanted_path)
        .or_else(by_index)
        .or_else(|| by_path(&wanted_path.canonicalize().ok()?))?;
    i16::try_from(index).ok()
}

/// Undoes the octal escapes of a path.
fn unescape(path: &OsStr) -> std::ffi::OsString {
    let bytes = path.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(code);
            at += 4;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    std::ffi::OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(unescape(OsStr::new("/a\\040b\\134")), "/a b\\");
        assert_eq!(unescape(OsStr::new("/a\\04")), "/a\\04");
        assert_eq!(unescape(OsStr::new("/\\999")), "/\\999");
        assert_eq!(unescape(OsStr::new("")), "");
    }

    #[test]
    fn branches() {
        let paths = [
            PathBuf::from("/rw"),
            PathBuf::from("/ro"),
            PathBuf::from("0"),
        ];
        assert_eq!(find(&paths, OsStr::new("/ro")), Some(1));
        assert_eq!(find(&paths, OsStr::new("1")), Some(1));
        assert_eq!(find(&paths, OsStr::new("0")), Some(2));
        assert_eq!(find(&paths, OsStr::new("3")), None);
        assert_eq!(find(&paths, OsStr::new("/nosuch")), None);
        assert_eq!(find(&paths, OsStr::new("-1")), None);
    }
}
