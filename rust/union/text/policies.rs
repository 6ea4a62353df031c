// SPDX-License-Identifier: GPL-2.0

//! Which of several writable branches a new object goes to, or a copy: aufs's policies, as text and
//! as decisions.
//!
//! Pure logic: [`policy`](crate::union::groundwork::policy) finds out what there is to choose from.

use kernel::{fmt, prelude::*};

/// For how long free space is taken for what it was, in seconds, unless the option says so.
pub(crate) const DEFAULT_SECONDS: u16 = 30;

/// The longest that an option may say, in seconds.
pub(crate) const MAX_SECONDS: u16 = 3600;

/// How the branch of a new object is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `tdp`: the topmost that has the parent directory; if none has, the nearest one above it.
    TopDownParent,
    /// `rr`: one after the other.
    RoundRobin,
    /// `mfs`: the one with the most free space.
    MostFree,
    /// `tdmfs`: the topmost with more than `low` bytes free; if none has, as `mfs`.
    TopDownMostFree,
    /// `mfsrr`: as `mfs`, unless that has less than `low` bytes free; then as `rr`.
    MostFreeRoundRobin,
    /// `pmfs`: of those that have the parent directory, the one with the most free space; if none
    /// has, as `tdp`.
    ParentMostFree,
    /// `pmfsrr`: as `pmfs`, unless that has less than `low` bytes free; then as `mfsrr`.
    ParentMostFreeRoundRobin,
}

impl Kind {
    const ALL: [(&'static [u8], &'static [u8], Kind); 7] = [
        (b"tdp", b"top-down-parent", Kind::TopDownParent),
        (b"rr", b"round-robin", Kind::RoundRobin),
        (b"mfs", b"most-free-space", Kind::MostFree),
        (b"tdmfs", b"tdmfs", Kind::TopDownMostFree),
        (b"mfsrr", b"mfsrr", Kind::MostFreeRoundRobin),
        (b"pmfs", b"pmfs", Kind::ParentMostFree),
        (b"pmfsrr", b"pmfsrr", Kind::ParentMostFreeRoundRobin),
    ];

    /// Whether the free space of the branches matters.
    pub(crate) fn needs_space(self) -> bool {
        !matches!(self, Self::TopDownParent | Self::RoundRobin)
    }

    fn has_low(self) -> bool {
        matches!(
            self,
            Self::TopDownMostFree | Self::MostFreeRoundRobin | Self::ParentMostFreeRoundRobin
        )
    }

    /// What has that number in [`Kind::ALL`].
    fn of(number: u64) -> Self {
        let at = usize::try_from(number).unwrap_or(0);
        Self::ALL
            .get(at)
            .map_or(Self::TopDownParent, |&(_, _, kind)| kind)
    }
}

/// `create=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Create {
    pub(crate) kind: Kind,
    /// In bytes; nothing but for the kinds that have it.
    pub(crate) low: u64,
    /// For how long free space is taken for what it was.
    pub(crate) seconds: u16,
}

impl Default for Create {
    fn default() -> Self {
        Self {
            kind: Kind::TopDownParent,
            low: 0,
            seconds: DEFAULT_SECONDS,
        }
    }
}

impl Create {
    /// In two words, for atomics: kind and seconds, and [`Create::low`].
    pub(crate) fn pack(self) -> (u64, u64) {
        let number = Kind::ALL.iter().position(|&(_, _, kind)| kind == self.kind);
        // CAST: There are seven.
        let number = number.unwrap_or(0) as u64;
        (number << 16 | u64::from(self.seconds), self.low)
    }

    /// The other way round.
    pub(crate) fn unpack((packed, low): (u64, u64)) -> Self {
        Self {
            kind: Kind::of(packed >> 16),
            low,
            // CAST: Only what `pack` put there.
            seconds: packed as u16,
        }
    }

    /// Reads the value of `create=`: `KIND[:LOW][:SECONDS]`. `EINVAL`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut parts = text.split(|&b| b == b':');
        let word = parts.next().ok_or(EINVAL)?;
        let kind = Kind::ALL
            .iter()
            .find(|(short, long, _)| *short == word || *long == word)
            .map(|&(_, _, kind)| kind)
            .ok_or(EINVAL)?;
        let low = match kind.has_low() {
            true => number(parts.next().ok_or(EINVAL)?)?,
            false => 0,
        };
        let seconds = match parts.next() {
            Some(text) if kind.needs_space() => {
                let seconds = u16::try_from(number(text)?).map_err(|_| EINVAL)?;
                if seconds > MAX_SECONDS {
                    return Err(EINVAL);
                }
                seconds
            }
            Some(_) => return Err(EINVAL),
            None => DEFAULT_SECONDS,
        };
        match parts.next() {
            Some(_) => Err(EINVAL),
            None => Ok(Self { kind, low, seconds }),
        }
    }
}

impl fmt::Display for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Kind::ALL.iter().find(|(_, _, kind)| *kind == self.kind);
        let word = word.map_or(&b"tdp"[..], |(short, _, _)| short);
        f.write_str(core::str::from_utf8(word).unwrap_or("tdp"))?;
        if self.kind.has_low() {
            write!(f, ":{}", self.low)?;
        }
        if self.kind.needs_space() && self.seconds != DEFAULT_SECONDS {
            write!(f, ":{}", self.seconds)?;
        }
        Ok(())
    }
}

/// Reads a decimal number. `EINVAL`.
fn number(text: &[u8]) -> Result<u64> {
    if text.is_empty() {
        return Err(EINVAL);
    }
    text.iter().try_fold(0_u64, |n, &b| {
        if !b.is_ascii_digit() {
            return Err(EINVAL);
        }
        n.checked_mul(10)
            .and_then(|n| n.checked_add(u64::from(b - b'0')))
            .ok_or(EINVAL)
    })
}

/// `cpup=`: how the branch of a copy is chosen, among those above what is copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CopyUp {
    /// `tdp`: the topmost that has the parent directory; if none has, the nearest one.
    TopDownParent,
    /// `bup`: the nearest that has the parent directory; if none has, the nearest above that.
    BottomUpParent,
    /// `bu`: the nearest.
    BottomUp,
}

/// A writable branch that an object could be made on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Where the branch is in the order.
    pub(crate) index: usize,
    /// Whether the parent directory is on it.
    pub(crate) has_parent: bool,
    /// How many bytes are free on it.
    pub(crate) free: u64,
}

fn most_free<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    prefer_lower: bool,
) -> Option<&'a Candidate> {
    candidates.fold(None, |best: Option<&Candidate>, next| match best {
        Some(best) if next.free < best.free || next.free == best.free && !prefer_lower => {
            Some(best)
        }
        _ => Some(next),
    })
}

/// Chooses the branch of a new object among `candidates`, which are in their order, topmost first;
/// returns its index. The parent directory is on the branch with index `top`, and on none above.
/// `turn` is how many have been chosen in turn before.
pub(crate) fn create(
    policy: Create,
    candidates: &[Candidate],
    top: usize,
    turn: u32,
) -> Option<usize> {
    let in_turn = || {
        let count = candidates.len();
        // As aufs has it, from the bottom up.
        let at = (turn as usize).checked_rem(count)?;
        candidates.get(count - 1 - at)
    };
    let top_down = || {
        let with_parent = candidates.iter().find(|c| c.has_parent);
        with_parent.or_else(|| nearest(candidates, top))
    };
    let most = || most_free(candidates.iter(), true);
    let most_or_turn = || most().filter(|c| c.free >= policy.low).or_else(in_turn);
    let of_parent =
        || most_free(candidates.iter().filter(|c| c.has_parent), false).or_else(top_down);
    let chosen = match policy.kind {
        Kind::TopDownParent => top_down(),
        Kind::RoundRobin => in_turn(),
        Kind::MostFree => most(),
        Kind::TopDownMostFree => candidates
            .iter()
            .find(|c| c.free > policy.low)
            .or_else(most),
        Kind::MostFreeRoundRobin => most_or_turn(),
        Kind::ParentMostFree => of_parent(),
        Kind::ParentMostFreeRoundRobin => of_parent()
            .filter(|c| c.free >= policy.low)
            .or_else(most_or_turn),
    };
    chosen.map(|candidate| candidate.index)
}

/// Chooses the branch that something is copied up to, among `candidates`, which are above it, in
/// their order. `top` is as for [`create`].
pub(crate) fn copy_up(policy: CopyUp, candidates: &[Candidate], top: usize) -> Option<usize> {
    let bottom = candidates.last();
    let chosen = match policy {
        CopyUp::TopDownParent => candidates.iter().find(|c| c.has_parent).or(bottom),
        CopyUp::BottomUpParent => {
            let with_parent = candidates.iter().rev().find(|c| c.has_parent);
            with_parent.or_else(|| nearest(candidates, top))
        }
        CopyUp::BottomUp => bottom,
    };
    chosen.map(|candidate| candidate.index)
}

/// The nearest one above `top`.
fn nearest(candidates: &[Candidate], top: usize) -> Option<&Candidate> {
    candidates.iter().rev().find(|c| c.index < top)
}
