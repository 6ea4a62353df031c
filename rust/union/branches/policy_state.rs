// SPDX-License-Identifier: GPL-2.0

//! What the policies that choose a branch remember: whose turn it is, and how much room there was.

use super::table::Table;
use crate::{
    union::{numbers::branch_id::BranchId, text::policies::Candidate},
    vfs::{attr::stat::StatFs, mount::cred::Cred},
};
use kernel::{
    prelude::*,
    sync::{atomic::Atomic, Mutex},
    time::{Delta, Instant, Monotonic},
};

/// What the policies of a union remember.
#[pin_data]
pub(crate) struct PolicyState {
    /// How many objects were given a branch in turn.
    pub(crate) turn: Atomic<u32>,
    #[pin]
    space: Mutex<FreeSpace>,
}

/// The free space of the branches as it was.
struct FreeSpace {
    seen: Option<Instant<Monotonic>>,
    /// That of the table it was looked at with.
    generation: usize,
    free: KVVec<(BranchId, u64)>,
}

impl PolicyState {
    /// Nothing is known yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            turn: Atomic::new(0),
            space <- kernel::new_mutex!(
                FreeSpace {
                    seen: None,
                    generation: 0,
                    free: KVVec::new(),
                },
                "PolicyState::space"
            ),
        })
    }

    /// Looks at the writable branches, unless that is not `seconds` ago, and notes the free space of
    /// `candidates`.
    pub(crate) fn note(
        &self,
        cred: &Cred,
        table: &Table,
        seconds: u16,
        candidates: &mut [Candidate],
    ) -> Result {
        let mut space = self.space.lock();
        let age = Delta::from_secs(i64::from(seconds));
        let is_fresh = space.generation == table.generation
            && space.seen.is_some_and(|seen| seen.elapsed() <= age);
        if seconds == 0 || !is_fresh {
            space.seen = None;
            space.free.clear();
            for branch in table.branches.iter().filter(|branch| branch.is_writable()) {
                let stat = cred.scope(|| StatFs::of(branch.at(branch.root())));
                // What cannot be asked is full.
                let free = stat.map_or(0, |stat| stat.available());
                space.free.push((branch.id(), free), GFP_KERNEL)?;
            }
            space.generation = table.generation;
            space.seen = Some(Instant::now());
        }
        for candidate in candidates {
            let id = table.branches[candidate.index].id();
            let known = space.free.iter().find(|(other, _)| *other == id);
            candidate.free = known.map_or(0, |(_, free)| *free);
        }
        Ok(())
    }
}
