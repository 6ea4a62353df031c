// SPDX-License-Identifier: GPL-2.0

//! The objects of any filesystem.

pub(crate) mod dentry;
pub(crate) mod glimpse;
#[path = "../../../../../rust/vfs/object/published.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod published;

pub(crate) mod super_block {
    #[derive(Clone, Copy)]
    pub(crate) struct WriteErrors(pub(crate) u32);
}
