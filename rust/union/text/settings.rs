// SPDX-License-Identifier: GPL-2.0

//! What can be chosen at mount, and but for `privmap=` changed later: a row for each, from which it is read, kept
//! and shown.
//!
//! To add one is to add its words as an enum, and a row with the next free bits, which no other row may have: that
//! is checked as it is compiled. Then its line in `Documentation/usage.md` and `aufs2(5)`. What a remount has to do
//! that changes it, or why it must not, is in [`Context::reconfigure`](crate::vfs::fs::fs_context::Context) of
//! `serve/context.rs`.

use super::policies::{CopyUp, Create};
use kernel::{fmt, prelude::*};

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
    /// Names that come and go are noticed, and a name is checked when it is used.
    Reval,
}

/// Who serves the faults of new mappings: what is asked for, of which `mmap::Engine` is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mmap {
    /// The file on the branch, by itself.
    Direct,
    /// The file on the branch, on behalf of a file of the union.
    Fault,
}

/// What a private mapping shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Privmap {
    /// The file as it is, or as it was, as the kernel happens to have it.
    Shared,
    /// The file as it was when it was mapped.
    Snapshot,
}

/// What is chosen of each setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    /// Of each row of [`ROWS`], in its bits.
    chosen: Bits,
    /// `create`: which branch new objects are made on. It has numbers, and so no row.
    pub(crate) create: Create,
}

/// What is chosen of [`ROWS`], in one word, for an atomic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bits(pub(crate) u64);

/// A setting.
struct Row {
    /// Its bits of [`Bits`].
    mask: u64,
    /// The options that have a choice as their value, of which the first is shown; none if the choices are
    /// options themselves.
    keys: &'static [&'static str],
    /// The choices, the default first.
    choices: &'static [Choice],
}

/// One of a setting's choices.
struct Choice {
    /// In the bits of its row.
    bits: u64,
    /// The words for it, of which the first is shown.
    words: &'static [&'static str],
}

/// What options choose.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Chosen {
    mask: u64,
    bits: u64,
}

impl Chosen {
    /// Chooses more, or otherwise.
    pub(crate) fn then(&mut self, later: Self) {
        self.bits = self.bits & !later.mask | later.bits;
        self.mask |= later.mask;
    }
}

/// Makes of each row a method of [`Bits`] and its [`Row`]:
/// `name: type, bits, [options] { words => default, words => choice, ... }`.
macro_rules! settings {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty, $from:literal..$to:literal, [$($key:literal),*] {
            $($first:literal),+ => $default:expr,
            $($($word:literal),+ => $choice:expr,)+
        }
    )*) => {
        // An enumeration has no `From` for it.
        #[allow(clippy::cast_lossless)]
        impl Bits {
            $(
                $(#[$doc])*
                #[inline]
                pub(crate) fn $name(self) -> $type {
                    match (self.0 & mask($from, $to)) >> $from {
                        // CAST: Few enough.
                        $(bits if bits == $choice as u64 => $choice,)+
                        _ => $default,
                    }
                }
            )*
        }

        #[allow(clippy::cast_lossless)]
        const ROWS: &[Row] = &[$(
            Row {
                mask: mask($from, $to),
                keys: &[$($key),*],
                choices: &[
                    // CAST: Few enough.
                    Choice { bits: ($default as u64) << $from, words: &[$($first),+] },
                    $(Choice { bits: ($choice as u64) << $from, words: &[$($word),+] },)+
                ],
            },
        )*];
    };
}

settings! {
    /// How durable a copy-up is made before it is published.
    fsync: Fsync, 0..2, ["fsync"] {
        "auto" => Fsync::Auto,
        "strict" => Fsync::Strict,
        "volatile" => Fsync::Volatile,
    }
    /// How hard changes made to the branches directly are looked for.
    udba: Udba, 2..3, ["udba"] {
        "reval", "notify", "fsnotify" => Udba::Reval,
        "none" => Udba::None,
    }
    /// Whether `statfs(2)` adds the branches up; blocks are weighed by their size in either case.
    sum: bool, 3..4, [] {
        "nosum" => false,
        "sum", "wsum" => true,
    }
    /// Whether there are POSIX ACLs, if a branch has them.
    acl: bool, 4..5, [] {
        "acl" => true,
        "noacl" => false,
    }
    /// Who serves the faults of new mappings.
    mmap: Mmap, 5..6, ["mmap"] {
        "direct" => Mmap::Direct,
        "fault" => Mmap::Fault,
    }
    /// Whether the file of a mapping has the union's path itself.
    mmap_path: bool, 6..7, ["mmap_path"] {
        "branch" => false,
        "union" => true,
    }
    /// Whether open files show what their name means after the branches have changed.
    refrof: bool, 7..8, [] {
        "refrof" => true,
        "norefrof" => false,
    }
    /// Which branch objects are copied up to.
    copy_up: CopyUp, 8..10, ["cpup", "copyup", "copyup_policy"] {
        "tdp", "top-down-parent" => CopyUp::TopDownParent,
        "bup", "bottom-up-parent" => CopyUp::BottomUpParent,
        "bu", "bottom-up" => CopyUp::BottomUp,
    }
    /// Whether what has no room on the branch that was chosen goes to another.
    retry: bool, 10..11, [] {
        "retry" => true,
        "noretry" => false,
    }
    /// Whether whiteouts show.
    show_whiteouts: bool, 11..12, [] {
        "noshwh" => false,
        "shwh" => true,
    }
    /// Whether branches with another owner or mode than the union are warned of.
    warn_permission: bool, 12..13, [] {
        "warn_perm" => true,
        "nowarn_perm" => false,
    }
    /// What a private mapping shows. It cannot be changed later.
    privmap: Privmap, 13..14, ["privmap"] {
        "shared" => Privmap::Shared,
        "snapshot" => Privmap::Snapshot,
    }
}

/// The bits from one on, up to another without that.
const fn mask(from: u32, to: u32) -> u64 {
    (1 << to) - (1 << from)
}

/// The default choices of all rows; an error to compile if two share a bit, or a choice has none.
const DEFAULT: Bits = {
    let (mut bits, mut seen, mut at) = (0, 0, 0);
    while at < ROWS.len() {
        let row = &ROWS[at];
        assert!(row.mask & seen == 0);
        seen |= row.mask;
        let mut of = 0;
        while of < row.choices.len() {
            assert!(row.choices[of].bits & !row.mask == 0);
            of += 1;
        }
        bits |= row.choices[0].bits;
        at += 1;
    }
    Bits(bits)
};

impl Default for Settings {
    fn default() -> Self {
        Self {
            chosen: DEFAULT,
            create: Create::default(),
        }
    }
}

impl core::ops::Deref for Settings {
    type Target = Bits;

    fn deref(&self) -> &Bits {
        &self.chosen
    }
}

impl Settings {
    /// From where they are kept.
    #[inline]
    pub(crate) fn new(chosen: Bits, create: Create) -> Self {
        Self { chosen, create }
    }

    /// All but `create`.
    pub(crate) fn chosen(&self) -> Bits {
        self.chosen
    }

    /// Chooses anew.
    pub(crate) fn choose(&mut self, chosen: Chosen) {
        self.chosen = Bits(self.chosen.0 & !chosen.mask | chosen.bits);
    }
}

/// The choices that are not the default, as options, each after a comma.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in ROWS {
            let bits = self.chosen.0 & row.mask;
            let (Some(at), Some(default)) = (
                row.choices.iter().position(|choice| choice.bits == bits),
                row.choices.first(),
            ) else {
                continue;
            };
            if bits == default.bits {
                continue;
            }
            let word = row.choices[at].words.first().unwrap_or(&"");
            match row.keys.first() {
                Some(key) => write!(f, ",{key}={word}")?,
                None => write!(f, ",{word}")?,
            }
        }
        if self.create != Create::default() {
            f.write_str(",create=")?;
            self.create.fmt(f)?;
        }
        Ok(())
    }
}

impl Row {
    /// What `word` chooses.
    fn find(&self, word: &[u8]) -> Option<Chosen> {
        let is_word = |choice: &&Choice| choice.words.iter().any(|w| w.as_bytes() == word);
        let choice = self.choices.iter().find(is_word)?;
        Some(Chosen {
            mask: self.mask,
            bits: choice.bits,
        })
    }
}

/// Reads an option; `None` if there is no such setting. `EINVAL` if its value is none of the choices.
pub(crate) fn parse(word: &[u8], value: Option<&[u8]>) -> Result<Option<Chosen>> {
    for row in ROWS {
        if row.keys.iter().any(|key| key.as_bytes() == word) {
            return row.find(value.unwrap_or_default()).ok_or(EINVAL).map(Some);
        }
        if row.keys.is_empty() && value.is_none() {
            if let Some(chosen) = row.find(word) {
                return Ok(Some(chosen));
            }
        }
    }
    Ok(None)
}

/// What there is to choose from.
pub(crate) struct Choices(&'static Row);

/// As it is said to who has chosen something else.
impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, choice) in self.0.choices.iter().enumerate() {
            f.write_str(match at {
                0 => "",
                _ if at + 1 == self.0.choices.len() => " or ",
                _ => ", ",
            })?;
            f.write_str(choice.words.first().unwrap_or(&""))?;
        }
        Ok(())
    }
}

/// What the option `word` chooses from, if it has a value.
pub(crate) fn choices(word: &[u8]) -> Option<Choices> {
    let is_it = |row: &&Row| row.keys.iter().any(|key| key.as_bytes() == word);
    ROWS.iter().find(is_it).map(Choices)
}

/// Each option that chooses something, for tests.
#[cfg(test)]
pub(crate) fn all() -> Vec<String> {
    let of = |row: &Row| -> Vec<String> {
        let words = row.choices.iter().flat_map(|choice| choice.words);
        let option = |word: &&str| match row.keys {
            [] => vec![(*word).to_string()],
            keys => keys.iter().map(|key| format!("{key}={word}")).collect(),
        };
        words.flat_map(|word| option(&word)).collect()
    };
    ROWS.iter().flat_map(of).collect()
}
