// SPDX-License-Identifier: GPL-2.0

//! Bad on purpose: takes two mutexes in one order and then in the other. It
//! does not deadlock, having one thread; lockdep has to say that it could.

use kernel::{
    new_mutex,
    prelude::*, //
};

module! {
    type: LockInversion,
    name: "lock_inversion",
    authors: ["The aufs2 authors"],
    description: "Inverts a lock order on purpose",
    license: "GPL",
}

struct LockInversion;

impl kernel::Module for LockInversion {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let a = KBox::pin_init(new_mutex!(1u32, "lock_inversion_a"), GFP_KERNEL)?;
        let b = KBox::pin_init(new_mutex!(2u32, "lock_inversion_b"), GFP_KERNEL)?;

        for (first, second) in [(&a, &b), (&b, &a)] {
            let first = first.lock();
            let second = second.lock();
            pr_info!("lock_inversion: {} before {}\n", *first, *second);
        }
        Ok(LockInversion)
    }
}
