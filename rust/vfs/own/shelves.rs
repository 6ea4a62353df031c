// SPDX-License-Identifier: GPL-2.0

//! Shelves, which the inodes of a super block are on by groups: those of one group are found without a look
//! at the others.
//!
//! There are as many shelves as a word has bits, for inodes that belong to one group each, and one
//! more for those that belong to several. An inode is put on its shelf before anybody sees it, may
//! move to the one for several, and is taken off when it is evicted.

use crate::bindings;
use core::pin::Pin;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        SpinLock,
    },
    types::Opaque,
};

/// How many places are looked at before the lock of a shelf is given up for a moment.
const BATCH: usize = 1024;

/// The shelf of an inode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shelf(u32);

impl Shelf {
    /// None: the filesystem does not group its inodes.
    pub(crate) const NONE: Self = Self(u32::MAX);
    /// That of inodes that belong to several groups.
    const SEVERAL: Self = Self(u64::BITS);
    /// No inode, but a place that a walk has come to.
    const CURSOR: Self = Self(u32::MAX - 1);

    /// The shelf of an inode that belongs to the groups that are set in `groups`.
    pub(crate) fn of(groups: u64) -> Self {
        match groups.count_ones() {
            1 => Self(groups.trailing_zeros()),
            _ => Self::SEVERAL,
        }
    }
}

/// What is on a shelf: `Slot`s.
///
/// # Invariants
///
/// The list is one of [`Slot::link`]s: of inodes of the super block that the shelves belong to, and of
/// walks.
pub(super) struct Chain(Opaque<bindings::hlist_head>);

// SAFETY: The places in a chain are unlinked before they are freed, whatever thread does so.
unsafe impl Send for Chain {}

/// All shelves of a super block.
#[pin_data]
pub(in crate::vfs) struct Shelves {
    /// Of one group each. Within [`Shelves::several`].
    #[pin]
    single: [SpinLock<Chain>; u64::BITS as usize],
    #[pin]
    several: SpinLock<Chain>,
}

impl Shelves {
    /// Empty ones.
    pub(in crate::vfs) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            single <- pin_init::pin_init_array_from_fn(|_| new_spinlock!(
                Chain(pin_init::zeroed()),
                "Shelves::single"
            )),
            several <- new_spinlock!(Chain(pin_init::zeroed()), "Shelves::several"),
        })
    }

    /// Those of the groups that are set in `groups`. Inodes move to the last one only, so that none is
    /// missed by who looks at them in this order.
    pub(super) fn of(&self, groups: u64) -> impl Iterator<Item = &SpinLock<Chain>> {
        let single = (self.single.iter().enumerate())
            .filter(move |(group, _)| groups & (1 << group) != 0)
            .map(|(_, chain)| chain);
        Iterator::chain(single, [&self.several])
    }

    fn get(&self, shelf: Shelf) -> Option<&SpinLock<Chain>> {
        match shelf {
            Shelf::SEVERAL => Some(&self.several),
            Shelf(index) => self.single.get(index as usize),
        }
    }
}

/// Where an inode, or a walk, is on a shelf. All zeroes, and `Shelf::NONE`, when it is on none.
///
/// # Invariants
///
/// `link` is in the chain of `shelf`, or the walk's, and is added and taken out with that chain's lock
/// held.
#[repr(C)]
pub(super) struct Slot {
    link: Opaque<bindings::hlist_node>,
    /// Changes with the lock of [`Shelves::several`] held only, once it is known to others. The locks have the order.
    shelf: Atomic<u32>,
}

impl Slot {
    /// On no shelf.
    pub(super) fn nowhere() -> Self {
        // INVARIANT: It is not linked.
        Self {
            link: pin_init::zeroed(),
            shelf: Atomic::new(Shelf::NONE.0),
        }
    }

    fn shelf(&self) -> Shelf {
        Shelf(self.shelf.load(Relaxed))
    }

    /// Puts a new inode's place on a shelf.
    ///
    /// # Safety
    ///
    /// The place is on no shelf, and that of an inode of the super block that `shelves` belong to;
    /// until it is taken off ([`Slot::remove`]) it is neither moved nor freed.
    pub(super) unsafe fn put(&self, shelves: &Shelves, shelf: Shelf) {
        let Some(chain) = shelves.get(shelf) else {
            return;
        };
        let chain = chain.lock();
        self.shelf.store(shelf.0, Relaxed);
        // SAFETY: By the contract of this function; the lock is held.
        unsafe { bindings::hlist_add_head(self.link.get(), chain.0.get()) };
    }

    /// Takes the place of an inode off its shelf: nobody finds it there from here on.
    ///
    /// # Safety
    ///
    /// Nobody moves the place meanwhile; `shelves` are those that it was put on.
    pub(super) unsafe fn remove(&self, shelves: &Shelves) {
        if let Some(chain) = shelves.get(self.shelf()) {
            let _chain = chain.lock();
            // SAFETY: It is in the chain, by the type invariant, whose lock is held.
            unsafe { bindings::hlist_del_init(self.link.get()) };
        }
    }

    /// Moves the place of an inode to the shelf of those that belong to several groups, if it is on another.
    ///
    /// # Safety
    ///
    /// Nobody moves the place in memory, or takes it off, meanwhile; `shelves` are those that it was put on.
    pub(super) unsafe fn move_to_several(&self, shelves: &Shelves) {
        // Without a lock: once it is this one it stays so, and it is asked again with the locks.
        if self.shelf() == Shelf::SEVERAL {
            return;
        }
        let several = shelves.several.lock();
        let shelf = self.shelf();
        if shelf == Shelf::SEVERAL {
            return;
        }
        let Some(chain) = shelves.get(shelf) else {
            return;
        };
        let _chain = chain.lock();
        // SAFETY: By the contract of this function. It is in the chain that it says, both of whose locks
        // are held. INVARIANT: It is in the chain that it says again.
        unsafe {
            bindings::hlist_del_init(self.link.get());
            bindings::hlist_add_head(self.link.get(), several.0.get());
        }
        self.shelf.store(Shelf::SEVERAL.0, Relaxed);
    }
}

/// The place of a walk.
///
/// # Invariants
///
/// The place is in the chain, or not linked.
pub(super) struct Cursor<'a> {
    place: Slot,
    chain: &'a SpinLock<Chain>,
}

impl<'a> Cursor<'a> {
    /// Before everything that is on the shelf.
    pub(super) fn new(chain: &'a SpinLock<Chain>) -> Self {
        // INVARIANT: It is not linked.
        let place = Slot {
            link: pin_init::zeroed(),
            shelf: Atomic::new(Shelf::CURSOR.0),
        };
        Self { place, chain }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        let _chain = self.chain.lock();
        // SAFETY: It is in the chain whose lock is held, or not linked, which is all right.
        unsafe { bindings::hlist_del_init(self.place.link.get()) };
    }
}

/// How far a walk has come.
pub(super) enum Step<R> {
    /// To what was picked.
    Found(R),
    /// Somebody else is to get the lock.
    Pause,
    End,
}

impl<'a> Cursor<'a> {
    /// Goes on to the next place that `pick` makes something of. `pick` is called with the lock of the
    /// shelf held, for the places of inodes that have not been taken off it.
    pub(super) fn step<R>(
        self: Pin<&Self>,
        mut pick: impl FnMut(*mut Slot) -> Option<R>,
    ) -> Step<R> {
        let chain = self.chain.lock();
        let here = self.place.link.get();
        // SAFETY: The chain does not change while its lock is held, and all that is in it is alive, as
        // it is taken off before it is freed. The cursor is pinned, and taken out when it is dropped.
        unsafe {
            let mut link = match (*here).pprev.is_null() {
                true => (*chain.0.get()).first,
                false => (*here).next,
            };
            let mut last = core::ptr::null_mut();
            let mut step = Step::End;
            for _ in 0..BATCH {
                if link.is_null() {
                    break;
                }
                last = link;
                link = (*link).next;
                if (*last.cast::<Slot>()).shelf() == Shelf::CURSOR {
                    continue;
                }
                if let Some(found) = pick(last.cast()) {
                    step = Step::Found(found);
                    break;
                }
            }
            if matches!(step, Step::End) && !link.is_null() {
                step = Step::Pause;
            }
            if !last.is_null() && !core::ptr::eq(last, here) {
                bindings::hlist_del_init(here);
                bindings::hlist_add_behind(here, last);
            }
            step
        }
    }
}
