// SPDX-License-Identifier: GPL-2.0

//! `aufs2 diff`: what a branch adds to those below it, changes and deletes.

use crate::export::{self, Format};
use crate::json;
use crate::layers::{self, Layer, Layers, Seen};
use crate::names::{self, Meaning};
use crate::stop;
use crate::tree::is_dir;
use crate::union::{At, lossy};
use aubusy::print::{escaped, print};
use clap::Args;
use rustix::fs::Stat;
use serde::Serialize;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// There was nothing.
    #[serde(rename = "added")]
    Added,
    /// There was another object, or one with other attributes.
    #[serde(rename = "changed")]
    Changed,
    /// It does not show any more.
    #[serde(rename = "deleted")]
    Deleted,
}

impl Change {
    fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

#[derive(Serialize)]
struct Row {
    change: Change,
    path: String,
}

/// Where an archive goes, instead of the rows.
#[derive(Debug, Args)]
pub struct To {
    /// Write the branch as it is, marks and all, into a tar archive; - is the standard output
    #[arg(long, value_name = "FILE", conflicts_with = "oci")]
    tar: Option<PathBuf>,
    /// Write a layer of an OCI image
    #[arg(long, value_name = "FILE")]
    oci: Option<PathBuf>,
}

/// Prints what the branch `wanted`, or the topmost one that is written to, makes of the union that `at` is
/// in; whether that is anything.
pub fn run(at: &Path, wanted: Option<&OsStr>, to: &To, json: bool) -> Result<bool, String> {
    let at = At::of(at)?;
    let branch = match wanted {
        Some(wanted) => at.union.branch(wanted)?,
        None => at.union.writable()?,
    };
    let seen = at.see(&at.union.branches[branch.index..])?;
    let archive = [(Format::Tar, &to.tar), (Format::Oci, &to.oci)];
    let archive = archive
        .into_iter()
        .find_map(|(format, to)| Some((format, to.as_ref()?)));
    if let Some((format, to)) = archive {
        let (top, below) = seen.split_first().ok_or("the branch has just gone")?;
        stop::on_signals()?;
        export::run(&at, top, below, format, to, json)?;
        return Ok(false);
    }
    let mut changes = Vec::new();
    if let Some((top, below)) = seen.split_first() {
        compare(below, top, &mut |change, path| {
            changes.push((change, path.to_owned()));
        })?;
    }
    changes.sort_by(|(_, a), (_, b)| a.cmp(b));
    if json {
        let row = |(change, path): &(Change, PathBuf)| Row {
            change: *change,
            path: lossy(path),
        };
        let rows: Vec<Row> = changes.iter().map(row).collect();
        json::print(&rows)?;
    } else {
        print(|out| {
            let mut rows = changes.iter();
            rows.try_for_each(|(change, path)| {
                writeln!(out, "{} {}", change.letter(), escaped(path))
            })
        })?;
    }
    Ok(!changes.is_empty())
}

/// How much the branch at `index` makes of those below it.
pub fn count(at: &At, index: usize) -> Result<usize, String> {
    let seen = at.see(&at.union.branches[index..])?;
    let mut count = 0;
    if let Some((top, below)) = seen.split_first() {
        compare(below, top, &mut |_, _| count += 1)?;
    }
    Ok(count)
}

/// Calls `tell` with what the branch `top` makes of those `below` it. Paths begin with `/`.
pub fn compare<'a>(
    below: &'a [Seen<'a>],
    top: &Seen<'_>,
    tell: &mut dyn FnMut(Change, &Path),
) -> Result<(), String> {
    let root = PathBuf::new();
    // Directories that are still to be read, instead of a call in a call for each.
    let mut dirs = vec![Dir {
        is_alone: top.opaque(&root)?.is_some(),
        below: layers::find(below, &root)?,
        inside: root,
    }];
    while let Some(dir) = dirs.pop() {
        compare_dir(top, &dir, &mut dirs, tell)?;
    }
    Ok(())
}

/// A directory of the branch.
struct Dir<'a> {
    /// The path in the union, relative to its root.
    inside: PathBuf,
    /// What is there on those below.
    below: Layers<'a>,
    /// Whether nothing of those below it shows.
    is_alone: bool,
}

fn compare_dir<'a>(
    top: &Seen<'_>,
    dir: &Dir<'a>,
    dirs: &mut Vec<Dir<'a>>,
    tell: &mut dyn FnMut(Change, &Path),
) -> Result<(), String> {
    let shown = |name: &OsStr| Path::new("/").join(&dir.inside).join(name);
    let mut names = layers::names_in(&dir.below)?;
    let is_hidden = |name: &OsStr| Ok::<_, String>(top.whiteout(&dir.inside, name)?.is_some());
    for name in top.names(&dir.inside)? {
        if names::meaning(&name) != Meaning::Entry {
            continue;
        }
        let inside = dir.inside.join(&name);
        // What has gone since the names were read is no change.
        let Some(stat) = top.stat(&inside)? else {
            continue;
        };
        let is_replaced =
            dir.is_alone || is_hidden(&name)? || is_dir(&stat) && top.opaque(&inside)?.is_some();
        let below = names.remove(&name).unwrap_or_default();
        match below.top() {
            None => tell(Change::Added, &shown(&name)),
            // A directory that is there for what is in it.
            Some(before) if !is_replaced && is_same_dir(before, &stat) => {}
            Some(_) => tell(Change::Changed, &shown(&name)),
        }
        if is_dir(&stat) {
            dirs.push(Dir {
                inside,
                below,
                is_alone: is_replaced,
            });
            continue;
        }
        // What was in a directory that something else replaces.
        for name in layers::names_in(&below)?.keys() {
            tell(Change::Deleted, &Path::new("/").join(&inside).join(name));
        }
    }
    // What is left is below only.
    for name in names.keys() {
        if dir.is_alone || is_hidden(name)? {
            tell(Change::Deleted, &shown(name));
        }
    }
    Ok(())
}

/// Whether both are directories of the same owner and rights.
fn is_same_dir(before: &Layer<'_>, stat: &Stat) -> bool {
    let of = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid);
    is_dir(stat) && of(&before.stat) == of(stat)
}
