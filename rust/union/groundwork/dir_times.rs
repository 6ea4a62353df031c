// SPDX-License-Identifier: GPL-2.0

//! The times of a directory, over what the union makes in it for itself.

use crate::{
    union::object::stack::Layer,
    vfs::{attr::attr::Attr, mount::write_access::WriteAccess},
};
use kernel::{pr_warn_once, prelude::*};

/// A directory on a branch in which the union makes something that its user did not, and the times
/// that it is to keep.
pub(crate) struct DirTimes<'a> {
    pub(crate) dir: &'a Layer,
    times: Attr,
}

impl<'a> DirTimes<'a> {
    pub(crate) fn of(dir: &'a Layer) -> Result<Self> {
        let times = Attr::times_of(dir.path())?;
        Ok(Self { dir, times })
    }

    /// Gives the directory its times back, after something was made in it.
    pub(crate) fn restore(&self, access: &WriteAccess<'_>) {
        if self.times.apply(access, &self.dir.dentry).is_err() {
            pr_warn_once!("the times of a directory could not be kept\n");
        }
    }
}
