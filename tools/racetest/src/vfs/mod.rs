// SPDX-License-Identifier: GPL-2.0

//! What is checked of the VFS layer, and stand-ins for what that uses.

// Stand-ins have the signatures of what they stand for.
#[allow(dead_code, clippy::unnecessary_wraps, clippy::unused_self)]
pub(crate) mod mm;
#[allow(dead_code, clippy::unused_self)]
pub(crate) mod mount;
#[allow(dead_code, clippy::unused_self)]
pub(crate) mod object;
pub(crate) mod own;
pub(crate) mod sync;
#[allow(dead_code)]
pub(crate) mod value;

#[cfg(test)]
mod bits_test;
#[cfg(test)]
mod watch_test;
