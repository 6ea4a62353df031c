// SPDX-License-Identifier: GPL-2.0

//! What processes have of a filesystem: descriptors, mappings, directories.

use rustix::fs::{AtFlags, CWD, major, makedev, minor, statat};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How a process uses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Its working directory.
    WorkingDirectory,
    /// Its root directory.
    Root,
    /// The program that it runs.
    Program,
    /// A descriptor.
    Descriptor(u32),
    /// A mapping.
    Mapping,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WorkingDirectory => f.write_str("cwd"),
            Self::Root => f.write_str("root"),
            Self::Program => f.write_str("exe"),
            Self::Descriptor(number) => write!(f, "fd {number}"),
            Self::Mapping => f.write_str("mapping"),
        }
    }
}

/// A use of an object on the filesystem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// How it is used.
    pub how: How,
    /// The number of the inode.
    pub ino: u64,
    /// The path, as the process has it.
    pub path: PathBuf,
}

/// The numbers of the processes there are.
pub fn all() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids)
}

/// The name of a process's command.
pub fn command(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

/// What a process has of the filesystem with the given device number. A process that ends meanwhile
/// has nothing.
pub fn uses(pid: u32, device: u64) -> BTreeSet<Use> {
    let base = PathBuf::from(format!("/proc/{pid}"));
    let mut found = BTreeSet::new();
    let links = [
        ("cwd", How::WorkingDirectory),
        ("root", How::Root),
        ("exe", How::Program),
    ];
    for (name, how) in links {
        found.extend(link(&base.join(name), how, device));
    }
    for entry in fs::read_dir(base.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let number = entry.file_name().to_str().and_then(|n| n.parse().ok());
        if let Some(number) = number {
            found.extend(link(&entry.path(), How::Descriptor(number), device));
        }
    }
    let maps = fs::read(base.join("maps")).unwrap_or_default();
    found.extend(
        maps.split(|&byte| byte == b'\n')
            .filter_map(|line| mapping(line, device)),
    );
    found
}

/// What the link of a process leads to, if that is on the device.
fn link(path: &Path, how: How, device: u64) -> Option<Use> {
    let stat = statat(CWD, path, AtFlags::NO_AUTOMOUNT).ok()?;
    (stat.st_dev == device).then(|| Use {
        how,
        ino: stat.st_ino,
        path: fs::read_link(path).unwrap_or_default(),
    })
}

/// What a line of `/proc/PID/maps` says, if that is on the device.
fn mapping(line: &[u8], device: u64) -> Option<Use> {
    // Five fields, and a path behind blanks, which may have blanks in it.
    let mut rest = line;
    let mut fields = [&b""[..]; 5];
    for field in &mut fields {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&byte| byte == b' ');
        (*field, rest) = rest.split_at(end.unwrap_or(rest.len()));
    }
    let text = |field| std::str::from_utf8(field).ok();
    let (high, low) = text(fields[3])?.split_once(':')?;
    let hexadecimal = |number| u32::from_str_radix(number, 16).ok();
    let on = makedev(hexadecimal(high)?, hexadecimal(low)?);
    // The kernel prints the number of a device as it counts, stat(2) as it packs.
    if (major(on), minor(on)) != (major(device), minor(device)) {
        return None;
    }
    Some(Use {
        how: How::Mapping,
        ino: text(fields[4])?.parse().ok()?,
        path: PathBuf::from(std::ffi::OsStr::from_bytes(rest.trim_ascii_start())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps() {
        let line = b"7f7f502d1000-7f7f502fc000 r-xp 0000f000 00:22 51                /mnt/a b";
        let expected = Use {
            how: How::Mapping,
            ino: 51,
            path: PathBuf::from("/mnt/a b"),
        };
        assert_eq!(mapping(line, makedev(0, 0x22)), Some(expected));
        assert_eq!(mapping(line, makedev(0, 0x23)), None);
        assert_eq!(mapping(line, makedev(1, 0x22)), None);
    }

    #[test]
    fn lines_that_are_none() {
        for line in [
            &b""[..],
            b" ",
            b"x",
            b"a b c d e f",
            b"a b c 0:0 x",
            b"a b c zz:1 1",
        ] {
            assert_eq!(mapping(line, makedev(0, 0)), None);
        }
        let anonymous = b"7ffd0f5c6000-7ffd0f5e7000 rw-p 00000000 00:00 0                  [stack]";
        assert_eq!(mapping(anonymous, makedev(0, 0x22)), None);
    }

    #[test]
    fn this_process_uses_its_program() {
        let stat = statat(CWD, "/proc/self/exe", AtFlags::empty()).unwrap();
        let found = uses(std::process::id(), stat.st_dev);
        assert!(
            found
                .iter()
                .any(|u| u.how == How::Program && u.ino == stat.st_ino)
        );
    }
}
