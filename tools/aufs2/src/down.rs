// SPDX-License-Identifier: GPL-2.0

//! `aufs2 down`: moves files to a lower branch that is written to.

use crate::json;
use crate::tree::is_file;
use crate::union::{At, Branch, Union, link_to, lossy};
use aubusy::control::{Moved, WhyNot, move_down};
use aubusy::print::{complain, escaped, print};
use clap::Args;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Which files, and how.
#[derive(Debug, Args)]
pub struct How {
    /// Files in unions
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Replace a file of that name on the lower branch
    #[arg(short, long)]
    overwrite: bool,
    /// Leave the file where it is, too
    #[arg(short, long)]
    keep: bool,
    /// Only if it is on this branch, by path or index
    #[arg(long, value_name = "BRANCH")]
    from: Option<OsString>,
    /// To this branch, by path or index; without it, to the next one that is written to
    #[arg(long, value_name = "BRANCH")]
    to: Option<OsString>,
}

/// What became of a file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told {
    /// It is there.
    Done {
        path: String,
        from: i16,
        to: i16,
        bottom: bool,
    },
    /// It is where it was.
    Failed { path: String, error: String },
}

/// Moves files down; whether all of them were.
pub fn run(how: &How, json: bool) -> Result<(), String> {
    let mut told = Vec::new();
    let mut failures = 0;
    for path in &how.paths {
        match one(path, how) {
            Ok((union, moved)) if json => {
                let _ = union;
                told.push(Told::Done {
                    path: lossy(path),
                    from: moved.upper,
                    to: moved.lower,
                    bottom: moved.is_bottom,
                });
            }
            Ok((union, moved)) => print(|out| {
                let name = |index: i16| {
                    let index = usize::try_from(index).ok();
                    let branch = index.and_then(|index| union.branches.get(index));
                    branch.map_or("?".to_owned(), |branch| escaped(&branch.path).to_string())
                };
                let (upper, lower) = (moved.upper, moved.lower);
                let (from, to) = (name(upper), name(lower));
                let path = escaped(path);
                writeln!(out, "{path}: branch {upper}, {from}, to {lower}, {to}")
            })?,
            Err(error) => {
                failures += 1;
                if json {
                    told.push(Told::Failed {
                        path: lossy(path),
                        error,
                    });
                } else {
                    complain("aufs2", &format!("{}: {error}", escaped(path)));
                }
            }
        }
    }
    if json {
        json::print(&told)?;
    }
    match (failures, how.paths.len()) {
        (0, _) => Ok(()),
        (failures, all) => Err(format!("{failures} of {all} files are where they were")),
    }
}

fn one(path: &Path, how: &How) -> Result<(Union, Moved), String> {
    let failed = |e: Errno| io::Error::from(e).to_string();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = open(path, flags, Mode::empty()).map_err(failed)?;
    if !is_file(&fstat(&found).map_err(failed)?) {
        return Err("not a regular file".to_owned());
    }
    let union = At::union_of(&found)?;
    let id = |wanted: &Option<OsString>| match wanted {
        Some(wanted) => {
            let branch: &Branch = union.branch(wanted)?;
            let id = branch.id.ok_or("the module is older than this program")?;
            Ok::<_, String>(Some(id))
        }
        None => Ok(None),
    };
    let (from, to) = (id(&how.from)?, id(&how.to)?);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(link_to(&found), flags, Mode::empty()).map_err(failed)?;
    drop(found);
    match move_down(&file, how.overwrite, how.keep, from, to) {
        Ok(moved) => Ok((union, moved)),
        Err((Errno::PERM, _)) => Err("files are moved down by root only".to_owned()),
        Err((_, WhyNot::Hidden)) => {
            Err("it is in a directory that is opaque above that branch".to_owned())
        }
        Err((_, WhyNot::Whiteout)) => Err("a whiteout is above that branch".to_owned()),
        Err((_, WhyNot::Between)) => Err("a branch in between has that name".to_owned()),
        Err((_, WhyNot::Bottom)) => Err("no branch below is written to".to_owned()),
        Err((_, WhyNot::NoUpper)) => Err("it is not on that branch".to_owned()),
        Err((_, WhyNot::NoLower)) => Err("the other branch is not below it".to_owned()),
        Err((e, WhyNot::Other)) => Err(failed(e)),
    }
}
