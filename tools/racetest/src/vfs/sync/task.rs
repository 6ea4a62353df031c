// SPDX-License-Identifier: GPL-2.0

//! The current task: a thread of the model.

pub(crate) fn current_token() -> usize {
    kernel::sync::current()
}

pub(crate) fn fatal_signal_pending() -> bool {
    // SAFETY: The current task is alive.
    unsafe { kernel::bindings::fatal_signal_pending(kernel::bindings::get_current()) != 0 }
}
