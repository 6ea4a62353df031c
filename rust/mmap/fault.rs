// SPDX-License-Identifier: GPL-2.0

//! The `fault` engine: the mapping's file is one of the union's, and a fault is served by the file
//! on the branch, which takes its place for that long.
//!
//! This is the design of aufs2 of 2009. What made it hard there is answered here by the front file,
//! which can be taken for the file on the branch at any moment; see `Documentation/mmap.md`.

use crate::vfs::{
    cred::Cred,
    fault::{again, give_up, Entry, Fault, Served},
    file::KernelFile,
    front_file::FrontPath,
    vm_ops::{Engine, Map, Prepared, ServedBy},
    vma::{Handed, NewMapping},
};
use core::marker::PhantomData;
use kernel::{prelude::*, str::BStr};

/// What a mapping holds: whatever counts it against its branch.
pub(crate) trait Held: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> Held for T {}

/// Serves faults by swapping the files.
pub(super) struct Swap<H>(PhantomData<H>);

impl<H: Held> Engine for Swap<H> {
    type Held = H;

    fn serve<'a>(map: &'a Map<Self>, fault: Fault<'a>) -> Served<'a> {
        match map.enter(fault) {
            Entry::Turn(turn) => turn.serve(),
            Entry::Busy(fault) => again(fault),
            Entry::Killed(fault) => give_up(fault),
        }
    }
}

/// Filesystems whose handlers for faults are known to do without dropping the mmap lock, and to ask
/// nobody outside of this kernel: while one of them runs, others wait for it.
const SUITED: &[&[u8]] = &[
    b"tmpfs",
    b"ramfs",
    b"ext2",
    b"ext3",
    b"ext4",
    b"xfs",
    b"btrfs",
    b"f2fs",
    b"squashfs",
    b"erofs",
    b"iso9660",
    b"udf",
    b"vfat",
    b"msdos",
];

/// Whether a file of the union can stand in front of the file that serves the mapping.
pub(super) fn suits(handed: &Handed<'_>) -> bool {
    let fs = handed.super_block().type_name().to_bytes();
    let suits = SUITED.contains(&fs) && !handed.is_special();
    if !suits && !handed.has_front() {
        kernel::do_once_lite! {
            pr_info!(
                "files on {} are mapped directly, without a file in front; said once\n",
                BStr::from_bytes(fs)
            );
        }
    }
    suits && !handed.has_front()
}

/// Maps `real` behind a file of the union; without one where that is not possible.
pub(super) fn map<H: Held>(
    real: &KernelFile,
    vma: NewMapping<'_>,
    cred: &Cred,
    held: H,
    shown: FrontPath,
) -> Result {
    // All that can fail comes first: what the branch does in its `->mmap` cannot be undone.
    let prepared = Prepared::<Swap<H>>::new(&vma, cred, held, shown)?;
    let handed = vma.hand_to(real, cred)?;
    if suits(&handed) {
        prepared.place(handed, ServedBy::Engine);
    }
    Ok(())
}
