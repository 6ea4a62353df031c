// SPDX-License-Identifier: GPL-2.0

//! What both engines do with a file of the union that stands in front of the branch's.

use crate::vfs::mm::{
    fault::{again, give_up, Entry, Fault, Served},
    vm_ops::{FaultServer, Map},
    vma::{Handed, Suited},
};
use core::marker::PhantomData;
use kernel::{prelude::*, str::BStr};

/// What a mapping holds: whatever counts it against its branch.
pub(crate) trait Held: Send + Sync + 'static {}

impl<T: Send + Sync + 'static> Held for T {}

/// Serves faults by swapping the files.
pub(super) struct Swap<H>(PhantomData<H>);

impl<H: Held> FaultServer for Swap<H> {
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
