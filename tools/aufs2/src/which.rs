// SPDX-License-Identifier: GPL-2.0

//! `aufs2 which`: the branches that a path is on.

use crate::layers::{self, Layers, Why};
use crate::union::{Union, lossy};
use serde::Serialize;
use std::path::Path;

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Row {
    branch: usize,
    permission: String,
    path: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// Prints where `path` is, what shows first; whether anything shows.
pub fn run(path: &Path, json: bool) -> Result<bool, String> {
    let (union, inside) = Union::of(path)?;
    let found = layers::find(&union.branches, &inside);
    for branch in &found.unknown {
        eprintln!("aufs2: branch {branch} cannot be looked at from here");
    }
    let rows = rows(&found);
    if json {
        let text = serde_json::to_string(&rows).map_err(|e| e.to_string())?;
        println!("{text}");
    } else {
        for row in &rows {
            let by = row.by.as_ref().map(|by| format!(" by {by}"));
            let (index, permission) = (row.branch, &row.permission);
            let by = by.unwrap_or_default();
            println!("{index} {permission} {} {}{by}", row.path, row.state);
        }
    }
    Ok(found.top().is_some())
}

fn rows(found: &Layers<'_>) -> Vec<Row> {
    let mut is_first = true;
    let mut row = |layer: &layers::Layer<'_>| {
        let state = match (&layer.hidden, is_first) {
            (Some(_), _) => "hidden",
            (None, true) => "shown",
            (None, false) => "merged",
        };
        is_first = false;
        Row {
            branch: layer.branch.index,
            permission: layer.branch.permission.clone(),
            path: lossy(&layer.path),
            state,
            by: match &layer.hidden {
                Some(Why::Mark(mark)) => Some(lossy(mark)),
                _ => None,
            },
        }
    };
    found.layers.iter().map(&mut row).collect()
}
