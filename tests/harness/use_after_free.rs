// SPDX-License-Identifier: GPL-2.0

//! Bad on purpose: reads an object after it was freed. KASAN has to say so.

use kernel::prelude::*;

module! {
    type: UseAfterFree,
    name: "use_after_free",
    authors: ["The aufs2 authors"],
    description: "Reads freed memory on purpose",
    license: "GPL",
}

struct UseAfterFree;

impl kernel::Module for UseAfterFree {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let object = KBox::into_raw(KBox::new([7u64; 16], GFP_KERNEL)?);

        // SAFETY: The pointer comes from `into_raw` and is given back once.
        drop(unsafe { KBox::from_raw(object) });

        // SAFETY: None, and that is the point: the object is gone.
        let stale = unsafe { object.cast::<u64>().read_volatile() };
        pr_info!("use_after_free: read {stale}\n");
        Ok(UseAfterFree)
    }
}
