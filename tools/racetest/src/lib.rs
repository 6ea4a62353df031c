// SPDX-License-Identifier: GPL-2.0

//! The synchronisation of the module in all interleavings.
//!
//! The module's own sources are compiled, with the stand-ins of `kernel_model` for `kernel`, `core` and
//! `pin_init`, and with those in [`vfs`] for what they use of the rest. Each test says in a line what it claims, and
//! `Documentation/locking.md` has them in a table. A patch of `tests/lock_patches` takes something away from each
//! protocol, which the test that it names has to notice.
#![cfg(test)]
// Those of the kernel's build.
#![allow(unexpected_cfgs)]

extern crate kernel_model as core;
extern crate kernel_model as kernel;
extern crate kernel_model as pin_init;

mod bindings;
mod mmap;
mod union;
mod vfs;

mod chain_test;
mod gate_test;
mod lock_test;
mod names_test;
mod published_test;
mod slot_test;
mod snapshot_test;
mod stamp_test;
