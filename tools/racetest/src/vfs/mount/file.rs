// SPDX-License-Identifier: GPL-2.0

//! Files that are open.

use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::sync::Arc;
use kernel::testing::Seen;

/// It has a number, and counts that it was closed.
pub(crate) struct KernelFile {
    number: Seen<u32>,
    closed: Arc<Seen<u32>>,
    inode: Arc<Inode>,
}

impl KernelFile {
    pub(crate) fn new(number: u32, closed: &Arc<Seen<u32>>) -> Self {
        Self {
            number: Seen::new(number),
            closed: closed.clone(),
            inode: Inode::new(),
        }
    }

    /// One of an inode with contents.
    pub(crate) fn of(inode: &Arc<Inode>) -> Self {
        Self {
            inode: inode.clone(),
            ..Self::new(0, &Arc::new(Seen::new(0)))
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    pub(crate) fn inode(&self) -> &Inode {
        &self.inode
    }

    pub(crate) fn close(self) {
        self.number.set(0);
        self.closed.set(self.closed.get() + 1);
    }
}

/// How many pages a file has.
const PAGES: usize = 2;

/// What is in a file: pages of a word each, in the page cache.
pub(crate) struct Inode {
    pages: [AtomicUsize; PAGES],
    len: AtomicUsize,
}

impl Inode {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            pages: [AtomicUsize::new(1), AtomicUsize::new(2)],
            len: AtomicUsize::new(PAGES),
        })
    }

    pub(crate) fn size(&self) -> i64 {
        i64::try_from(self.len.load(Ordering::Acquire)).unwrap()
    }

    pub(crate) fn is_mapped_writable(&self) -> bool {
        false
    }

    pub(crate) fn page(&self, page: u64) -> usize {
        let page = self.pages.get(usize::try_from(page).unwrap());
        page.map_or(0, |page| page.load(Ordering::Relaxed))
    }

    pub(crate) fn write(&self, page: usize, value: usize) {
        self.pages[page].store(value, Ordering::Relaxed);
    }

    /// So long, what is behind the old end is known to be zeroes.
    pub(crate) fn grow(&self, len: usize) {
        self.len.store(len, Ordering::Release);
    }

    /// What is behind the new end is zeroes.
    pub(crate) fn cut(&self, len: usize) {
        self.len.store(len, Ordering::Release);
        for page in &self.pages[len..] {
            page.store(0, Ordering::Relaxed);
        }
    }
}
