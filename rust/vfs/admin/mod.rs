// SPDX-License-Identifier: GPL-2.0

//! The third floor: what an administrator and tools talk to the module by.
//!
//! Lives here: parameters of the module, sysfs, debugfs, files that are printed in sequence, the arguments
//! of ioctls, the log of whoever mounts. May use [`sync`](super::sync) and below. Must not know what is
//! told: no object of the VFS.

pub(crate) mod debugfs;
pub(crate) mod ioctl;
pub(crate) mod kobject;
pub(crate) mod log;
pub(crate) mod module_param;
pub(crate) mod seq;
