// SPDX-License-Identifier: GPL-2.0

//! What a path of a union is on its branches: as the union finds it, read from the branches.

use crate::names::{self, Meaning, opaque, whiteout};
use crate::tree::{Tree, is_dir};
use crate::union::Branch;
use aubusy::print::escaped;
use rustix::fs::Stat;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

/// A branch that is looked at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The branch.
    pub branch: &'a Branch,
    /// What is on it.
    pub tree: Tree,
}

impl Seen<'_> {
    /// What a path in it is called.
    pub fn shown(&self, inside: &Path) -> PathBuf {
        shown(&self.branch.path, inside)
    }

    /// What is said when something cannot be looked at.
    pub fn failed(&self, inside: &Path, error: &io::Error) -> String {
        format!("{}: {error}", escaped(&self.shown(inside)))
    }

    /// What a path in it is; none if nothing is there.
    pub fn stat(&self, inside: &Path) -> Result<Option<Stat>, String> {
        let looked = self.tree.stat(inside);
        looked.map_err(|e| self.failed(inside, &e))
    }

    /// The names in a directory in it.
    pub fn names(&self, inside: &Path) -> Result<Vec<OsString>, String> {
        let looked = self.tree.names(inside);
        looked.map_err(|e| self.failed(inside, &e))
    }

    /// The whiteout of a name in a directory in it, if there is one that counts.
    pub fn whiteout(&self, dir: &Path, name: &OsStr) -> Result<Option<PathBuf>, String> {
        if !self.branch.has_whiteouts() {
            return Ok(None);
        }
        let looked = whiteout(&self.tree, dir, name);
        looked.map_err(|e| self.failed(dir, &e))
    }

    /// The mark of an opaque directory in it, if it has one that counts.
    pub fn opaque(&self, dir: &Path) -> Result<Option<PathBuf>, String> {
        if !self.branch.has_whiteouts() {
            return Ok(None);
        }
        let looked = opaque(&self.tree, dir);
        looked.map_err(|e| self.failed(dir, &e))
    }
}

/// The path `inside` a directory.
pub fn shown(root: &Path, inside: &Path) -> PathBuf {
    if inside.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(inside)
    }
}

/// An object on a branch.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// The branch.
    pub seen: &'a Seen<'a>,
    /// Where it is on that.
    pub inside: PathBuf,
    /// What it is.
    pub stat: Stat,
    /// Why it does not show, if so.
    pub hidden: Option<Why>,
}

impl Layer<'_> {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        is_dir(&self.stat)
    }
}

/// What keeps an object from showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// One on a branch above it.
    Above,
    /// A whiteout, or the mark of an opaque directory.
    Mark(PathBuf),
}

/// What a path is on all branches.
#[derive(Clone, Debug, Default)]
pub struct Layers<'a>(
    /// Topmost first; what shows is ahead of what does not.
    pub Vec<Layer<'a>>,
);

impl<'a> Layers<'a> {
    /// What shows, and what is merged with it.
    pub fn shown(&self) -> impl Iterator<Item = &Layer<'a>> {
        self.0.iter().filter(|layer| layer.hidden.is_none())
    }

    /// What shows.
    pub fn top(&self) -> Option<&Layer<'a>> {
        self.shown().next()
    }

    /// From directories to what `name` is in them.
    pub fn step(&self, name: &OsStr) -> Result<Self, String> {
        let mut layers: Vec<Layer<'a>> = Vec::new();
        let mut hidden: Option<Why> = None;
        for dir in self.0.iter().filter(|dir| dir.is_dir()) {
            let seen = dir.seen;
            // What is in a directory that does not show does not, either.
            let hidden_here = dir.hidden.clone().or_else(|| hidden.clone());
            let mark = if dir.hidden.is_none() {
                seen.whiteout(&dir.inside, name)?
            } else {
                None
            };
            let mark = mark.map(|mark| Why::Mark(seen.shown(&mark)));
            let inside = dir.inside.join(name);
            if let Some(stat) = seen.stat(&inside)? {
                if hidden_here.is_none() {
                    let merges = is_dir(&stat) && layers.iter().all(Layer::is_dir);
                    hidden = if !merges {
                        Some(Why::Above)
                    } else if mark.is_some() {
                        mark
                    } else {
                        let mark = seen.opaque(&inside)?;
                        mark.map(|mark| Why::Mark(seen.shown(&mark)))
                    };
                }
                // A file below a directory is not merged with it.
                let differs = hidden_here.is_none() && !layers.is_empty() && !is_dir(&stat);
                layers.push(Layer {
                    seen,
                    inside,
                    stat,
                    hidden: if differs {
                        Some(Why::Above)
                    } else {
                        hidden_here
                    },
                });
            } else if let Some(mark) = mark {
                hidden.get_or_insert(mark);
            }
        }
        Ok(Self(layers))
    }
}

/// What there is in a directory, by name: what shows, and what that hides.
pub fn names_in<'a>(dir: &Layers<'a>) -> Result<BTreeMap<OsString, Layers<'a>>, String> {
    let mut names = BTreeMap::new();
    for layer in dir.shown().filter(|layer| layer.is_dir()) {
        for name in layer.seen.names(&layer.inside)? {
            if names::meaning(&name) == Meaning::Entry && !names.contains_key(&name) {
                let found = dir.step(&name)?;
                if found.top().is_some() {
                    names.insert(name, found);
                }
            }
        }
    }
    Ok(names)
}

/// Finds `path`, relative to the union's root, on `branches`.
pub fn find<'a>(branches: &'a [Seen<'a>], path: &Path) -> Result<Layers<'a>, String> {
    let mut found = Layers::default();
    let mut hidden = None;
    for seen in branches {
        let root = Path::new("");
        let Some(stat) = seen.stat(root)? else {
            return Err(seen.failed(root, &io::ErrorKind::NotFound.into()));
        };
        found.0.push(Layer {
            seen,
            inside: PathBuf::new(),
            stat,
            hidden: hidden.clone(),
        });
        if hidden.is_none() {
            let mark = seen.opaque(root)?;
            hidden = mark.map(|mark| Why::Mark(seen.shown(&mark)));
        }
    }
    for component in path.components() {
        if let Component::Normal(name) = component {
            found = found.step(name)?;
        }
    }
    Ok(found)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::fs;
    use std::process;

    /// Two branches in a folder of their own, with what `make` makes there.
    pub fn with_branches(name: &str, make: impl FnOnce(&Path), ask: impl FnOnce(&[Seen<'_>])) {
        with_permission(name, "ro", make, ask);
    }

    /// The same, with a permission for the one in the middle.
    pub fn with_permission(
        name: &str,
        middle: &str,
        make: impl FnOnce(&Path),
        ask: impl FnOnce(&[Seen<'_>]),
    ) {
        let area = std::env::temp_dir().join(format!("aufs2-{name}-{}", process::id()));
        let branch = |index: usize, permission: &str| Branch {
            index,
            id: None,
            path: area.join(index.to_string()),
            permission: permission.to_owned(),
            root: None,
        };
        let branches = [branch(0, "rw"), branch(1, middle), branch(2, "ro")];
        for branch in &branches {
            fs::create_dir_all(&branch.path).expect("a folder");
        }
        make(&area);
        let see = |branch| Seen {
            branch,
            tree: Tree::open(&branch.path).expect("a tree"),
        };
        let seen: Vec<Seen<'_>> = branches.iter().map(see).collect();
        ask(&seen);
        fs::remove_dir_all(&area).expect("it goes");
    }

    /// Something of which nobody knows what it is, and that is the same each time.
    pub struct Dice(pub u64);

    impl Dice {
        /// Less than `sides`.
        pub fn roll(&mut self, sides: u64) -> u64 {
            let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = next.wrapping_add(1);
            (self.0 >> 33) % sides
        }
    }

    /// Fills three branches with files, folders and marks.
    pub fn fill(area: &Path, dice: &mut Dice) {
        let long = "n".repeat(253);
        for branch in ["0", "1", "2"] {
            let mut dirs = vec![(area.join(branch), 0)];
            while let Some((dir, depth)) = dirs.pop() {
                if dice.roll(9) == 0 {
                    fs::write(dir.join(names::OPAQUE), "").expect("a mark");
                }
                for name in ["a", "b", "c", &long] {
                    let inside = dir.join(name);
                    match dice.roll(6) {
                        0 => {
                            let data = format!("{branch}{}", dice.roll(1000));
                            fs::write(&inside, data).expect("a file");
                        }
                        1 | 2 if depth < 3 => {
                            fs::create_dir(&inside).expect("a folder");
                            dirs.push((inside, depth + 1));
                        }
                        _ => {}
                    }
                    if dice.roll(5) == 0 {
                        let place = names::places(&dir, OsStr::new(name)).remove(0);
                        let text = if name == long { name } else { "" };
                        fs::write(place, text).expect("a mark");
                    }
                }
            }
        }
    }

    /// All that branches show: by path, whether it is a directory, and its data.
    pub fn shown(branches: &[Seen<'_>]) -> BTreeMap<PathBuf, (bool, Vec<u8>)> {
        let mut all = BTreeMap::new();
        let mut dirs = vec![find(branches, Path::new("")).expect("it is found")];
        while let Some(dir) = dirs.pop() {
            for found in names_in(&dir).expect("it is read").into_values() {
                let top = found.top().expect("it shows");
                let (inside, is_dir) = (top.inside.clone(), top.is_dir());
                let data = top.seen.tree.read(&inside, 99).expect("it is read");
                all.insert(inside, (is_dir, data.unwrap_or_default()));
                if is_dir {
                    dirs.push(found);
                }
            }
        }
        all
    }

    fn put(area: &Path, path: &str) {
        let path = area.join(path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).expect("a folder");
        }
        fs::write(path, "").expect("a file");
    }

    /// The branches that show `path`, and those where it is hidden.
    fn asked(branches: &[Seen<'_>], path: &str) -> String {
        let found = find(branches, Path::new(path)).expect("it is found");
        let mut text = String::new();
        for layer in &found.0 {
            let mark = match layer.hidden {
                None => "",
                Some(Why::Above) => "a",
                Some(Why::Mark(_)) => "m",
            };
            text += &format!("{}{mark} ", layer.seen.branch.index);
        }
        text.trim_end().to_owned()
    }

    #[test]
    fn as_the_union_finds() {
        with_branches(
            "find",
            |area| {
                for path in [
                    "0/new",
                    "1/f",
                    "2/f",
                    "0/.wh.gone",
                    "1/gone",
                    "0/d/x",
                    "1/d/y",
                    "2/d/z",
                    "0/o/.wh..wh..opq",
                    "1/o/y",
                    "0/k/a",
                    "1/k",
                    "2/k/b",
                    "1/.wh.shows",
                    "2/shows",
                    "0/.wh.again",
                    "0/again/a",
                    "1/again/b",
                    "1/under/f",
                    "0/.wh.under",
                ] {
                    put(area, path);
                }
            },
            |branches| {
                assert_eq!(asked(branches, "new"), "0");
                assert_eq!(asked(branches, "f"), "1 2a");
                assert_eq!(asked(branches, "gone"), "1m");
                assert_eq!(asked(branches, "d"), "0 1 2");
                assert_eq!(asked(branches, "d/y"), "1");
                assert_eq!(asked(branches, "o"), "0 1m");
                assert_eq!(asked(branches, "o/y"), "1m");
                // A file ends what is merged.
                assert_eq!(asked(branches, "k"), "0 1a 2a");
                assert_eq!(asked(branches, "k/b"), "2a");
                // Whiteouts of a branch without them are nothing.
                assert_eq!(asked(branches, "shows"), "2");
                assert_eq!(asked(branches, "again"), "0 1m");
                assert_eq!(asked(branches, "under/f"), "1m");
                assert_eq!(asked(branches, "nosuch"), "");
            },
        );
    }

    #[test]
    fn an_opaque_root() {
        with_branches(
            "root",
            |area| {
                for path in ["0/.wh..wh..opq", "0/d/a", "1/d/b", "1/f"] {
                    put(area, path);
                }
            },
            |branches| {
                assert_eq!(asked(branches, ""), "0 1m 2m");
                assert_eq!(asked(branches, "d"), "0 1m");
                assert_eq!(asked(branches, "f"), "1m");
            },
        );
    }

    #[test]
    fn not_what_it_seems() {
        let long = "n".repeat(252);
        let hash = "1".repeat(16);
        with_branches(
            "odd",
            |area| {
                for path in ["1/f", "1/g", "1/d/x", "0/elsewhere/x", "0/d/y"] {
                    put(area, path);
                }
                put(area, &format!("1/{long}"));
                let link = |to: &str, at: &str| {
                    std::os::unix::fs::symlink(to, area.join(at)).expect("a link");
                };
                // What kind of file a whiteout is does not matter, nor where a link leads.
                link("nowhere", "0/.wh.f");
                link("elsewhere", "0/d/.wh..wh..opq");
                fs::create_dir(area.join("0/.wh.g")).expect("a directory");
                link("elsewhere", "0/l");
                link("elsewhere", &format!("0/.wh..wh.l.{hash}"));
            },
            |branches| {
                assert_eq!(asked(branches, "f"), "1m");
                assert_eq!(asked(branches, "g"), "1");
                assert_eq!(asked(branches, "d/x"), "1m");
                assert_eq!(asked(branches, "l/x"), "");
                assert_eq!(asked(branches, &long), "1");
                let top = &branches[0].tree;
                let record = format!(".wh..wh.l.{hash}");
                assert_eq!(top.read(Path::new(&record), 9).expect("it is read"), None);
                assert!(top.stat(Path::new("l/x")).is_err());
                assert!(top.stat(Path::new("../1/f")).is_err());
            },
        );
    }
}
