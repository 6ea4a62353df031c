// SPDX-License-Identifier: GPL-2.0

//! A tar archive: ustar, and PAX records for what that has no room for. The same objects make the same bytes.

use crate::object::{ACL_ACCESS, ACL_DEFAULT, Object};
use rustix::fs::{FileType, Stat, major, minor};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use tar::{Builder, EntryType, Header};

/// The largest number of eight, and of twelve octal digits, less one for the end.
const DIGITS_7: u64 = 0o777_7777;
const DIGITS_11: u64 = 0o777_7777_7777;

/// What an entry is.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// An object, as it is.
    Itself,
    /// Another name of what has an entry already.
    Link(&'a [u8]),
}

/// An archive that is being written.
pub struct Archive<W: Write> {
    out: Builder<W>,
}

impl<W: Write> Archive<W> {
    /// One that is empty.
    pub fn new(out: W) -> Self {
        Self {
            out: Builder::new(out),
        }
    }

    /// Adds an object by a name, with the data of a file.
    pub fn add(
        &mut self,
        name: &[u8],
        object: &Object,
        what: What<'_>,
        data: &mut dyn Read,
    ) -> io::Result<()> {
        let is_link = matches!(what, What::Link(_));
        let mut entry = Entry::new(name, &object.looks.stat, is_link);
        match (what, object.kind()) {
            (What::Link(target), _) => {
                entry.kind(EntryType::Link);
                entry.target(target);
                entry.size(0);
            }
            (What::Itself, FileType::Directory) => entry.kind(EntryType::Directory),
            (What::Itself, FileType::RegularFile) => {}
            (What::Itself, FileType::Symlink) => {
                entry.kind(EntryType::Symlink);
                entry.target(
                    object
                        .looks
                        .target
                        .as_deref()
                        .unwrap_or_default()
                        .as_bytes(),
                );
            }
            (What::Itself, FileType::Fifo) => entry.kind(EntryType::Fifo),
            (What::Itself, FileType::CharacterDevice) => {
                entry.device(EntryType::Char, object.looks.stat.st_rdev);
            }
            (What::Itself, FileType::BlockDevice) => {
                entry.device(EntryType::Block, object.looks.stat.st_rdev);
            }
            _ => return Err(io::Error::other("an archive has no such thing")),
        }
        // Those of the first name are those of all.
        if matches!(what, What::Itself) {
            entry.attributes(&object.looks.attributes);
        }
        self.write(entry, data)
    }

    /// Adds a mark: a file with `text` in it, as old as `stat` is.
    pub fn add_mark(&mut self, name: &[u8], text: &[u8], stat: &Stat) -> io::Result<()> {
        let mut entry = Entry::new(name, stat, false);
        entry.header.set_mode(0o444);
        entry.header.set_uid(0);
        entry.header.set_gid(0);
        entry.records.clear();
        entry.name(name);
        entry.time(stat);
        entry.size(text.len() as u64);
        self.write(entry, &mut &*text)
    }

    fn write(&mut self, mut entry: Entry, data: &mut dyn Read) -> io::Result<()> {
        if !entry.records.is_empty() {
            let mut header = Header::new_ustar();
            put(&mut header.as_old_mut().name, b"PaxHeaders/0");
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0o644);
            header.set_size(entry.records.len() as u64);
            header.set_cksum();
            self.out.append(&header, &*entry.records)?;
        }
        entry.header.set_cksum();
        let data = Exactly {
            data,
            left: entry.length,
        };
        self.out.append(&entry.header, data)
    }

    /// Ends it.
    pub fn finish(self) -> io::Result<W> {
        self.out.into_inner()
    }
}

/// An entry in the making.
struct Entry {
    header: Header,
    records: Vec<u8>,
    length: u64,
}

impl Entry {
    fn new(name: &[u8], stat: &Stat, is_link: bool) -> Self {
        let mut entry = Self {
            header: Header::new_ustar(),
            records: Vec::new(),
            length: 0,
        };
        entry.name(name);
        entry.time(stat);
        entry.header.set_entry_type(EntryType::Regular);
        entry.header.set_mode(stat.st_mode & 0o7777);
        let uid = entry.number(b"uid", stat.st_uid.into(), DIGITS_7);
        entry.header.set_uid(uid);
        let gid = entry.number(b"gid", stat.st_gid.into(), DIGITS_7);
        entry.header.set_gid(gid);
        // A link has no data, nor a record of how much.
        if !is_link && FileType::from_raw_mode(stat.st_mode).is_file() {
            entry.size(u64::try_from(stat.st_size).unwrap_or(0));
        } else {
            entry.size(0);
        }
        entry
    }

    /// A number for the header; with a record, if that has no room for it.
    fn number(&mut self, key: &[u8], number: u64, most: u64) -> u64 {
        if number <= most {
            return number;
        }
        self.record(key, number.to_string().as_bytes());
        0
    }

    fn name(&mut self, name: &[u8]) {
        let Some(ustar) = self.header.as_ustar_mut() else {
            return;
        };
        if name.len() <= ustar.name.len() {
            put(&mut ustar.name, name);
            return;
        }
        // In two parts, if there is a slash where it can be divided.
        let fits = |&at: &usize| {
            name[at] == b'/' && at <= ustar.prefix.len() && name.len() - at - 1 <= ustar.name.len()
        };
        if let Some(at) = (1..name.len() - 1).find(fits) {
            put(&mut ustar.prefix, &name[..at]);
            put(&mut ustar.name, &name[at + 1..]);
        } else {
            put(&mut ustar.name, name);
            self.record(b"path", name);
        }
    }

    fn target(&mut self, target: &[u8]) {
        let place = &mut self.header.as_old_mut().linkname;
        put(place, target);
        if target.len() > place.len() {
            self.record(b"linkpath", target);
        }
    }

    fn time(&mut self, stat: &Stat) {
        let seconds = stat.st_mtime;
        #[allow(clippy::unnecessary_fallible_conversions)] // as wide as the machine has it
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        let whole = u64::try_from(seconds).ok().filter(|&it| it <= DIGITS_11);
        self.header.set_mtime(whole.unwrap_or(0));
        if nanoseconds != 0 || whole.is_none() {
            self.record(b"mtime", decimal(seconds, nanoseconds).as_bytes());
        }
    }

    fn size(&mut self, size: u64) {
        self.length = size;
        let size = self.number(b"size", size, DIGITS_11);
        self.header.set_size(size);
    }

    fn kind(&mut self, kind: EntryType) {
        self.header.set_entry_type(kind);
    }

    fn device(&mut self, kind: EntryType, device: u64) {
        self.kind(kind);
        let (major, minor) = (major(device), minor(device));
        let of = |e: &mut Self, key: &[u8], number: u32| {
            let number = e.number(key, number.into(), DIGITS_7);
            u32::try_from(number).unwrap_or(0)
        };
        let major = of(self, b"SCHILY.devmajor", major);
        let minor = of(self, b"SCHILY.devminor", minor);
        // A header of this kind has both.
        let _ = self.header.set_device_major(major);
        let _ = self.header.set_device_minor(minor);
    }

    fn attributes(&mut self, attributes: &[(std::ffi::OsString, Vec<u8>)]) {
        for (name, value) in attributes {
            let acl = match name.to_str() {
                Some(ACL_ACCESS) => b"SCHILY.acl.access",
                Some(ACL_DEFAULT) => &b"SCHILY.acl.default"[..],
                _ => b"",
            };
            if let Some(text) = acl_text(value).filter(|_| !acl.is_empty()) {
                self.record(acl, text.as_bytes());
            }
            self.record(&[b"SCHILY.xattr.", &*keyword(name)].concat(), value);
        }
    }

    /// `LENGTH KEY=VALUE`, a line, of which the length counts itself.
    fn record(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.records.extend(length.to_string().bytes());
        self.records.push(b' ');
        self.records.extend(key);
        self.records.push(b'=');
        self.records.extend(value);
        self.records.push(b'\n');
    }
}

/// The name of an attribute in a keyword, which ends at a `=`: as GNU tar has it.
fn keyword(name: &OsStr) -> Vec<u8> {
    let name = name.as_bytes();
    let is_meant = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if ![&b"="[..], b"%3D", b"%25"].into_iter().any(is_meant) {
        return name.to_vec();
    }
    let mut text = Vec::new();
    for &byte in name {
        match byte {
            b'=' => text.extend(b"%3D"),
            b'%' => text.extend(b"%25"),
            byte => text.push(byte),
        }
    }
    text
}

/// Seconds since 1970 with a fraction, also before that, where both parts are counted from the second below.
fn decimal(seconds: i64, nanoseconds: u32) -> String {
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let (whole, part) = (all / 1_000_000_000, all % 1_000_000_000);
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let part = format!("{part:09}");
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

/// An ACL in its text, with numbers, of what `system.posix_acl_*` has; none if it is not understood.
fn acl_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&2u32.to_le_bytes())?;
    if entries.len() % 8 != 0 {
        return None;
    }
    let mut words = Vec::new();
    for entry in entries.chunks_exact(8) {
        let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let rights: String = "rwx"
            .char_indices()
            .map(|(at, letter)| {
                if short(2) & (4 >> at) == 0 {
                    '-'
                } else {
                    letter
                }
            })
            .collect();
        words.push(match short(0) {
            0x01 => format!("user::{rights}"),
            0x02 => format!("user:{id}:{rights}"),
            0x04 => format!("group::{rights}"),
            0x08 => format!("group:{id}:{rights}"),
            0x10 => format!("mask::{rights}"),
            0x20 => format!("other::{rights}"),
            _ => return None,
        });
    }
    Some(words.join(","))
}

/// As much of `text` as there is room for; the rest stays empty.
fn put(place: &mut [u8], text: &[u8]) {
    let length = text.len().min(place.len());
    place[..length].copy_from_slice(&text[..length]);
}

/// So much of a file; less is an error, and more is left out.
struct Exactly<'a> {
    data: &'a mut dyn Read,
    left: u64,
}

impl Read for Exactly<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(room.len());
        if most == 0 {
            return Ok(0);
        }
        let found = self.data.read(&mut room[..most])?;
        if found == 0 {
            return Err(io::Error::other("changed while it was read"));
        }
        self.left -= found as u64;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn times() {
        assert_eq!(decimal(0, 0), "0");
        assert_eq!(decimal(12, 50), "12.00000005");
        assert_eq!(decimal(-1, 500_000_000), "-0.5");
        assert_eq!(decimal(-2, 250_000_000), "-1.75");
        assert_eq!(decimal(-2, 0), "-2");
        assert_eq!(decimal(1 << 40, 1), "1099511627776.000000001");
    }

    #[test]
    fn records_count_themselves() {
        let mut entry = Entry {
            header: Header::new_ustar(),
            records: Vec::new(),
            length: 0,
        };
        for length in 0..1100 {
            entry.records.clear();
            entry.record(b"path", &vec![b'n'; length]);
            let text = entry.records.clone();
            let at = text
                .iter()
                .position(|&byte| byte == b' ')
                .expect("a length");
            let told = std::str::from_utf8(&text[..at]).expect("digits");
            assert_eq!(told.parse::<usize>(), Ok(text.len()));
        }
    }

    #[test]
    fn acls() {
        let entry = |tag: u16, rights: u16, id: u32| {
            let mut bytes = tag.to_le_bytes().to_vec();
            bytes.extend(rights.to_le_bytes());
            bytes.extend(id.to_le_bytes());
            bytes
        };
        let mut acl = 2u32.to_le_bytes().to_vec();
        for (tag, rights, id) in [
            (1, 6, !0),
            (2, 4, 1000),
            (4, 0, !0),
            (0x10, 4, !0),
            (0x20, 1, !0),
        ] {
            acl.extend(entry(tag, rights, id));
        }
        let text = "user::rw-,user:1000:r--,group::---,mask::r--,other::--x";
        assert_eq!(acl_text(&acl).as_deref(), Some(text));
        assert_eq!(acl_text(&acl[..5]), None);
        assert_eq!(acl_text(b""), None);
        acl.extend(entry(3, 0, 0));
        assert_eq!(acl_text(&acl), None);
    }

    #[test]
    fn keywords() {
        let of = |name: &str| String::from_utf8(keyword(OsStr::new(name))).expect("text");
        assert_eq!(of("user.x"), "user.x");
        assert_eq!(of("user.100%"), "user.100%");
        assert_eq!(of("user.a=b%"), "user.a%3Db%25");
        assert_eq!(of("user.%3D"), "user.%253D");
    }

    /// What a reader of the format finds is what was put in. This one divides records at newlines, which are no end of
    /// one; `tests/aufs2_archive.sh` has another reader.
    #[test]
    fn it_is_read_again() {
        let area = std::env::temp_dir().join(format!("aufs2-tar-{}", std::process::id()));
        std::fs::create_dir(&area).expect("a folder");
        let path = area.join("f");
        std::fs::write(&path, "data").expect("a file");
        let tree = crate::tree::Tree::open(&area).expect("a tree");
        let mut object = Object::at(&tree, std::path::Path::new("f")).expect("it is there");
        object.looks.stat.st_uid = 3_000_000;
        object.looks.stat.st_mtime = -1;
        object.looks.stat.st_mtime_nsec = 500_000_000;
        object.looks.attributes = vec![(OsString::from("user.x"), b"a=b\0".to_vec())];
        let long = [&[b'd'; 255][..], b"/\xff", &[b'n'; 250]].concat();
        let short = [&[b'd'; 120][..], b"/", &[b'n'; 90]].concat();
        let mut archive = Archive::new(Vec::new());
        for name in [&*long, &*short] {
            let mut data = tree.file(std::path::Path::new("f")).expect("it is read");
            archive
                .add(name, &object, What::Itself, &mut data)
                .expect("added");
        }
        archive
            .add(b"again", &object, What::Link(&long), &mut io::empty())
            .expect("added");
        archive
            .add_mark(b"d/.wh.x", b"", &object.looks.stat)
            .expect("added");
        let bytes = archive.finish().expect("ended");
        let mut less = Archive::new(Vec::new());
        let fails = less.add(b"less", &object, What::Itself, &mut io::empty());
        assert!(fails.is_err());
        let mut read = tar::Archive::new(&*bytes);
        let mut entries = read.entries().expect("entries");
        for name in [&*long, &*short] {
            let mut entry = entries.next().expect("one").expect("a good one");
            assert_eq!(&*entry.path_bytes(), name);
            let records: Vec<(String, Vec<u8>)> = entry
                .pax_extensions()
                .expect("records")
                .expect("there are some")
                .map(|record| record.expect("a good one"))
                .map(|record| {
                    (
                        record.key().expect("text").to_owned(),
                        record.value_bytes().to_vec(),
                    )
                })
                .collect();
            let of = |key: &str| {
                let found = records.iter().find(|(name, _)| name == key);
                found.map(|(_, value)| value.clone())
            };
            assert_eq!(of("uid"), Some(b"3000000".to_vec()));
            assert_eq!(of("mtime"), Some(b"-0.5".to_vec()));
            let mut data = String::new();
            entry.read_to_string(&mut data).expect("it is read");
            assert_eq!(data, "data");
            assert_eq!(of("path").is_some(), name.len() > 250);
        }
        let entry = entries.next().expect("one").expect("a good one");
        assert_eq!(entry.header().entry_type(), EntryType::Link);
        assert_eq!(entry.link_name_bytes().as_deref(), Some(&*long));
        let entry = entries.next().expect("one").expect("a good one");
        assert_eq!(&*entry.path_bytes(), b"d/.wh.x");
        assert_eq!(entry.header().mode().expect("a mode"), 0o444);
        std::fs::remove_dir_all(&area).expect("it goes");
    }
}
