// SPDX-License-Identifier: GPL-2.0

//! The second floor: which object is which.
//!
//! Lives here: what a branch is told apart by (`branch_id`), and a filesystem over mounts (`fs_identity`); the inode numbers
//! of the union, noted for an object or else computed (`number`), by the range that each filesystem below has (`range`); what the copies are of that have
//! several names (`plink_record`). Numbers and tables of them. May use `text` and [`crate::vfs`]. A branch is its number
//! here, and nothing more.

pub(crate) mod branch_id;
pub(crate) mod fs_identity;
pub(crate) mod number;
pub(crate) mod plink_record;
pub(crate) mod range;
