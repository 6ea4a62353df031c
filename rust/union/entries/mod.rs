// SPDX-License-Identifier: GPL-2.0

//! The ninth floor: changing the union.
//!
//! Lives here: making, linking, removing and renaming entries, as the VFS asks for it; moving an object to a lower
//! branch; what the user may do there. Must not know which ioctl asked for it, nor that branches can come
//! and go, but for the locks that say so.

pub(crate) mod entry;
pub(crate) mod move_down;
pub(crate) mod obstacle;
pub(crate) mod rename;
pub(crate) mod rights;
pub(crate) mod tree_up;
