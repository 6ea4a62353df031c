// SPDX-License-Identifier: GPL-2.0

//! A file that is open.

use kernel::sync::Arc;
use kernel::testing::Seen;

/// It has a number, and counts that it was closed.
pub(crate) struct KernelFile {
    number: Seen<u32>,
    closed: Arc<Seen<u32>>,
}

impl KernelFile {
    pub(crate) fn new(number: u32, closed: &Arc<Seen<u32>>) -> Self {
        Self {
            number: Seen::new(number),
            closed: closed.clone(),
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    pub(crate) fn close(self) {
        self.number.set(0);
        self.closed.set(self.closed.get() + 1);
    }
}
