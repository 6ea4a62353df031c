// SPDX-License-Identifier: GPL-2.0

//! `aufs2 layers`: branches come, go and change, as by a remount.

use crate::status;
use crate::union::{At, Branch, Union, mount_of};
use aubusy::print::escaped;
use clap::Subcommand;
use mount_aufs2::branches::escape;
use mount_aufs2::{kernel, options};
use rustix::fs::{Mode, OFlags, open};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is to become of which branch.
#[derive(Debug, Subcommand)]
pub enum Layers {
    /// The branches, topmost first
    List {
        /// A path in the union
        union: PathBuf,
    },
    /// Add a branch
    Add {
        /// A path in the union
        union: PathBuf,
        /// The directory
        path: PathBuf,
        /// rw, ro, rr, with +wh and the like
        #[arg(short, long, default_value = "ro")]
        permission: String,
        /// Its index, 0 for the topmost one; without it, it is the lowest
        #[arg(short, long)]
        index: Option<usize>,
    },
    /// Remove a branch
    Del {
        /// A path in the union
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
    },
    /// Move a branch
    Move {
        /// A path in the union
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
        /// Its new index
        index: usize,
    },
    /// Change the permission of a branch
    Mod {
        /// A path in the union
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
        /// rw, ro, rr, with +wh and the like
        permission: String,
    },
}

/// Lists the branches of a union, or changes them.
pub fn run(layers: &Layers, json: bool) -> Result<(), String> {
    // None of these is open any more when the branches change: that would keep one.
    let of = |path: &Path| At::of(path).map(|at| at.union);
    let (union, option) = match layers {
        Layers::List { union } => return status::run(Some(union), json),
        Layers::Add {
            union,
            path,
            permission,
            index,
        } => {
            let path = std::path::absolute(path).map_err(|e| e.to_string())?;
            let path = escape(path.as_os_str().as_bytes());
            let verb = index.map_or("append".to_owned(), |index| format!("add:{index}"));
            let permission = word(permission)?;
            let option = [verb.as_bytes(), b":", &path, b"=", permission].concat();
            (of(union)?, option)
        }
        Layers::Del { union, branch } => {
            let union = of(union)?;
            let option = [b"del:", &*meant(&union, branch)?].concat();
            (union, option)
        }
        Layers::Move {
            union,
            branch,
            index,
        } => {
            let union = of(union)?;
            let index = index.to_string();
            let branch = meant(&union, branch)?;
            (union, [b"mv:", index.as_bytes(), b":", &branch].concat())
        }
        Layers::Mod {
            union,
            branch,
            permission,
        } => {
            let union = of(union)?;
            let branch = meant(&union, branch)?;
            (union, [b"mod:", &*branch, b"=", word(permission)?].concat())
        }
    };
    remount(&union, &option)
}

fn remount(union: &Union, option: &[u8]) -> Result<(), String> {
    let shown = escaped(&union.mountpoint);
    let failed = |e: io::Error| format!("{shown}: {e}");
    let there = open(
        &union.mountpoint,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| failed(e.into()))?;
    if mount_of(&there).map_err(failed)? != union.mount {
        return Err(format!("{shown}: something else is mounted over the union"));
    }
    // Here is nothing that the kernel could take a branch's index for.
    std::env::set_current_dir("/proc/self").map_err(|e| format!("/proc: {e}"))?;
    let text = [b"remount,", option].concat();
    let request = options::Request::parse(&text).map_err(|e| e.to_string())?;
    let manner = kernel::Manner {
        sloppy: false,
        verbose: false,
    };
    kernel::remount(&union.mountpoint, &request, manner).map_err(|e| e.to_string())
}

/// A permission, which is one word of an option.
fn word(permission: &str) -> Result<&[u8], String> {
    if permission.is_empty() || permission.contains([',', ':', '=', '\\']) {
        return Err(format!("{}: no permission", escaped(permission)));
    }
    Ok(permission.as_bytes())
}

/// What the kernel knows the branch by that is meant.
fn meant(union: &Union, wanted: &OsStr) -> Result<Vec<u8>, String> {
    let branch = union.branch(wanted)?;
    Ok(known_by(&union.branches, branch))
}

fn known_by(branches: &[Branch], branch: &Branch) -> Vec<u8> {
    let is_only = || branches.iter().filter(|b| b.path == branch.path).count() == 1;
    match branch.dir() {
        Some(dir) if is_only() => escape(dir.as_os_str().as_bytes()),
        // One that cannot be come to by its path, or not by that alone.
        _ => branch.index.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(word("ro+wh"), Ok(&b"ro+wh"[..]));
        for text in ["", "ro,del:/a", "ro:/b", "a=rw", "ro\\"] {
            assert!(word(text).is_err());
        }
    }

    #[test]
    fn what_a_branch_is_known_by() {
        let branch = |index, path: &str| Branch {
            index,
            id: None,
            path: PathBuf::from(path),
            permission: "ro".to_owned(),
        };
        let branches = [
            branch(0, "mem"),
            branch(1, "/"),
            branch(2, "/proc"),
            branch(3, "/"),
            branch(4, "(unreachable)/a"),
        ];
        let known: Vec<Vec<u8>> = branches.iter().map(|b| known_by(&branches, b)).collect();
        assert_eq!(known, [&b"0"[..], b"1", b"/proc", b"3", b"4"]);
    }
}
