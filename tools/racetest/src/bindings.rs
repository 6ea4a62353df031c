// SPDX-License-Identifier: GPL-2.0

//! What is called in C.

use core::sync::atomic::AtomicUsize;
use kernel::testing::Seen;

pub(crate) use kernel::bindings::*;

#[allow(non_camel_case_types)]
pub(crate) struct dentry {
    pub(crate) count: AtomicUsize,
    pub(crate) name: Seen<u32>,
}

impl dentry {
    pub(crate) fn new(name: u32) -> Self {
        Self {
            count: AtomicUsize::new(1),
            name: Seen::new(name),
        }
    }
}
