// SPDX-License-Identifier: GPL-2.0

//! Pseudo-links: names below a branch that mean a copy on it. Which ones do, the union knows.

use crate::layers::Seen;
use crate::names::{self, Meaning, PLINKS};
use crate::tree::{Tree, is_dir};
use crate::union::{At, Branch};
use aubusy::Root;
use rustix::fs::Stat;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The pseudo-links of a branch.
#[derive(Debug)]
pub struct Pseudo {
    /// The union.
    pub live: Tree,
    /// The copies that have a name on the branch, by the number that the union shows for them: what they are there, and a
    /// name.
    copies: HashMap<u64, (Root, PathBuf)>,
    /// Those that have no name there.
    nameless: Vec<Stat>,
}

/// What a name below the branch means.
#[derive(Debug)]
pub enum Means {
    /// What is there.
    Itself,
    /// A copy, with a name of it on the branch.
    Copy(Root, PathBuf),
    /// A copy that has no name there: the number that it has in the union, and what it is on the branch, if that can be
    /// told.
    Nameless(u64, Option<Root>),
}

/// The names of the pseudo-links of a branch, and what they are links to.
pub fn listed(seen: &Seen<'_>) -> Result<Vec<(PathBuf, Stat)>, String> {
    let dir = Path::new(PLINKS);
    if !seen.stat(dir)?.is_some_and(|stat| is_dir(&stat)) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in seen.names(dir)? {
        let path = dir.join(name);
        // One that goes meanwhile is none.
        if let Some(stat) = seen.stat(&path)?.filter(|stat| !is_dir(stat)) {
            found.push((path, stat));
        }
    }
    Ok(found)
}

impl Pseudo {
    /// Those of `top`, a branch of the union at `at`; none if it has none. Above it there must be no branch, or it is
    /// not told by the union which names mean them.
    pub fn of(at: &At, top: &Seen<'_>) -> Result<Option<Self>, String> {
        let links = listed(top)?;
        if links.is_empty() {
            return Ok(None);
        }
        if top.branch.index > 0 {
            let Branch { index, .. } = top.branch;
            return Err(format!(
                "branch {index} has pseudo-links, and a branch above it: which names mean them cannot be told"
            ));
        }
        let live = at.union.root()?;
        let linked: HashSet<Root> = links.iter().map(|(_, stat)| Root::of(stat)).collect();
        let nameless = links.iter().map(|(_, stat)| *stat);
        let nameless = nameless.filter(|stat| stat.st_nlink == 1).collect();
        let mut copies = HashMap::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(dir) = dirs.pop() {
            for name in top.names(&dir)? {
                if names::meaning(&name) != Meaning::Entry {
                    continue;
                }
                let path = dir.join(name);
                let Some(stat) = top.stat(&path)? else {
                    continue;
                };
                if is_dir(&stat) {
                    dirs.push(path);
                } else if linked.contains(&Root::of(&stat)) {
                    let shown = live.stat(&path).map_err(|e| top.failed(&path, &e))?;
                    if let Some(shown) = shown {
                        copies
                            .entry(shown.st_ino)
                            .or_insert((Root::of(&stat), path));
                    }
                }
            }
        }
        Ok(Some(Self {
            live,
            copies,
            nameless,
        }))
    }

    /// What a name means that shows, and is on a branch below only, where it is what `below` says.
    pub fn means(&self, inside: &Path, below: &Stat) -> Result<Means, String> {
        if is_dir(below) || below.st_nlink < 2 {
            return Ok(Means::Itself);
        }
        let shown = self.live.stat(inside);
        let shown =
            shown.map_err(|e| format!("{}: {e}", aubusy::print::escaped(inside.as_os_str())))?;
        let Some(shown) = shown else {
            return Ok(Means::Itself);
        };
        if let Some((root, path)) = self.copies.get(&shown.st_ino) {
            return Ok(Means::Copy(*root, path.clone()));
        }
        // Nobody can give a copy the time of change of something else.
        if is_alike(&shown, below) {
            return Ok(Means::Itself);
        }
        let mut alike = self.nameless.iter().filter(|stat| is_alike(stat, &shown));
        let only = match (alike.next(), alike.next()) {
            (Some(stat), None) => Some(Root::of(stat)),
            _ => None,
        };
        Ok(Means::Nameless(shown.st_ino, only))
    }
}

/// Whether two looks, one of them by the union, are at one object.
fn is_alike(one: &Stat, other: &Stat) -> bool {
    let of = |stat: &Stat| {
        (
            (stat.st_ctime, stat.st_ctime_nsec),
            (stat.st_mtime, stat.st_mtime_nsec),
            (stat.st_size, stat.st_mode, stat.st_uid, stat.st_gid),
        )
    };
    of(one) == of(other)
}
