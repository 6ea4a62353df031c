// SPDX-License-Identifier: GPL-2.0

//! `aufs2 layers`: branches come, go and change, as by a remount.

use crate::status;
use crate::union::{Alone, At, Branch, Union, mount_of};
use aubusy::print::escaped;
use aubusy::{MEMORY, Root};
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
        /// The directory; "mem" is a new one in memory
        path: PathBuf,
        /// rw, ro, rr, with +wh and the like; without it, what the kernel gives one there
        #[arg(short, long)]
        permission: Option<String>,
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
    let (union, change) = match layers {
        Layers::List { union } => return status::run(Some(union), json),
        Layers::Add {
            union,
            path,
            permission,
            index,
        } => {
            let verb = index.map_or("append".to_owned(), |index| format!("add:{index}"));
            // Whatever it is called here, that is what it is known by when it is not there any more.
            let path = if path.as_os_str() == MEMORY {
                path.clone()
            } else {
                std::path::absolute(path).map_err(|e| e.to_string())?
            };
            let path = escape(path.as_os_str().as_bytes());
            let mut option = [verb.as_bytes(), b":", &path].concat();
            if let Some(permission) = permission {
                option.push(b'=');
                option.extend(word(permission)?);
            }
            (of(union)?, Change::of(option))
        }
        Layers::Del { union, branch } => {
            let union = of(union)?;
            let change = meant(&union, branch, b"del:", b"")?;
            (union, change)
        }
        Layers::Move {
            union,
            branch,
            index,
        } => {
            let union = of(union)?;
            let change = meant(&union, branch, format!("mv:{index}:").as_bytes(), b"")?;
            (union, change)
        }
        Layers::Mod {
            union,
            branch,
            permission,
        } => {
            let union = of(union)?;
            let after = [b"=", word(permission)?].concat();
            let change = meant(&union, branch, b"mod:", &after)?;
            (union, change)
        }
    };
    let _alone = Alone::new(&union)?;
    remount(&union, &change)?;
    // What has become of them.
    if json {
        status::run(Some(&union.mountpoint), json)
    } else {
        Ok(())
    }
}

/// A change, as an option of a remount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    option: Vec<u8>,
    /// Whether the branch is named by its index, which is to be taken for nothing else.
    is_by_index: bool,
}

impl Change {
    /// What an option says.
    pub fn of(option: Vec<u8>) -> Self {
        Self {
            option,
            is_by_index: false,
        }
    }

    /// This one, and then another: of both, or of none, is the union changed.
    pub fn then(mut self, other: Self) -> Self {
        if !self.option.is_empty() {
            self.option.push(b',');
        }
        self.option.extend(other.option);
        self.is_by_index |= other.is_by_index;
        self
    }
}

/// A change of `branch`, between what stands before it and after it.
pub fn naming(branch: &Branch, before: &[u8], after: &[u8]) -> Change {
    let path = branch.path.as_os_str();
    let is_there = branch.root.is_some() && Root::at(&branch.path) == branch.root;
    let is_by_path = path == MEMORY || branch.path.is_absolute() && is_there;
    let text = if is_by_path {
        escape(path.as_bytes())
    } else {
        format!("+{}", branch.index).into_bytes()
    };
    Change {
        option: [before, &text, after].concat(),
        is_by_index: !is_by_path,
    }
}

/// The branch at `path`, which is absolute or that in memory, comes.
pub fn adding(index: usize, path: &Path, permission: &str) -> Result<Change, String> {
    let path = escape(path.as_os_str().as_bytes());
    let verb = format!("add:{index}:");
    let option = [verb.as_bytes(), &path, b"=", word(permission)?].concat();
    Ok(Change::of(option))
}

/// Has the kernel make a change.
pub fn remount(union: &Union, change: &Change) -> Result<(), String> {
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
    if change.is_by_index {
        // Here is nothing that the kernel could take it for.
        std::env::set_current_dir("/proc/self").map_err(|e| format!("/proc: {e}"))?;
    }
    let text = [b"remount,", &*change.option].concat();
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

/// A change of the branch that is meant, between what stands before it and after it. A path that leads to a branch is for
/// the kernel to find, which is the one to know if it still does; so is what nothing is known of.
fn meant(union: &Union, wanted: &OsStr, before: &[u8], after: &[u8]) -> Result<Change, String> {
    let is_number = wanted.as_bytes().iter().all(u8::is_ascii_digit);
    let found = union.branch(wanted);
    let index = match found {
        _ if wanted == MEMORY => None,
        Err(e) if is_number => return Err(e),
        Err(_) => None,
        Ok(branch) => {
            let is_there = branch.root.is_some() && Root::at(Path::new(wanted)) == branch.root;
            (is_number || !is_there).then_some(branch.index)
        }
    };
    let text = match index {
        // Written as a path is not: a branch may have been given as `2`.
        Some(index) => format!("+{index}").into_bytes(),
        None => escape(wanted.as_bytes()),
    };
    Ok(Change {
        option: [before, &text, after].concat(),
        is_by_index: index.is_some(),
    })
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
    fn what_the_kernel_is_given() {
        let root = Root::at(Path::new("/proc"));
        assert!(root.is_some());
        let branch = |index, path: &str, root| Branch {
            index,
            id: None,
            path: PathBuf::from(path),
            permission: "ro".to_owned(),
            root,
        };
        let union = Union {
            mount: 1,
            mountpoint: PathBuf::from("/u"),
            si: "1".to_owned(),
            options: String::new(),
            branches: vec![
                branch(0, "mem", None),
                branch(1, "/proc", None),
                branch(2, "/elsewhere", root),
            ],
        };
        let given = |wanted: &str| {
            let change = meant(&union, OsStr::new(wanted), b"mod:", b"=ro").expect("it is meant");
            String::from_utf8(change.option).expect("text")
        };
        // What is there goes before what was.
        assert_eq!(given("/proc"), "mod:/proc=ro");
        assert_eq!(given("/elsewhere"), "mod:+2=ro");
        assert_eq!(given("/no/a=b"), "mod:/no/a\\=b=ro");
        assert_eq!(given("mem"), "mod:mem=ro");
        assert_eq!(given("0"), "mod:+0=ro");
        assert!(meant(&union, OsStr::new("3"), b"del:", b"").is_err());
    }
}
