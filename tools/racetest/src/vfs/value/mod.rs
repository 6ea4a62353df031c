// SPDX-License-Identifier: GPL-2.0

//! Values.

pub(crate) mod errno {
    use kernel::error::to_result;
    use kernel::prelude::*;

    /// Whether a function of C says so.
    pub(crate) fn succeeded(errno: c_int) -> Result {
        to_result(errno)
    }

    pub(crate) const ESTALE: Error = ENOENT;
}
