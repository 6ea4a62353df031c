// SPDX-License-Identifier: GPL-2.0

//! A mounted union.

use super::node::Node;
use crate::{
    union::{
        branches::{ids::Ids, number, table::Table},
        find::lookup::Revalidation,
        serve::{attr::Attrs, context::Request, debug, sysfs, xattr::Xattrs},
        text::{
            choice::{CopyUp, Create, Kind},
            options::{Fsync, Mmap, Udba},
        },
        write::policy,
    },
    vfs::{
        cred::Cred,
        dentry::DEntry,
        errno::ESTALE,
        flags,
        glimpse::Glimpse,
        inode::INode,
        load::Load,
        lockdep,
        rcu::{RcuArc, Slot},
        seq,
        shelves::Shelf,
        stat::StatFs,
        super_block::{FileSystem, SuperBlock},
        watch::Group,
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed, Release},
        Arc, Mutex,
    },
};

/// `AUFS_SUPER_MAGIC`: the filesystem is aufs to those who ask `statfs(2)`.
pub(crate) const MAGIC: usize = 0x6175_6673;

/// The filesystem type.
pub(crate) struct Union;

/// What can be chosen at mount, and changed later.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) fsync: Fsync,
    pub(crate) udba: Udba,
    pub(crate) sum: bool,
    pub(crate) acl: bool,
    pub(crate) mmap: Mmap,
    pub(crate) mmap_path: bool,
    /// Whether open files show what their name means after the branches have changed.
    pub(crate) refrof: bool,
    pub(crate) create: Create,
    pub(crate) copy_up: CopyUp,
    /// Whether what has no room on its branch goes to another.
    pub(crate) retry: bool,
    /// Whether whiteouts show.
    pub(crate) show_whiteouts: bool,
    /// Whether branches with another owner or mode are warned of.
    pub(crate) warn_permission: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fsync: Fsync::Auto,
            udba: Udba::Reval,
            sum: false,
            acl: true,
            mmap: Mmap::Direct,
            mmap_path: false,
            refrof: true,
            create: Create::default(),
            copy_up: CopyUp::TopDownParent,
            retry: true,
            show_whiteouts: false,
            warn_permission: true,
        }
    }
}

/// [`Udba::Reval`] in packed settings.
const UDBA_REVAL: u64 = 4;

impl Settings {
    fn pack(self) -> u64 {
        let fsync = match self.fsync {
            Fsync::Auto => 0,
            Fsync::Strict => 1,
            Fsync::Volatile => 2,
        };
        let reval = u64::from(self.udba == Udba::Reval);
        let fault = u64::from(self.mmap == Mmap::Fault);
        let copy_up = match self.copy_up {
            CopyUp::TopDownParent => 0,
            CopyUp::BottomUpParent => 1,
            CopyUp::BottomUp => 2,
        };
        fsync
            | (reval * UDBA_REVAL)
            | u64::from(self.sum) << 3
            | u64::from(self.acl) << 4
            | fault << 5
            | u64::from(self.mmap_path) << 6
            | u64::from(self.refrof) << 7
            | u64::from(self.retry) << 8
            | u64::from(self.show_whiteouts) << 9
            | u64::from(self.warn_permission) << 10
            | copy_up << 12
            | self.create.kind.pack() << 16
            | u64::from(self.create.seconds) << 32
    }

    #[inline]
    fn unpack(packed: u64) -> Self {
        Self {
            fsync: match packed & 3 {
                0 => Fsync::Auto,
                1 => Fsync::Strict,
                _ => Fsync::Volatile,
            },
            udba: if packed & UDBA_REVAL != 0 {
                Udba::Reval
            } else {
                Udba::None
            },
            sum: packed & 8 != 0,
            acl: packed & 16 != 0,
            mmap: if packed & 32 != 0 {
                Mmap::Fault
            } else {
                Mmap::Direct
            },
            mmap_path: packed & 64 != 0,
            refrof: packed & 128 != 0,
            retry: packed & 256 != 0,
            show_whiteouts: packed & 512 != 0,
            warn_permission: packed & 1024 != 0,
            copy_up: match packed >> 12 & 3 {
                0 => CopyUp::TopDownParent,
                1 => CopyUp::BottomUpParent,
                _ => CopyUp::BottomUp,
            },
            create: Create {
                kind: Kind::unpack(packed >> 16 & 0xf),
                low: 0,
                // CAST: The rest are other settings.
                seconds: (packed >> 32) as u16,
            },
        }
    }
}

/// The data of a super block.
#[pin_data]
pub(crate) struct Instance {
    /// Tells this union from others: `si=` in `/proc/mounts`.
    pub(crate) si: u64,
    /// The generation of the published table, where it is cheap to read.
    generation: Atomic<usize>,
    table: Slot<Table>,
    /// What sysfs shows of the union.
    pub(crate) sysfs: Option<sysfs::Entry>,
    /// What debugfs shows of it.
    _debug_entry: debug::Entry,
    debug: Arc<debug::State>,
    /// [`Settings`], packed, but for [`Create::low`].
    settings: Atomic<u64>,
    create_low: Atomic<u64>,
    /// What the policies remember.
    #[pin]
    pub(crate) policy: policy::State,
    /// What the mounter was allowed is what the union may do on branches.
    pub(crate) cred: Cred,
    pub(crate) depth: usize,
    /// What watches the branches' directories.
    pub(crate) group: Group,
    /// How many [`Seal`](crate::union::write::seal::Seal)s there are.
    pub(crate) seals: Atomic<u32>,
    /// The identities of branches; held while it is decided whether the branches change.
    #[pin]
    pub(crate) changing: Mutex<Ids>,
    /// Inodes that names of branches below may still mean after their copy-up.
    #[pin]
    pub(crate) pinned: Mutex<KVVec<ARef<INode<Union>>>>,
}

static NEXT_SI: Atomic<u64> = Atomic::new(1);

static CHANGING: lockdep::Classes = lockdep::Classes::new();
static PINNED: lockdep::Classes = lockdep::Classes::new();

impl Instance {
    /// A union of the branches in `table`, for the current task.
    pub(crate) fn new(table: Table, ids: Ids, settings: Settings) -> Result<impl PinInit<Self>> {
        let depth = table.stack_depth();
        let generation = table.generation;
        let table = RcuArc::new(table, GFP_KERNEL)?;
        let cred = Cred::current();
        let create_low = settings.create.low;
        let group = Group::new()?;
        let si = NEXT_SI.fetch_add(1, Relaxed);
        let sysfs = sysfs::Entry::new(si, &table)?;
        let debug = debug::State::new(&table)?;
        let _debug_entry = debug::Entry::new(si, &debug)?;
        Ok(pin_init!(Self {
            si,
            generation: Atomic::new(generation),
            table: Slot::new(Some(table)),
            sysfs,
            _debug_entry,
            debug,
            settings: Atomic::new(settings.pack()),
            create_low: Atomic::new(create_low),
            policy <- policy::State::new(),
            cred,
            depth,
            group,
            seals: Atomic::new(0),
            changing <- Mutex::new(ids, c"Instance::changing", CHANGING.at(*depth)),
            pinned <- Mutex::new(KVVec::new(), c"Instance::pinned", PINNED.at(*depth)),
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
        let old = self.table.replace(Some(table));
        // Whoever sees the generation sees the table.
        self.generation.store(generation, Release);
        drop(old);
    }

    /// What is counted for debugfs.
    pub(crate) fn counters(&self) -> &debug::Counters {
        &self.debug.counters
    }

    /// Waits until a change of the branches that is being decided is decided.
    pub(crate) fn wait_for_change(&self) {
        self.counters().waits.up();
        drop(self.changing.lock());
    }

    /// The generation of the branches as they are now.
    pub(crate) fn generation(&self) -> usize {
        self.generation.load_acquire()
    }

    /// The policy for new objects.
    pub(crate) fn create_policy(&self) -> Create {
        self.settings().create
    }

    /// What was chosen.
    #[inline]
    pub(crate) fn settings(&self) -> Settings {
        let settings = Settings::unpack(self.settings.load_once());
        let low = self.create_low.load_once();
        Settings {
            create: Create {
                low,
                ..settings.create
            },
            ..settings
        }
    }

    /// Chooses anew.
    pub(crate) fn set_settings(&self, settings: Settings) {
        self.create_low.store(settings.create.low, Relaxed);
        self.settings.store(settings.pack(), Relaxed);
    }

    /// Whether a name is checked against the branch when it is used.
    pub(crate) fn revalidates(&self) -> bool {
        self.looks_at_branches()
    }

    /// One bit of the settings, without the others: on the way of every name.
    fn looks_at_branches(&self) -> bool {
        self.settings.load_once() & UDBA_REVAL != 0
    }

    /// Whether changes of the branches' directories by others are to be noticed.
    pub(crate) fn watches(&self) -> bool {
        self.looks_at_branches()
    }

    /// Whether nothing is written out to the devices at all.
    pub(crate) fn is_volatile(&self) -> bool {
        self.settings().fsync == Fsync::Volatile
    }
}

#[vtable]
impl FileSystem for Union {
    const NAME: &'static CStr = c"aufs2";
    const FLAGS: u32 = flags::FS_ALLOW_IDMAP | flags::FS_RENAME_DOES_D_MOVE;
    type Context = Request;
    type SuperData = Pin<KBox<Instance>>;
    type INodeData = Node;
    type DentryOps = Revalidation;
    type Attrs = Attrs;
    type Xattrs = Xattrs;

    fn shelf(node: &Node) -> Shelf {
        Shelf::of(node.branches().groups())
    }

    fn is_known_as(node: &Node, key: usize) -> bool {
        node.has_origin(key)
    }

    fn fresh_number(_sb: &SuperBlock<Self>) -> u64 {
        number::fresh()
    }

    fn evict(inode: Glimpse<'_, INode<Self>>) {
        // A number that lives on as an exception is of no use once the object is gone.
        if inode.nlink() == 0 {
            if let Ok(stack) = inode.data().stack() {
                let top = stack.top();
                if let Ok(real) = top.inode() {
                    if real.nlink() == 0 || !top.branch.is_writable() {
                        top.branch.numbers.forget(real.ino());
                    }
                }
            }
        }
        inode.sb().data().counters().inodes.down();
        inode.data().release();
    }

    fn shutdown(sb: &SuperBlock<Self>) {
        let pinned = core::mem::replace(&mut *sb.data().pinned.lock(), KVVec::new());
        drop(pinned);
    }

    fn statfs(root: &DEntry<Self>) -> Result<StatFs> {
        let sb = root.sb();
        let instance = sb.data();
        let table = instance.table()?;
        let mut stat = instance.cred.scope(|| -> Result<StatFs> {
            let first = table.branches.first().ok_or(ESTALE)?;
            let mut stat = StatFs::of(first.at(first.root()))?;
            if instance.settings().sum {
                for (index, branch) in table.branches.iter().enumerate().skip(1) {
                    let again = table.branches[..index].iter().any(|other| {
                        core::ptr::eq(other.mnt().super_block(), branch.mnt().super_block())
                    });
                    if !again {
                        stat.add(&StatFs::of(branch.at(branch.root()))?);
                    }
                }
            }
            Ok(stat)
        })?;
        stat.identify(sb, 255);
        Ok(stat)
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) {
        let instance = sb.data();
        let settings = instance.settings();
        seq_print!(seq, ",si={:x}", instance.si);
        match settings.fsync {
            Fsync::Auto => {}
            Fsync::Strict => seq_print!(seq, ",fsync=strict"),
            Fsync::Volatile => seq_print!(seq, ",fsync=volatile"),
        }
        if settings.udba == Udba::None {
            seq_print!(seq, ",udba=none");
        }
        if settings.sum {
            seq_print!(seq, ",sum");
        }
        if !settings.acl {
            seq_print!(seq, ",noacl");
        }
        if settings.mmap == Mmap::Fault {
            seq_print!(seq, ",mmap=fault");
        }
        if settings.mmap_path {
            seq_print!(seq, ",mmap_path=union");
        }
        if !settings.refrof {
            seq_print!(seq, ",norefrof");
        }
        if settings.create != Create::default() {
            seq_print!(seq, ",create={}", settings.create);
        }
        if settings.copy_up != CopyUp::TopDownParent {
            seq_print!(seq, ",cpup={}", settings.copy_up.name());
        }
        if !settings.retry {
            seq_print!(seq, ",noretry");
        }
        if settings.show_whiteouts {
            seq_print!(seq, ",shwh");
        }
        if !settings.warn_permission {
            seq_print!(seq, ",nowarn_perm");
        }
        if crate::BRS.get() == 0 {
            show_branches(instance, seq);
        }
    }

    fn sync(sb: &SuperBlock<Self>, wait: bool) -> Result {
        let instance = sb.data();
        if !wait || instance.is_volatile() {
            return Ok(());
        }
        let table = instance.table()?;
        for branch in table.branches.iter().filter(|branch| branch.is_writable()) {
            branch.mnt().super_block().sync()?;
        }
        Ok(())
    }
}

/// Prints the branches as an option, as aufs does with its module parameter `brs=0`.
fn show_branches(instance: &Instance, seq: &SeqFile) {
    let Ok(table) = instance.table() else {
        return;
    };
    seq_print!(seq, ",br");
    for branch in &table.branches {
        seq_print!(seq, ":");
        // Neither may end the option, or the path, where there is none.
        let _ = sysfs::escape(branch.path(), b",:", |piece| {
            seq::write(seq, piece);
            Ok(())
        });
        seq_print!(seq, "={}", branch.permission());
    }
}
