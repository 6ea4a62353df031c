// SPDX-License-Identifier: GPL-2.0

//! What an object with several names was copied from, as it is written down in a name: see
//! `Documentation/on-disk-format.md`.

use super::names::Buffer;

/// Identifies an object of a filesystem, over mounts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Origin {
    /// The UUID of the filesystem, or what stands for it.
    pub(crate) fs: [u8; 16],
    /// The part of the filesystem that has inode numbers of its own; 0 if there are no parts.
    pub(crate) subvolume: u64,
    pub(crate) ino: u64,
    pub(crate) generation: u32,
    /// Stands for what the object was: an image that was made anew may have another one in its place.
    pub(crate) state: u64,
}

/// More names of one object are not believed: the numbers of links of two objects can be added.
pub(crate) const MOST_NAMES: u32 = 1 << 30;

/// What the names start with.
const PREFIX: &[u8] = b"0.";

impl Origin {
    /// The name of what keeps the copy, for which there are so many `names` below.
    pub(crate) fn name(&self, names: u32) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.push(PREFIX);
        let (high, low) = self.halves();
        buffer.hex(high);
        buffer.hex(low);
        for number in [self.subvolume, self.ino, self.generation.into(), self.state] {
            buffer.push(b".");
            buffer.hex(number);
        }
        buffer.push(b".");
        buffer.decimal(names.into());
        buffer
    }

    fn halves(&self) -> (u64, u64) {
        let whole = u128::from_be_bytes(self.fs);
        // CAST: The upper half, and the lower one.
        ((whole >> 64) as u64, whole as u64)
    }

    /// Reads a name that [`Origin::name`] makes, and no other: what the copy was made of, and how many
    /// names there are below.
    pub(crate) fn parse(name: &[u8]) -> Option<(Self, u32)> {
        let mut parts = name.strip_prefix(PREFIX)?.split(|&byte| byte == b'.');
        let (high, low) = parts.next()?.split_at_checked(16)?;
        let (high, low) = (hex(high)?, hex(low)?);
        let whole = u128::from(high) << 64 | u128::from(low);
        let origin = Self {
            fs: whole.to_be_bytes(),
            subvolume: hex(parts.next()?)?,
            ino: hex(parts.next()?)?,
            generation: u32::try_from(hex(parts.next()?)?).ok()?,
            state: hex(parts.next()?)?,
        };
        let names = decimal(parts.next()?)?;
        let is_ours = parts.next().is_none() && origin.name(names).as_bytes() == name;
        (is_ours && (1..=MOST_NAMES).contains(&names)).then_some((origin, names))
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.len() != 16 {
        return None;
    }
    number(digits, 16)
}

fn decimal(digits: &[u8]) -> Option<u32> {
    // No more than a number of links has.
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    u32::try_from(number(digits, 10)?).ok()
}

fn number(digits: &[u8], base: u32) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, &digit| {
        let digit = char::from(digit).to_digit(base)?;
        Some(value * u64::from(base) + u64::from(digit))
    })
}
