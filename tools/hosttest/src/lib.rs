// SPDX-License-Identifier: GPL-2.0

//! The modules of aufs2 that are pure logic, compiled from their own files
//! against `kernel-shim`, and their tests.

#[cfg(test)]
#[path = "../../../rust/mmap/snapshot/chain.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod chain;

#[cfg(test)]
#[path = "../../../rust/union/text/policies.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod policies;

#[cfg(test)]
#[path = "../../../rust/union/text/names.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod names;

#[cfg(test)]
#[path = "../../../rust/union/text/options.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod options;

#[cfg(test)]
#[path = "../../../rust/union/text/origin.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod origin;

#[cfg(test)]
#[path = "../../../rust/union/text/settings.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod settings;

#[cfg(test)]
mod chain_test;
#[cfg(test)]
mod names_test;
#[cfg(test)]
mod options_test;
#[cfg(test)]
mod origin_test;
#[cfg(test)]
mod policies_test;
#[cfg(test)]
mod settings_test;
