// SPDX-License-Identifier: GPL-2.0

//! The grammar of mount options: `Documentation/usage.md`.
//!
//! Pure text in, values out. `mount(8)` cuts an option at its first `=` into a key and a value, so
//! that `br:/a=rw:/b` arrives as the key `br:/a` and the value `rw:/b`; both forms are understood.

use super::{
    policies::Create,
    settings::{self, Choices, Chosen},
};
use kernel::{fmt, prelude::*};

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
    /// The attributes, but for `wh`.
    pub(crate) attributes: Attributes,
}

/// Attributes of a branch, but for `wh`, which is [`Permission::whiteouts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attributes(u16);

impl Attributes {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// `nolwh`: whiteouts are no links.
    pub(crate) const NO_LINKED_WHITEOUTS: Self = Self(1);
    /// `coo_reg`: regular files are copied up when they are opened.
    pub(crate) const COPY_REGULAR_ON_OPEN: Self = Self(1 << 1);
    /// `coo_all`: and so are directories.
    pub(crate) const COPY_ALL_ON_OPEN: Self = Self(1 << 2);
    /// `icexsec`: that `security.*` attributes cannot be copied does not matter.
    pub(crate) const LOSE_SECURITY: Self = Self(1 << 6);
    /// `icexsys`: `system.*`, ACLs above all.
    pub(crate) const LOSE_SYSTEM: Self = Self(1 << 7);
    /// `icextr`: `trusted.*`.
    pub(crate) const LOSE_TRUSTED: Self = Self(1 << 8);
    /// `icexusr`: `user.*`.
    pub(crate) const LOSE_USER: Self = Self(1 << 9);
    /// `icexoth`: all others.
    pub(crate) const LOSE_OTHER: Self = Self(1 << 10);

    /// `icex`: all of `icex*`.
    const LOSE_ALL: Self = Self(0x1f << 6);

    /// What the words mean. `moo`, `fhsm` and `unpin` are only remembered, as
    /// `Documentation/usage.md` says.
    const WORDS: [(&'static str, Self); 12] = [
        ("nolwh", Self::NO_LINKED_WHITEOUTS),
        ("coo_reg", Self::COPY_REGULAR_ON_OPEN),
        ("coo_all", Self::COPY_ALL_ON_OPEN),
        ("moo", Self(1 << 3)),
        ("fhsm", Self(1 << 4)),
        ("unpin", Self(1 << 5)),
        ("icex", Self::LOSE_ALL),
        ("icexsec", Self::LOSE_SECURITY),
        ("icexsys", Self::LOSE_SYSTEM),
        ("icextr", Self::LOSE_TRUSTED),
        ("icexusr", Self::LOSE_USER),
        ("icexoth", Self::LOSE_OTHER),
    ];

    /// Those of both.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other`'s is among them.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits that aufs has for them, `AuBrAttr_*` and `AuBrWAttr_*` of its `linux/aufs_type.h`.
    pub(crate) fn aufs_bits(self) -> i32 {
        /// Where ours are there, from the lowest one on.
        const BITS: [u32; 11] = [13, 3, 4, 14, 5, 6, 7, 8, 9, 10, 11];
        let set = BITS
            .iter()
            .enumerate()
            .filter(|(at, _)| self.0 >> at & 1 != 0);
        set.fold(0, |bits, (_, bit)| bits | 1 << bit)
    }

    /// The attribute with the name `word`.
    fn find(word: &[u8]) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(name, _)| name.as_bytes() == word);
        found.map(|&(_, attribute)| attribute)
    }

    /// The words for them.
    fn words(self) -> impl Iterator<Item = &'static str> {
        let all = self.0 & Self::LOSE_ALL.0 == Self::LOSE_ALL.0;
        Self::WORDS.iter().filter_map(move |&(name, attribute)| {
            let shown = match attribute {
                Self::LOSE_ALL => all,
                one => self.has(one) && !(all && Self::LOSE_ALL.has(one)),
            };
            shown.then_some(name)
        })
    }
}

impl Permission {
    /// In one word, for an atomic.
    pub(crate) const fn pack(self) -> u32 {
        let access = match self.access {
            Access::ReadWrite => 0,
            Access::ReadOnly => 1,
            Access::RealReadOnly => 2,
        };
        access | (self.whiteouts as u32) << 2 | (self.attributes.0 as u32) << 3
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
            // CAST: Only what `pack` put there.
            attributes: Attributes((packed >> 3) as u16),
        }
    }

    /// A permission without attributes.
    pub(crate) const fn new(access: Access) -> Self {
        Self {
            access,
            whiteouts: matches!(access, Access::ReadWrite),
            attributes: Attributes::NONE,
        }
    }
}

/// As it is written in a list of branches: `ro+wh`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.access {
            Access::ReadWrite => "rw",
            Access::ReadOnly => "ro",
            Access::RealReadOnly => "rr",
        })?;
        if self.whiteouts && self.access != Access::ReadWrite {
            f.write_str("+wh")?;
        }
        for word in self.attributes.words() {
            write!(f, "+{word}")?;
        }
        Ok(())
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

/// A change of the branches. Those of one request are made from left to right.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Change<B, P> {
    /// `br`, `dirs`: as `Append`. A remount leaves it out: mount(8) repeats what fstab(5) has.
    Initial(B),
    /// `append`: a branch below those so far.
    Append(B),
    /// `add`, `ins`, `prepend`: a branch at an index.
    Insert(usize, B),
    /// `del`: a branch goes, which is given by its path, its index or its name.
    Delete(P),
    /// `mod`: such a branch gets another permission.
    Modify(P, Permission),
    /// `mv`: such a branch goes to an index, as counted without it.
    Move(usize, P),
}

/// One option.
pub(crate) enum Opt {
    /// Changes of the branches, in their order.
    Branches(KVec<Change<BranchSpec, KVec<u8>>>),
    /// A setting that has a row.
    Setting(Chosen),
    /// `create`: which branch new objects are made on.
    Create(Create),
    /// A parameter of the branch in memory: `size`, `nr_inodes`, `mode`.
    Memory(MemoryKey, KVec<u8>),
    /// Accepted for the sake of aufs; it changes nothing here, as `Documentation/aufs.md` says.
    Ignored,
}

/// The parameters of a branch in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemoryKey {
    Size,
    Inodes,
    Mode,
}

impl MemoryKey {
    /// As it is written, and as tmpfs has it.
    pub(crate) const fn word(self) -> &'static CStr {
        match self {
            Self::Size => c"size",
            Self::Inodes => c"nr_inodes",
            Self::Mode => c"mode",
        }
    }
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
    if let Some(chosen) = settings::parse(word, value)? {
        return Ok(Some(Opt::Setting(chosen)));
    }
    Ok(Some(match (word, value) {
        (b"create" | b"create_policy", Some(v)) => Opt::Create(Create::parse(v)?),
        (b"size", Some(v)) => Opt::Memory(MemoryKey::Size, copy(v)?),
        (b"nr_inodes", Some(v)) => Opt::Memory(MemoryKey::Inodes, copy(v)?),
        (b"mode", Some(v)) => Opt::Memory(MemoryKey::Mode, copy(v)?),
        (word, value) if is_ignored(word, value) => Opt::Ignored,
        (
            b"create" | b"create_policy" | b"diropq" | b"dirwh" | b"rdcache" | b"rdblk" | b"rdhash"
            | b"fhsm_sec" | b"itrunc_xino" | b"coo",
            _,
        ) => return Err(EINVAL),
        _ => return Ok(None),
    }))
}

/// What [`parse`] wants of an option that it refuses.
pub(crate) enum Expected {
    /// The option says it all.
    Nothing,
    /// In words.
    Words(&'static str),
    /// One of a setting's choices.
    One(Choices),
}

/// Behind what is said of the option.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Words(words) => write!(f, ": {words}"),
            Self::One(choices) => {
                f.write_str(": ")?;
                choices.fmt(f)
            }
        }
    }
}

/// What a permission may be.
pub(crate) const PERMISSION: Expected =
    Expected::Words("a permission is rw, ro or rr, with attributes as in ro+wh");

/// What [`parse`] wants of an option that it refuses.
pub(crate) fn expected(key: &[u8], value: Option<&[u8]>) -> Result<Expected> {
    let (word, rest) = match key.iter().position(|&b| b == b':') {
        Some(colon) => (&key[..colon], Some(&key[colon + 1..])),
        None => (key, None),
    };
    Ok(match word {
        b"create" | b"create_policy" => Expected::Words(
            "a policy, and behind colons whole numbers: of bytes, and of seconds up to 3600",
        ),
        b"add" | b"ins" | b"mv" | b"br" | b"dirs" | b"append" | b"prepend" | b"mod" => {
            let text = join(rest, value)?;
            let is_wrong = |item: &[u8]| match item.iter().rposition(|&b| b == b'=') {
                Some(at) => !is_escaped(item, at) && parse_permission(&item[at + 1..]).is_err(),
                None => word == b"mod",
            };
            match (word != b"mv" && Split::new(&text, b':').any(is_wrong), word) {
                (true, _) | (_, b"mod") => PERMISSION,
                (_, b"add" | b"ins" | b"mv") => {
                    Expected::Words("an index and a branch, as in add:1:/path=ro")
                }
                _ => Expected::Words("a list of paths, as in br:/rw=rw:/ro=ro"),
            }
        }
        b"del" => Expected::Words("a branch, by its path or its index"),
        _ => settings::choices(word).map_or(Expected::Nothing, Expected::One),
    })
}

/// Whether aufs has such an option, which changes nothing here: `Documentation/aufs.md` has the
/// reason for each.
fn is_ignored(word: &[u8], value: Option<&[u8]>) -> bool {
    let is_number = |v: &[u8]| !v.is_empty() && v.len() <= 10 && v.iter().all(u8::is_ascii_digit);
    match (word, value) {
        (
            b"si" | b"xino" | b"trunc_xino" | b"trunc_xino_path" | b"debug" | b"delete" | b"imap",
            Some(_),
        ) => true,
        (b"itrunc_xino" | b"dirwh" | b"rdcache" | b"fhsm_sec", Some(v)) => is_number(v),
        (b"rdblk" | b"rdhash", Some(v)) => v == b"def" || is_number(v),
        (b"coo", Some(v)) => matches!(v, b"none" | b"leaf" | b"all"),
        (b"diropq", Some(v)) => matches!(v, b"w" | b"whiteouted" | b"a" | b"always"),
        (
            b"noxino" | b"trunc_xino" | b"notrunc_xino" | b"trunc_xib" | b"notrunc_xib" | b"plink"
            | b"noplink" | b"list_plink" | b"clean_plink" | b"dirperm1" | b"nodirperm1" | b"dirren"
            | b"nodirren" | b"dio" | b"nodio" | b"verbose" | b"v" | b"noverbose" | b"quiet" | b"q"
            | b"silent" | b"dlgt" | b"nodlgt" | b"relatime",
            None,
        ) => true,
        _ => false,
    }
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

/// `ENOMEM`.
pub(crate) fn copy(bytes: &[u8]) -> Result<KVec<u8>> {
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
        Some(at) if !is_escaped(item, at) => {
            let permission = parse_permission(&item[at + 1..])?;
            (&item[..at], Some(permission))
        }
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
            b"nolwh" if !writable => return Err(EINVAL),
            _ => {
                let attribute = Attributes::find(word).ok_or(EINVAL)?;
                permission.attributes = permission.attributes.with(attribute);
            }
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
