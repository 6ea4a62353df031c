// SPDX-License-Identifier: GPL-2.0

//! What two branches are together, as a layer.

use crate::copy::Copies;
use crate::layers::{self, Layers, Seen};
use crate::names::{self, Meaning, OPAQUE, PLINKS};
use crate::pseudo::{self, Means, Pseudo};
use crate::stop;
use crate::tree::Tree;
use aubusy::Root;
use aubusy::print::escaped;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// What several names are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// On a branch.
    On(Root),
    /// In the union.
    Union(u64),
}

struct Merge<'a> {
    seen: &'a [Seen<'a>],
    copies: Copies<'a>,
    pseudo: Option<Pseudo>,
    /// Whether there are branches below that whiteouts are for.
    with_marks: bool,
    first: HashMap<Key, PathBuf>,
    /// Copies that names on the lower one mean, which are their names now: nothing has to say so any more.
    meant: HashSet<Root>,
    /// What the next whiteout is a link to.
    mark: Option<PathBuf>,
}

/// Makes in `tree` what the two branches `seen` are together; `with_marks` if whiteouts are for something, and
/// `is_lowest` if no branch is below them.
pub fn merge(
    pseudo: Option<Pseudo>,
    seen: &[Seen<'_>],
    tree: &Tree,
    with_marks: bool,
    is_lowest: bool,
) -> Result<(), String> {
    let failed = |e: io::Error| format!("the new layer: {e}");
    let mut merge = Merge {
        seen,
        copies: Copies::new(tree).map_err(failed)?,
        pseudo,
        with_marks,
        first: HashMap::new(),
        meant: HashSet::new(),
        mark: None,
    };
    merge.walk()?;
    if !is_lowest {
        merge.pseudo_links()?;
    }
    merge.copies.finish().map_err(failed)
}

/// A directory that is to be merged.
struct Dir<'a> {
    layers: Layers<'a>,
    /// Where it is.
    inside: PathBuf,
    /// Whether what is on branches below these is merged with it.
    is_open: bool,
}

impl<'a> Merge<'a> {
    fn walk(&mut self) -> Result<(), String> {
        let root = PathBuf::new();
        let layers = layers::find(self.seen, &root)?;
        let mut is_open = true;
        for layer in layers.shown() {
            is_open &= layer.seen.opaque(&root)?.is_none();
        }
        let top = &self.seen[0];
        self.copy(&top.tree, &root, &root, top)?;
        if !is_open && self.with_marks {
            self.whiteout(&root.join(OPAQUE), b"")?;
        }
        let mut dirs = vec![Dir {
            layers,
            inside: root,
            is_open,
        }];
        while let Some(dir) = dirs.pop() {
            let names = layers::names_in(&dir.layers)?;
            if dir.is_open && self.with_marks {
                for name in hidden(&dir)? {
                    if !names.contains_key(&name) {
                        self.hide(&dir.inside, &name)?;
                    }
                }
            }
            for (name, found) in names {
                if stop::is_wanted() {
                    return Err(stop::SAID.to_owned());
                }
                let Some(shown) = found.top() else {
                    continue;
                };
                let inside = dir.inside.join(&name);
                if !shown.is_dir() {
                    self.object(shown, &inside)?;
                    continue;
                }
                self.copy(&shown.seen.tree, &inside, &inside, shown.seen)?;
                let is_open = dir.is_open && !is_closed(&dir.layers, &found, &name)?;
                if dir.is_open && !is_open && self.with_marks {
                    self.whiteout(&inside.join(OPAQUE), b"")?;
                }
                dirs.push(Dir {
                    layers: found,
                    inside,
                    is_open,
                });
            }
        }
        Ok(())
    }

    /// Copies what is no directory, once for all of its names.
    fn object(&mut self, shown: &layers::Layer<'a>, inside: &Path) -> Result<(), String> {
        let is_below = shown.seen.branch.index > self.seen[0].branch.index;
        let means = match &self.pseudo {
            Some(pseudo) if is_below => pseudo.means(inside, &shown.stat)?,
            _ => Means::Itself,
        };
        let (key, from) = match means {
            Means::Itself if shown.stat.st_nlink < 2 => {
                return self.copy(&shown.seen.tree, inside, inside, shown.seen);
            }
            Means::Itself => (Key::On(Root::of(&shown.stat)), None),
            Means::Copy(root, path) => {
                self.meant.insert(root);
                (Key::On(root), Some(path))
            }
            Means::Nameless(number, root) => {
                self.meant.extend(root);
                (Key::Union(number), None)
            }
        };
        if let Some(first) = self.first.get(&key) {
            let linked = self.copies.link(first, inside);
            return linked.map_err(|e| self.seen[0].failed(inside, &e));
        }
        match (key, from, &self.pseudo) {
            (_, Some(path), _) => self.copy(&self.seen[0].tree, &path, inside, &self.seen[0])?,
            (Key::Union(_), None, Some(pseudo)) => {
                let copied = self.copies.copy(&pseudo.live, inside, inside);
                copied.map_err(|e| self.seen[0].failed(inside, &e))?;
            }
            _ => self.copy(&shown.seen.tree, inside, inside, shown.seen)?,
        }
        self.first.insert(key, inside.to_owned());
        Ok(())
    }

    fn copy(&mut self, tree: &Tree, from: &Path, to: &Path, seen: &Seen<'_>) -> Result<(), String> {
        let copied = self.copies.copy(tree, from, to);
        copied.map_err(|e| seen.failed(from, &e))
    }

    /// Hides a name of branches below.
    fn hide(&mut self, dir: &Path, name: &OsStr) -> Result<(), String> {
        let places = names::places(dir, name);
        if let [place] = &*places {
            return self.whiteout(place, b"");
        }
        for place in &places {
            let made = self.copies.mark(place, name.as_encoded_bytes());
            match made {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map_err(|e| self.seen[0].failed(place, &e)),
            }
        }
        Err(format!(
            "{}: too many names like it were deleted",
            escaped(&dir.join(name))
        ))
    }

    /// Makes a mark; one that is as another is that, by one more name.
    fn whiteout(&mut self, place: &Path, text: &[u8]) -> Result<(), String> {
        if let Some(mark) = self.mark.as_ref().filter(|_| text.is_empty()) {
            if self.copies.link(mark, place).is_ok() {
                return Ok(());
            }
        }
        let made = self.copies.mark(place, text);
        made.map_err(|e| self.seen[0].failed(place, &e))?;
        if text.is_empty() {
            self.mark = Some(place.to_owned());
        }
        Ok(())
    }

    /// Takes the pseudo-links along: some may be of what is on branches below these.
    fn pseudo_links(&mut self) -> Result<(), String> {
        let mut taken: BTreeSet<OsString> = BTreeSet::new();
        for seen in self.seen {
            let links = pseudo::listed(seen)?;
            for (path, stat) in links {
                let name = path.file_name().unwrap_or_default();
                if self.meant.contains(&Root::of(&stat)) || !taken.insert(name.to_owned()) {
                    continue;
                }
                if taken.len() == 1 {
                    let dir = Path::new(PLINKS);
                    self.copy(&seen.tree, dir, dir, seen)?;
                }
                let key = Key::On(Root::of(&stat));
                if let Some(first) = self.first.get(&key) {
                    let linked = self.copies.link(first, &path);
                    linked.map_err(|e| seen.failed(&path, &e))?;
                } else {
                    self.copy(&seen.tree, &path, &path, seen)?;
                    self.first.insert(key, path);
                }
            }
        }
        Ok(())
    }
}

/// The names in a directory that whiteouts hide which count.
fn hidden(dir: &Dir<'_>) -> Result<BTreeSet<OsString>, String> {
    let mut found = BTreeSet::new();
    for layer in dir.layers.shown().filter(|layer| layer.is_dir()) {
        let seen = layer.seen;
        for name in seen.names(&layer.inside)? {
            let name = match names::meaning(&name) {
                Meaning::Whiteout(name) => Some(name.to_owned()),
                Meaning::LongWhiteout => {
                    let path = layer.inside.join(&name);
                    let name = names::long_name(&seen.tree, &path);
                    name.map_err(|e| seen.failed(&path, &e))?
                }
                _ => None,
            };
            let Some(name) = name else {
                continue;
            };
            if seen.whiteout(&layer.inside, &name)?.is_some() {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

/// Whether nothing of branches below these shows in what `found` is of `name` in `dir`.
fn is_closed(dir: &Layers<'_>, found: &Layers<'_>, name: &OsStr) -> Result<bool, String> {
    for layer in dir.shown().filter(|layer| layer.is_dir()) {
        if layer.seen.whiteout(&layer.inside, name)?.is_some() {
            return Ok(true);
        }
        let index = layer.seen.branch.index;
        let mut there = found.0.iter();
        let Some(there) = there.find(|other| other.seen.branch.index == index) else {
            continue;
        };
        if !there.is_dir() || layer.seen.opaque(&there.inside)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::tests::{Dice, fill, shown, with_permission};
    use crate::union::Branch;

    /// Whatever is on three branches: the two above as one layer show the same, with the third one and alone.
    #[test]
    fn as_both_were() {
        let mut dice = Dice(7);
        for round in 0..300 {
            let permission = ["ro", "ro+wh"][round % 2];
            let ask = |branches: &[Seen<'_>]| {
                let area = branches[2].branch.path.parent().expect("a folder");
                for (path, lower) in [("new", &branches[2..]), ("alone", &[][..])] {
                    let path = area.join(path);
                    std::fs::create_dir(&path).expect("a folder");
                    let tree = Tree::open(&path).expect("a tree");
                    let with_marks = !lower.is_empty();
                    merge(None, &branches[..2], &tree, with_marks, !with_marks).expect("one layer");
                    let branch = Branch {
                        index: 0,
                        id: None,
                        path,
                        permission: "ro+wh".to_owned(),
                        root: None,
                    };
                    let mut after = vec![Seen {
                        branch: &branch,
                        tree,
                    }];
                    for seen in lower {
                        let tree = Tree::open(&seen.branch.path).expect("a tree");
                        after.push(Seen {
                            branch: seen.branch,
                            tree,
                        });
                    }
                    let before = if with_marks { branches } else { &branches[..2] };
                    assert_eq!(shown(&after), shown(before), "round {round}");
                }
            };
            with_permission("merge", permission, |area| fill(area, &mut dice), ask);
        }
    }
}
