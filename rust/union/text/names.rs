// SPDX-License-Identifier: GPL-2.0

//! The names that mean something on a branch: `Documentation/on-disk-format.md`.
//!
//! A whiteout of `NAME` is a file `.wh.NAME` beside it. All names that start with `.wh.` are
//! reserved: they never show in the union, and cannot be made there.

use kernel::prelude::*;

/// What every reserved name starts with.
pub(crate) const PREFIX: &[u8] = b".wh.";
/// In a directory: it hides the directories of the same name below it.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// At the root of a writable branch: where objects are made and taken apart.
pub(crate) const WORK: &[u8] = b".wh..wh.orph";
/// At the root of a writable branch: the file that whiteouts are links to.
pub(crate) const BASE: &[u8] = b".wh..wh.aufs";
/// At the root of a writable branch: what is on it may not be on the disk.
pub(crate) const VOLATILE: &[u8] = b".wh..wh.volatile";
/// At the root of a writable branch: what keeps objects that have no other name on it.
pub(crate) const PLINKS: &[u8] = b".wh..wh.plnk";
/// What the name of a whiteout of a long name starts with.
const LONG_PREFIX: &[u8] = b".wh..wh.l.";
/// The longest name of a file, `NAME_MAX`.
const NAME_MAX: usize = 255;
/// The length of a name made by [`Buffer::hex`].
const HEX: usize = 16;

/// A name built from parts.
pub(crate) struct Buffer {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; NAME_MAX],
            len: 0,
        }
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        // Callers stay within `NAME_MAX`; what would not fit is left out rather than written.
        let end = (self.len + part.len()).min(NAME_MAX);
        let fits = end - self.len;
        self.bytes[self.len..end].copy_from_slice(&part[..fits]);
        self.len = end;
    }

    pub(super) fn hex(&mut self, value: u64) {
        for shift in (0..HEX).rev() {
            let digit = (value >> (shift * 4)) as usize & 0xf;
            self.push(&[b"0123456789abcdef"[digit]]);
        }
    }

    pub(super) fn decimal(&mut self, value: u64) {
        let mut power = 1;
        while value / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            let digit = (value / power % 10) as usize;
            self.push(&[b"0123456789"[digit]]);
            power /= 10;
        }
    }

    /// The bytes of the name.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether `name` is reserved, so that it never shows in the union.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

/// How many long names with the same hash a directory can have whited out.
pub(crate) const LONG_SLOTS: u8 = 16;

/// The name of the file that whites out the long `name`, which leaves no room for [`PREFIX`] before
/// it, and has the whole name in it; or that does so for another of the same hash: the first of
/// the [`LONG_SLOTS`] that is free, or that has `name` in it, is the one.
pub(crate) fn long(name: &[u8], slot: u8) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.push(LONG_PREFIX);
    buffer.hex(hash(name));
    if slot > 0 {
        buffer.push(b".");
        buffer.push(&[b"0123456789abcdef"[usize::from(slot & 0xf)]]);
    }
    buffer
}

/// What a reserved name hides, for one that is read from a directory.
pub(crate) enum Hides<'a> {
    /// The name of the entry that is hidden in the branches below.
    Name(&'a [u8]),
    /// An entry whose name is in the file.
    InFile,
    /// The directory in all branches below.
    All,
    /// Nothing: it is for internal use.
    Nothing,
}

/// Reads a reserved `name` the other way round.
pub(crate) fn hides(name: &[u8]) -> Hides<'_> {
    if name == OPAQUE {
        Hides::All
    } else if name.starts_with(LONG_PREFIX) {
        Hides::InFile
    } else {
        match name.get(PREFIX.len()..) {
            Some(hidden) if !hidden.is_empty() && !hidden.starts_with(PREFIX) => {
                Hides::Name(hidden)
            }
            _ => Hides::Nothing,
        }
    }
}

/// A name for a temporary object, different for each `serial`.
pub(crate) fn temporary(serial: u64) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.push(b".wh..wh.t.");
    buffer.hex(serial);
    buffer
}

/// A name in [`PLINKS`] for the object with `number` in the union, different for each `serial`: two
/// numbers, as aufs has them, but for the 0 that they begin with.
pub(crate) fn serial_plink(number: u64, serial: u64) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.push(b"0");
    buffer.decimal(number);
    buffer.push(b".");
    buffer.decimal(serial);
    buffer
}

/// Whether `name` is one that [`serial_plink`] makes.
pub(crate) fn is_serial_plink(name: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = name.splitn(2, |&byte| byte == b'.');
    match (parts.next(), parts.next()) {
        (Some([b'0', number @ ..]), Some(serial)) => is_number(number) && is_number(serial),
        _ => false,
    }
}

/// FNV-1a of 64 bits: it only spreads names; collisions are handled by slots.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The reasons why `name` cannot be made in the union: `EPERM` for a reserved one.
pub(crate) fn check_creatable(name: &[u8]) -> Result {
    if is_reserved(name) {
        Err(EPERM)
    } else {
        Ok(())
    }
}
