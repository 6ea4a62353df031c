// SPDX-License-Identifier: GPL-2.0

//! `aufs2 diff --tar` and `--oci`: a branch as an archive.

use crate::archive::{Archive, What};
use crate::json;
use crate::layers::{self, Seen};
use crate::names::{self, Meaning, OPAQUE, PLINKS, PREFIX};
use crate::object::Object;
use crate::pseudo::{Means, Pseudo};
use crate::stop;
use crate::tree::{Tree, is_dir, with_above};
use crate::union::{At, is_union, lossy};
use aubusy::Root;
use aubusy::print::{complain, escaped};
use rustix::fs::{FileType, major, minor};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an archive is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The branch as it is: unpacked, it is one again.
    Tar,
    /// A layer of an OCI image.
    Oci,
}

/// What an archive has no room for.
#[derive(Debug, Serialize)]
struct Left {
    path: String,
    text: &'static str,
}

/// Writes what the branch `top` makes of those `below` it into the file `to`, or to the standard output if that is `-`.
pub fn run(
    at: &At,
    top: &Seen<'_>,
    below: &[Seen<'_>],
    format: Format,
    to: &Path,
    json: bool,
) -> Result<(), String> {
    let left = if to == Path::new("-") {
        if json {
            return Err(
                "the archive and the JSON cannot both go to the standard output".to_owned(),
            );
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let left = export(at, top, below, format, &mut out)?;
        let done = out.flush();
        done.map_err(|e| format!("standard output: {e}"))?;
        left
    } else {
        let target = Target::new(at, to)?;
        let mut out = BufWriter::new(&target.file);
        let left = export(at, top, below, format, &mut out)?;
        let failed = |e: io::Error| format!("{}: {e}", escaped(to));
        out.flush().map_err(failed)?;
        drop(out);
        target.finish().map_err(failed)?;
        left
    };
    if json {
        let told = |(path, text): &(PathBuf, &'static str)| Left {
            path: lossy(path),
            text,
        };
        let told: Vec<Left> = left.iter().map(told).collect();
        return json::print(&told);
    }
    for (path, text) in &left {
        complain("aufs2", &format!("{}: left out: {text}", escaped(path)));
    }
    Ok(())
}

/// The file that an archive goes to: what has its name stays until the archive is whole.
struct Target {
    file: File,
    /// What it is called meanwhile, and then, if it is not written to as it is.
    names: Option<(PathBuf, PathBuf)>,
}

impl Target {
    fn new(at: &At, to: &Path) -> Result<Self, String> {
        let failed = |e: io::Error| format!("{}: {e}", escaped(to));
        if fs::metadata(to).is_ok_and(|there| !there.is_file()) {
            // A pipe, or a device.
            let file = File::options().write(true).open(to).map_err(failed)?;
            return Ok(Self { file, names: None });
        }
        if fs::symlink_metadata(to).is_ok_and(|there| there.is_symlink()) {
            let target = fs::read_link(to).map_err(failed)?;
            let target = to.parent().unwrap_or(Path::new("")).join(target);
            let parent = std::path::absolute(&target).map_err(failed)?;
            let parent = parent.parent().unwrap_or(Path::new("/"));
            refuse_branches(at, &parent.canonicalize().map_err(failed)?, to)?;
            // The kernel knows whether that link is to be followed.
            let mut options = File::options();
            let file = options.write(true).create(true).truncate(false).open(to);
            let file = file.map_err(failed)?;
            let real = fs::canonicalize(to).map_err(failed)?;
            refuse_branches(at, real.parent().unwrap_or(Path::new("/")), to)?;
            file.set_len(0).map_err(failed)?;
            return Ok(Self { file, names: None });
        }
        let to_path = std::path::absolute(to).map_err(failed)?;
        let (Some(parent), Some(name)) = (to_path.parent(), to_path.file_name()) else {
            return Err(format!("{}: not a file", escaped(to)));
        };
        let parent = &parent.canonicalize().map_err(failed)?;
        refuse_branches(at, parent, to)?;
        let mut beside = OsString::from(format!(".aufs2-diff.{}.", std::process::id()));
        beside.push(name);
        let (beside, to_path) = (parent.join(beside), parent.join(name));
        let mut options = File::options();
        let file = options.write(true).create_new(true).open(&beside);
        let file = file.map_err(|e| format!("{}: {e}", escaped(&beside)))?;
        Ok(Self {
            file,
            names: Some((beside, to_path)),
        })
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some((beside, to)) = &self.names {
            self.file.sync_all()?;
            fs::rename(beside, to)?;
            self.names = None;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.names {
            // Half an archive is of no use. Where it cannot go, it stays, under a name that tells what it is.
            let _ = fs::remove_file(beside);
        }
    }
}

/// Refuses what is made in `dir`, which the user calls `shown`, if that is in a union, or on a branch of this one.
pub fn refuse_branches(at: &At, dir: &Path, shown: &Path) -> Result<(), String> {
    let shown = escaped(shown);
    let failed = |e: io::Error| format!("{shown}: {e}");
    let tree = Tree::open(dir).map_err(failed)?;
    if is_union(&tree) {
        return Err(format!("{shown}: in a union"));
    }
    let above = with_above(dir).map_err(failed)?;
    for branch in &at.union.branches {
        if branch.root.is_some_and(|root| above.contains(&root)) {
            return Err(format!("{shown}: on branch {branch}"));
        }
    }
    Ok(())
}

/// Writes the archive; what it has no room for.
fn export(
    at: &At,
    top: &Seen<'_>,
    below: &[Seen<'_>],
    format: Format,
    out: &mut dyn Write,
) -> Result<Vec<(PathBuf, &'static str)>, String> {
    let mut export = Export {
        at,
        top,
        below,
        format,
        archive: Archive::new(out),
        first: HashMap::new(),
        dirs: BTreeSet::new(),
        left: Vec::new(),
    };
    export.branch()?;
    if format == Format::Oci {
        export.pseudo_links()?;
    }
    let Export { archive, left, .. } = export;
    archive
        .finish()
        .map_err(|e| format!("the archive cannot be written: {e}"))?;
    Ok(left)
}

struct Export<'a, W: Write> {
    at: &'a At,
    top: &'a Seen<'a>,
    below: &'a [Seen<'a>],
    format: Format,
    archive: Archive<W>,
    /// What has several names: the one of them that is in the archive already.
    first: HashMap<Root, PathBuf>,
    /// The directories that are in the archive.
    dirs: BTreeSet<PathBuf>,
    left: Vec<(PathBuf, &'static str)>,
}

/// A directory that is to be looked at.
struct Dir {
    inside: PathBuf,
    /// Whether nothing of those below shows in it.
    is_alone: bool,
    /// Whether that began here.
    is_replaced: bool,
}

impl<W: Write> Export<'_, W> {
    fn branch(&mut self) -> Result<(), String> {
        let root = PathBuf::new();
        let is_alone = self.top.opaque(&root)?.is_some();
        if self.format == Format::Tar {
            self.object(&root, None)?;
        }
        // Directories that are still to be read, the next one last.
        let mut dirs = vec![Dir {
            inside: root,
            is_alone,
            is_replaced: is_alone,
        }];
        while let Some(dir) = dirs.pop() {
            let mut inner = match self.format {
                Format::Tar => self.as_it_is(&dir)?,
                Format::Oci => self.as_layer(&dir)?,
            };
            dirs.extend(inner.drain(..).rev());
        }
        Ok(())
    }

    /// What is in a directory, marks and all.
    fn as_it_is(&mut self, dir: &Dir) -> Result<Vec<Dir>, String> {
        let is_root = dir.inside.as_os_str().is_empty();
        let mut inner = Vec::new();
        let names = self.top.names(&dir.inside)?;
        // Marks first: who unpacks it as a layer takes away what was there before.
        let is_entry = |name: &OsString| names::meaning(name) == Meaning::Entry;
        let (entries, marks): (Vec<_>, Vec<_>) = names.into_iter().partition(is_entry);
        for name in marks {
            let path = dir.inside.join(&name);
            let Some(stat) = self.top.stat(&path)? else {
                continue;
            };
            match names::meaning(&name) {
                Meaning::Whiteout(_) | Meaning::Opaque if !is_dir(&stat) => {
                    self.mark(&path, b"", &stat)?;
                }
                Meaning::LongWhiteout => {
                    let hidden = names::long_name(&self.top.tree, &path);
                    let hidden = hidden.map_err(|e| self.top.failed(&path, &e))?;
                    match hidden {
                        Some(hidden) => self.mark(&path, hidden.as_bytes(), &stat)?,
                        None => self.leave(&path, "no name of more than 251 bytes is in it"),
                    }
                }
                Meaning::Reserved if is_root && name == PLINKS && is_dir(&stat) => {
                    self.object(&path, None)?;
                    for name in self.top.names(&path)? {
                        self.object(&path.join(name), None)?;
                    }
                }
                Meaning::Reserved if is_root || names::is_making(&name) => {}
                _ => self.leave(&path, "a reserved name that means nothing here"),
            }
        }
        for name in entries {
            let inside = dir.inside.join(&name);
            let stat = self.top.stat(&inside)?;
            let kind = stat.map(|stat| FileType::from_raw_mode(stat.st_mode));
            if kind.is_some_and(|kind| has_no_place(kind, 1).is_some())
                && layers::find(self.below, &inside)?.top().is_some()
            {
                // What it replaces is not to be there, either.
                if let (Some(stat), [place]) = (stat, &*names::places(&dir.inside, &name)) {
                    self.mark(place, b"", &stat)?;
                }
            }
            if self.object(&inside, None)? == Some(FileType::Directory) {
                inner.push(Dir {
                    inside,
                    is_alone: false,
                    is_replaced: false,
                });
            }
        }
        Ok(inner)
    }

    /// What is in a directory, as a layer has it.
    fn as_layer(&mut self, dir: &Dir) -> Result<Vec<Dir>, String> {
        let top = self.top;
        let mut entries = Vec::new();
        let mut hidden = BTreeSet::new();
        for name in top.names(&dir.inside)? {
            match names::meaning(&name) {
                Meaning::Entry => entries.push(name),
                Meaning::Whiteout(name) => {
                    hidden.insert(name.to_owned());
                }
                Meaning::LongWhiteout => {
                    let path = dir.inside.join(&name);
                    let name = names::long_name(&top.tree, &path);
                    hidden.extend(name.map_err(|e| top.failed(&path, &e))?);
                }
                Meaning::Opaque | Meaning::Reserved => {}
            }
        }
        // What is a whiteout by its name, and one that counts.
        let mut marks = BTreeSet::new();
        for name in hidden {
            if top.whiteout(&dir.inside, &name)?.is_some() {
                marks.insert(name);
            }
        }
        let mut stats = Vec::new();
        for name in entries {
            let inside = dir.inside.join(&name);
            let Some(stat) = top.stat(&inside)? else {
                continue;
            };
            let is_hidden = marks.remove(&name);
            if let Some(why) = has_no_place(FileType::from_raw_mode(stat.st_mode), stat.st_rdev) {
                self.leave(&inside, why);
                // What it replaces is not to be there, either.
                if is_hidden || layers::find(self.below, &inside)?.top().is_some() {
                    marks.insert(name);
                }
                continue;
            }
            stats.push((inside, stat, is_hidden));
        }
        if dir.is_replaced {
            let stat = self.stat_of(&dir.inside)?;
            self.mark(&dir.inside.join(OPAQUE), b"", &stat)?;
        }
        if !dir.is_alone {
            let stat = self.stat_of(&dir.inside)?;
            for name in &marks {
                let mut mark = OsString::from(OsStr::from_bytes(PREFIX));
                mark.push(name);
                self.mark(&dir.inside.join(mark), b"", &stat)?;
            }
        }
        let mut inner = Vec::new();
        for (inside, stat, is_hidden) in stats {
            if self.object(&inside, None)? == Some(FileType::Directory) && is_dir(&stat) {
                let is_replaced = !dir.is_alone && (is_hidden || top.opaque(&inside)?.is_some());
                inner.push(Dir {
                    inside,
                    is_alone: dir.is_alone || is_replaced,
                    is_replaced,
                });
            }
        }
        Ok(inner)
    }

    /// The names below that mean something on the branch, which a layer has no other way to say.
    fn pseudo_links(&mut self) -> Result<(), String> {
        let Some(pseudo) = Pseudo::of(self.at, self.top)? else {
            return Ok(());
        };
        let all = self
            .at
            .see(&self.at.union.branches[self.top.branch.index..])?;
        let mut nameless: HashMap<u64, PathBuf> = HashMap::new();
        let mut dirs = vec![layers::find(&all, Path::new(""))?];
        while let Some(dir) = dirs.pop() {
            let mut inner = Vec::new();
            for found in layers::names_in(&dir)?.into_values() {
                let Some(shown) = found.top() else {
                    continue;
                };
                let inside = shown.inside.clone();
                if shown.is_dir() {
                    inner.push(found);
                    continue;
                }
                if shown.seen.branch.index == self.top.branch.index {
                    continue;
                }
                let target = match pseudo.means(&inside, &shown.stat)? {
                    Means::Itself => continue,
                    Means::Copy(_, target) => target,
                    Means::Nameless(number, _) => {
                        let first = nameless.entry(number).or_insert_with(|| inside.clone());
                        first.clone()
                    }
                };
                self.dirs_above(&inside, &pseudo.live)?;
                let object = Object::at(&pseudo.live, &inside);
                let object = object.map_err(|e| self.top.failed(&inside, &e))?;
                if target == inside {
                    self.add(&inside, &object, What::Itself, &pseudo.live)?;
                } else {
                    let link = What::Link(target.as_os_str().as_bytes());
                    self.add(&inside, &object, link, &pseudo.live)?;
                }
            }
            dirs.extend(inner.into_iter().rev());
        }
        Ok(())
    }

    /// Has the directories that a path is in be in the archive.
    fn dirs_above(&mut self, inside: &Path, live: &Tree) -> Result<(), String> {
        let mut above: Vec<&Path> = inside.ancestors().skip(1).collect();
        above.reverse();
        for dir in above.into_iter().skip(1) {
            if !self.dirs.contains(dir) {
                self.object(dir, Some(live))?;
            }
        }
        Ok(())
    }

    /// Adds an object of the branch, or of another tree; what it is, if it is there.
    fn object(&mut self, inside: &Path, tree: Option<&Tree>) -> Result<Option<FileType>, String> {
        if stop::is_wanted() {
            return Err(stop::SAID.to_owned());
        }
        let tree = tree.unwrap_or(&self.top.tree);
        let mut object = match Object::at(tree, inside) {
            Ok(object) => object,
            // What has gone since the names were read is not there.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.top.failed(inside, &e)),
        };
        if let Some(why) = has_no_place(object.kind(), 1).filter(|_| self.format == Format::Tar) {
            self.leave(inside, why);
            return Ok(None);
        }
        if self.format == Format::Oci {
            // Where it is unpacked, things have labels of that system.
            object
                .looks
                .attributes
                .retain(|(name, _)| name != "security.selinux");
        }
        let identity = Root::of(&object.looks.stat);
        let first = object.has_names().then(|| self.first.get(&identity));
        if let Some(first) = first.flatten().cloned() {
            let target = What::Link(first.as_os_str().as_bytes());
            self.add(inside, &object, target, tree)?;
        } else {
            self.add(inside, &object, What::Itself, tree)?;
            if object.has_names() {
                self.first.insert(identity, inside.to_owned());
            }
        }
        Ok(Some(object.kind()))
    }

    fn add(
        &mut self,
        inside: &Path,
        object: &Object,
        what: What<'_>,
        tree: &Tree,
    ) -> Result<(), String> {
        let failed = |e: io::Error| self.top.failed(inside, &e);
        let mut name = inside.as_os_str().as_bytes().to_vec();
        if object.kind().is_dir() {
            if name.is_empty() {
                name.push(b'.');
            }
            name.push(b'/');
            self.dirs.insert(inside.to_owned());
        }
        let is_data = matches!(what, What::Itself) && object.kind().is_file();
        if is_data && object.looks.stat.st_size > 0 {
            let mut data = tree.file(inside).map_err(failed)?;
            object.is_this(&data).map_err(failed)?;
            let added = self.archive.add(&name, object, what, &mut data);
            added.map_err(failed)?;
            return object.is_still().map_err(failed);
        }
        let added = self.archive.add(&name, object, what, &mut io::empty());
        added.map_err(failed)
    }

    fn mark(&mut self, inside: &Path, text: &[u8], stat: &rustix::fs::Stat) -> Result<(), String> {
        let added = self
            .archive
            .add_mark(inside.as_os_str().as_bytes(), text, stat);
        added.map_err(|e| self.top.failed(inside, &e))
    }

    fn stat_of(&self, inside: &Path) -> Result<rustix::fs::Stat, String> {
        let gone = || self.top.failed(inside, &io::ErrorKind::NotFound.into());
        self.top.stat(inside)?.ok_or_else(gone)
    }

    fn leave(&mut self, inside: &Path, why: &'static str) {
        self.left.push((self.top.shown(inside), why));
    }
}

/// Why an archive has no place for a kind of object.
fn has_no_place(kind: FileType, device: u64) -> Option<&'static str> {
    match kind {
        FileType::Socket => Some("an archive has no sockets"),
        FileType::CharacterDevice if (major(device), minor(device)) == (0, 0) => {
            Some("who unpacks a layer takes the device 0/0 for a whiteout")
        }
        FileType::Unknown => Some("what it is is not known"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::tests::{Dice, fill, shown, with_permission};
    use crate::union::{Shows, Union};
    use rustix::io::Errno;
    use std::collections::BTreeMap;
    use std::io::Read;

    /// What is there when a layer is applied, as those who unpack images do it.
    fn apply(layer: &[u8], all: &mut BTreeMap<PathBuf, (bool, Vec<u8>)>) {
        let mut archive = tar::Archive::new(layer);
        let mut begun = BTreeSet::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("a good one");
            let path = PathBuf::from(OsStr::from_bytes(&entry.path_bytes()));
            let name = path.file_name().expect("a name").to_owned();
            let dir = path.parent().expect("a folder").to_owned();
            if name == OPAQUE {
                all.retain(|path, _| {
                    !path.starts_with(&dir) || path == &dir || begun.contains(path)
                });
            } else if let Some(name) = name.as_bytes().strip_prefix(PREFIX) {
                let gone = dir.join(OsStr::from_bytes(name));
                all.retain(|path, _| !path.starts_with(&gone));
            } else {
                let is_dir = entry.header().entry_type().is_dir();
                let mut data = Vec::new();
                entry.read_to_end(&mut data).expect("it is read");
                let before = all.get(&path).map(|(is_dir, _)| *is_dir);
                if before == Some(true) && !is_dir {
                    all.retain(|other, _| !other.starts_with(&path));
                }
                begun.insert(path.clone());
                all.insert(path, (is_dir, data));
            }
        }
    }

    /// Whatever is on the branches: the layer makes of those below what the union shows.
    #[test]
    fn as_it_is_applied() {
        let mut dice = Dice(11);
        for round in 0..300 {
            let permission = ["ro", "ro+wh"][round % 2];
            let ask = |branches: &[Seen<'_>]| {
                let union = Union {
                    mount: 1,
                    mountpoint: PathBuf::from("/u"),
                    si: "1".to_owned(),
                    options: String::new(),
                    branches: Vec::new(),
                };
                let at = At {
                    union,
                    inside: PathBuf::new(),
                    shows: Shows::Unknown,
                    is_dir: false,
                    control: Err(Errno::PERM),
                };
                let (top, below) = branches.split_first().expect("a branch");
                let mut layer = Vec::new();
                let left = export(&at, top, below, Format::Oci, &mut layer).expect("a layer");
                assert!(left.is_empty());
                let mut all = shown(below);
                apply(&layer, &mut all);
                assert_eq!(all, shown(branches), "round {round}");
            };
            with_permission("export", permission, |area| fill(area, &mut dice), ask);
        }
    }
}
