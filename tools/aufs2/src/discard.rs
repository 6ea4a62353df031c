// SPDX-License-Identifier: GPL-2.0

//! `aufs2 discard`: throws away what the branch holds that is written to.

use crate::change::{self, Change};
use crate::copy;
use crate::diff;
use crate::json;
use crate::stop;
use crate::tree::Tree;
use crate::union::{Alone, At, Branch, Union, lossy, refuse_shared};
use aubusy::print::{complain, escaped, print};
use aubusy::{MEMORY, Root};
use serde::Serialize;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// What was thrown away.
#[derive(Serialize)]
struct Told {
    branch: usize,
    path: String,
    changes: usize,
}

/// The branch that is meant. Without a word it is the first one, if no other is written to: another one may have come
/// to be the topmost of these, where something was ended half way.
fn chosen<'a>(union: &'a Union, wanted: Option<&OsStr>) -> Result<&'a Branch, String> {
    if let Some(wanted) = wanted {
        let branch = union.branch(wanted)?;
        if !branch.is_writable() {
            return Err(format!("branch {branch}: is not written to"));
        }
        return Ok(branch);
    }
    let branch = union.writable()?;
    let written = union.branches.iter().filter(|branch| branch.is_writable());
    if written.count() > 1 || branch.index > 0 {
        return Err(format!(
            "branch {branch}: is not the first, or not the only one that is written to: say --branch {}",
            branch.index
        ));
    }
    Ok(branch)
}

/// Throws away what a branch has that is written to; whether that was wanted.
pub fn run(path: &Path, wanted: Option<&OsStr>, is_sure: bool, json: bool) -> Result<bool, String> {
    let (union, branch, changes, _alone) = {
        let at = At::of(path)?;
        let alone = Alone::new(&at.union)?;
        let branch = chosen(&at.union, wanted)?.clone();
        let changes = diff::count(&at, branch.index)?;
        // Nothing is open any more when the branch goes: that would keep it.
        (at.union, branch, changes, alone)
    };
    if union.branches.len() == 1 {
        return Err(format!("{branch}: it is the only branch"));
    }
    if !is_sure && !ask(&branch, changes)? {
        return Ok(false);
    }
    stop::on_signals()?;
    empty(&union, &branch)?;
    let (index, path) = (branch.index, escaped(&branch.path));
    if json {
        let told = [Told {
            branch: index,
            path: lossy(&branch.path),
            changes,
        }];
        json::print(&told)?;
    } else {
        print(|out| {
            writeln!(
                out,
                "branch {index}, {path}, is empty: {changes} changes are gone"
            )
        })?;
    }
    Ok(true)
}

/// Asks whether that is meant.
fn ask(branch: &Branch, changes: usize) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err("nobody can be asked whether that is meant: say --yes".to_owned());
    }
    let (index, path) = (branch.index, escaped(&branch.path));
    let question =
        format!("Throw away {changes} changes, all that is on branch {index}, {path}? [y/N] ");
    let mut err = io::stderr();
    let asked = err
        .write_all(question.as_bytes())
        .and_then(|()| err.flush());
    asked.map_err(|e| e.to_string())?;
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Takes a branch out of the union, which refuses that while it is in use, takes away what is on it, and puts it back. So
/// the union knows of it, and nobody changes what is taken away.
fn empty(union: &Union, branch: &Branch) -> Result<(), String> {
    refuse_shared(union, &[branch])?;
    if branch.path == Path::new(MEMORY) {
        let change = Change::of(Vec::new())
            .then(change::naming(branch, b"del:", b""))
            .then(change::adding(
                branch.index,
                Path::new(MEMORY),
                &branch.permission,
            )?);
        return change::remount(union, &change);
    }
    let tree = writable(branch)?;
    let root = tree.root().map_err(|e| e.to_string())?;
    change::remount(union, &change::naming(branch, b"del:", b""))?;
    // It may have come to be somebody else's since that was asked, and is none of this union's now.
    let cleared = refuse_shared(union, &[branch]).and_then(|()| clear(branch, &tree));
    drop(tree);
    // In any case: it is where it was, with what is left.
    back(union, branch, root)?;
    cleared
}

/// Puts a branch back that was taken out.
pub fn back(union: &Union, branch: &Branch, root: Root) -> Result<(), String> {
    let (index, path) = (branch.index, &branch.path);
    let is_there = Root::at(path) == Some(root);
    let added = if is_there {
        change::adding(index, path, &branch.permission)
            .and_then(|change| change::remount(union, &change))
    } else {
        Err(format!("{}: something else is there now", escaped(path)))
    };
    added.inspect_err(|_| {
        let (at, shown) = (escaped(&union.mountpoint), escaped(path));
        let permission = &branch.permission;
        complain(
            "aufs2",
            &format!(
                "{shown} is no branch any more: aufs2 layers add {at} {shown} --index {index} --permission {permission}"
            ),
        );
    })
}

/// What a branch is, by a path on which it can be changed.
pub fn writable(branch: &Branch) -> Result<Tree, String> {
    let failed = |e: io::Error| format!("branch {branch} cannot be changed: {e}");
    let tree = Tree::open(&branch.path).map_err(failed)?;
    if Some(tree.root().map_err(failed)?) != branch.root {
        return Err(format!(
            "branch {branch} cannot be changed: its path leads elsewhere"
        ));
    }
    Ok(tree)
}

/// Takes away all that is on a branch that is in no union any more.
pub fn clear(branch: &Branch, tree: &Tree) -> Result<(), String> {
    copy::clear(tree, &[]).map_err(|(inside, e)| {
        let path = crate::layers::shown(&branch.path, &inside);
        format!("{}: {e}", escaped(&path))
    })
}
