// SPDX-License-Identifier: GPL-2.0

//! What processes have of a filesystem: descriptors, mappings, directories.

use rustix::fs::{AtFlags, CWD, major, makedev, minor, statat};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt;
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

/// Whether all processes there are can be seen: not from a process id namespace of its own, nor where `/proc` hides
/// those of others, or is not there. All means that the kernel's own are seen, too, of which the second process, that
/// makes the others, is always there.
pub fn sees_all() -> bool {
    fs::read("/proc/2/stat").is_ok_and(|stat| is_of_kernel(&stat))
}

/// Whether `/proc/PID/stat` is that of a thread of the kernel's.
fn is_of_kernel(stat: &[u8]) -> bool {
    const PF_KTHREAD: u32 = 0x0020_0000;
    // The name of the command, which may have anything in it, ends at the last parenthesis.
    let Some(at) = stat.iter().rposition(|&byte| byte == b')') else {
        return false;
    };
    let flags = stat[at..].split(|&byte| byte == b' ').nth(7);
    flags
        .and_then(|flags| std::str::from_utf8(flags).ok()?.parse::<u32>().ok())
        .is_some_and(|flags| flags & PF_KTHREAD != 0)
}

/// The name of a process's command.
pub fn command(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

/// What a process has of a filesystem.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// What could be seen.
    pub found: BTreeSet<Use>,
    /// Whether there may be more, which this user may not see.
    pub is_partial: bool,
}

impl Uses {
    /// What was looked at, if that could be done. What is not there is none: the process has ended, or is the
    /// kernel's.
    fn seen<T>(&mut self, looked: io::Result<T>) -> Option<T> {
        self.is_partial |= matches!(&looked, Err(e) if e.kind() == ErrorKind::PermissionDenied);
        looked.ok()
    }
}

/// What a process has of the filesystem with the given device number. A process that ends meanwhile
/// has nothing.
pub fn uses(pid: u32, device: u64) -> Uses {
    let base = PathBuf::from(format!("/proc/{pid}"));
    let mut uses = Uses::default();
    let links = [
        ("cwd", How::WorkingDirectory),
        ("root", How::Root),
        ("exe", How::Program),
    ];
    for (name, how) in links {
        let looked = link(&base.join(name), how, device);
        let found = uses.seen(looked).flatten();
        uses.found.extend(found);
    }
    let descriptors = uses.seen(fs::read_dir(base.join("fd")));
    for entry in descriptors.into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|n| n.parse().ok());
        if let Some(number) = number {
            let looked = link(&entry.path(), How::Descriptor(number), device);
            let found = uses.seen(looked).flatten();
            uses.found.extend(found);
        }
    }
    let maps = uses.seen(fs::read(base.join("maps"))).unwrap_or_default();
    uses.found.extend(
        maps.split(|&byte| byte == b'\n')
            .filter_map(|line| mapping(line, device)),
    );
    uses
}

/// What the link of a process leads to, if that is on the device.
fn link(path: &Path, how: How, device: u64) -> io::Result<Option<Use>> {
    let stat = statat(CWD, path, AtFlags::NO_AUTOMOUNT)?;
    Ok((stat.st_dev == device).then(|| Use {
        how,
        ino: stat.st_ino,
        path: fs::read_link(path).unwrap_or_default(),
    }))
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
        path: path_of_maps(rest.trim_ascii_start()),
    })
}

/// The kernel writes a newline in octal digits there, and nothing else.
fn path_of_maps(text: &[u8]) -> PathBuf {
    const NEWLINE: &[u8] = b"\\012";
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(NEWLINE) {
            path.push(b'\n');
            rest = after;
        } else {
            path.push(first);
            rest = after;
        }
    }
    PathBuf::from(OsString::from_vec(path))
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
        assert_eq!(path_of_maps(b"/a\\012b\\040"), Path::new("/a\nb\\040"));
        assert_eq!(mapping(line, makedev(0, 0x23)), None);
        assert_eq!(mapping(line, makedev(1, 0x22)), None);
    }

    #[test]
    fn threads_of_the_kernel() {
        let thread = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 24 0 0";
        assert!(is_of_kernel(thread));
        let process = b"2 (a) S 0 0 0 0 -1 2129984) S 1 2 2 0 -1 4194560 95 0 0 0";
        assert!(!is_of_kernel(process));
        assert!(!is_of_kernel(b"2 (kthreadd) S 0"));
        assert!(!is_of_kernel(b""));
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
        let uses = uses(std::process::id(), stat.st_dev);
        assert!(!uses.is_partial);
        assert!(
            uses.found
                .iter()
                .any(|u| u.how == How::Program && u.ino == stat.st_ino)
        );
    }
}
