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
use crate::layers::Seen;
use crate::merge::merge;
use crate::names::COMMIT;
use crate::pseudo::{self, Pseudo};
use crate::stop;
use crate::tree::Tree;
use crate::union::{Alone, At, Branch, Union, branches, lossy, mount_of, refuse_shared};
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
use std::os::unix::fs::MetadataExt;
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
    if how.to.is_none() && !how.swap {
        // The union would go on with the old layer, and what it deletes of what was committed would be there again.
        return Err(
            "say --swap, to have the union use the new layer, or --to, where to make one"
                .to_owned(),
        );
    }
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
    made.finish(&place)?;
    let permission = permission(&below, with_marks);
    // A directory of it is open, which may be on a branch that goes.
    drop(at);
    if how.swap {
        unchanged(&union)?;
        refuse_shared(&union, &[&top, &below])?;
    }
    if place.is_old {
        // With what is above it shows the same as the old one.
        place.exchange()?;
    }
    if how.swap {
        let swapped = unchanged(&union);
        let swapped = swapped.and_then(|()| swap(&union, &top, &below, &place.path, &permission));
        if let Err(e) = swapped {
            if place.is_old {
                place.exchange()?;
                place.discard(false);
                return Err(e);
            }
            let path = escaped(&place.path);
            return Err(format!("{path} is made, and the union is as it was: {e}"));
        }
        frozen.is_over = true;
        emptied(&union, &top)?;
        if place.is_old {
            place.discard(true);
        }
    }
    drop(frozen);
    tell(&place.path, &permission, how.swap, json)
}

fn tell(path: &Path, permission: &str, swapped: bool, json: bool) -> Result<(), String> {
    if json {
        let told = [Told {
            path: lossy(path),
            permission: permission.to_owned(),
            swapped,
        }];
        let text = serde_json::to_string(&told).map_err(|e| e.to_string())?;
        return print(|out| writeln!(out, "{text}"));
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
    let mut names = top.names(Path::new(""))?.into_iter();
    Ok(names.all(|name| name.as_encoded_bytes().starts_with(b".wh..wh.")))
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

/// Refuses if the branches are not those that they were, or somebody may write to the first that was written to.
fn unchanged(union: &Union) -> Result<(), String> {
    let now = branches(&union.si)?;
    let ids = |branches: &[Branch]| branches.iter().map(|b| (b.id, b.root)).collect::<Vec<_>>();
    let is_same = ids(&now) == ids(&union.branches);
    let was_written = union.branches.iter().position(Branch::is_writable);
    let is_written = now.iter().position(Branch::is_writable);
    if is_same && (is_written.is_none() || is_written > was_written) {
        return Ok(());
    }
    Err("somebody has changed the branches meanwhile".to_owned())
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
            format!("the new layer is whole, and is {beside}; it cannot be {path}: {e}")
        })?;
        self.settle()
    }

    /// Takes away what is beside the layer by now: the old one, or the new one after all.
    fn discard(&self, is_old: bool) {
        match Tree::open(&self.beside) {
            Ok(tree) if (tree.root().ok() == self.old) != is_old => complain(
                "aufs2",
                &format!("{}: something else is there now", escaped(&self.beside)),
            ),
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

/// Refuses a directory in which others than root can put something in the place of a layer.
fn refuse_open(parent: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", escaped(parent));
    let stat = parent.metadata().map_err(failed)?;
    if stat.uid() == 0 && stat.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(format!(
        "{}: others can write there, and no layer is made in it",
        escaped(parent)
    ))
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
