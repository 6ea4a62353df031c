// SPDX-License-Identifier: GPL-2.0

//! The names that mean something on a branch: `Documentation/on-disk-format.md`.

use crate::tree::{Tree, is_dir};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What every reserved name starts with.
pub const PREFIX: &[u8] = b".wh.";
/// In a directory: what is below it does not show.
pub const OPAQUE: &str = ".wh..wh..opq";
/// At the root: where objects are in the making.
pub const WORK: &str = ".wh..wh.orph";
/// At the root: what whiteouts are links to.
pub const BASE: &str = ".wh..wh.aufs";
/// At the root: what is on the branch may not be on the disk.
pub const VOLATILE: &str = ".wh..wh.volatile";
/// At the root: pseudo-links.
pub const PLINKS: &str = ".wh..wh.plnk";
/// At the root: the layer is not whole yet.
pub const COMMIT: &str = ".wh..wh.commit";
/// What the name of something in the making starts with, where it is not in the work directory.
pub const MAKING: &[u8] = b".wh..wh.t.";
/// What the names of records start with that aufs makes with `dirren`.
pub const RECORDS: [&[u8]; 3] = [b".wh..wh..dr.", b".wh..wh.dr", b".wh..wh.hino"];
/// What the name of a whiteout of a long name starts with.
pub const LONG: &[u8] = b".wh..wh.l.";
/// `NAME_MAX`.
const NAME_MAX: usize = 255;
/// The suffixes of the files of one hash, in the order in which they are tried.
const SLOTS: [&str; 16] = [
    "", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9", ".a", ".b", ".c", ".d", ".e", ".f",
];

/// What a name in a directory of a branch is.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// An object of the union.
    Entry,
    /// A whiteout of that name.
    Whiteout(&'a OsStr),
    /// A whiteout of a name that is in the file.
    LongWhiteout,
    /// The directory hides those below.
    Opaque,
    /// Something of the union's own, or nothing.
    Reserved,
}

/// What `name` is.
pub fn meaning(name: &OsStr) -> Meaning<'_> {
    let bytes = name.as_bytes();
    let Some(rest) = bytes.strip_prefix(PREFIX) else {
        return Meaning::Entry;
    };
    if name == OPAQUE {
        Meaning::Opaque
    } else if bytes.starts_with(LONG) {
        Meaning::LongWhiteout
    } else if matches!(rest, b"" | b"." | b"..") || rest.starts_with(PREFIX) {
        Meaning::Reserved
    } else {
        Meaning::Whiteout(OsStr::from_bytes(rest))
    }
}

/// Whether a part of `path` is a reserved name, which the union does not show.
pub fn is_reserved(path: &Path) -> bool {
    path.iter().any(|name| name.as_bytes().starts_with(PREFIX))
}

/// Whether it is the name of something in the making.
pub fn is_making(name: &OsStr) -> bool {
    name.as_bytes().starts_with(MAKING)
}

/// Where files that could white out `name` in `dir` are, in the order in which they are tried.
pub fn places(dir: &Path, name: &OsStr) -> Vec<PathBuf> {
    let short = [PREFIX, name.as_bytes()].concat();
    if short.len() <= NAME_MAX {
        return vec![dir.join(OsString::from_vec(short))];
    }
    let hash = hash(name.as_bytes());
    SLOTS
        .iter()
        .map(|slot| dir.join(slot_name(hash, slot)))
        .collect()
}

fn slot_name(hash: u64, slot: &str) -> OsString {
    OsString::from_vec([LONG, format!("{hash:016x}{slot}").as_bytes()].concat())
}

/// FNV-1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The name that the file of a long name's whiteout at `path` has in it, if it is one.
pub fn long_name(tree: &Tree, path: &Path) -> io::Result<Option<OsString>> {
    let name = tree.read(path, NAME_MAX as u64 + 1)?.unwrap_or_default();
    let fits = name.len() + PREFIX.len() > NAME_MAX && name.len() <= NAME_MAX;
    let is_name = !name.iter().any(|&byte| byte == b'/' || byte == 0);
    Ok((fits && is_name).then(|| OsString::from_vec(name)))
}

/// Whether `file`, the name of a long name's whiteout, is one of those for `name`.
pub fn is_for(file: &OsStr, name: &OsStr) -> bool {
    let hash = hash(name.as_bytes());
    SLOTS.iter().any(|slot| slot_name(hash, slot) == file)
}

/// The whiteout of `name` in the directory `dir` of a branch, if there is one.
pub fn whiteout(tree: &Tree, dir: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
    let is_long = name.len() + PREFIX.len() > NAME_MAX;
    for place in places(dir, name) {
        let Some(there) = tree.stat(&place)? else {
            return Ok(None);
        };
        if !is_long {
            // Anything else is one. A directory there means nothing.
            return Ok((!is_dir(&there)).then_some(place));
        }
        if long_name(tree, &place)?.as_deref() == Some(name) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The mark of the directory `dir` of a branch, if that hides what is below it.
pub fn opaque(tree: &Tree, dir: &Path) -> io::Result<Option<PathBuf>> {
    let mark = dir.join(OPAQUE);
    let there = tree.stat(&mark)?;
    Ok(there.filter(|there| !is_dir(there)).map(|_| mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings() {
        let of = |name: &'static str| meaning(OsStr::new(name));
        assert_eq!(of("a"), Meaning::Entry);
        assert_eq!(of(".wh"), Meaning::Entry);
        assert_eq!(of(".wh.a"), Meaning::Whiteout(OsStr::new("a")));
        // No object has such a name.
        assert_eq!(of(".wh.."), Meaning::Reserved);
        assert_eq!(of(".wh..."), Meaning::Reserved);
        assert_eq!(of(".wh...."), Meaning::Whiteout(OsStr::new("...")));
        assert_eq!(of(".wh."), Meaning::Reserved);
        assert_eq!(of(OPAQUE), Meaning::Opaque);
        assert_eq!(of(BASE), Meaning::Reserved);
        assert_eq!(of(WORK), Meaning::Reserved);
        assert_eq!(of(".wh..wh.l.0123456789abcdef"), Meaning::LongWhiteout);
    }

    #[test]
    fn reserved() {
        assert!(is_reserved(Path::new("a/.wh.b/c")));
        assert!(!is_reserved(Path::new("a/b.wh./.wh")));
        assert!(!is_reserved(Path::new("")));
    }

    #[test]
    fn long_names() {
        let name = OsString::from("n".repeat(252));
        let all = places(Path::new("d"), &name);
        assert_eq!(all.len(), 16);
        assert!(all.iter().all(|place| {
            place
                .file_name()
                .is_some_and(|file| is_for(file, &name) && meaning(file) == Meaning::LongWhiteout)
        }));
        assert_eq!(places(Path::new("d"), OsStr::new("n")).len(), 1);
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
    }
}
