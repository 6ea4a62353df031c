// SPDX-License-Identifier: GPL-2.0

//! `aufs2 commit`: makes one layer of the branch that is written to and the one below it.
//!
//! What is made is beside the old ones until it is whole, and on the disk. Then names are exchanged, or the branches of
//! the union, one step each; between any two of them the union shows the same, now and when it is mounted anew. What
//! was there before goes last.

use crate::change::{self, Change};
use crate::copy;
use crate::diff;
use crate::discard::{back, clear, writable};
use crate::export::refuse_branches;
use crate::merge::merge;
use crate::names::COMMIT;
use crate::pseudo::Pseudo;
use crate::stop;
use crate::tree::Tree;
use crate::union::{At, Branch, Union, lossy, mount_of};
use aubusy::print::{complain, escaped, print};
use aubusy::{MEMORY, Root};
use clap::Args;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, mkdirat, open, renameat_with, syncfs, unlinkat,
};
use rustix::io::Errno;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// What the names begin with of what is made beside a layer.
const BESIDE: &str = ".aufs2-commit.";

/// What is beside a layer that is called `name` while it is made.
pub fn beside(name: &OsStr) -> OsString {
    let mut beside = OsString::from(BESIDE);
    beside.push(name);
    beside
}

fn is_beside(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(BESIDE.as_bytes())
}

/// Where the layer goes.
#[derive(Debug, Args)]
pub struct How {
    /// Make a new layer here, and leave the one below as it is
    #[arg(long, value_name = "DIRECTORY")]
    to: Option<PathBuf>,
    /// Have the union use the new layer, and begin with an empty branch above it
    #[arg(long)]
    swap: bool,
}

/// What has been done.
#[derive(Debug, Serialize)]
struct Told {
    path: String,
    permission: String,
    swapped: bool,
    /// What the union goes on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
}

/// Where the new layer is made, and where it goes.
struct Place {
    /// The directory that both are in.
    parent: PathBuf,
    /// Where it is made.
    beside: PathBuf,
    /// Where it goes.
    path: PathBuf,
    /// Whether the old layer is there.
    is_old: bool,
}

/// Makes one layer of the topmost branch that is written to and the one below.
pub fn run(path: &Path, how: &How, json: bool) -> Result<(), String> {
    let at = At::of(path)?;
    let top = at.union.writable()?.clone();
    let below = at.union.branches.get(top.index + 1);
    let below = below.ok_or_else(|| format!("branch {top}: no branch is below it"))?;
    let below = below.clone();
    if below.is_writable() {
        let at = escaped(&at.union.mountpoint);
        let index = below.index;
        return Err(format!(
            "branch {below}: is written to as well: aufs2 layers mod {at} {index} ro+wh"
        ));
    }
    let place = Place::new(&at, &below, how.to.as_deref())?;
    if how.swap {
        // What cannot be done is not begun.
        if top.path != Path::new(MEMORY) {
            writable(&top)?;
        }
        free(&at, &top)?;
        free(&at, &below)?;
    }
    if diff::count(&at, top.index)? == 0 && how.to.is_none() {
        let text = format!("branch {top}: nothing to commit");
        return if json {
            print(|out| writeln!(out, "[]"))
        } else {
            print(|out| writeln!(out, "{text}"))
        };
    }
    stop::on_signals()?;
    let union = at.union.clone();
    let mut frozen = Frozen::new(&union, &top)?;
    let is_lowest = below.index + 1 == at.union.branches.len();
    let with_marks = !is_lowest || below.has_whiteouts();
    let made = Made::new(&place)?;
    {
        let seen = at.see(&at.union.branches[top.index..=below.index])?;
        // Whiteouts count as they did, whatever the permission is meanwhile.
        let top = seen.first().ok_or("the branch has just gone")?;
        let pseudo = Pseudo::of(&at, top)?;
        merge(pseudo, &seen, &made.tree, with_marks, is_lowest)?;
    }
    made.finish(&place)?;
    let permission = permission(&below, with_marks);
    // A directory of it is open, which may be on a branch that goes.
    drop(at);
    let mut old = None;
    if place.is_old {
        // With what is above it shows the same as the old one.
        place.exchange()?;
    }
    if how.swap {
        if let Err(e) = swap(&union, &top, &below, &place.path, &permission) {
            if place.is_old {
                place.exchange()?;
                place.discard();
                return Err(e);
            }
            let path = escaped(&place.path);
            return Err(format!("{path} is made, and the union is as it was: {e}"));
        }
        frozen.is_over = true;
        emptied(&union, &top)?;
        if place.is_old {
            place.discard();
        }
    } else if place.is_old {
        old = Some(place.beside.clone());
    }
    drop(frozen);
    tell(&place.path, &permission, how.swap, old.as_deref(), json)
}

fn tell(
    path: &Path,
    permission: &str,
    swapped: bool,
    old: Option<&Path>,
    json: bool,
) -> Result<(), String> {
    if json {
        let told = [Told {
            path: lossy(path),
            permission: permission.to_owned(),
            swapped,
            old: old.map(lossy),
        }];
        let text = serde_json::to_string(&told).map_err(|e| e.to_string())?;
        return print(|out| writeln!(out, "{text}"));
    }
    print(|out| {
        let path = escaped(path);
        writeln!(out, "{path} is the new layer, to be mounted {permission}")?;
        if let Some(old) = old {
            let old = escaped(old);
            writeln!(
                out,
                "the union goes on with the old one, which is {old} now"
            )?;
        }
        Ok(())
    })
}

impl Place {
    fn new(at: &At, below: &Branch, to: Option<&Path>) -> Result<Self, String> {
        let shown = to.unwrap_or(&below.path);
        let text = escaped(shown);
        let failed = |e: io::Error| format!("{text}: {e}");
        let path = match to {
            Some(to) => std::path::absolute(to).map_err(failed)?,
            None => below.path.clone(),
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(format!("{text}: no layer can be made there"));
        };
        let parent = parent.canonicalize().map_err(failed)?;
        if to.is_some() {
            if path.symlink_metadata().is_ok() {
                return Err(format!("{text}: it is there already"));
            }
        } else {
            let is_left = Root::at(&parent.join(beside(name))) == below.root;
            if is_left && below.root.is_some() || is_beside(name) {
                return Err(format!(
                    "{text}: the union uses what was there before a commit: mount it anew, or say --to"
                ));
            }
            writable(below).map_err(|e| format!("{e}: say --to"))?;
            let mount = |path: &Path| {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                mount_of(&open(path, flags, Mode::empty())?)
            };
            if mount(&parent).map_err(failed)? != mount(&path).map_err(failed)? {
                return Err(format!(
                    "{text}: it is mounted there, and nothing can take its place: say --to"
                ));
            }
        }
        refuse_branches(at, &parent, shown)?;
        let beside = parent.join(beside(name));
        if beside.symlink_metadata().is_ok() {
            return Err(format!(
                "{}: is left of another commit, or one is under way: aufs2 check tells more",
                escaped(&beside)
            ));
        }
        Ok(Self {
            path: parent.join(name),
            parent,
            beside,
            is_old: to.is_none(),
        })
    }

    /// Has the new layer and the old one be called as the other one was.
    fn exchange(&self) -> Result<(), String> {
        let exchanged = renameat_with(CWD, &self.beside, CWD, &self.path, RenameFlags::EXCHANGE);
        exchanged.map_err(|e| {
            let (beside, path) = (escaped(&self.beside), escaped(&self.path));
            let e = io::Error::from(e);
            format!("the new layer is whole, and is {beside}; it cannot be {path}: {e}")
        })?;
        self.settle()
    }

    /// Takes away what is beside the layer by now.
    fn discard(&self) {
        match Tree::open(&self.beside) {
            Ok(tree) => take_away(&self.beside, &tree),
            Err(e) => complain("aufs2", &format!("{}: {e}", escaped(&self.beside))),
        }
    }

    /// Has the names be on the disk.
    fn settle(&self) -> Result<(), String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let synced = open(&self.parent, flags, Mode::empty()).and_then(fsync);
        synced.map_err(|e| format!("{}: {}", escaped(&self.parent), io::Error::from(e)))
    }
}

/// Refuses a branch that somebody uses.
fn free(at: &At, branch: &Branch) -> Result<(), String> {
    let index = OsString::from(branch.index.to_string());
    // A directory may be called so; this one is meant.
    let wanted = if Root::at(Path::new(&index)).is_some() {
        branch.path.clone().into_os_string()
    } else {
        index
    };
    let holders = aubusy::holders_of(at.ask()?, &at.union.mountpoint, &wanted)?;
    let Some(first) = holders.first() else {
        return Ok(());
    };
    let more = match holders.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(format!("branch {branch} is busy: {first}{more}"))
}

/// A branch that nobody writes to by the union, until this goes.
struct Frozen<'a> {
    union: &'a Union,
    branch: Branch,
    is_over: bool,
}

impl<'a> Frozen<'a> {
    fn new(union: &'a Union, branch: &Branch) -> Result<Self, String> {
        change::remount(union, &change::naming(branch, b"mod:", b"=ro+wh"))?;
        Ok(Self {
            union,
            branch: branch.clone(),
            is_over: false,
        })
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let permission = &self.branch.permission;
        let after = [b"=", permission.as_bytes()].concat();
        let again = change::remount(self.union, &change::naming(&self.branch, b"mod:", &after));
        if let Err(e) = again {
            let (at, index) = (escaped(&self.union.mountpoint), self.branch.index);
            complain(
                "aufs2",
                &format!("{e}: the branch stays ro+wh: aufs2 layers mod {at} {index} {permission}"),
            );
        }
    }
}

/// A layer in the making, which goes if it does not get finished.
struct Made {
    tree: Tree,
    beside: Option<PathBuf>,
}

impl Made {
    fn new(place: &Place) -> Result<Self, String> {
        let failed = |e: Errno| format!("{}: {}", escaped(&place.beside), io::Error::from(e));
        mkdirat(CWD, &place.beside, Mode::RWXU).map_err(failed)?;
        let beside = Some(place.beside.clone());
        let tree = Tree::open(&place.beside);
        let tree = tree.map_err(|e| format!("{}: {e}", escaped(&place.beside)))?;
        Ok(Self { tree, beside })
    }

    /// Has all be on the disk, and be no layer in the making any more.
    fn finish(mut self, place: &Place) -> Result<(), String> {
        let done = || -> io::Result<()> {
            let root: OwnedFd = self.tree.dir(Path::new(""))?;
            syncfs(&root)?;
            unlinkat(&root, COMMIT, AtFlags::empty())?;
            fsync(&root)?;
            if !place.is_old {
                let (from, to) = (&place.beside, &place.path);
                renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
            }
            Ok(())
        };
        done().map_err(|e| format!("{}: {e}", escaped(&place.path)))?;
        self.beside = None;
        place.settle()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let Some(beside) = &self.beside else {
            return;
        };
        take_away(beside, &self.tree);
    }
}

/// Takes a tree away; what stays of it is told of.
fn take_away(path: &Path, tree: &Tree) {
    // Its mark goes last.
    let cleared = copy::clear(tree, &[COMMIT]).map_err(|(_, e)| e);
    let gone = cleared.and_then(|()| copy::clear(tree, &[]).map_err(|(_, e)| e));
    let gone = gone.and_then(|()| Ok(unlinkat(CWD, path, AtFlags::REMOVEDIR)?));
    if let Err(e) = gone {
        complain("aufs2", &format!("{}: is left there: {e}", escaped(path)));
    }
}

/// Has the union use `layer` instead of both branches.
fn swap(
    union: &Union,
    top: &Branch,
    below: &Branch,
    layer: &Path,
    permission: &str,
) -> Result<(), String> {
    let mut change = Change::default()
        .then(change::naming(below, b"del:", b""))
        .then(change::naming(top, b"del:", b""))
        .then(change::adding(top.index, layer, permission)?);
    if top.path == Path::new(MEMORY) {
        let again = change::adding(top.index, &top.path, &top.permission)?;
        change = change.then(again);
    }
    change::remount(union, &change)
}

/// Takes away what is on the branch that was the topmost one, which is in the layer below by now, and puts it back.
fn emptied(union: &Union, top: &Branch) -> Result<(), String> {
    if top.path == Path::new(MEMORY) {
        return Ok(());
    }
    let tree = writable(top);
    let cleared = tree.and_then(|tree| clear(top, &tree));
    let root = top.root.ok_or("the module is older than this program")?;
    back(union, top, root)?;
    cleared
}

/// What the new layer is to be mounted with.
fn permission(below: &Branch, with_marks: bool) -> String {
    let mut words = below.permission.split('+');
    // What is written by this program is no filesystem that nobody writes to.
    words.next();
    let mut text = "ro".to_owned();
    if with_marks {
        text += "+wh";
    }
    for word in words.filter(|word| *word != "wh") {
        text.push('+');
        text += word;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions() {
        let of = |text: &str, with_marks| {
            let branch = Branch {
                index: 1,
                id: None,
                path: PathBuf::from("/b"),
                permission: text.to_owned(),
                root: None,
            };
            permission(&branch, with_marks)
        };
        assert_eq!(of("ro", false), "ro");
        assert_eq!(of("ro", true), "ro+wh");
        assert_eq!(of("rr+wh+icex", true), "ro+wh+icex");
        assert_eq!(of("ro+icexusr", true), "ro+wh+icexusr");
    }
}
