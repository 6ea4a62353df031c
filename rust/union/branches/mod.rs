// SPDX-License-Identifier: GPL-2.0

//! The fourth floor: the branches together.
//!
//! Lives here: the table of branches, in their order; which identity and which numbers each of them gets,
//! what an object is over mounts (`lasting`), how much room there is, and whose turn it is (`policy_state`); what
//! sysfs shows, and debugfs, and what is counted for that (`counters`). May use what is below, and
//! [`crate::vfs`]. Must not know what is merged with what.

pub(crate) mod counters;
pub(crate) mod debug;
pub(crate) mod ids;
pub(crate) mod lasting;
pub(crate) mod policy_state;
pub(crate) mod spaces;
pub(crate) mod sysfs;
pub(crate) mod table;
