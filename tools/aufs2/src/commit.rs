// SPDX-License-Identifier: GPL-2.0

//! `aufs2 commit`: makes one layer of the branch that is written to and the one below it.
//!
//! What is made is beside the old ones until it is whole, and on the disk. Then names are exchanged, or the branches of
//! the union, one step each; between any two of them the union shows the same, now and when it is mounted anew. What
//! was there before goes last.

use crate::change::{self, Change};
use crate::copy;
use crate::discard::{back, clear, writable};
use crate::export::refuse_branches;
use crate::json;
use crate::layers::Seen;
use crate::merge::merge;
use crate::names::{self, COMMIT, Meaning};
use crate::pseudo::{self, Pseudo};
use crate::stop;
use crate::tree::Tree;
use crate::union::{Alone, At, Branch, Union, branches, lossy, mount_of, refuse_shared};
use aubusy::print::{complain, escaped, print};
use aubusy::{MEMORY, Root};
use clap::Args;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, mkdirat, open, openat, renameat_with, syncfs,
    unlinkat,
};
use rustix::io::Errno;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the names begin with of what is made beside a layer.
const BESIDE: &str = ".aufs2-commit.";

/// What a branch is meanwhile.
const FROZEN: &str = "ro+wh";

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
#[group(required = true, multiple = true)]
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
    /// What the old layer is.
    old: Option<Root>,
}

/// Makes one layer of the topmost branch that is written to and the one below.
pub fn run(path: &Path, how: &How, json: bool) -> Result<(), String> {
    // Without both the union would go on with the old layer, and what it deletes of what was committed would be there again.
    let at = At::of(path)?;
    let _alone = Alone::new(&at.union)?;
    if at.union.has_option("privmap=snapshot") {
        return Err("with privmap=snapshot no branch can be kept as it is for a while".to_owned());
    }
    let top = at.union.writable()?.clone();
    let below = at.union.branches.get(top.index + 1);
    let below = below.ok_or_else(|| format!("branch {top}: no branch is below it"))?;
    let below = below.clone();
    refuse_shared(&at.union, &[&top, &below])?;
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
    if how.to.is_none() && is_empty(&at, &top)? {
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
    made.try_exchange(&place)?;
    {
        let seen = at.see(&at.union.branches[top.index..=below.index])?;
        // Whiteouts count as they did, whatever the permission is meanwhile.
        let top = seen.first().ok_or("the branch has just gone")?;
        let pseudo = Pseudo::of(&at, top)?;
        if pseudo.is_some() {
            let below = seen.last().ok_or("the branch has just gone")?;
            refuse_chained(below)?;
        }
        merge(pseudo, &seen, &made.tree, with_marks, is_lowest)?;
    }
    unchanged(&union, &top)?;
    refuse_shared(&union, &[&top, &below])?;
    made.finish(&place)?;
    let permission = permission(&below, with_marks);
    // A directory of it is open, which may be on a branch that goes.
    drop(at);
    if place.is_old {
        // With what is above it shows the same as the old one.
        place
            .exchange()
            .inspect_err(|_| frozen.stays_if_exchanged(&place))?;
    }
    if how.swap {
        let swapped = unchanged(&union, &top);
        let swapped = swapped.and_then(|()| swap(&union, &top, &below, &place.path, &permission));
        if let Err(e) = swapped {
            if place.is_old {
                let again = place.exchange();
                again
                    .map_err(|again| format!("{e}; {again}"))
                    .inspect_err(|_| frozen.stays_if_exchanged(&place))?;
                place.discard(false)?;
                return Err(e);
            }
            let path = escaped(&place.path);
            return Err(format!("{path} is made, and the union is as it was: {e}"));
        }
        frozen.is_over = true;
        let emptied = emptied(&union, &top);
        let gone = if place.is_old {
            place.discard(true)
        } else {
            Ok(())
        };
        let path = escaped(&place.path);
        emptied
            .and(gone)
            .map_err(|e| format!("{path} is the new layer, and the union uses it; {e}"))?;
    }
    frozen.thaw()?;
    tell(&place.path, &permission, how.swap, json)
}

fn tell(path: &Path, permission: &str, swapped: bool, json: bool) -> Result<(), String> {
    if json {
        let told = [Told {
            path: lossy(path),
            permission: permission.to_owned(),
            swapped,
        }];
        return json::print(&told);
    }
    print(|out| {
        let path = escaped(path);
        writeln!(out, "{path} is the new layer, to be mounted {permission}")
    })
}

/// Whether nothing is on a branch but what is the union's own.
fn is_empty(at: &At, top: &Branch) -> Result<bool, String> {
    let seen = at.see(std::slice::from_ref(top))?;
    let top = seen.first().ok_or("the branch has just gone")?;
    let names = top.names(Path::new(""))?;
    let is_ours = |name: &OsString| names::meaning(name) == Meaning::Reserved;
    Ok(names.iter().all(is_ours) && pseudo::listed(top)?.is_empty())
}

/// Refuses a layer that has pseudo-links, under a branch that has them, too: a name may mean a copy of a copy.
fn refuse_chained(below: &Seen<'_>) -> Result<(), String> {
    if pseudo::listed(below)?.is_empty() {
        return Ok(());
    }
    let index = below.branch.index;
    Err(format!(
        "branch {index} has pseudo-links, and so has the one above it: which copy a name means cannot be kept"
    ))
}

/// Refuses if the branches are not those that they were, with `top` one that nobody writes to.
fn unchanged(union: &Union, top: &Branch) -> Result<(), String> {
    let mut expected = union.branches.clone();
    if let Some(top) = expected.get_mut(top.index) {
        FROZEN.clone_into(&mut top.permission);
    }
    let mut now = branches(&union.si)?;
    // Mounted as aufs, it shows them where they are now, which an exchange changes.
    for (now, expected) in now.iter_mut().zip(&expected) {
        now.path.clone_from(&expected.path);
    }
    if now == expected {
        Ok(())
    } else {
        Err("somebody has changed the branches meanwhile".to_owned())
    }
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
            if below.index + 1 < at.union.branches.len() && !below.has_whiteouts() {
                return Err(format!(
                    "branch {below}: would have whiteouts, and is mounted without +wh: say --to"
                ));
            }
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
        refuse_open(&parent)?;
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
            old: below.root,
        })
    }

    /// Has the new layer and the old one be called as the other one was.
    fn exchange(&self) -> Result<(), String> {
        let [here, beside] = [&self.path, &self.beside].map(|path| Root::at(path));
        if here.is_none() || beside.is_none() || (here != self.old) == (beside != self.old) {
            let path = escaped(&self.path);
            return Err(format!("{path}: something else is there now"));
        }
        let exchanged = renameat_with(CWD, &self.beside, CWD, &self.path, RenameFlags::EXCHANGE);
        exchanged.map_err(|e| {
            let (beside, path) = (escaped(&self.beside), escaped(&self.path));
            let e = io::Error::from(e);
            format!("{beside} and {path} cannot be exchanged: {e}")
        })?;
        self.settle().inspect_err(|_| {
            // Nobody is to find names that may be others after a crash; whether that succeeds is asked by who wants to know.
            let _ = renameat_with(CWD, &self.beside, CWD, &self.path, RenameFlags::EXCHANGE);
        })
    }

    /// Whether the new layer has the name of the old one.
    fn is_exchanged(&self) -> bool {
        self.is_old && Root::at(&self.beside) == self.old
    }

    /// Takes away what is beside the layer by now: the old one, or the new one after all.
    fn discard(&self, is_old: bool) -> Result<(), String> {
        let failed = |e: io::Error| format!("{}: {e}", escaped(&self.beside));
        let tree = Tree::open(&self.beside).map_err(failed)?;
        if (tree.root().map_err(failed)? == self.old.ok_or_else(unknown)?) != is_old {
            return Err(format!(
                "{}: something else is there now",
                escaped(&self.beside)
            ));
        }
        take_away(&self.beside, &tree)
    }

    /// Has the names be on the disk.
    fn settle(&self) -> Result<(), String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let synced = open(&self.parent, flags, Mode::empty()).and_then(fsync);
        synced.map_err(|e| format!("{}: {}", escaped(&self.parent), io::Error::from(e)))
    }
}

/// Refuses a directory in which others than root can put something in the place of a layer, or of a directory that it is
/// in.
fn refuse_open(parent: &Path) -> Result<(), String> {
    for dir in parent.ancestors() {
        let failed = |e: io::Error| format!("{}: {e}", escaped(dir));
        let stat = dir.metadata().map_err(failed)?;
        // In a sticky one, what is root's stays what it is.
        if stat.uid() != 0 || stat.mode() & 0o022 != 0 && stat.mode() & 0o1000 == 0 {
            let dir = escaped(dir);
            return Err(format!(
                "{dir}: others can write there, and no layer is made in it"
            ));
        }
    }
    Ok(())
}

/// The error where sysfs does not say what a branch is.
fn unknown() -> String {
    "the module is older than this program".to_owned()
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
        let after = [b"=", FROZEN.as_bytes()].concat();
        change::remount(union, &change::naming(branch, b"mod:", &after))?;
        Ok(Self {
            union,
            branch: branch.clone(),
            is_over: false,
        })
    }
}

impl Frozen<'_> {
    /// Nobody is to write to the branch, if the union uses a layer that has not the name any more: what is deleted then
    /// would be there again when it is mounted anew.
    fn stays_if_exchanged(&mut self, place: &Place) {
        if place.is_exchanged() {
            self.is_over = true;
            let at = escaped(&self.union.mountpoint);
            complain(
                "aufs2",
                &format!("{at}: nobody can write until it is mounted anew"),
            );
        }
    }

    /// Lets them write again.
    fn thaw(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        if core::mem::replace(&mut self.is_over, true) {
            return Ok(());
        }
        let permission = &self.branch.permission;
        let after = [b"=", permission.as_bytes()].concat();
        let again = change::remount(self.union, &change::naming(&self.branch, b"mod:", &after));
        again.map_err(|e| {
            let (at, index) = (escaped(&self.union.mountpoint), self.branch.index);
            format!("{e}: the branch stays {FROZEN}: aufs2 layers mod {at} {index} {permission}")
        })
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            complain("aufs2", &e);
        }
    }
}

/// A layer in the making, which goes if it does not get finished.
struct Made {
    tree: Tree,
    /// Its root: whatever cannot be written of it from here on, it tells.
    root: OwnedFd,
    beside: Option<PathBuf>,
}

impl Made {
    fn new(place: &Place) -> Result<Self, String> {
        let failed = |e: Errno| format!("{}: {}", escaped(&place.beside), io::Error::from(e));
        mkdirat(CWD, &place.beside, Mode::RWXU).map_err(failed)?;
        let beside = Some(place.beside.clone());
        let made = || {
            let tree = Tree::open(&place.beside)?;
            let root = tree.dir(Path::new(""))?;
            mark(&root)?;
            Ok(Self { tree, root, beside })
        };
        made().map_err(|e: io::Error| {
            let _ = unlinkat(CWD, &place.beside, AtFlags::REMOVEDIR);
            format!("{}: {e}", escaped(&place.beside))
        })
    }

    /// Finds out whether names can be exchanged there, if that is to be done, before anything is copied.
    fn try_exchange(&self, place: &Place) -> Result<(), String> {
        if !place.is_old {
            return Ok(());
        }
        let names = [".wh..wh.1", ".wh..wh.2"];
        let tried = || {
            for name in names {
                mkdirat(&self.root, name, Mode::RWXU)?;
            }
            let [one, two] = names;
            let exchanged = renameat_with(&self.root, one, &self.root, two, RenameFlags::EXCHANGE);
            for name in names {
                unlinkat(&self.root, name, AtFlags::REMOVEDIR)?;
            }
            exchanged
        };
        tried().map_err(|e| {
            let (at, e) = (escaped(&place.parent), io::Error::from(e));
            format!("{at}: names cannot be exchanged there: {e}: say --to")
        })
    }

    /// Has all be on the disk, and be no layer in the making any more.
    fn finish(mut self, place: &Place) -> Result<(), String> {
        let done = || -> io::Result<()> {
            syncfs(&self.root)?;
            unlinkat(&self.root, COMMIT, AtFlags::empty())?;
            fsync(&self.root)?;
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
        if let Err(e) = take_away(beside, &self.tree) {
            complain("aufs2", &e);
        }
    }
}

/// Marks what is not whole, on the disk.
fn mark(root: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::RGRP | Mode::ROTH;
    fsync(openat(root, COMMIT, flags, mode)?)?;
    Ok(fsync(root)?)
}

/// Takes a tree away, which is not whole from now on.
fn take_away(path: &Path, tree: &Tree) -> Result<(), String> {
    let marked = tree.dir(Path::new("")).and_then(|root| mark(&root));
    // The mark goes last.
    let cleared = marked.and_then(|()| copy::clear(tree, &[COMMIT]).map_err(|(_, e)| e));
    let gone = cleared.and_then(|()| copy::clear(tree, &[]).map_err(|(_, e)| e));
    let gone = gone.and_then(|()| Ok(unlinkat(CWD, path, AtFlags::REMOVEDIR)?));
    gone.map_err(|e| format!("{}: is left there: {e}", escaped(path)))
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
    let root = top.root.ok_or_else(unknown)?;
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
