// SPDX-License-Identifier: GPL-2.0

//! The `fault` engine: the mapping's file is one of the union's, and a fault is served by the file
//! on the branch, which takes its place for that long.
//!
//! This is the design of aufs2 of 2009. What made it hard there is answered here by the front file,
//! which can be taken for the file on the branch at any moment; see `Documentation/mmap.md`.

use crate::vfs::{
    mm::{
        fault::{again, give_up, Entry, Fault, Served},
        front_file::FrontPath,
        vm_ops::{Engine, Map, Prepared, ServedBy},
        vma::{Handed, NewMapping, Suited},
    },
    object::{cred::Cred, file::KernelFile},
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

/// The mapping, if a file of the union can stand in front of the file that serves it.
pub(super) fn suited(handed: Handed<'_>) -> Option<Suited<'_>> {
    handed
        .suited()
        .map_err(|handed| {
            if !handed.has_front() {
                kernel::do_once_lite! {
                    pr_info!(
                        "files on {} are mapped directly, without a file in front; said once\n",
                        BStr::from_bytes(handed.super_block().type_name().to_bytes())
                    );
                }
            }
        })
        .ok()
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
    if let Some(suited) = suited(handed) {
        prepared.place(suited, ServedBy::Engine);
    }
    Ok(())
}
