// SPDX-License-Identifier: GPL-2.0

//! What a path of a union is on its branches: as the union finds it, read from the branches.

use crate::names::{is_opaque, whiteout};
use crate::union::Branch;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

/// An object on a branch.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// The branch.
    pub branch: &'a Branch,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub stat: Metadata,
    /// Why it does not show, if so.
    pub hidden: Option<Why>,
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
pub struct Layers<'a> {
    /// Topmost first; what shows is ahead of what does not.
    pub layers: Vec<Layer<'a>>,
    /// Branches that could not be looked at.
    pub unknown: Vec<&'a Branch>,
}

impl<'a> Layers<'a> {
    /// What shows, and what is merged with it.
    pub fn shown(&self) -> impl Iterator<Item = &Layer<'a>> {
        self.layers.iter().filter(|layer| layer.hidden.is_none())
    }

    /// What shows.
    pub fn top(&self) -> Option<&Layer<'a>> {
        self.shown().next()
    }
}

/// Finds `path`, relative to the union's root, on `branches`.
pub fn find<'a>(branches: impl IntoIterator<Item = &'a Branch>, path: &Path) -> Layers<'a> {
    let mut found = Layers::default();
    for branch in branches {
        let root = branch.dir().map(|dir| (dir, fs::symlink_metadata(dir)));
        match root {
            Some((dir, Ok(stat))) => found.layers.push(Layer {
                branch,
                path: dir.to_owned(),
                stat,
                hidden: None,
            }),
            _ => found.unknown.push(branch),
        }
    }
    for component in path.components() {
        if let Component::Normal(name) = component {
            found.layers = step(found.layers, name);
        }
    }
    found
}

/// From directories to what `name` is in them.
fn step<'a>(dirs: Vec<Layer<'a>>, name: &OsStr) -> Vec<Layer<'a>> {
    let mut layers: Vec<Layer<'a>> = Vec::new();
    let mut hidden: Option<Why> = None;
    for dir in dirs {
        if !dir.stat.is_dir() {
            continue;
        }
        // What is in a directory that does not show does not, either.
        let hidden_here = dir.hidden.clone().or_else(|| hidden.clone());
        let path = dir.path.join(name);
        let counts = dir.branch.has_whiteouts() && dir.hidden.is_none();
        let mark = counts.then(|| whiteout(&dir.path, name)).flatten();
        if let Ok(stat) = fs::symlink_metadata(&path) {
            if hidden_here.is_none() {
                let merges = stat.is_dir() && layers.iter().all(|layer| layer.stat.is_dir());
                hidden = if !merges {
                    Some(Why::Above)
                } else if let Some(mark) = &mark {
                    Some(Why::Mark(mark.clone()))
                } else {
                    (dir.branch.has_whiteouts() && is_opaque(&path))
                        .then(|| Why::Mark(path.join(crate::names::OPAQUE)))
                };
            }
            // A file below a directory is not merged with it.
            let differs = hidden_here.is_none() && !layers.is_empty() && !stat.is_dir();
            layers.push(Layer {
                branch: dir.branch,
                path,
                stat,
                hidden: if differs {
                    Some(Why::Above)
                } else {
                    hidden_here
                },
            });
        } else if let Some(mark) = mark {
            hidden.get_or_insert(Why::Mark(mark));
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    /// Two branches in a folder of their own, with what `make` makes there.
    fn with_branches(name: &str, make: impl FnOnce(&Path), ask: impl FnOnce(&[Branch])) {
        let area = std::env::temp_dir().join(format!("aufs2-{name}-{}", process::id()));
        let branch = |index: usize, permission: &str| Branch {
            index,
            path: area.join(index.to_string()),
            permission: permission.to_owned(),
        };
        let branches = [branch(0, "rw"), branch(1, "ro"), branch(2, "ro")];
        for branch in &branches {
            fs::create_dir_all(&branch.path).expect("a folder");
        }
        make(&area);
        ask(&branches);
        fs::remove_dir_all(&area).expect("it goes");
    }

    fn put(area: &Path, path: &str) {
        let path = area.join(path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).expect("a folder");
        }
        fs::write(path, "").expect("a file");
    }

    /// The branches that show `path`, and those where it is hidden.
    fn asked(branches: &[Branch], path: &str) -> String {
        let found = find(branches, Path::new(path));
        let mut text = String::new();
        for layer in &found.layers {
            let mark = match layer.hidden {
                None => "",
                Some(Why::Above) => "a",
                Some(Why::Mark(_)) => "m",
            };
            text += &format!("{}{mark} ", layer.branch.index);
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
}
