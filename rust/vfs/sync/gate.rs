// SPDX-License-Identifier: GPL-2.0

//! A gate that many pass at once, without a shared cache line, until somebody closes it.
//!
//! C header: [`include/linux/percpu-refcount.h`](srctree/include/linux/percpu-refcount.h)

use super::task::fatal_signal_pending;
use crate::bindings;
use core::sync::atomic::{fence, Ordering};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{Atomic, Full},
    time::{delay::fsleep, Delta},
    types::Opaque,
};

/// A gate. It is open when it is made.
///
/// # Invariants
///
/// The counter is initialised. It is killed by whoever has set `closed`, and by nobody else.
#[pin_data(PinnedDrop)]
pub(crate) struct Gate {
    #[pin]
    count: Opaque<bindings::percpu_ref>,
    /// Whether somebody has closed the gate, or is about to.
    closed: Atomic<bool>,
}

// SAFETY: A `percpu_ref` synchronises itself.
unsafe impl Send for Gate {}
// SAFETY: As above.
unsafe impl Sync for Gate {}

/// Somebody who is inside. Whoever closes the gate waits for them.
///
/// # Invariants
///
/// This owns a count of the gate's.
pub(crate) struct Inside<'a>(&'a Gate);

/// Nothing is to be done when the last one leaves: whoever closes the gate looks.
///
/// # Safety
///
/// None: the argument is not looked at.
unsafe extern "C" fn released(_count: *mut bindings::percpu_ref) {}

impl Gate {
    /// An open gate. `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        // INVARIANT: The counter is initialised when the initialiser succeeds.
        try_pin_init!(Self {
            count <- Opaque::try_ffi_init(|slot: *mut bindings::percpu_ref| {
                // SAFETY: The slot is memory of the right type that will not move. A count that
                // is killed can be started again, as the flag allows.
                to_result(unsafe {
                    bindings::percpu_ref_init(
                        slot,
                        Some(released),
                        bindings::PERCPU_REF_ALLOW_REINIT,
                        bindings::GFP_KERNEL,
                    )
                })
            }),
            closed: Atomic::new(false),
        }? Error)
    }

    /// Enters; `None` if the gate is closed. Does not sleep. Who enters after the gate was opened again sees what
    /// was done while it was closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        // SAFETY: The counter is initialised, by the type invariant.
        if !unsafe { bindings::percpu_ref_tryget_live(self.count.get()) } {
            return None;
        }
        // `percpu_ref_resurrect` has stored with a release what that has loaded without an order. No
        // instruction on amd64.
        fence(Ordering::Acquire);
        // INVARIANT: Just taken.
        Some(Inside(self))
    }

    /// Whether the gate is open just now.
    pub(crate) fn is_open(&self) -> bool {
        // SAFETY: The counter is initialised, by the type invariant.
        !unsafe { bindings::percpu_ref_is_dying(self.count.get()) }
    }

    /// Closes the gate and waits until nobody is inside. What was done inside is seen then.
    ///
    /// `EINTR` if a fatal signal comes, `EBUSY` if somebody is still inside after `patience`; the
    /// gate is open again then. `EBUSY` if somebody else has closed it.
    pub(crate) fn close(&self, patience: Delta) -> Result<Closed<'_>> {
        // Of two, one finds that it was open; it sees what the one before has done to the counter.
        if self.closed.xchg(true, Full) {
            return Err(EBUSY);
        }
        // SAFETY: The counter is initialised, and live, by the type invariant.
        unsafe { bindings::percpu_ref_kill(self.count.get()) };
        let mut waited = 0;
        // SAFETY: As above.
        while !unsafe { bindings::percpu_ref_is_zero(self.count.get()) } {
            let error = if fatal_signal_pending() {
                Some(EINTR)
            } else if waited > patience.as_millis() {
                Some(EBUSY)
            } else {
                None
            };
            if let Some(error) = error {
                // SAFETY: The counter was killed above.
                unsafe { bindings::percpu_ref_resurrect(self.count.get()) };
                self.closed.xchg(false, Full);
                return Err(error);
            }
            fsleep(Delta::from_millis(1));
            waited += 1;
        }
        // Who leaves a gate that is being closed does so fully ordered, and those from before are added up so, a
        // grace period later; but that is only looked at, without an order. No instruction on amd64.
        fence(Ordering::Acquire);
        // INVARIANT: So it is.
        Ok(Closed(self, true))
    }
}

/// A closed gate; dropping this opens it.
///
/// # Invariants
///
/// `closed` was set by this, and the gate's counter has come to zero.
pub(crate) struct Closed<'a>(&'a Gate, bool);

impl Closed<'_> {
    /// Leaves the gate closed for ever.
    pub(crate) fn for_ever(mut self) {
        self.1 = false;
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if self.1 {
            // SAFETY: The counter was killed, and has come to zero: `close` waited for that.
            unsafe { bindings::percpu_ref_reinit(self.0.count.get()) };
            self.0.closed.xchg(false, Full);
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // SAFETY: The count is ours.
        unsafe { bindings::percpu_ref_put(self.0.count.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Gate {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Nobody is inside: they borrow from `self`.
        unsafe { bindings::percpu_ref_exit(self.count.get()) };
    }
}
