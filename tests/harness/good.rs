// SPDX-License-Identifier: GPL-2.0

//! What the bad modules of this folder do, done right: the control which no
//! checker may complain about.

use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*, //
};

module! {
    type: Good,
    name: "good",
    authors: ["The aufs2 authors"],
    description: "Nothing is wrong with this module",
    license: "GPL",
}

struct Good;

impl kernel::Module for Good {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let outer = KBox::pin_init(new_mutex!(1u32, "good_outer"), GFP_KERNEL)?;
        let inner = KBox::pin_init(new_mutex!(2u32, "good_inner"), GFP_KERNEL)?;
        let spin = KBox::pin_init(new_spinlock!(3u32, "good_spin"), GFP_KERNEL)?;

        for _ in 0..2 {
            let outer = outer.lock();
            let inner = inner.lock();
            let spin = spin.lock();
            pr_info!("good: the sum is {}\n", *outer + *inner + *spin);
        }
        Ok(Good)
    }
}
