// SPDX-License-Identifier: GPL-2.0

//! For how long those who are in the way of a change of the branches are waited for.

use kernel::time::Delta;

/// For those who are opening a file, when a gate closes. Whoever else opens one there waits as long: an open
/// that takes this long is waiting itself, for a server that does not answer, say.
pub(crate) const OPENING: Delta = Delta::from_millis(2000);

/// For uses that are about to end, behind a closed gate: whoever has a file open for a moment, or is reading a
/// directory, should not keep a branch. Most uses are not about to end, and then this is how late `EBUSY` is.
pub(crate) const ENDING: Delta = Delta::from_millis(300);

/// For those who are just using a branch that has gone from the table, so that it can be unmounted when the
/// remount returns. Nobody waits but who removes it. Whoever is not done by then, on a server that does not
/// answer, say, lets go of it when they are.
pub(crate) const LEAVING: Delta = Delta::from_millis(10_000);
