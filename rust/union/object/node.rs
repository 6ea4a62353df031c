// SPDX-License-Identifier: GPL-2.0

//! What an inode of the union stands for.

use super::{
    instance::{Instance, Union},
    listing::Listing,
    new_names::NewNames,
    settled::{stamp, Settled, STALE, UNSETTLED},
    stack::{new_stack, BranchSet, Layer, Layers, Stack},
};
use crate::{
    mmap::pasts::{Known, PastSlot},
    union::numbers::branch_id::BranchId,
    vfs::{
        below::notice::Mark,
        object::{dentry::Dentry, glimpse::Glimpse, inode::Inode, published::Published},
        own::inode::OwnInode,
        sync::{
            killable::{Guard, KillableMutex},
            load::Load,
            lockdep,
            rcu::{RcuArc, Reading, Slot},
            watch::{Changing, Watch},
        },
        value::{errno::ESTALE, few::Few},
    },
};
use core::ops::Range;
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        rcu, Arc,
    },
};

/// The data of an inode of the union.
#[pin_data]
pub(crate) struct Node {
    /// The top object, for RCU walks. Declared before the stack, which keeps its branch.
    top: Published,
    stack: Slot<Stack>,
    /// See [`Node::names_below`].
    below: Atomic<u32>,
    /// See [`Node::plink`].
    plink: Atomic<u64>,
    /// The [`Layer::key`]s of what an object with names below was copied from, which
    /// [`State::earlier`] keeps.
    earlier_keys: Slot<KVec<usize>>,
    /// The branches that the stack, or an earlier one, has been on.
    branches: Atomic<u64>,
    /// See [`Node::has_new_name`].
    new_names: NewNames,
    /// What was in the file, if private mappings are snapshots.
    pasts: PastSlot,
    /// How many descriptors are open.
    opens: Atomic<u32>,
    /// Who opened or mapped the object last, as a hint.
    opener: Atomic<i32>,
    /// What others do to a directory on its branches.
    watch: Option<Arc<Watch>>,
    /// The generation of the stack, and how much of what others do it is known to hold with.
    settled: Settled,
    /// How many [`Seal`](crate::union::groundwork::seal::Seal)s keep this directory on its branch.
    pub(crate) seals: Atomic<u32>,
    /// How many renames of the object are between what they do on the branch and what they do in
    /// the dentry cache.
    moving: Atomic<u32>,
    /// Held by who decides by the stack, or replaces it, with all that this does on branches; that of one inode at
    /// a time. [`Node::lock_state`] takes it.
    ///
    /// - By: copy-up, giving a copy another of its names, a removal and the victim of a rename, a move down,
    ///   refresh, a directory's listing and its seals, a change of branches and the search for who keeps one busy,
    ///   the rights of a directory on several branches.
    /// - Taken before it: the union's `i_rwsem`, `Instance::changing`; what is removed has its branch's gate closed.
    /// - Taken with it: the right to write to a branch, never the other way round; then `Branch::lifting` and
    ///   `Branch::work`, the records of a branch, `Instance::pinned`, the `i_rwsem`s of the branch, and number maps.
    /// - Waited for with it: the copying of a whole file, `fsync`, a branch that is frozen, a server that looks a
    ///   name up; a move down also waits for those who are opening the file inside the gate. Not for a gate that
    ///   somebody else has closed.
    ///
    /// See `Documentation/locking.md`.
    #[pin]
    state: KillableMutex<State>,
}

/// What [`Node`]'s lock protects.
pub(crate) struct State {
    /// The merged entries of a directory, as last read.
    pub(crate) listing: Option<Arc<Listing>>,
    /// Earlier stacks of a file: `d_real` hands their dentries out without a reference.
    pub(crate) earlier: Few<RcuArc<Stack>>,
    /// On the directories of the stack that others may change.
    marks: Few<Mark>,
    /// Whether [`State::marks`] are those of the stack.
    is_watched: bool,
}

static STATE: lockdep::Classes = lockdep::Classes::new();

impl Node {
    /// The data of an inode at stacking level `depth`. A directory that is `unwatched` so far is to be
    /// looked at again, and watched from then on, when it is first used as a directory. What else is
    /// known of it are its [names below](Node::names_below), and its [pseudo-link](Node::plink).
    ///
    /// `ENOMEM`.
    // Inline, as all of it would be copied on its way to where it is kept.
    #[inline(always)]
    pub(crate) fn new(
        stack: RcuArc<Stack>,
        depth: usize,
        unwatched: bool,
        (below, plink): (u32, u64),
    ) -> Result<impl PinInit<Self>> {
        let watch = match stack.top().inode()?.is_dir() {
            true => Some(Arc::new(Watch::new(), GFP_KERNEL_ACCOUNT)?),
            false => None,
        };
        let settled = match unwatched && watch.is_some() {
            true => UNSETTLED,
            false => 0,
        };
        let new_names = NewNames::new(stack.top().branch.has_copies());
        let top = Published::new(stack.top().dentry.clone());
        let branches = Atomic::new(stack.branches().0);
        let state = State {
            listing: None,
            earlier: Few::new(),
            marks: Few::new(),
            is_watched: false,
        };
        Ok(pin_init!(Self {
            watch,
            settled: Settled::new(stack.generation, settled),
            stack: Slot::new(Some(stack)),
            top,
            below: Atomic::new(below),
            plink: Atomic::new(plink),
            earlier_keys: Slot::empty(),
            new_names,
            branches,
            pasts: PastSlot::new(),
            opens: Atomic::new(0),
            opener: Atomic::new(0),
            seals: Atomic::new(0),
            moving: Atomic::new(0),
            state <- KillableMutex::new(state, c"Node::state", STATE.at(depth)),
        }))
    }

    /// The stack as it is now. `ESTALE` once the inode is being evicted.
    pub(crate) fn stack(&self) -> Result<RcuArc<Stack>> {
        self.stack.get().ok_or(ESTALE)
    }

    /// The top object as an RCU walk sees it.
    pub(crate) fn top_rcu<'a>(
        &'a self,
        reading: impl Into<Reading<'a>>,
    ) -> Option<Glimpse<'a, Dentry>> {
        self.top.read(reading.into())
    }

    /// Whether the top object is seen at `dentry`. If not, it may still be the same one under another
    /// name: see [`Node::shows`].
    pub(crate) fn is_at(&self, dentry: &Dentry) -> bool {
        self.top.is(dentry)
    }

    /// Whether this still stands for the top of `stack`. In the [gate](crate::union::branch::branch::Branch::gate)
    /// of its branch the answer holds against a move down for as long.
    #[inline]
    pub(crate) fn stands_for(&self, stack: &Stack) -> bool {
        // What is nothing to an RCU walk is not published as the top.
        self.is_at(&stack.top().dentry)
            || (self.stack()).is_ok_and(|now| core::ptr::eq::<Stack>(&*now, stack))
    }

    /// Whether the top object is `real`. For whoever keeps that in the cache.
    pub(crate) fn shows(&self, real: &Inode) -> bool {
        let guard = rcu::read_lock();
        self.top_rcu(&guard)
            .and_then(|top| top.inode())
            .is_some_and(|top| top.is(real))
    }

    /// Takes the lock. May sleep for as long as a copy-up takes, whatever becomes of the task: for what
    /// cannot fail.
    pub(crate) fn lock_state(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// As [`Node::lock_state`]. `EINTR` if the task is killed meanwhile.
    pub(crate) fn lock_state_killable(&self) -> Result<Guard<'_, State>> {
        self.state.lock_killable()
    }

    /// Publishes another stack of `inode`, whose data this is, and has it repeat the attributes of its
    /// top if that is another one.
    pub(crate) fn publish(
        &self,
        inode: &OwnInode<Union>,
        locked: &mut State,
        stack: RcuArc<Stack>,
    ) -> Result {
        // `d_real` may have handed out the dentry of a file; and what has names below is found by what
        // it was copied from.
        let keeps_old = inode.mode().is_regular() || self.has_names_below();
        if keeps_old {
            locked.earlier.reserve(1)?;
        }
        let key = stack.top().key()?;
        if self.has_names_below() && inode.key() != key {
            self.note_earlier_keys(locked, Some(inode.key()))?;
        }
        let top = stack.top().dentry.clone();
        // Who has the lock is alone in changing them. Before the stack is published: who finds that finds these.
        let branches = BranchSet(self.branches.load(Relaxed) | stack.branches().0);
        self.branches.xchg(branches.0, Full);
        if branches.is_several() {
            inode.move_to_several();
        }
        self.watch_layers(inode, locked, &stack)?;
        let (real, idmap) = (top.inode().ok_or(ESTALE)?, stack.top().path().idmap());
        let old = self.stack.replace(Some(stack.clone()));
        self.top.replace(Some(top.clone()));
        inode.set_key(key);
        // Whoever sees this sees the stack: the old one must not be taken for one of this generation.
        self.settled.publish(stack.generation);
        if old.as_ref().is_none_or(|old| !is_top(old, &top)) {
            // The VFS decides by these who may do what.
            inode.copy_attr(real, idmap);
            inode.invalidate_label();
            if inode.is_dir() && inode.nlink() != 0 {
                inode.set_nlink(real.nlink());
            }
        }
        if let Some(old) = old {
            let kept = locked
                .earlier
                .iter()
                .any(|kept| is_top(kept, &old.top().dentry));
            if keeps_old && !is_top(&old, &top) && !kept {
                locked.earlier.push(old)?;
            }
        }
        Ok(())
    }

    /// Has what others do to the directories of `stack` counted, if this is a directory and the union
    /// wants to know.
    pub(crate) fn watch_layers(
        &self,
        inode: &OwnInode<Union>,
        locked: &mut State,
        stack: &Stack,
    ) -> Result {
        let instance = inode.sb().data();
        locked.is_watched = false;
        let Some(watch) = self.watch.as_ref().filter(|_| instance.looks_at_branches()) else {
            return Ok(());
        };
        let mut marks = Few::with_capacity(stack.layers.len())?;
        for layer in stack.layers.iter().filter(|l| l.branch.may_change()) {
            let real = layer.inode()?;
            let have = locked.marks.iter().position(|mark| mark.is_on(real));
            let mark = match have.and_then(|at| locked.marks.swap_remove(at)) {
                Some(mark) => mark,
                None => {
                    instance.counters().marks.up();
                    Mark::new(&instance.group, real, watch.clone())?
                }
            };
            marks.push(mark)?;
        }
        // What was in the other ones is looked at again.
        locked.marks = marks;
        locked.is_watched = true;
        Ok(())
    }

    /// As [`Node::watch_layers`], of the stack as it is, unless that was done before. What is found
    /// after this holds for as long as nobody is noticed to change it.
    pub(crate) fn watch(&self, inode: &OwnInode<Union>, locked: &mut State) -> Result {
        match self.stack() {
            Ok(stack) if !locked.is_watched => self.watch_layers(inode, locked, &stack),
            // It is being evicted, or was.
            _ => Ok(()),
        }
    }

    /// How many changes of others there were.
    pub(crate) fn changes(&self) -> u32 {
        self.watch.as_ref().map_or(0, |watch| watch.changes())
    }

    /// Whether the stack is of `generation`, and holds with what others did.
    pub(crate) fn is_settled(&self, generation: usize) -> bool {
        self.settled.is(self.stamp(generation))
    }

    /// The stack of `generation` was found to hold when there were so many `changes`. For whoever has
    /// the lock.
    pub(crate) fn settle(&self, _locked: &State, generation: usize, changes: u32) {
        self.settled.settle(generation, changes);
    }

    /// What is merged in this directory has changed: its names are to be looked at again.
    pub(crate) fn note_merge(&self) {
        if let Some(watch) = &self.watch {
            watch.note();
        }
    }

    /// The number that a name in this directory is stamped with when it is looked up in a stack of
    /// `generation`: another one, when what was found may not hold any more.
    pub(crate) fn stamp(&self, generation: usize) -> usize {
        stamp(generation, self.changes())
    }

    /// As [`Node::stamp`], for a name that was found in `stack`. Where nobody tells of changes, it is
    /// looked at again each time.
    pub(crate) fn name_stamp(&self, instance: &Instance, stack: &Stack) -> usize {
        match stack.is_remote && instance.looks_at_branches() {
            true => STALE,
            false => self.stamp(stack.generation),
        }
    }

    /// The current task is about to change this directory: what it does is no news.
    pub(crate) fn own_change(&self) -> Option<Changing<'_>> {
        self.watch.as_ref().map(|watch| watch.changing())
    }

    /// As [`Node::publish`], unless somebody else has published what was made from a later table.
    pub(crate) fn publish_newer(
        &self,
        inode: &OwnInode<Union>,
        locked: &mut State,
        stack: RcuArc<Stack>,
    ) -> Result {
        if self.stack()?.generation > stack.generation {
            return Ok(());
        }
        self.publish(inode, locked, stack)
    }

    /// The branches that something of this object may be on.
    pub(crate) fn branches(&self) -> BranchSet {
        BranchSet(self.branches.load(Acquire))
    }

    /// Computes [`Node::branches`] anew, after a branch has gone: `stack` is the current one.
    pub(crate) fn forget_branches(&self, locked: &State, stack: &Stack) {
        let earlier = locked.earlier.iter().map(|stack| stack.branches().0);
        let set = earlier.fold(stack.branches().0, |set, more| set | more);
        self.branches.xchg(set, Full);
    }

    /// Takes what is on a branch out of the earlier stacks. The caller drops it once nobody can be
    /// using a dentry that `d_real` gave out.
    pub(crate) fn take_earlier(
        &self,
        locked: &mut State,
        branch: BranchId,
        taken: &mut KVec<RcuArc<Stack>>,
    ) -> Result {
        let mut at = 0;
        while at < locked.earlier.len() {
            if locked.earlier[at].on_id(branch).is_some() {
                taken.reserve(1, GFP_KERNEL)?;
                if let Some(stack) = locked.earlier.swap_remove(at) {
                    taken.push(stack, GFP_KERNEL)?;
                }
            } else {
                at += 1;
            }
        }
        if self.has_names_below() {
            self.note_earlier_keys(locked, None)?;
        }
        Ok(())
    }

    /// Whether the file may have a name on its branch that the union has made and that is not on the
    /// disk yet; or was found when there may have been one. What is written to it is not there after a
    /// crash, then, whatever is written out of its data alone.
    #[inline]
    pub(crate) fn has_new_name(&self) -> bool {
        self.new_names.any()
    }

    /// See [`Node::has_new_name`].
    pub(crate) fn note_new_name(&self) {
        self.new_names.note();
    }

    /// Makes the names durable by `sync`, which writes out all of the file.
    pub(crate) fn write_out_names(&self, sync: impl FnOnce() -> Result) -> Result {
        self.new_names.write_out(sync)
    }

    /// Counts a descriptor.
    pub(crate) fn opened(&self, by: i32) {
        self.used(by);
        self.opens.fetch_add(1, Full);
    }

    /// The process `by` has opened or mapped the object. A hint: a mapping that a child process has
    /// inherited is not told of. It comes with nothing else, and so needs no order.
    pub(crate) fn used(&self, by: i32) {
        if self.opener.load_once() != by {
            self.opener.store(by, Relaxed);
        }
    }

    /// A descriptor was closed.
    pub(crate) fn closed(&self) {
        self.opens.fetch_sub(1, Full);
    }

    /// How many descriptors are open.
    pub(crate) fn opens(&self) -> u32 {
        self.opens.load(Acquire)
    }

    /// Who opened or mapped the object last: a process id, as the first namespace has it.
    pub(crate) fn opener(&self) -> i32 {
        self.opener.load(Relaxed)
    }

    /// The object has moved, or is about to, on its branch: until the guard is dropped, its name in
    /// the dentry cache may be the old one.
    pub(crate) fn moving(&self) -> Moving<'_> {
        self.moving.fetch_add(1, Full);
        Moving(self)
    }

    /// See [`Node::moving`].
    pub(crate) fn is_moving(&self) -> bool {
        self.moving.load(Acquire) != 0
    }

    /// Does `change`, which changes `bytes` of `real`, or lets them go, if there are any. Where private mappings are
    /// snapshots, they are kept before for who sees them. The inode of the union is locked. Errors are those of
    /// [`Past::change`](crate::mmap::snapshot::Past::change), and `ENOMEM`.
    #[inline]
    pub(crate) fn changing<R>(
        &self,
        instance: &Instance,
        real: &Inode,
        bytes: Option<Range<i64>>,
        change: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let past = match bytes {
            Some(_) => self.past(instance, real)?,
            None => None,
        };
        let _changing = match past.as_ref().zip(bytes) {
            Some((past, bytes)) => Some(past.change(bytes)?),
            None => None,
        };
        change()
    }

    /// The past of `real`, which the object is on a branch that is written to, if private mappings are snapshots.
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn past(&self, instance: &Instance, real: &Inode) -> Result<Option<RcuArc<Known>>> {
        match &instance.snapshots {
            None => Ok(None),
            Some(snapshots) => snapshots.past_of(&self.pasts, real).map(Some),
        }
    }

    /// Whether the object was copied up while it had other names below: those mean this inode, too,
    /// and the number of links is kept here.
    pub(crate) fn has_names_below(&self) -> bool {
        self.names_below() != 0
    }

    /// How many names of an object are below its copy, or were when one of them was whited out, and
    /// have neither been copied up since, nor whited out. There may be fewer, where some are not in
    /// the union. Changed with the lock held, or with the inode's own and nothing copied up.
    pub(crate) fn names_below(&self) -> u32 {
        self.below.load_acquire()
    }

    /// See [`Node::names_below`].
    pub(crate) fn set_names_below(&self, names: u32) {
        self.below.store(names, Release);
    }

    /// What the name of the object's [pseudo-link](crate::union::branch::plink_dir) is made of; 0 if it has none. For
    /// whoever has the lock.
    pub(crate) fn plink(&self) -> u64 {
        self.plink.load_once()
    }

    /// As [`Node::plink`], and it has none from now on.
    pub(crate) fn take_plink(&self) -> u64 {
        let serial = self.plink();
        self.set_plink(0);
        serial
    }

    /// See [`Node::plink`].
    pub(crate) fn set_plink(&self, serial: u64) {
        // The lock has the order.
        self.plink.store(serial, Relaxed);
    }

    /// Lets the inode be found by what it was copied from: by what the earlier stacks have, and by
    /// the key `old` of what is about to become one of them. `ENOMEM`.
    fn note_earlier_keys(&self, locked: &State, old: Option<usize>) -> Result {
        let mut keys = KVec::with_capacity(locked.earlier.len() + 1, GFP_KERNEL)?;
        let earlier = locked
            .earlier
            .iter()
            .filter_map(|stack| stack.top().key().ok());
        for key in Iterator::chain(earlier, old) {
            keys.push(key, GFP_KERNEL)?;
        }
        drop(
            self.earlier_keys
                .replace(Some(RcuArc::new(keys, GFP_KERNEL)?)),
        );
        Ok(())
    }

    /// Whether the object was copied from what has `key`, and other names below mean that. Loads only.
    pub(crate) fn has_earlier_key(&self, key: usize) -> bool {
        self.has_names_below()
            && self
                .earlier_keys
                .get()
                .is_some_and(|keys| keys.contains(&key))
    }

    /// As [`Node::has_earlier_key`], for whoever has the lock.
    pub(crate) fn was_copied_from(&self, locked: &State, layer: &Layer) -> bool {
        let same = |stack: &RcuArc<Stack>| stack.top().is_same_object(layer);
        self.has_names_below() && locked.earlier.iter().any(same)
    }

    /// Gives the stack up, as it stands for the union no more. Who decides something about that is waited for.
    pub(crate) fn release(&self) {
        self.give_up(self.state.lock());
    }

    /// As [`Node::release`], of an inode that leaves the cache, so that nobody has it any more: the lock is free. It is
    /// tried first, as memory may be what that is done for, and memory is asked for with it held: only what is free is
    /// taken so. Somebody who has it all the same is waited for.
    pub(crate) fn release_evicted(&self) {
        self.pasts.forget();
        match self.state.try_lock() {
            Some(state) => self.give_up(state),
            None => self.release(),
        }
    }

    fn give_up(&self, mut state: Guard<'_, State>) {
        self.top.replace(None);
        drop(self.stack.replace(None));
        drop(state.listing.take());
        drop(self.earlier_keys.replace(None));
        state.earlier = Few::new();
        state.marks = Few::new();
        state.is_watched = false;
    }
}

fn is_top(stack: &Stack, dentry: &Dentry) -> bool {
    core::ptr::eq::<Dentry>(&*stack.top().dentry, dentry)
}

/// A rename is under way.
pub(crate) struct Moving<'a>(&'a Node);

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.0.moving.fetch_sub(1, Full);
    }
}

/// The directory `inode` is not merged with anything any more: it stands for `layer` alone.
pub(crate) fn detach(inode: &OwnInode<Union>, locked: &mut State, layer: &Layer) -> Result {
    let node = inode.data();
    let generation = node.stack()?.generation;
    let mut layers = Layers::new();
    layers.push(layer.clone())?;
    drop(locked.listing.take());
    node.publish(inode, locked, new_stack(generation, layers)?)
}

/// Repeats the attributes of the top object in the inode of the union.
pub(crate) fn copy_attr(inode: &OwnInode<Union>) -> Result {
    loop {
        let stack = inode.data().stack()?;
        let top = stack.top();
        inode.copy_attr(top.inode()?, top.path().idmap());
        // Who has put another one in its place may have repeated that before.
        if inode.data().is_at(&top.dentry) || core::ptr::eq(&*inode.data().stack()?, &*stack) {
            return Ok(());
        }
    }
}
