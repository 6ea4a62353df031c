// SPDX-License-Identifier: GPL-2.0

//! Bad on purpose: forgets objects without freeing them. kmemleak has to find
//! them when it scans.

use kernel::prelude::*;

module! {
    type: Leak,
    name: "leak",
    authors: ["The aufs2 authors"],
    description: "Leaks memory on purpose",
    license: "GPL",
}

struct Leak;

impl kernel::Module for Leak {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Many, as a stale copy of a pointer may hide one or two from the scan.
        for number in 0..32u64 {
            core::mem::forget(KBox::new([number; 16], GFP_KERNEL)?);
        }
        pr_info!("leak: 32 objects are gone\n");
        Ok(Leak)
    }
}
