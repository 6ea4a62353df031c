// SPDX-License-Identifier: GPL-2.0

//! Memory, of which there is enough.

pub(crate) fn scope<R>(act: impl FnOnce() -> R) -> R {
    act()
}
