// SPDX-License-Identifier: GPL-2.0

//! `aufs2 check`: whether what is on a branch, which is not in use, means what it seems to.

use crate::commit::beside;
use crate::json;
use crate::names::{self, BASE, COMMIT, MAKING, Meaning, PLINKS, RECORDS, VOLATILE, WORK};
use crate::tree::{Tree, is_dir, with_above};
use crate::union::{self, Union, lossy};
use aubusy::Root;
use aubusy::print::{escaped, print};
use rustix::fs::Stat;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Weight {
    /// It is not what it seems to be, or cannot be looked at.
    Error,
    /// The next mount sees to it, it takes room only, or it is somebody else's.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug)]
struct Finding {
    weight: Weight,
    path: PathBuf,
    text: Cow<'static, str>,
}

/// The same in JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    weight: Weight,
    path: String,
    text: &'a str,
}

/// A branch, and what is found on it.
struct Checker {
    root: PathBuf,
    tree: Tree,
    used: Used,
    findings: Vec<Finding>,
}

/// Prints what is wrong with the branch at `dir`; whether nothing is.
pub fn run(dir: &Path, json: bool) -> Result<bool, String> {
    let failed = |e: io::Error| format!("{}: {e}", escaped(dir));
    let root = fs::canonicalize(dir).map_err(failed)?;
    if !root.is_dir() {
        return Err(format!("{}: not a directory", escaped(dir)));
    }
    let tree = Tree::open(&root).map_err(failed)?;
    if union::is_union(&tree) {
        let shown = escaped(dir);
        return Err(format!("{shown}: in a union, where nothing is a branch"));
    }
    let used = Used::all()?;
    // What is used may be above it, also where that has another path.
    for root in with_above(&root).map_err(failed)? {
        used.refuse(dir, root)?;
    }
    let mut checker = Checker {
        tree,
        root,
        used,
        findings: Vec::new(),
    };
    checker.walk(dir)?;
    checker.beside();
    let mut findings = checker.findings;
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    if json {
        let told: Vec<Told<'_>> = findings.iter().map(Finding::told).collect();
        json::print(&told)?;
    } else {
        print(|out| {
            findings.iter().try_for_each(|finding| {
                let weight = match finding.weight {
                    Weight::Error => "error",
                    Weight::Note => "note",
                };
                let path = escaped(&finding.path);
                writeln!(out, "{weight}: {path}: {}", finding.text)
            })
        })?;
    }
    Ok(findings
        .iter()
        .all(|finding| finding.weight == Weight::Note))
}

/// The branches of all unions, which are told in any mount namespace.
struct Used(HashMap<Root, (PathBuf, String)>);

impl Used {
    fn all() -> Result<Self, String> {
        let here = Union::all()?;
        let mut used = HashMap::new();
        for number in union::all_numbers()? {
            // It may have gone since.
            let Ok(branches) = union::branches(&number) else {
                continue;
            };
            let at = here.iter().find(|union| union.si == number);
            let at = at.map_or_else(
                || format!("a union of another mount namespace (si={number})"),
                |union| escaped(&union.mountpoint).to_string(),
            );
            for branch in branches {
                let root = branch.root.ok_or("the module is older than this program")?;
                used.insert(root, (branch.path, at.clone()));
            }
        }
        Ok(Self(used))
    }

    /// Refuses to look at `dir` if what is, is in, or has in it, what `root` is of is a branch.
    fn refuse(&self, dir: &Path, root: Root) -> Result<(), String> {
        let Some((used, at)) = self.0.get(&root) else {
            return Ok(());
        };
        let (dir, used) = (escaped(dir), escaped(used));
        Err(format!("{dir}: {used} is a branch of {at}, in use"))
    }
}

impl Finding {
    fn told(&self) -> Told<'_> {
        Told {
            weight: self.weight,
            path: lossy(&self.path),
            text: &self.text,
        }
    }
}

impl Checker {
    /// Looks at all there is on the branch that the user calls `shown`. An error if one that is used is in it.
    fn walk(&mut self, shown: &Path) -> Result<(), String> {
        let mut dirs = vec![PathBuf::new()];
        while let Some(dir) = dirs.pop() {
            let names = self.tree.names(&dir);
            for name in self.looked(&dir, names).into_iter().flatten() {
                let path = dir.join(&name);
                let stat = self.tree.stat(&path);
                let Some(stat) = self.looked(&path, stat).flatten() else {
                    continue;
                };
                if is_dir(&stat) {
                    self.used.refuse(shown, Root::of(&stat))?;
                }
                match names::meaning(&name) {
                    Meaning::Entry if is_dir(&stat) => dirs.push(path),
                    Meaning::Whiteout(_) | Meaning::Opaque if is_dir(&stat) => {
                        self.error(&path, "a directory in the place of a mark means nothing");
                    }
                    Meaning::Entry | Meaning::Whiteout(_) | Meaning::Opaque => {}
                    Meaning::LongWhiteout => self.long(&dir, &name, &path),
                    Meaning::Reserved => {
                        self.reserved(dir.as_os_str().is_empty(), &name, &path, &stat);
                    }
                }
            }
        }
        Ok(())
    }

    /// What a commit has left beside it.
    fn beside(&mut self) {
        let (Some(parent), Some(name)) = (self.root.parent(), self.root.file_name()) else {
            return;
        };
        let beside = parent.join(beside(name));
        if beside.symlink_metadata().is_err() {
            return;
        }
        // Nothing is what there is before the mark.
        let is_begun = fs::read_dir(&beside).is_ok_and(|mut names| names.next().is_some());
        let is_whole = is_begun && beside.join(COMMIT).symlink_metadata().is_err();
        let text = if is_whole {
            "left of a commit, and whole: a layer that this one is to take the place of, or was there before"
        } else {
            "left of a commit that was interrupted, and not whole: it takes room only"
        };
        self.findings.push(Finding {
            weight: Weight::Note,
            path: beside,
            text: text.into(),
        });
    }

    /// The whiteout of a long name.
    fn long(&mut self, dir: &Path, name: &OsStr, path: &Path) {
        let hidden = names::long_name(&self.tree, path);
        let Some(hidden) = self.looked(path, hidden) else {
            return;
        };
        let Some(hidden) = hidden else {
            self.error(path, "no name of more than 251 bytes is in it");
            return;
        };
        if !names::is_for(name, &hidden) {
            self.error(path, "the name that is in it has another hash");
            return;
        }
        let found = names::whiteout(&self.tree, dir, &hidden);
        if let Some(found) = self.looked(path, found) {
            if found.as_deref() != Some(path) {
                self.error(path, "one before it is missing, or has the same name in it");
            }
        }
    }

    /// Something of the union's own, or of aufs's.
    fn reserved(&mut self, is_at_root: bool, name: &OsStr, path: &Path, stat: &Stat) {
        let starts = |with: &[u8]| name.as_bytes().starts_with(with);
        if is_at_root && name == VOLATILE {
            let text =
                "used with fsync=volatile until a crash: what is here may not be what was written";
            self.error(path, text);
        } else if is_at_root && name == COMMIT {
            self.error(
                path,
                "a commit was interrupted: not all of the layer is here",
            );
        } else if is_at_root && name == WORK && is_dir(stat) {
            let names = self.tree.names(path);
            if self
                .looked(path, names)
                .is_some_and(|names| !names.is_empty())
            {
                let text = "something was in the making: the next mount removes it";
                self.note(path, text);
            }
        } else if is_at_root && name == PLINKS && is_dir(stat) {
            self.pseudo_links(path);
        } else if is_at_root && name == BASE && !is_dir(stat) {
            // Whiteouts are links to it.
        } else if RECORDS.into_iter().any(starts) {
            self.note(path, "a name that aufs reserves");
        } else if starts(MAKING) {
            self.note(path, "something was in the making: it takes room only");
        } else {
            self.note(path, "a reserved name that means nothing here");
        }
    }

    fn pseudo_links(&mut self, dir: &Path) {
        let names = self.tree.names(dir);
        for name in self.looked(dir, names).into_iter().flatten() {
            let path = dir.join(&name);
            let stat = self.tree.stat(&path);
            let Some(stat) = self.looked(&path, stat).flatten() else {
                continue;
            };
            let is_number =
                |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
            let mut parts = name.as_bytes().split(|&byte| byte == b'.');
            if !name.as_bytes().contains(&b'.') || !parts.all(is_number) {
                self.note(&path, "no pseudo-link of ours: it is left alone");
            } else if stat.st_nlink == 1 {
                let text = "a pseudo-link whose object has no other name on this branch";
                self.note(&path, text);
            }
        }
    }

    /// What was looked at; none, and a finding, if that cannot be done.
    fn looked<T>(&mut self, path: &Path, looked: io::Result<T>) -> Option<T> {
        match looked {
            Ok(found) => Some(found),
            Err(e) => {
                self.find(
                    Weight::Error,
                    path,
                    format!("cannot be looked at: {e}").into(),
                );
                None
            }
        }
    }

    fn error(&mut self, path: &Path, text: &'static str) {
        self.find(Weight::Error, path, text.into());
    }

    fn note(&mut self, path: &Path, text: &'static str) {
        self.find(Weight::Note, path, text.into());
    }

    fn find(&mut self, weight: Weight, inside: &Path, text: Cow<'static, str>) {
        self.findings.push(Finding {
            weight,
            path: crate::layers::shown(&self.root, inside),
            text,
        });
    }
}
