// SPDX-License-Identifier: GPL-2.0

//! A mounted union.

use crate::{
    mmap::{pasts::Snapshots, snapshot::Counts},
    union::{
        branches::{
            counters::Counters, debug, ids::Ids, policy_state::PolicyState, sysfs, table::Table,
        },
        numbers::range::Ranges,
        text::{
            options::MemoryKey,
            policies::Create,
            settings::{Bits, Fsync, Privmap, Settings, Udba},
        },
    },
    vfs::{
        below::notice::Group,
        mount::cred::Cred,
        own::inode::OwnInode,
        sync::{load::Load, lockdep, rcu::RcuArc, versioned::Versioned},
        value::errno::ESTALE,
    },
};
use kernel::{
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed, Release},
        Arc, Mutex,
    },
};

/// The filesystem type.
pub(crate) struct Union;

/// The other name of the type. A union that is mounted by it does as aufs does where this one would do
/// otherwise by itself.
pub(crate) const AUFS: &CStr = c"aufs";

/// Inodes that are kept in the cache.
pub(crate) type Pins = RBTree<usize, ARef<OwnInode<Union>>>;

/// What a branch in memory is made with.
pub(crate) type Memory = KVec<(MemoryKey, KVec<u8>)>;

/// The data of a super block.
#[pin_data]
pub(crate) struct Instance {
    /// Tells this union from others: `si=` in `/proc/mounts`.
    pub(crate) si: u64,
    table: Versioned<Table>,
    /// What sysfs shows of the union.
    pub(crate) sysfs: Option<sysfs::SysfsDirectory>,
    /// What debugfs shows of it.
    _debug_directory: debug::DebugDirectory,
    debug: Arc<debug::DebugData>,
    /// [`Settings`]: [`Bits`], and [`Create`] in two words.
    settings: Atomic<u64>,
    create: Atomic<u64>,
    create_low: Atomic<u64>,
    /// What the policies remember.
    #[pin]
    pub(crate) policy: PolicyState,
    /// What the mounter was allowed is what the union may do on branches, but for limits, which are
    /// those of whoever uses it: `Documentation/security.md`.
    pub(crate) cred: Cred,
    pub(crate) depth: usize,
    /// What watches the branches' directories.
    pub(crate) group: Group,
    /// What private mappings are snapshots by, if they are.
    pub(crate) snapshots: Option<Pin<KBox<Snapshots>>>,
    /// How many [`Seal`](crate::union::groundwork::seal::Seal)s there are.
    pub(crate) seals: Atomic<u32>,
    /// The numbers that are given out.
    pub(crate) ranges: Arc<Ranges>,
    /// The identities of branches; held while it is decided whether the branches change.
    #[pin]
    pub(crate) changing: Mutex<Ids>,
    /// What the branch in memory was made with, if there was one. Taken by who remounts, and nothing inside it.
    #[pin]
    pub(crate) memory: Mutex<Memory>,
    /// Inodes that names of branches below may still mean after their copy-up, by where they are in
    /// memory.
    #[pin]
    pub(crate) pinned: Mutex<Pins>,
}

static NEXT_SI: Atomic<u64> = Atomic::new(1);

static CHANGING: lockdep::Classes = lockdep::Classes::new();
static MEMORY: lockdep::Classes = lockdep::Classes::new();
static PINNED: lockdep::Classes = lockdep::Classes::new();

impl Instance {
    /// A union of the branches in `table`, for the current task, of which one in memory was made with `memory`.
    pub(crate) fn new(
        table: Table,
        ids: Ids,
        settings: Settings,
        memory: Memory,
    ) -> Result<impl PinInit<Self>> {
        let depth = table.stack_depth();
        let generation = table.generation;
        let table = RcuArc::new(table, GFP_KERNEL)?;
        let cred = Cred::current_within_limits()?;
        let (snapshots, counts) = match settings.privmap() {
            Privmap::Shared => (None, None),
            Privmap::Snapshot => {
                let counts = Counts::new()?;
                (Some(Snapshots::new(depth, counts.clone())?), Some(counts))
            }
        };
        let (create, create_low) = settings.create.pack();
        let group = Group::new()?;
        let ranges = ids.ranges().clone();
        // No two get the same one, in whatever order.
        let si = NEXT_SI.fetch_add(1, Relaxed);
        let sysfs = sysfs::SysfsDirectory::new(si, &table)?;
        let debug = debug::DebugData::new(&table, counts)?;
        let _debug_directory = debug::DebugDirectory::new(si, &debug)?;
        Ok(pin_init!(Self {
            si,
            table: Versioned::new(generation, table),
            sysfs,
            _debug_directory,
            debug,
            settings: Atomic::new(settings.chosen().0),
            create: Atomic::new(create),
            create_low: Atomic::new(create_low),
            policy <- PolicyState::new(),
            cred,
            depth,
            group,
            snapshots,
            seals: Atomic::new(0),
            ranges,
            changing <- Mutex::new(ids, c"Instance::changing", CHANGING.at(*depth)),
            memory <- Mutex::new(memory, c"Instance::memory", MEMORY.at(*depth)),
            pinned <- Mutex::new(Pins::new(), c"Instance::pinned", PINNED.at(*depth)),
        }))
    }

    /// The branches as they are now.
    pub(crate) fn table(&self) -> Result<RcuArc<Table>> {
        self.table.get().ok_or(ESTALE)
    }

    /// Publishes other branches. Callers exclude each other by [`Instance::changing`].
    pub(crate) fn publish(&self, table: RcuArc<Table>) {
        let generation = table.generation;
        self.debug.publish(&table);
        drop(self.table.publish(generation, table));
    }

    /// What is counted for debugfs.
    pub(crate) fn counters(&self) -> &Counters {
        &self.debug.counters
    }

    /// Waits until a change of the branches that is being decided is decided.
    pub(crate) fn wait_for_change(&self) {
        self.counters().waits.up();
        drop(self.changing.lock());
    }

    /// The generation of the branches as they are now.
    pub(crate) fn generation(&self) -> usize {
        self.table.generation()
    }

    /// The policy for new objects.
    pub(crate) fn create_policy(&self) -> Create {
        // Evaluated in this order: a policy is found with its own limit, or, during a remount, with that of
        // the next one.
        Create::unpack((self.create.load_acquire(), self.create_low.load_once()))
    }

    /// What was chosen, but for that.
    #[inline]
    pub(crate) fn settings(&self) -> Bits {
        Bits(self.settings.load_once())
    }

    /// All that was chosen.
    pub(crate) fn all_settings(&self) -> Settings {
        Settings::new(self.settings(), self.create_policy())
    }

    /// Chooses anew.
    pub(crate) fn set_settings(&self, settings: Settings) {
        let (create, create_low) = settings.create.pack();
        self.create_low.store(create_low, Relaxed);
        self.create.store(create, Release);
        // One word, and nothing that comes with it: who has read it before goes on as before.
        self.settings.store(settings.chosen().0, Relaxed);
    }

    /// Whether what others do to the branches is to be noticed: a name is checked against its branch when it is used,
    /// and the directories of branches are watched.
    pub(crate) fn looks_at_branches(&self) -> bool {
        self.settings().udba() == Udba::Reval
    }

    /// Whether nothing is written out to the devices at all.
    pub(crate) fn is_volatile(&self) -> bool {
        self.settings().fsync() == Fsync::Volatile
    }
}
