// SPDX-License-Identifier: GPL-2.0

//! Bad on purpose: takes a mutex, which may sleep, under a spin lock.
//! `CONFIG_DEBUG_ATOMIC_SLEEP` has to say so.

use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*, //
};

module! {
    type: SleepInAtomic,
    name: "sleep_in_atomic",
    authors: ["The aufs2 authors"],
    description: "Sleeps under a spin lock on purpose",
    license: "GPL",
}

struct SleepInAtomic;

impl kernel::Module for SleepInAtomic {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let spin = KBox::pin_init(new_spinlock!(1u32, "sleep_in_atomic_spin"), GFP_KERNEL)?;
        let mutex = KBox::pin_init(new_mutex!(2u32, "sleep_in_atomic_mutex"), GFP_KERNEL)?;

        let spin = spin.lock();
        let mutex = mutex.lock();
        pr_info!("sleep_in_atomic: the sum is {}\n", *spin + *mutex);
        drop(mutex);
        drop(spin);
        Ok(SleepInAtomic)
    }
}
