// SPDX-License-Identifier: GPL-2.0

//! The current task.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/capability.h`](srctree/include/linux/capability.h)

use crate::bindings;
use kernel::prelude::*;

/// The process id of the current task, as the first pid namespace has it.
pub(crate) fn current_id() -> i32 {
    // SAFETY: The current task is alive; the id of its thread group is constant.
    unsafe { (*bindings::get_current()).tgid }
}

/// Something that tells the current task from all others that are alive.
pub(crate) fn current_token() -> usize {
    // SAFETY: No requirements.
    unsafe { bindings::get_current() }.addr()
}

/// Whether the current task is to die, so that work in progress should be undone.
pub(crate) fn fatal_signal_pending() -> bool {
    // SAFETY: The current task is alive.
    unsafe { bindings::fatal_signal_pending(bindings::get_current()) != 0 }
}

/// Whether the current task may administer the system (`CAP_SYS_ADMIN`).
pub(crate) fn may_administer() -> bool {
    // SAFETY: No requirements.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}
