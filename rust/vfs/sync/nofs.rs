// SPDX-License-Identifier: GPL-2.0

//! Memory that is asked for where no filesystem may be asked to free some.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use crate::bindings;

/// Calls `act`. Whatever memory it asks for, no filesystem is called to have some freed: for who holds what
/// one would want then, such as a folio that is locked, or a lock that the end of an inode takes.
pub(crate) fn scope<R>(act: impl FnOnce() -> R) -> R {
    // SAFETY: What was is restored by this task, below, and after whatever `act` does of the kind.
    let flags = unsafe { bindings::memalloc_nofs_save() };
    let value = act();
    // SAFETY: As above.
    unsafe { bindings::memalloc_nofs_restore(flags) };
    value
}
