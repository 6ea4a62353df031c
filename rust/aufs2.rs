// SPDX-License-Identifier: GPL-2.0

//! aufs2: a union filesystem.

use kernel::prelude::*;

mod bindings;
mod vfs;

module! {
    type: Aufs2,
    name: "aufs2",
    authors: ["The aufs2 developers"],
    description: "Union filesystem",
    license: "GPL",
}

struct Aufs2;

impl kernel::Module for Aufs2 {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("inserted\n");
        Ok(Self)
    }
}
