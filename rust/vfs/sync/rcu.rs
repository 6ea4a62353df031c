// SPDX-License-Identifier: GPL-2.0

//! Immutable values that are published under RCU and counted.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! A [`Slot`] holds at most one [`RcuArc`], and readers take references to what it holds. The value
//! is dropped with its last reference; only the memory of its count waits for a grace period, as a
//! reader may be about to find that it came too late.

use super::{count::Count, load::Load};
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
    sync::aref::{ARef, AlwaysRefCounted},
    sync::atomic::{Atomic, Full},
    sync::rcu,
    types::{NotThreadSafe, Opaque},
};

/// Proof that an RCU read-side critical section lasts for `'a`: one of ours, or the VFS's in an RCU
/// walk.
///
/// # Invariants
///
/// The current task is in such a section during `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a>(PhantomData<(&'a rcu::Guard, NotThreadSafe)>);

impl Reading<'_> {
    /// # Safety
    ///
    /// A read-side critical section of the current task lasts for `'a`.
    pub(in crate::vfs) unsafe fn assume() -> Self {
        // INVARIANT: By the contract of this function.
        Self(PhantomData)
    }
}

impl<'a> From<&'a rcu::Guard> for Reading<'a> {
    fn from(_guard: &'a rcu::Guard) -> Self {
        // INVARIANT: The guard lasts as long.
        Self(PhantomData)
    }
}

/// `kvfree_call_rcu` finds the start from a head that is within the first page.
///
/// # Invariants
///
/// The memory is from [`KBox`], and has no value any more once `refs` has come to zero.
#[repr(C)]
struct Node<T> {
    rcu: Opaque<bindings::callback_head>,
    refs: Count,
    /// Dropped with the last reference, before the memory goes.
    value: ManuallyDrop<T>,
}

/// What is shared by [`RcuArc`]s.
pub(crate) trait Shared: Send + Sync {
    /// Whether dropping a value may sleep. Then no reference may be given up where one must not, as any may
    /// be the last; a kernel that looks for sleepers (`CONFIG_DEBUG_ATOMIC_SLEEP`) says so for each.
    const DROP_SLEEPS: bool = true;
}

impl Shared for KVec<usize> {
    const DROP_SLEEPS: bool = false;
}

impl<T: Send + Sync> Shared for Pin<KBox<T>> {}

impl<T: AlwaysRefCounted> Shared for ARef<T> where Self: Send + Sync {}

/// A counted reference to a value. It is to be dropped where what the value's drop does is allowed.
///
/// # Invariants
///
/// The pointer is valid, its value is not dropped, and this object owns one count of `refs`.
pub(crate) struct RcuArc<T: Shared>(NonNull<Node<T>>, PhantomData<T>);

// SAFETY: It is a shared reference that may also drop the value on another thread, hence both bounds
// on `T`.
unsafe impl<T: Shared> Send for RcuArc<T> {}
// SAFETY: As above.
unsafe impl<T: Shared> Sync for RcuArc<T> {}

impl<T: Shared> RcuArc<T> {
    /// Allocates a counted value. `ENOMEM`, and `value` is dropped.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self> {
        // The memory comes first: a `Node` that could not be had would not drop its value.
        let node = KBox::<Node<T>>::new_uninit(flags)?.write(Node {
            rcu: Opaque::uninit(),
            refs: Count::one(),
            value: ManuallyDrop::new(value),
        });
        // INVARIANT: The count starts at one, which is ours.
        // SAFETY: `KBox::into_raw` never returns a null pointer.
        let node = unsafe { NonNull::new_unchecked(KBox::into_raw(node)) };
        Ok(Self(node, PhantomData))
    }

    fn into_raw(self) -> *mut Node<T> {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl<T: Shared> Deref for RcuArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant the value is alive; it is never mutated.
        unsafe { &self.0.as_ref().value }
    }
}

impl<T: Shared> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: The node is alive by the type invariant.
        unsafe { self.0.as_ref() }.refs.get();
        // INVARIANT: The count was just taken.
        Self(self.0, PhantomData)
    }
}

impl<T: Shared> Drop for RcuArc<T> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(CONFIG_DEBUG_ATOMIC_SLEEP)]
        if T::DROP_SLEEPS {
            kernel::task::might_sleep();
        }
        // SAFETY: The node is alive by the type invariant, until our count is given up here.
        if unsafe { self.0.as_ref() }.refs.put() {
            // SAFETY: That was the last.
            unsafe { Self::end(self.0.as_ptr()) };
        }
    }
}

impl<T: Shared> RcuArc<T> {
    /// # Safety
    ///
    /// The last count of the node was given up by the caller.
    #[inline(never)]
    unsafe fn end(node: *mut Node<T>) {
        // SAFETY: The last count is gone, and nobody can take another: `Slot::get` only takes one
        // from a non-zero count. So the value is ours to drop, once. A reader in `Slot::get` may
        // still look at the count, for at most a grace period: then `kvfree_call_rcu` frees the
        // memory, which `KBox` allocated with `kmalloc`.
        unsafe {
            ManuallyDrop::drop(&mut (*node).value);
            // A `kvfree_rcu_head` is the start of a `callback_head`, where a kernel has both.
            bindings::kvfree_call_rcu((*node).rcu.get().cast(), node.cast());
        }
    }
}

/// A place where an [`RcuArc`] is published.
///
/// # Invariants
///
/// The pointer is null or a node of which the slot owns one count.
pub(crate) struct Slot<T: Shared>(Atomic<*mut Node<T>>, PhantomData<T>);

// SAFETY: A slot hands out counted references to `T` only.
unsafe impl<T: Shared> Send for Slot<T> {}
// SAFETY: As above; the pointer is only accessed atomically.
unsafe impl<T: Shared> Sync for Slot<T> {}

impl<T: Shared> Slot<T> {
    /// A slot with a value published, or none.
    pub(crate) fn new(value: Option<RcuArc<T>>) -> Self {
        // INVARIANT: The count of `value` moves to the slot.
        let raw = value.map_or(ptr::null_mut(), RcuArc::into_raw);
        Self(Atomic::new(raw), PhantomData)
    }

    /// A slot with nothing published.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: Null.
        Self(Atomic::new(ptr::null_mut()), PhantomData)
    }

    /// Takes a reference to the published value.
    #[inline]
    pub(crate) fn get(&self) -> Option<RcuArc<T>> {
        let _guard = rcu::read_lock();
        loop {
            let node = NonNull::new(self.0.load_acquire())?;
            // SAFETY: The node was published when it was loaded, within this read-side critical
            // section; its memory is freed a grace period after the last count has gone.
            let refs = unsafe { &(*node.as_ptr()).refs };
            if refs.get_unless_zero() {
                // INVARIANT: The count was just taken from a non-zero one.
                return Some(RcuArc(node, PhantomData));
            }
            // The value was replaced and died between the two loads: look again.
        }
    }

    /// Publishes `value`; returns what was there.
    pub(crate) fn replace(&self, value: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let raw = value.map_or(ptr::null_mut(), RcuArc::into_raw);
        // What is in the new node comes before it is found, and who has replaced it sees what is in the old one.
        // INVARIANT: The slot's count of the old node moves to the returned reference.
        NonNull::new(self.0.xchg(raw, Full)).map(|node| RcuArc(node, PhantomData))
    }
}

impl<T: Shared> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}

/// Waits until every task has slept or returned to user space: whoever was using something without
/// a count, and does not sleep while doing so, is done with it. Takes a while.
pub(crate) fn synchronize_tasks() {
    // SAFETY: No requirements; may sleep.
    unsafe { bindings::wait_for_tasks() };
}

/// Waits until every read-side critical section that has begun has ended. May sleep.
pub(in crate::vfs) fn synchronize() {
    // SAFETY: No requirements; may sleep.
    unsafe { bindings::synchronize_rcu() };
}

/// Waits for the RCU callbacks of this module. Called at module unload, when there can be no new
/// ones.
pub(crate) fn exit() {
    // SAFETY: No requirements; may sleep, as module unload does.
    unsafe { bindings::rcu_barrier() };
}

#[kunit_tests(aufs2_rcu)]
mod tests {
    use super::*;
    use kernel::sync::atomic::Acquire;

    static LIVING: Atomic<i32> = Atomic::new(0);

    struct Living;

    impl Shared for Living {}

    impl Shared for i32 {}

    impl Living {
        fn new() -> Self {
            LIVING.fetch_add(1, Full);
            Self
        }
    }

    impl Drop for Living {
        fn drop(&mut self) {
            LIVING.fetch_sub(1, Full);
        }
    }

    #[test]
    fn a_slot_gives_out_what_was_published_last() -> Result {
        let slot = Slot::empty();
        assert!(slot.get().is_none());
        assert!(slot.replace(Some(RcuArc::new(1, GFP_KERNEL)?)).is_none());
        let first = slot.get().ok_or(EINVAL)?;
        let old = slot
            .replace(Some(RcuArc::new(2, GFP_KERNEL)?))
            .ok_or(EINVAL)?;
        let second = slot.get().ok_or(EINVAL)?;
        assert_eq!((*first, *old, *second), (1, 1, 2));
        Ok(())
    }

    #[test]
    fn a_value_is_dropped_once_with_its_last_reference() -> Result {
        let slot = Slot::new(Some(RcuArc::new(Living::new(), GFP_KERNEL)?));
        let held = slot.get().ok_or(EINVAL)?;
        let another = held.clone();
        drop(slot.replace(None));
        drop(held);
        assert_eq!(LIVING.load(Acquire), 1);
        drop(another);
        assert_eq!(LIVING.load(Acquire), 0);
        drop(Slot::new(Some(RcuArc::new(Living::new(), GFP_KERNEL)?)));
        assert_eq!(LIVING.load(Acquire), 0);
        Ok(())
    }
}
