// SPDX-License-Identifier: GPL-2.0

//! The grammar of mount options: `Documentation/usage.md`.
//!
//! Pure text in, values out. `mount(8)` cuts an option at its first `=` into a key and a value, so
//! that `br:/a=rw:/b` arrives as the key `br:/a` and the value `rw:/b`; both forms are understood.

use kernel::prelude::*;

/// Who may write to a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// The union writes to it.
    ReadWrite,
    /// The union does not write to it; others may.
    ReadOnly,
    /// Nobody writes to it.
    RealReadOnly,
}

/// The permission of a branch, with its attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Permission {
    pub(crate) access: Access,
    /// Whether whiteouts on the branch count. They always do on a writable one.
    pub(crate) whiteouts: bool,
}

impl Permission {
    /// In one word, for an atomic.
    pub(crate) const fn pack(self) -> u32 {
        let access = match self.access {
            Access::ReadWrite => 0,
            Access::ReadOnly => 1,
            Access::RealReadOnly => 2,
        };
        access | (self.whiteouts as u32) << 2
    }

    /// The other way round.
    pub(crate) const fn unpack(packed: u32) -> Self {
        Self {
            access: match packed & 3 {
                0 => Access::ReadWrite,
                1 => Access::ReadOnly,
                _ => Access::RealReadOnly,
            },
            whiteouts: packed & 4 != 0,
        }
    }

    /// A permission without attributes.
    pub(crate) const fn new(access: Access) -> Self {
        Self {
            access,
            whiteouts: matches!(access, Access::ReadWrite),
        }
    }
}

/// A branch as it is asked for.
pub(crate) struct BranchSpec {
    /// The path, with escapes undone.
    pub(crate) path: KVec<u8>,
    /// The permission, if one is given.
    pub(crate) permission: Option<Permission>,
}

/// The path that stands for a branch in memory.
pub(crate) const MEMORY: &[u8] = b"mem";

/// How durable a copy-up is made before it is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fsync {
    /// The data of a copied-up file is written out before it is published.
    Auto,
    /// As `Auto`, and directories and metadata are, too.
    Strict,
    /// Nothing is written out, ever: `fsync(2)` does nothing.
    Volatile,
}

/// How hard changes made to the branches directly are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Udba {
    /// Not at all.
    None,
    /// When a name is used.
    Reval,
}

/// Who serves the faults of new mappings: `rust/mmap/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mmap {
    /// The file on the branch, by itself.
    Direct,
    /// The file on the branch, on behalf of a file of the union.
    Fault,
}

/// A change of the branches. Those of one request are made from left to right.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Change<B, P> {
    /// `br`, `dirs`: as `Append`; in a remount, what is there already is left alone.
    Initial(B),
    /// `append`: a branch below those so far.
    Append(B),
    /// `add`, `ins`, `prepend`: a branch at an index.
    Insert(usize, B),
    /// `del`: the branch of a path goes.
    Delete(P),
    /// `mod`: the branch of a path gets another permission.
    Modify(P, Permission),
    /// `mv`: the branch of a path goes to an index, as counted without it.
    Move(usize, P),
}

/// One option.
pub(crate) enum Opt {
    /// Changes of the branches, in their order.
    Branches(KVec<Change<BranchSpec, KVec<u8>>>),
    /// `refrof`: open files show what their name means after the branches have changed; or
    /// `norefrof`.
    Refrof(bool),
    /// `udba`.
    Udba(Udba),
    /// `fsync`.
    Fsync(Fsync),
    /// `sum`: `statfs(2)` adds the branches up; or `nosum`.
    Sum(bool),
    /// `acl` or `noacl`.
    Acl(bool),
    /// `mmap`.
    Mmap(Mmap),
    /// `mmap_path`: whether the file of a mapping has the union's path itself.
    MmapPath(bool),
    /// A parameter of the branch in memory: `size`, `nr_inodes`, `mode`.
    Memory(MemoryKey, KVec<u8>),
    /// Accepted for the sake of aufs; it changes nothing here, as `Documentation/usage.md` says.
    Ignored,
}

/// The parameters of a branch in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemoryKey {
    Size,
    Inodes,
    Mode,
}

/// Reads one option; `None` if there is no such option. `EINVAL` if its value makes no sense.
pub(crate) fn parse(key: &[u8], value: Option<&[u8]>) -> Result<Option<Opt>> {
    // The colon form: what follows the colon is the start of the value.
    let (word, rest) = match key.iter().position(|&b| b == b':') {
        Some(colon) => (&key[..colon], Some(&key[colon + 1..])),
        None => (key, None),
    };
    if is_branch_word(word) {
        return Ok(Some(Opt::Branches(parse_changes(
            word,
            &join(rest, value)?,
        )?)));
    }
    if rest.is_some() {
        return Ok(None);
    }
    Ok(Some(match (word, value) {
        (b"udba", Some(b"none")) => Opt::Udba(Udba::None),
        (b"udba", Some(b"reval")) => Opt::Udba(Udba::Reval),
        (b"fsync", Some(b"auto")) => Opt::Fsync(Fsync::Auto),
        (b"fsync", Some(b"strict")) => Opt::Fsync(Fsync::Strict),
        (b"fsync", Some(b"volatile")) => Opt::Fsync(Fsync::Volatile),
        (b"refrof", None) => Opt::Refrof(true),
        (b"norefrof", None) => Opt::Refrof(false),
        (b"sum", None) => Opt::Sum(true),
        (b"nosum", None) => Opt::Sum(false),
        (b"acl", None) => Opt::Acl(true),
        (b"noacl", None) => Opt::Acl(false),
        (b"mmap", Some(b"direct")) => Opt::Mmap(Mmap::Direct),
        (b"mmap", Some(b"fault")) => Opt::Mmap(Mmap::Fault),
        (b"mmap_path", Some(b"branch")) => Opt::MmapPath(false),
        (b"mmap_path", Some(b"union")) => Opt::MmapPath(true),
        (b"size", Some(v)) => Opt::Memory(MemoryKey::Size, copy(v)?),
        (b"nr_inodes", Some(v)) => Opt::Memory(MemoryKey::Inodes, copy(v)?),
        (b"mode", Some(v)) => Opt::Memory(MemoryKey::Mode, copy(v)?),
        (b"si", Some(_)) | (b"xino", Some(_)) => Opt::Ignored,
        (b"noxino" | b"trunc_xino" | b"notrunc_xino" | b"trunc_xib" | b"notrunc_xib", None) => {
            Opt::Ignored
        }
        (b"udba" | b"fsync" | b"mmap" | b"mmap_path", _) => return Err(EINVAL),
        _ => return Ok(None),
    }))
}

/// Whether an option of this name is about branches.
fn is_branch_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"br" | b"dirs" | b"add" | b"ins" | b"append" | b"prepend" | b"del" | b"mod" | b"mv"
    )
}

/// Reads what follows the word.
fn parse_changes(word: &[u8], text: &[u8]) -> Result<KVec<Change<BranchSpec, KVec<u8>>>> {
    let mut changes = KVec::new();
    let (index, text) = match word {
        b"add" | b"ins" | b"mv" => {
            let colon = text.iter().position(|&b| b == b':').ok_or(EINVAL)?;
            (parse_index(&text[..colon])?, &text[colon + 1..])
        }
        _ => (0, text),
    };
    match word {
        b"del" | b"mv" => {
            if text.is_empty() {
                return Err(EINVAL);
            }
            let path = unescape(text)?;
            let change = match word {
                b"del" => Change::Delete(path),
                _ => Change::Move(index, path),
            };
            changes.push(change, GFP_KERNEL)?;
            return Ok(changes);
        }
        b"mod" => {
            let spec = parse_branch(text)?;
            let permission = spec.permission.ok_or(EINVAL)?;
            changes.push(Change::Modify(spec.path, permission), GFP_KERNEL)?;
            return Ok(changes);
        }
        _ => {}
    }
    for (at, spec) in parse_branches(text)?.into_iter().enumerate() {
        let change = match word {
            b"br" | b"dirs" => Change::Initial(spec),
            b"append" => Change::Append(spec),
            _ => Change::Insert(index + at, spec),
        };
        changes.push(change, GFP_KERNEL)?;
    }
    if changes.is_empty() {
        return Err(EINVAL);
    }
    Ok(changes)
}

/// Reads a decimal number of at most five digits.
fn parse_index(text: &[u8]) -> Result<usize> {
    if text.is_empty() || text.len() > 5 || !text.iter().all(u8::is_ascii_digit) {
        return Err(EINVAL);
    }
    Ok(text.iter().fold(0, |n, &b| n * 10 + usize::from(b - b'0')))
}

fn copy(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::with_capacity(bytes.len(), GFP_KERNEL)?;
    copy.extend_from_slice(bytes, GFP_KERNEL)?;
    Ok(copy)
}

/// Puts together what was cut at the first `=`.
fn join(rest: Option<&[u8]>, value: Option<&[u8]>) -> Result<KVec<u8>> {
    let mut text = KVec::new();
    if let Some(rest) = rest {
        text.extend_from_slice(rest, GFP_KERNEL)?;
    }
    if let Some(value) = value {
        if rest.is_some() {
            text.push(b'=', GFP_KERNEL)?;
        }
        text.extend_from_slice(value, GFP_KERNEL)?;
    }
    Ok(text)
}

/// Reads `path[=permission][:path[=permission]]...`. A backslash takes the meaning from the `:`,
/// `=`, `,` or `\` after it.
pub(crate) fn parse_branches(text: &[u8]) -> Result<KVec<BranchSpec>> {
    let mut list = KVec::new();
    for item in Split::new(text, b':') {
        list.push(parse_branch(item)?, GFP_KERNEL)?;
    }
    Ok(list)
}

fn parse_branch(item: &[u8]) -> Result<BranchSpec> {
    // The last `=` that is followed by a permission ends the path: a path may have one, too.
    let (path, permission) = match item.iter().rposition(|&b| b == b'=') {
        Some(at) if !is_escaped(item, at) => match parse_permission(&item[at + 1..]) {
            Ok(permission) => (&item[..at], Some(permission)),
            Err(e) => return Err(e),
        },
        _ => (item, None),
    };
    if path.is_empty() {
        return Err(EINVAL);
    }
    Ok(BranchSpec {
        path: unescape(path)?,
        permission,
    })
}

/// Reads a permission: `rw`, `ro` or `rr`, and attributes, each after a `+`.
pub(crate) fn parse_permission(text: &[u8]) -> Result<Permission> {
    let mut words = text.split(|&b| b == b'+');
    let mut permission = Permission::new(match words.next() {
        Some(b"rw") => Access::ReadWrite,
        Some(b"ro") => Access::ReadOnly,
        Some(b"rr") => Access::RealReadOnly,
        _ => return Err(EINVAL),
    });
    let writable = permission.access == Access::ReadWrite;
    for word in words {
        match word {
            b"wh" if !writable => permission.whiteouts = true,
            // Whiteouts are links to one file where the branch can do that; either is correct.
            b"nolwh" if writable => {}
            _ => return Err(EINVAL),
        }
    }
    Ok(permission)
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}

fn unescape(text: &[u8]) -> Result<KVec<u8>> {
    let mut out = KVec::with_capacity(text.len(), GFP_KERNEL)?;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let byte = match (byte, bytes.peek()) {
            (b'\\', Some(&next @ (b':' | b'=' | b',' | b'\\'))) => {
                bytes.next();
                next
            }
            _ => byte,
        };
        out.push(byte, GFP_KERNEL)?;
    }
    Ok(out)
}

/// The pieces of a text between separators that are not escaped.
pub(crate) struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    /// The pieces of `text`; none if it is empty.
    pub(crate) fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            rest: (!text.is_empty()).then_some(text),
            separator,
        }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let end = (0..text.len()).find(|&i| text[i] == self.separator && !is_escaped(text, i));
        match end {
            Some(end) => {
                self.rest = Some(&text[end + 1..]);
                Some(&text[..end])
            }
            None => {
                self.rest = None;
                Some(text)
            }
        }
    }
}

/// Cuts one piece of an option string at its first `=`, as `mount(8)` does.
pub(crate) fn key_value(piece: &[u8]) -> (&[u8], Option<&[u8]>) {
    match piece.iter().position(|&b| b == b'=') {
        Some(at) => (&piece[..at], Some(&piece[at + 1..])),
        None => (piece, None),
    }
}
