// SPDX-License-Identifier: GPL-2.0

//! `aufs2 which`: the branches that a path is on.

use crate::json;
use crate::layers::{self, Layer, Layers, Why};
use crate::names;
use crate::union::{At, Shows, lossy};
use aubusy::print::{escaped, print};
use rustix::fs::{FileType, Stat};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A line of the answer.
#[derive(Debug)]
struct Row {
    branch: usize,
    permission: String,
    path: PathBuf,
    state: &'static str,
    by: Option<PathBuf>,
}

/// The same in JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    branch: usize,
    permission: &'a str,
    path: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// Prints where `path` is, what shows first; whether anything shows.
pub fn run(path: &Path, json: bool) -> Result<bool, String> {
    let at = At::named(path)?;
    let seen = at.see(&at.union.branches)?;
    let is_reserved = names::is_reserved(&at.inside);
    if is_reserved && at.union.has_option("shwh") {
        let path = escaped(path);
        return Err(format!(
            "{path}: a reserved name, which the union shows as it is mounted with shwh"
        ));
    }
    let mut found = if is_reserved {
        Layers::default()
    } else {
        layers::find(&seen, &at.inside)?
    };
    if at.is_dir {
        found.0.retain(Layer::is_dir);
    }
    let shows = found.top().is_some();
    // What was made on a branch directly is not seen then, as long as the name is in the cache.
    let is_stale = at.union.has_option("udba=none");
    let is_so = match (&at.shows, found.top()) {
        (Shows::Unknown, _) => true,
        (Shows::Nothing, top) => top.is_none(),
        (Shows::This(there), top) => top.is_some_and(|top| is_same(there, &top.stat, is_stale)),
    };
    if !is_reserved && !is_so {
        let path = escaped(path);
        return Err(format!(
            "{path}: the union shows otherwise: a branch was changed, and that is not seen yet"
        ));
    }
    let rows = rows(&found);
    if json {
        let told: Vec<Told<'_>> = rows.iter().map(Row::told).collect();
        json::print(&told)?;
    } else {
        print(|out| {
            for row in &rows {
                let (index, permission, path) = (row.branch, &row.permission, escaped(&row.path));
                write!(out, "{index} {permission} {path} {}", row.state)?;
                if let Some(by) = &row.by {
                    write!(out, " by {}", escaped(by))?;
                }
                writeln!(out)?;
            }
            Ok(())
        })?;
    }
    Ok(shows)
}

/// Whether what the union shows is what a branch has, by its kind, and `closely` by what else of a file can be seen from
/// outside. That may change meanwhile.
fn is_same(shown: &Stat, there: &Stat, closely: bool) -> bool {
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    let of = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    let is_file = kind(shown).is_file();
    kind(shown) == kind(there) && (!is_file || !closely || of(shown) == of(there))
}

impl Row {
    fn told(&self) -> Told<'_> {
        Told {
            branch: self.branch,
            permission: &self.permission,
            path: lossy(&self.path),
            state: self.state,
            by: self.by.as_deref().map(lossy),
        }
    }
}

fn rows(found: &Layers<'_>) -> Vec<Row> {
    let mut is_first = true;
    let row = |layer: &Layer<'_>| {
        let state = match (&layer.hidden, is_first) {
            (Some(_), _) => "hidden",
            (None, true) => "shown",
            (None, false) => "merged",
        };
        is_first = false;
        Row {
            branch: layer.seen.branch.index,
            permission: layer.seen.branch.permission.clone(),
            path: layer.seen.shown(&layer.inside),
            state,
            by: match &layer.hidden {
                Some(Why::Mark(mark)) => Some(mark.clone()),
                _ => None,
            },
        }
    };
    found.0.iter().map(row).collect()
}
