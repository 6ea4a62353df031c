// SPDX-License-Identifier: GPL-2.0

//! `aufs2 diff`: what a branch adds to those below it, changes and deletes.

use crate::layers;
use crate::names::{self, Meaning};
use crate::union::{Branch, Union, lossy};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
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

/// Prints what the branch `wanted`, or the topmost one that is written to, makes of the union that `at` is
/// in; whether that is anything.
pub fn run(at: &Path, wanted: Option<&OsStr>, json: bool) -> Result<bool, String> {
    let (union, _) = Union::of(at)?;
    let branch = match wanted {
        Some(wanted) => union.branch(wanted)?,
        None => union.writable()?,
    };
    let mut changes = Vec::new();
    compare(&union.branches, branch, &mut |change, path| {
        changes.push((change, path.to_owned()));
    })?;
    changes.sort_by(|(_, a), (_, b)| a.cmp(b));
    let failed = |e: io::Error| format!("standard output: {e}");
    let mut out = io::stdout().lock();
    if json {
        let row = |(change, path): &(Change, PathBuf)| Row {
            change: *change,
            path: lossy(path),
        };
        let rows: Vec<Row> = changes.iter().map(row).collect();
        let text = serde_json::to_string(&rows).map_err(|e| e.to_string())?;
        writeln!(out, "{text}").map_err(failed)?;
    } else {
        for (change, path) in &changes {
            writeln!(out, "{} {}", change.letter(), path.display()).map_err(failed)?;
        }
    }
    Ok(!changes.is_empty())
}

/// Calls `tell` with what `branch` makes of those of `branches` that are below it. Paths begin with `/`.
pub fn compare(
    branches: &[Branch],
    branch: &Branch,
    tell: &mut dyn FnMut(Change, &Path),
) -> Result<(), String> {
    let below = &branches[branch.index + 1..];
    let root = branch
        .dir()
        .ok_or_else(|| format!("branch {branch} cannot be looked at from here"))?;
    if let Some(unknown) = below.iter().find(|branch| branch.dir().is_none()) {
        return Err(format!("branch {unknown} cannot be looked at from here"));
    }
    // Directories that are still to be read, instead of a call in a call for each.
    let mut dirs = vec![Dir {
        path: root.to_owned(),
        inside: PathBuf::new(),
        is_alone: branch.has_whiteouts() && names::is_opaque(root),
    }];
    while let Some(dir) = dirs.pop() {
        compare_dir(below, branch, &dir, &mut dirs, tell)?;
    }
    Ok(())
}

/// A directory of the branch.
struct Dir {
    path: PathBuf,
    /// The path in the union, relative to its root.
    inside: PathBuf,
    /// Whether nothing of those below it shows.
    is_alone: bool,
}

/// What there is of a directory below.
fn names_below(below: &[Branch], inside: &Path) -> BTreeMap<OsString, Metadata> {
    let mut names = BTreeMap::new();
    let found = layers::find(below, inside);
    for layer in found.shown().filter(|layer| layer.stat.is_dir()) {
        for entry in fs::read_dir(&layer.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if names::meaning(&name) == Meaning::Entry && !names.contains_key(&name) {
                let found = layers::find(below, &inside.join(&name));
                if let Some(top) = found.top() {
                    names.insert(name, top.stat.clone());
                }
            }
        }
    }
    names
}

fn compare_dir(
    below: &[Branch],
    branch: &Branch,
    dir: &Dir,
    dirs: &mut Vec<Dir>,
    tell: &mut dyn FnMut(Change, &Path),
) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", dir.path.display());
    let shown = |name: &OsStr| Path::new("/").join(&dir.inside).join(name);
    let mut names = names_below(below, &dir.inside);
    let counts = branch.has_whiteouts();
    let is_hidden = |name: &OsStr| counts && names::whiteout(&dir.path, name).is_some();
    let is_alone = dir.is_alone;
    for entry in fs::read_dir(&dir.path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if names::meaning(&name) != Meaning::Entry {
            continue;
        }
        let stat = fs::symlink_metadata(&path).map_err(failed)?;
        let before = names.remove(&name);
        let is_replaced =
            is_alone || is_hidden(&name) || stat.is_dir() && counts && names::is_opaque(&path);
        match before {
            None => tell(Change::Added, &shown(&name)),
            // A directory that is there for what is in it.
            Some(before) if !is_replaced && is_same_dir(&before, &stat) => {}
            Some(_) => tell(Change::Changed, &shown(&name)),
        }
        if stat.is_dir() {
            dirs.push(Dir {
                path,
                inside: dir.inside.join(&name),
                is_alone: is_replaced,
            });
        }
    }
    // What is left is below only.
    for name in names.keys() {
        if is_alone || is_hidden(name) {
            tell(Change::Deleted, &shown(name));
        }
    }
    Ok(())
}

/// Whether both are directories of the same owner and rights.
fn is_same_dir(a: &Metadata, b: &Metadata) -> bool {
    a.is_dir() && (a.mode(), a.uid(), a.gid()) == (b.mode(), b.uid(), b.gid())
}
