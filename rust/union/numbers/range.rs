// SPDX-License-Identifier: GPL-2.0

//! Computes the union's inode numbers: each filesystem that is below a union has a range of them to
//! itself.
//!
//! Programs that have 32 bits for a number get `EOVERFLOW` for what has more. So the ranges are among
//! the numbers below 2^32, for as long as there is room: as large as a filesystem needs that tells how
//! many inodes it can have, and of a usual size for others. Branches on one filesystem share its range,
//! since their inodes have different numbers anyway. What has no room in a range has a number of 2^48
//! and more, with the identity of a branch in it.

use super::branch_id::BranchId;
use crate::vfs::{
    attr::stat::{Stat, StatFs},
    mount::path::Path,
    sync::{load::Load, number_map::NumberMap},
};
use core::array;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed, Release},
        Arc, SpinLock,
    },
};

/// What 32 bits can hold ends here.
const SMALL: u64 = 1 << 32;
/// The last of the small numbers are given out one by one.
const FRESH: u64 = SMALL - (1 << 24);
/// When those are used up, numbers from here on are. The wide ones of a filesystem that is alone end
/// here, and those of others begin later.
const ALONE: u64 = 1 << 47;
/// Bits of a wide number that are the filesystem's own.
const WIDE_BITS: u32 = 48;
/// The range of the first filesystem that does not tell how many inodes it can have. Nobody uses up
/// so many of a tmpfs, and few disks have larger numbers.
pub(crate) const FIRST_SIZE: u64 = 1 << 31;
/// That of others, and of parts of a filesystem.
pub(crate) const OTHER_SIZE: u64 = 1 << 26;
/// How many parts of a filesystem have a range.
const PARTS: usize = 12;

/// Filesystems whose objects show other devices than their super blocks', each with numbers of its
/// own: subvolumes, layers, snapshots.
const SEVERAL_DEVICES: &[&[u8]] = &[b"btrfs", b"overlay", b"ceph"];

/// The ranges of a union.
#[pin_data]
pub(crate) struct Ranges {
    /// Those up to here are given out.
    #[pin]
    next: SpinLock<u64>,
    /// How many numbers were given out one by one.
    fresh: Atomic<u64>,
}

impl Ranges {
    /// None is given out.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                next <- new_spinlock!(0, "Ranges::next"),
                fresh: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// The start of a range of `size` numbers that nobody has, and nobody else will.
    pub(crate) fn take(&self, size: u64) -> Option<u64> {
        let mut next = self.next.lock();
        let start = *next;
        let end = start.checked_add(size).filter(|&end| end <= FRESH)?;
        *next = end;
        Some(start)
    }

    /// Whether no range is given out.
    pub(crate) fn are_new(&self) -> bool {
        *self.next.lock() == 0
    }

    /// A number that nobody has.
    pub(crate) fn fresh(&self) -> u64 {
        // No two get the same one, in whatever order.
        let count = self.fresh.fetch_add(1, Relaxed);
        match FRESH + count {
            // The last one is an error to some.
            small if small < SMALL - 1 => small,
            _ => ALONE + count,
        }
    }
}

/// The numbers of a filesystem in a union.
#[pin_data]
pub(crate) struct Space {
    ranges: Arc<Ranges>,
    /// In wide numbers: that of the first branch on the filesystem.
    branch_id: BranchId,
    /// How many numbers it needs, if that is known.
    need: Option<u64>,
    /// The device that it shows mostly, and the parts that show another one; none if all of it shows
    /// one.
    devices: Option<KBox<Devices>>,
    decided: Atomic<bool>,
    /// Whether all branches were on this filesystem when the union was mounted.
    alone: Atomic<bool>,
    /// The range. Nothing is in it before it is decided.
    start: Atomic<u64>,
    size: Atomic<u64>,
    /// Whether there ever was something in `replaced`.
    any_departed: Atomic<bool>,
    /// What takes the place of numbers that objects have taken along to other filesystems.
    #[pin]
    replaced: NumberMap<u64>,
}

struct Devices {
    main: u32,
    /// The others that were seen, each with the start of its range in the lower half; 0 for none.
    parts: [Atomic<u64>; PARTS],
}

/// The device that an object shows, by which the part of its filesystem is told that it is in; 0 for the one that
/// most of it shows.
pub(crate) type PartDevice = u32;

/// The same for everybody, and spread over all bits.
fn fold(ino: u64, device: PartDevice) -> u64 {
    let mut x = ino.wrapping_add(u64::from(device).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// One more than the largest inode number that the filesystem at `root` can have, if it tells. A
/// larger one that comes all the same, after it was resized for instance, is no fault: it is wide.
fn need(root: Path<'_>) -> Option<u64> {
    let stat = || StatFs::of(root).ok();
    let most = match root.mnt().super_block().type_name().to_bytes() {
        b"squashfs" | b"ext2" | b"ext3" | b"ext4" => stat()?.files(),
        // A number is a place on the disk, in units of 32 bytes.
        b"erofs" | b"iso9660" => stat()?.bytes() / 32,
        // A server need not be asked, which may not answer.
        _ => return None,
    };
    (1..FIRST_SIZE).contains(&most).then_some(most + 1)
}

impl Space {
    /// That of the filesystem at `root`, a branch of which has `branch_id`.
    pub(crate) fn new(
        ranges: Arc<Ranges>,
        branch_id: BranchId,
        root: Path<'_>,
    ) -> Result<Arc<Self>> {
        let sb = root.mnt().super_block();
        let main = Stat::of(root)?.dev();
        let is_one = main == sb.dev() && !SEVERAL_DEVICES.contains(&sb.type_name().to_bytes());
        let devices = match is_one {
            true => None,
            false => Some(KBox::new(
                Devices {
                    main,
                    parts: array::from_fn(|_| Atomic::new(0)),
                },
                GFP_KERNEL,
            )?),
        };
        Self::with(ranges, branch_id, need(root), devices)
    }

    fn with(
        ranges: Arc<Ranges>,
        branch_id: BranchId,
        need: Option<u64>,
        devices: Option<KBox<Devices>>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                ranges,
                branch_id,
                need,
                devices,
                decided: Atomic::new(false),
                alone: Atomic::new(false),
                start: Atomic::new(0),
                size: Atomic::new(0),
                any_departed: Atomic::new(false),
                replaced <- NumberMap::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The device that the object at `path` shows. Asked only where there may be several.
    #[inline]
    pub(crate) fn device(&self, path: Path<'_>) -> Result<PartDevice> {
        match &self.devices {
            None => Ok(0),
            Some(_) => Ok(self.device_of(Stat::of(path)?.dev())),
        }
    }

    /// As [`Self::device`], of an object that shows `device`.
    pub(crate) fn device_of(&self, device: u32) -> PartDevice {
        match &self.devices {
            Some(devices) if device != devices.main => device,
            _ => 0,
        }
    }

    /// The number in the union of the object that has `ino` on its filesystem, and shows `device`. No
    /// two have the same one, unless it is [folded](fold).
    #[inline]
    pub(crate) fn compute(&self, ino: u64, device: PartDevice) -> u64 {
        if device == 0 && ino < self.size.load_acquire() {
            return self.start.load_once() + ino;
        }
        self.compute_elsewhere(ino, device)
    }

    #[cold]
    fn compute_elsewhere(&self, ino: u64, device: PartDevice) -> u64 {
        if device != 0 && ino < OTHER_SIZE {
            if let Some(start) = self.part(device) {
                return start + ino;
            }
        }
        if self.alone.load_once() && device == 0 {
            if ino < FRESH && self.grow() || (SMALL..ALONE).contains(&ino) {
                return ino;
            }
            return SMALL + fold(ino, device) % (ALONE - SMALL);
        }
        let own = match device == 0 && ino >> WIDE_BITS == 0 {
            true => ino,
            false => fold(ino, device) >> (u64::BITS - WIDE_BITS),
        };
        // The identities begin with 0, the numbers with which are others.
        u64::from(self.branch_id.0) + 1 << WIDE_BITS | own
    }

    /// Takes all that nobody has: whether it has that.
    fn grow(&self) -> bool {
        let mut next = self.ranges.next.lock();
        // It changes with this lock held only, once there is one.
        let size = self.size.load_once();
        if size != FRESH && *next == size {
            *next = FRESH;
            self.size.store(FRESH, Release);
        }
        self.size.load_once() == FRESH
    }

    /// The start of the range of what shows `device`. The first few get one, and keep it.
    pub(crate) fn part(&self, device: PartDevice) -> Option<u64> {
        for part in self.devices.iter().flat_map(|devices| &devices.parts) {
            let mut have = part.load_acquire();
            if have == 0 {
                let start = self.ranges.take(OTHER_SIZE)?;
                let wanted = u64::from(device) << 32 | start;
                // Somebody else may be faster: then the range is nobody's.
                have = match part.cmpxchg(0, wanted, Full) {
                    Ok(_) => wanted,
                    Err(have) => have,
                };
            }
            if have >> 32 == u64::from(device) {
                return Some(have & (SMALL - 1));
            }
        }
        None
    }

    /// What takes the place of the computed `number`, or that.
    #[inline]
    pub(crate) fn now(&self, number: u64) -> u64 {
        if self.any_departed.load_acquire() {
            return self.replaced.get(number).unwrap_or(number);
        }
        number
    }

    /// The object with the computed `number` is about to take it along. `ENOMEM`.
    pub(crate) fn leave(&self, number: u64) -> Result {
        self.any_departed.store(true, Release);
        self.replaced.set(number, self.ranges.fresh())
    }

    /// It has not gone after all.
    pub(crate) fn stay(&self, number: u64) {
        self.replaced.remove(number);
    }

    /// Whether objects elsewhere may have numbers that are computed for this filesystem.
    pub(crate) fn any_departed(&self) -> bool {
        self.any_departed.load_acquire()
    }

    /// How many numbers it needs, if that is known.
    pub(crate) fn need(&self) -> Option<u64> {
        self.need
    }

    /// Whether all branches are on this filesystem, when the union is mounted.
    pub(crate) fn note_alone(&self, is_alone: bool) {
        // Before the union is mounted, which everybody comes after.
        self.alone.store(is_alone, Relaxed);
    }

    /// Whether it was not decided yet whether it has a range.
    pub(crate) fn is_new(&self) -> bool {
        !self.decided.load_acquire()
    }

    pub(crate) fn give(&self, range: Option<(u64, u64)>) {
        if let Some((start, size)) = range {
            // Who finds the size finds the start, which never changes again.
            self.start.store(start, Relaxed);
            self.size.store(size, Release);
        }
        self.decided.store(true, Release);
    }
}

#[kunit_tests(aufs2_space)]
mod tests {
    use super::*;

    /// A filesystem that shows one device.
    fn space(ranges: &Arc<Ranges>, branch_id: u16) -> Result<Arc<Space>> {
        Space::with(ranges.clone(), BranchId(branch_id), None, None)
    }

    #[test]
    fn ranges_are_apart() -> Result {
        let ranges = Ranges::new()?;
        let (one, other) = (space(&ranges, 0)?, space(&ranges, 1)?);
        one.give(ranges.take(FIRST_SIZE).map(|start| (start, FIRST_SIZE)));
        other.give(ranges.take(OTHER_SIZE).map(|start| (start, OTHER_SIZE)));
        assert_eq!(one.compute(7, 0), 7);
        assert_eq!(other.compute(7, 0), FIRST_SIZE + 7);
        assert!(other.compute(OTHER_SIZE - 1, 0) < SMALL);
        assert!(other.compute(OTHER_SIZE, 0) > SMALL);
        assert!(one.compute(FIRST_SIZE, 0) != other.compute(FIRST_SIZE, 0));
        assert!(ranges.fresh() < SMALL);
        Ok(())
    }

    #[test]
    fn the_widest_are_folded_alike() -> Result {
        let ranges = Ranges::new()?;
        let (one, other) = (space(&ranges, 0)?, space(&ranges, 1)?);
        let wide = 1 << 60 | 7;
        assert_eq!(one.compute(wide, 0), one.compute(wide, 0));
        assert!(one.compute(wide, 0) != one.compute(wide + 1, 0));
        assert!(one.compute(wide, 0) != other.compute(wide, 0));
        assert!(one.compute(7, 5) != one.compute(7, 6));
        Ok(())
    }

    #[test]
    fn what_is_alone_has_all_that_nobody_else_took() -> Result {
        let ranges = Ranges::new()?;
        let (one, other) = (space(&ranges, 0)?, space(&ranges, 1)?);
        one.give(ranges.take(FIRST_SIZE).map(|start| (start, FIRST_SIZE)));
        one.alone.store(true, Relaxed);
        assert_eq!(one.compute(SMALL + 7, 0), SMALL + 7);
        assert_eq!(one.compute(FIRST_SIZE + 7, 0), FIRST_SIZE + 7);
        other.give(ranges.take(OTHER_SIZE).map(|start| (start, OTHER_SIZE)));
        assert!(other.compute(7, 0) > SMALL);
        Ok(())
    }

    #[test]
    fn what_others_took_is_theirs() -> Result {
        let ranges = Ranges::new()?;
        let one = space(&ranges, 0)?;
        one.give(ranges.take(FIRST_SIZE).map(|start| (start, FIRST_SIZE)));
        one.alone.store(true, Relaxed);
        assert_eq!(ranges.take(OTHER_SIZE), Some(FIRST_SIZE));
        assert!(one.compute(FIRST_SIZE + 7, 0) > SMALL);
        assert_eq!(one.compute(FIRST_SIZE - 1, 0), FIRST_SIZE - 1);
        Ok(())
    }
}
