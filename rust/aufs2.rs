// SPDX-License-Identifier: GPL-2.0

//! aufs2: a union filesystem.

use kernel::prelude::*;
use union::object::instance::Union;
use vfs::{
    admin::module_param::{int, module_parameter},
    fs::registration::Registration,
};

mod bindings;
mod mmap;
#[cfg(aufs2_sample)]
mod samples;
mod union;
mod vfs;

module! {
    type: Aufs2,
    name: "aufs2",
    authors: ["The aufs2 developers"],
    description: "Union filesystem",
    license: "GPL",
    alias: ["fs-aufs2", "fs-aufs", "aufs"],
}

/// What the `module!` macro of Linux 7.2 declares by itself.
#[cfg(kernel_7_3)]
const THIS_MODULE: ThisModule = <Aufs2 as kernel::ModuleMetadata>::THIS_MODULE;

module_parameter!(
    /// Whether the type is registered as `aufs`, too.
    ALIAS, alias: bool = true,
    "Register the filesystem type under the name aufs, too, unless there is one (default: Y)"
);

module_parameter!(
    /// Whether `/proc/mounts` leaves the list of branches to sysfs.
    BRS, brs: int = 1,
    "Show the branches in sysfs only (1, default), or in /proc/mounts, too (0)"
);

#[pin_data]
struct Aufs2 {
    #[pin]
    registration: Registration<Union>,
    /// The name of aufs, if that is wanted and nobody has it.
    #[pin]
    alias: Registration<Union>,
    /// What private mappings of a union are of that are snapshots.
    #[pin]
    views: Registration<mmap::views::Views>,
    /// Declared after the types: it goes when there are no unions any more.
    sysfs: Option<union::branches::sysfs::Root>,
    debug: union::branches::debug::Root,
    #[cfg(aufs2_sample)]
    #[pin]
    sample: Registration<samples::sample::Sample>,
    #[cfg(aufs2_sample)]
    #[pin]
    memory: Registration<samples::memory::Memory>,
    #[cfg(aufs2_sample)]
    #[pin]
    pass: Registration<samples::pass::Pass>,
}

impl kernel::InPlaceModule for Aufs2 {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // Nothing fails after the first registration that did not: somebody may mount from then on, and
        // a module whose init fails goes without being asked who uses it.
        try_pin_init!(Self {
            debug: union::branches::debug::Root::new(c"aufs2")?,
            #[cfg(aufs2_sample)]
            sample <- Registration::new(module),
            #[cfg(aufs2_sample)]
            memory <- Registration::new(module),
            #[cfg(aufs2_sample)]
            pass <- Registration::new(module),
            views <- Registration::new(module),
            registration <- Registration::new(module),
            alias <- registration.alias(module, union::object::instance::AUFS, ALIAS.get()),
            // The directory goes with the name, so that two modules do not want the same.
            sysfs: union::branches::sysfs::Root::new(sysfs_name(alias.is_registered()))
                .inspect_err(|e| pr_warn!("no directory in sysfs ({})\n", e.to_errno()))
                .ok(),
        })
    }
}

/// The name of the directory in sysfs.
fn sysfs_name(is_aufs: bool) -> &'static CStr {
    if is_aufs {
        return c"aufs";
    }
    if ALIAS.get() {
        pr_info!("another aufs is registered: this one is only called aufs2\n");
    }
    c"aufs2"
}

#[kunit_tests(aufs2_registration)]
mod tests {
    use super::*;

    /// Whoever has a file of a type keeps its module, and nothing else.
    #[test]
    fn a_type_is_part_of_its_module() {
        let type_of_its_own = Registration::<Union>::new(&THIS_MODULE);
        let refused = KBox::pin_init(type_of_its_own, GFP_KERNEL).err();
        assert!(refused == Some(EINVAL));
    }
}
