// SPDX-License-Identifier: GPL-2.0

//! aufs2: a union filesystem.

use kernel::prelude::*;

mod bindings;
mod mmap;
#[cfg(aufs2_sample)]
mod sample;
mod union;
mod vfs;

module! {
    type: Aufs2,
    name: "aufs2",
    authors: ["The aufs2 developers"],
    description: "Union filesystem",
    license: "GPL",
    alias: ["fs-aufs2"],
}

/// What the `module!` macro of Linux 7.2 declares by itself.
#[cfg(kernel_7_3)]
const THIS_MODULE: ThisModule = <Aufs2 as kernel::ModuleMetadata>::THIS_MODULE;

#[pin_data]
struct Aufs2 {
    #[pin]
    registration: vfs::super_block::Registration<union::instance::Union>,
    #[cfg(aufs2_sample)]
    #[pin]
    sample: vfs::super_block::Registration<sample::Sample>,
}

impl kernel::InPlaceModule for Aufs2 {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            registration <- vfs::super_block::Registration::new(module),
            #[cfg(aufs2_sample)]
            sample <- vfs::super_block::Registration::new(module),
        })
    }
}
