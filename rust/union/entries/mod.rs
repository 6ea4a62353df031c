// SPDX-License-Identifier: GPL-2.0

//! The ninth floor: changing what is in the directories of the union.
//!
//! Lives here: making, linking and removing entries (`entry`), renaming them (`rename`), for which a directory may
//! have to be copied up with all that is in it (`tree_up`); moving a file to a lower branch (`move_down`), and what
//! is in the way there (`obstacle`); what the user may do with a directory that is on several branches (`rights`).
//! Must not know which ioctl asked for it, nor that branches can come and go, but for the locks that say so.

pub(crate) mod entry;
pub(crate) mod move_down;
pub(crate) mod obstacle;
pub(crate) mod rename;
pub(crate) mod rights;
pub(crate) mod tree_up;
