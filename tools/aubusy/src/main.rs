// SPDX-License-Identifier: GPL-2.0

//! `aubusy`: tells who keeps a branch of a mounted union from being removed.
//!
//! The union itself knows which of its objects need the branch, and `/proc` which
//! process uses which object. What has no process is not found: a mount in the
//! union, a loop device, a file that is held by the kernel.

mod control;
mod process;

use clap::Parser;
use control::Union;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Tells who keeps a branch of a union from being removed
#[derive(Debug, Parser)]
#[command(name = "aubusy", version, after_help = AFTER)]
struct Arguments {
    /// Where the union is mounted
    mountpoint: PathBuf,

    /// The branch: its path, or its index, 0 for the topmost one
    branch: std::ffi::OsString,

    /// Print the process ids only, each once
    #[arg(short, long)]
    quiet: bool,
}

const AFTER: &str = "\
Prints a line for each use: process id, command, how (fd N, cwd, root, exe, mapping)
and path.

Exit status: 0 if no process keeps the branch, 1 if one does, 2 if that cannot
be found out.";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(message) => {
            eprintln!("aubusy: {message}");
            ExitCode::from(2)
        }
    }
}

/// Prints who keeps the branch; whether anybody does.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let at = &arguments.mountpoint;
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
    let index = find(&paths, &arguments.branch)
        .ok_or_else(|| format!("{}: no such branch", Path::new(&arguments.branch).display()))?;
    let device = union.device().map_err(failed)?;
    // An inode is asked about once, however many use it.
    let mut known = HashMap::new();
    let mut busy = false;
    let processes = process::all().map_err(|e| format!("/proc: {e}"))?;
    let me = std::process::id();
    for pid in processes.into_iter().filter(|&pid| pid != me) {
        let mut here = false;
        for found in process::uses(pid, device) {
            let needs = if let Some(&needs) = known.get(&found.ino) {
                needs
            } else {
                let needs = union.is_busy(found.ino, index).map_err(failed)?;
                known.insert(found.ino, needs);
                needs
            };
            if needs && !arguments.quiet {
                let command = process::command(pid);
                println!("{pid} {command} {} {}", found.how, found.path.display());
            }
            here |= needs;
        }
        if here && arguments.quiet {
            println!("{pid}");
        }
        busy |= here;
    }
    Ok(busy)
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
