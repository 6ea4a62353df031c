// SPDX-License-Identifier: GPL-2.0

//! `aufs2 check`: whether what is on a branch, which is not in use, means what it seems to.

use crate::names::{self, BASE, Meaning, PLINKS, VOLATILE, WORK};
use crate::union::{Union, lossy};
use serde::Serialize;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It is not what it seems to be.
    Error,
    /// The next mount sees to it, or it takes room only.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    weight: Weight,
    path: String,
    text: &'static str,
}

/// What is found.
#[derive(Default)]
struct Checker {
    findings: Vec<Finding>,
}

/// Prints what is wrong with the branch at `dir`; whether nothing is.
pub fn run(dir: &Path, json: bool) -> Result<bool, String> {
    let root = fs::canonicalize(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    if !root.is_dir() {
        return Err(format!("{}: not a directory", dir.display()));
    }
    for union in Union::all()? {
        if union.branches.iter().any(|branch| branch.path == root) {
            let at = union.mountpoint.display();
            return Err(format!("{}: a branch of {at}, in use", root.display()));
        }
    }
    let mut checker = Checker::default();
    checker.walk(&root)?;
    let findings = &checker.findings;
    if json {
        let text = serde_json::to_string(findings).map_err(|e| e.to_string())?;
        println!("{text}");
    } else {
        for finding in findings {
            let weight = match finding.weight {
                Weight::Error => "error",
                Weight::Note => "note",
            };
            println!("{weight}: {}: {}", finding.path, finding.text);
        }
    }
    Ok(findings
        .iter()
        .all(|finding| finding.weight == Weight::Note))
}

impl Checker {
    fn walk(&mut self, root: &Path) -> Result<(), String> {
        let device = fs::symlink_metadata(root)
            .map_err(|e| format!("{}: {e}", root.display()))?
            .dev();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            let failed = |e: io::Error| format!("{}: {e}", dir.display());
            for entry in fs::read_dir(&dir).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                let stat = fs::symlink_metadata(&path).map_err(failed)?;
                let name = entry.file_name();
                match names::meaning(&name) {
                    // What is mounted there is no part of the branch.
                    Meaning::Entry if stat.is_dir() && stat.dev() == device => dirs.push(path),
                    Meaning::Whiteout(_) | Meaning::Opaque if stat.is_dir() => {
                        self.error(&path, "a directory in the place of a mark means nothing");
                    }
                    Meaning::Entry | Meaning::Whiteout(_) | Meaning::Opaque => {}
                    Meaning::LongWhiteout => self.long(&dir, &name, &path),
                    Meaning::Reserved if dir == root => self.reserved(&name, &path)?,
                    Meaning::Reserved => self.error(&path, "a reserved name that means nothing"),
                }
            }
        }
        Ok(())
    }

    /// The whiteout of a long name.
    fn long(&mut self, dir: &Path, name: &OsStr, path: &Path) {
        let Some(hidden) = names::long_name(path) else {
            self.error(path, "no name of more than 251 bytes is in it");
            return;
        };
        if !names::is_for(name, &hidden) {
            self.error(path, "the name that is in it has another hash");
        } else if names::whiteout(dir, &hidden).as_deref() != Some(path) {
            self.error(path, "one before it is missing, or has the same name in it");
        }
    }

    /// Something at the root of the branch.
    fn reserved(&mut self, name: &OsStr, path: &Path) -> Result<(), String> {
        if name == WORK {
            let failed = |e: io::Error| format!("{}: {e}", path.display());
            if fs::read_dir(path).map_err(failed)?.next().is_some() {
                self.note(
                    path,
                    "something was in the making: the next mount removes it",
                );
            }
        } else if name == VOLATILE {
            let text =
                "used with fsync=volatile until a crash: what is here may not be what was written";
            self.error(path, text);
        } else if name == PLINKS {
            self.pseudo_links(path)?;
        } else if name != BASE {
            self.error(path, "a reserved name that means nothing");
        }
        Ok(())
    }

    fn pseudo_links(&mut self, dir: &Path) -> Result<(), String> {
        let failed = |e: io::Error| format!("{}: {e}", dir.display());
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let stat = fs::symlink_metadata(entry.path()).map_err(failed)?;
            let is_number =
                |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
            let name = entry.file_name();
            let mut parts = name.as_bytes().split(|&byte| byte == b'.');
            if !name.as_bytes().contains(&b'.') || !parts.all(is_number) {
                self.note(&entry.path(), "no pseudo-link of ours: it is left alone");
            } else if stat.nlink() == 1 {
                let text = "a pseudo-link whose object has no other name on this branch";
                self.note(&entry.path(), text);
            }
        }
        Ok(())
    }

    fn error(&mut self, path: &Path, text: &'static str) {
        self.findings.push(Finding {
            weight: Weight::Error,
            path: lossy(path),
            text,
        });
    }

    fn note(&mut self, path: &Path, text: &'static str) {
        self.findings.push(Finding {
            weight: Weight::Note,
            path: lossy(path),
            text,
        });
    }
}
