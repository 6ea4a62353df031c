// SPDX-License-Identifier: GPL-2.0

//! Immutable values that are published under RCU and counted.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! A [`Slot`] holds at most one [`RcuArc`]. Readers in an RCU walk borrow the value for the length
//! of their read-side critical section; readers that may sleep take a reference. A value whose
//! last reference goes is *retired*: it is dropped in process context, after a grace period, by a
//! work item that all slots share. Hence a value may own things whose release sleeps (dentries,
//! mounts), and dropping a reference is allowed in any context.

use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::{
    alloc::Flags,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full, Relaxed, Release},
    sync::{rcu, Refcount},
    types::Opaque,
};

/// The part of a [`Node`] that the retirement list knows.
#[repr(C)]
struct Retired {
    next: *mut Retired,
    drop: unsafe fn(NonNull<Retired>),
}

/// # Invariants
///
/// `head` is the first field, so that a pointer to the node is a pointer to its [`Retired`].
#[repr(C)]
struct Node<T> {
    head: Retired,
    refs: Refcount,
    value: T,
}

impl<T> Node<T> {
    /// # Safety
    ///
    /// `retired` is the `head` of a `Node<T>` made by [`RcuArc::new`], with no reference left, that
    /// no RCU reader can see any more.
    unsafe fn drop_retired(retired: NonNull<Retired>) {
        // SAFETY: By the contract of this function the pointer came from `KBox::into_raw` in
        // `RcuArc::new`, and nobody else uses it.
        drop(unsafe { KBox::from_raw(retired.as_ptr().cast::<Node<T>>()) });
    }
}

/// A counted reference to a value that RCU readers may be looking at.
///
/// # Invariants
///
/// The pointer is valid, and this object owns one count of `refs`.
pub(crate) struct RcuArc<T: Send + Sync>(NonNull<Node<T>>, PhantomData<T>);

// SAFETY: It is a shared reference that may also drop the value on another thread, hence both bounds
// on `T`.
unsafe impl<T: Send + Sync> Send for RcuArc<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for RcuArc<T> {}

impl<T: Send + Sync> RcuArc<T> {
    /// Allocates a counted value.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self> {
        let node = KBox::new(
            Node {
                head: Retired {
                    next: ptr::null_mut(),
                    drop: Node::<T>::drop_retired,
                },
                refs: Refcount::new(1),
                value,
            },
            flags,
        )?;
        // INVARIANT: The count starts at one, which is ours.
        // SAFETY: `KBox::into_raw` never returns a null pointer.
        Ok(Self(
            unsafe { NonNull::new_unchecked(KBox::into_raw(node)) },
            PhantomData,
        ))
    }

    fn into_raw(self) -> *mut Node<T> {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl<T: Send + Sync> Deref for RcuArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant the node is alive; its value is never mutated.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T: Send + Sync> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: The node is alive by the type invariant.
        unsafe { self.0.as_ref() }.refs.inc();
        // INVARIANT: The count was just taken.
        Self(self.0, PhantomData)
    }
}

impl<T: Send + Sync> Drop for RcuArc<T> {
    fn drop(&mut self) {
        // SAFETY: The node is alive by the type invariant, until our count is given up here.
        if unsafe { self.0.as_ref() }.refs.dec_and_test() {
            // SAFETY: The last count is gone: nobody can take another (`Slot::get` only takes one
            // from a non-zero count), so the node is ours to retire, once.
            unsafe { retire(self.0.cast()) };
        }
    }
}

/// A place where an [`RcuArc`] is published.
///
/// # Invariants
///
/// The pointer is null or a node of which the slot owns one count.
pub(crate) struct Slot<T: Send + Sync>(Atomic<*mut Node<T>>);

// SAFETY: A slot hands out shared references and counted references to `T` only.
unsafe impl<T: Send + Sync> Send for Slot<T> {}
// SAFETY: As above; the pointer is only accessed atomically.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T: Send + Sync> Slot<T> {
    /// A slot with a value published, or none.
    pub(crate) fn new(value: Option<RcuArc<T>>) -> Self {
        // INVARIANT: The count of `value` moves to the slot.
        Self(Atomic::new(value.map_or(ptr::null_mut(), RcuArc::into_raw)))
    }

    /// Borrows the published value for as long as the RCU read-side critical section lasts.
    pub(crate) fn read<'a>(&'a self, _guard: &'a rcu::Guard) -> Option<&'a T> {
        // SAFETY: A node that was published stays allocated for a grace period after its last
        // count went, and `_guard` keeps the grace period from ending during 'a.
        NonNull::new(self.0.load(Acquire)).map(|node| unsafe { &node.as_ref().value })
    }

    /// Takes a reference to the published value.
    pub(crate) fn get(&self) -> Option<RcuArc<T>> {
        let _guard = rcu::read_lock();
        loop {
            let node = NonNull::new(self.0.load(Acquire))?;
            // SAFETY: As in `read`, the node is allocated while `_guard` lives.
            let refs = unsafe { node.as_ref() }.refs.as_atomic();
            let mut count = refs.load(Relaxed);
            while count != 0 {
                match refs.cmpxchg(count, count + 1, Full) {
                    // INVARIANT: The count was just taken from a non-zero one.
                    Ok(_) => return Some(RcuArc(node, PhantomData)),
                    Err(now) => count = now,
                }
            }
            // The value was replaced and died between the two loads: look again.
        }
    }

    /// Publishes `value`; returns what was there. Writers exclude each other by a lock of their own.
    pub(crate) fn replace(&self, value: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let raw = value.map_or(ptr::null_mut(), RcuArc::into_raw);
        // INVARIANT: The slot's count of the old node moves to the returned reference.
        NonNull::new(self.0.xchg(raw, Full)).map(|node| RcuArc(node, PhantomData))
    }
}

impl<T: Send + Sync> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}

static RETIRED: RetiredList = RetiredList(Atomic::new(ptr::null_mut()));
static WORK: Work = Work(Opaque::uninit());

struct RetiredList(Atomic<*mut Retired>);
// SAFETY: The list is only touched by atomic operations, and owns what is on it.
unsafe impl Sync for RetiredList {}

struct Work(Opaque<bindings::work_struct>);
// SAFETY: The workqueue code synchronises all access to a work item.
unsafe impl Sync for Work {}

/// # Safety
///
/// `node` is the `head` of a node without a count left; the caller gives it up.
unsafe fn retire(node: NonNull<Retired>) {
    let mut first = RETIRED.0.load(Relaxed);
    loop {
        // SAFETY: The node is ours until the exchange below publishes it.
        unsafe { (*node.as_ptr()).next = first };
        match RETIRED.0.cmpxchg(first, node.as_ptr(), Release) {
            Ok(_) => break,
            Err(now) => first = now,
        }
    }
    // A non-empty list has a work item queued for it already.
    if first.is_null() {
        queue();
    }
}

fn queue() {
    // SAFETY: `WORK` was initialised by `init` before the first value could be made, and lives as
    // long as the module, which waits for it in `exit`.
    unsafe { bindings::schedule_work(WORK.0.get()) };
}

unsafe extern "C" fn reclaim(_work: *mut bindings::work_struct) {
    let mut next = RETIRED.0.xchg(ptr::null_mut(), Full);
    if next.is_null() {
        return;
    }
    // SAFETY: No requirements; a work item runs in process context, outside any RCU read-side
    // critical section.
    unsafe { bindings::synchronize_rcu() };
    while let Some(node) = NonNull::new(next) {
        // SAFETY: The list was taken off as a whole, so the node is ours; it was retired before the
        // grace period that has just ended, so no reader can see it.
        unsafe {
            next = node.as_ref().next;
            (node.as_ref().drop)(node);
        }
    }
}

/// Prepares retirement. Called once, at module load, before any [`RcuArc`] exists.
pub(crate) fn init() {
    // SAFETY: `WORK` is static memory that nothing uses yet; `reclaim` has the right type.
    unsafe { bindings::INIT_WORK(WORK.0.get(), Some(reclaim)) };
}

/// Waits until everything that was retired before the call has been dropped. May sleep.
pub(crate) fn flush() {
    queue();
    // SAFETY: `WORK` is initialised.
    unsafe { bindings::flush_work(WORK.0.get()) };
}

/// Waits for everything retired, and for the RCU callbacks of this module. Called once, at module
/// unload, when no value can be made any more.
pub(crate) fn exit() {
    flush();
    // SAFETY: No requirements.
    unsafe { bindings::rcu_barrier() };
}
