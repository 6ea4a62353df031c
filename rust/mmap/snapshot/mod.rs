// SPDX-License-Identifier: GPL-2.0

//! Private mappings that show a file as it was when it was mapped.
//!
//! What is mapped is a view: an inode with a page cache of its own, whose pages come from the file, or from
//! where they were kept before the file was changed. Whoever changes the file says so before ([`Past::change`]),
//! and who has it mapped such that it can be written to, when mapping it ([`Past::share`]): nobody is asked about
//! a store, so that all of the file is kept then.
//!
//! Order: `mmap_lock`, folio of a view, [`Past::state`], and then what reading the page cache of the file
//! takes; `i_rwsem` of a file before all of these.

pub(crate) mod chain;

use crate::vfs::{
    mm::{
        folio::{EmptyPage, FilledPage},
        shmem::ShmemFile,
    },
    mount::file::KernelFile,
    sync::{killable::KillableMutex, load::Load, lockdep, nofs, task},
};
use chain::{Chain, Kept, Store};
use core::ops::Range;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed, Release},
        Arc,
    },
};

static STATE: lockdep::Classes = lockdep::Classes::new();

/// How much there is for the snapshots of one mount. It is shown, and nothing is decided by it: no order.
#[pin_data]
pub(crate) struct Counts {
    /// Moments of files that somebody looks at.
    pub(crate) views: Atomic<u64>,
    /// Pages that are kept for them.
    pub(crate) pages: Atomic<u64>,
}

impl Counts {
    /// There is nothing. `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let counts = pin_init!(Self {
            views: Atomic::new(0),
            pages: Atomic::new(0),
        });
        Arc::pin_init(counts, GFP_KERNEL)
    }
}

/// How many pages are kept before who looks at a view, or ends one, gets a turn.
const PIECE: u64 = 256;

/// What is kept of one file as it was.
#[pin_data]
pub(crate) struct Past {
    /// Held in a scope in which no filesystem is asked to free memory: the end of a view takes it, too.
    #[pin]
    state: KillableMutex<State>,
    /// The pages that are being changed, and by how many, as [`pack`] has them.
    changing: Atomic<u64>,
    /// Whether there may be a view: changed with the lock held. Whoever changes the file looks here after having said
    /// so in `changing`, and who makes a view looks there after this: one sees the other.
    is_viewed: Atomic<bool>,
    counts: Arc<Counts>,
}

/// What is known of the past of a file.
struct State {
    /// While somebody has a view.
    views: Option<Viewed>,
    /// Whether somebody may have the file mapped so that it can be written to. It stays so.
    is_shared: bool,
}

/// The views of a file.
struct Viewed {
    chain: Chain,
    pages: Pages,
}

/// The file, and what is kept of it.
struct Pages {
    file: KernelFile,
    store: ShmemFile,
    counts: Arc<Counts>,
}

/// Pages that have some of `bytes`.
fn pages_of(bytes: &Range<i64>) -> Range<u64> {
    let page = |at: i64| at.max(0) as u64 / PAGE_SIZE as u64;
    page(bytes.start)..page(bytes.end.saturating_sub(1)) + u64::from(bytes.end > 0)
}

/// The part of a word of [`Past::changing`] that counts who changes some.
const CHANGERS: u64 = 127;

/// Pages in one word, that so many change, who are some: the first page, and of how many pages they are at most the
/// logarithm.
fn pack(pages: &Range<u64>, changers: u64) -> u64 {
    let len = pages.end.saturating_sub(pages.start).max(1);
    let logarithm = u64::from(u64::BITS - (len - 1).leading_zeros());
    // No file has a page whose number has more bits than are left, so that no file has more pages.
    pages.start << 13 | logarithm.min(52) << 7 | changers
}

/// The pages of a word, or some more.
fn unpack(word: u64) -> Range<u64> {
    let start = word >> 13;
    match word & CHANGERS {
        0 => 0..0,
        _ => start..start.saturating_add(1 << (word >> 7 & 63)),
    }
}

/// The bytes of so many pages, or slots.
fn bytes_of(pages: Range<u64>) -> Range<i64> {
    let byte = |page: u64| i64::try_from(page.saturating_mul(PAGE_SIZE as u64)).unwrap_or(i64::MAX);
    byte(pages.start)..byte(pages.end)
}

impl Store for Pages {
    fn keep(&mut self, pages: Range<u64>, slot: u64) -> Result<(Kept, u64)> {
        let keep = |page: u64| {
            if task::fatal_signal_pending() {
                return Err(EINTR);
            }
            let slot = slot + (page - pages.start);
            self.store.keep(slot, &self.file, page)
        };
        let is_data = keep(pages.start)?;
        let mut count = 1;
        // What fails now fails when it is asked for first.
        while pages.start + count < pages.end && keep(pages.start + count) == Ok(is_data) {
            count += 1;
        }
        let kept = match is_data {
            true => {
                self.counts.pages.fetch_add(count, Relaxed);
                Kept::Slot(slot)
            }
            false => Kept::Hole,
        };
        Ok((kept, count))
    }

    fn free(&mut self, slots: Range<u64>) {
        self.counts
            .pages
            .fetch_sub(slots.end - slots.start, Relaxed);
        self.store.punch(bytes_of(slots));
    }
}

impl Past {
    /// Of a file that nobody has a view of, at stacking level `depth`. `ENOMEM`.
    pub(crate) fn new(depth: usize, counts: Arc<Counts>) -> Result<Arc<Self>> {
        let state = State {
            views: None,
            is_shared: false,
        };
        let past = pin_init!(Self {
            state <- KillableMutex::new(state, c"aufs2_past", STATE.at(depth)),
            changing: Atomic::new(0),
            is_viewed: Atomic::new(false),
            counts,
        });
        Arc::pin_init(past, GFP_KERNEL_ACCOUNT)
    }

    /// `bytes` of the file are about to be changed, or to go; they are kept for who has a view. Until what is
    /// returned is dropped, they may be any time. `ENOMEM`, `ENOSPC`, `EINTR`, or what reading the file fails with;
    /// `EBUSY` if more change it at once than can be counted, who have one inode of the union each.
    pub(crate) fn change(&self, bytes: Range<i64>) -> Result<Changing<'_>> {
        let pages = pages_of(&bytes);
        let mut now = self.changing.load(Relaxed);
        loop {
            let all = match now & CHANGERS {
                0 => pack(&pages, 1),
                CHANGERS => return Err(EBUSY),
                // Whoever is first leaves what is between, too, to the last: who makes a view keeps some more.
                others => {
                    let theirs = unpack(now);
                    let hull = theirs.start.min(pages.start)..theirs.end.max(pages.end);
                    pack(&hull, others + 1)
                }
            };
            // Who makes a view from here on finds these pages, or is found here.
            match self.changing.cmpxchg(now, all, Full) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        let changing = Changing(self);
        if self.is_viewed.load_acquire() {
            self.keep(pages)?;
        }
        Ok(changing)
    }

    /// Keeps `pages` for who has a view. Errors are those of [`Past::change`].
    #[cold]
    fn keep(&self, pages: Range<u64>) -> Result {
        let mut at = pages.start;
        loop {
            let mut state = self.state.lock_killable()?;
            let Some(views) = &mut state.views else {
                return Ok(());
            };
            let end = pages.end.min(views.chain.size());
            let until = end.min(at.saturating_add(PIECE));
            nofs::scope(|| views.chain.capture(at..until, &mut views.pages))?;
            if until == end {
                return Ok(());
            }
            // Who looks at a view may do so now. Who makes one finds all that is about to be changed in `changing`.
            at = until;
        }
    }

    /// The file is about to be mapped such that it can be written to: all of it is kept for who has a view, and
    /// from now on for who gets one. Errors are those of [`Past::change`].
    pub(crate) fn share(&self) -> Result {
        // Nothing tells who makes a view after this: they keep all of the file themselves.
        self.state.lock_killable()?.is_shared = true;
        self.keep(0..u64::MAX)
    }

    /// Whether there may be a view by now, or may have been one a moment ago. Waits for nobody.
    pub(crate) fn may_be_viewed(&self) -> bool {
        self.is_viewed.load(Relaxed)
    }

    /// A view of the file as it is now, which `file` gives. Errors are those of [`Past::change`].
    pub(crate) fn view(self: &Arc<Self>, file: impl FnOnce() -> KernelFile) -> Result<View> {
        let mut state = self.state.lock_killable()?;
        self.is_viewed.xchg(true, Full);
        let found = nofs::scope(|| state.look(file, self));
        let unused = self.take_unused(&mut state);
        drop(state);
        // Not with the lock: the file may be the one that the lock is of.
        drop(unused);
        let (moment, size) = found?;
        self.counts.views.fetch_add(1, Relaxed);
        Ok(View {
            past: self.clone(),
            moment,
            size,
            has_ended: Atomic::new(false),
        })
    }
}

impl Past {
    /// What there is for views, if there are none.
    fn take_unused(&self, state: &mut State) -> Option<Viewed> {
        let unused = state.views.take_if(|views| views.chain.is_empty());
        if state.views.is_none() {
            // Who finds that there may be one has the lock to look.
            self.is_viewed.store(false, Release);
        }
        unused
    }
}

impl State {
    /// One view more, of the file as it is now. Returns the moment that it is of, and how long the file is.
    fn look(&mut self, file: impl FnOnce() -> KernelFile, past: &Past) -> Result<(u64, i64)> {
        let views = match &mut self.views {
            Some(views) => views,
            None => self.views.insert(Viewed {
                chain: Chain::new(),
                pages: Pages {
                    store: ShmemFile::new(c"aufs2_past")?,
                    file: file(),
                    counts: past.counts.clone(),
                },
            }),
        };
        loop {
            let size = views.pages.file.inode().size();
            let all = pages_of(&(0..size));
            let moment = views.chain.snapshot(all.end)?;
            // What is being changed may be neither what it was nor what it will be, as for who reads it now;
            // but it stays so.
            let unsure = match self.is_shared || views.pages.file.inode().is_mapped_writable() {
                true => all,
                // With what has been written by who is not at it any more.
                false => unpack(past.changing.load_acquire()),
            };
            let kept = match unsure.is_empty() {
                true => Ok(()),
                false => views.chain.capture(unsure, &mut views.pages),
            };
            // Who makes a file shorter says so before any page of it goes. What comes to its end is no part of it.
            if kept.is_ok() && views.pages.file.inode().size() >= size {
                return Ok((moment, size));
            }
            views.chain.leave(moment, &mut views.pages);
            kept?;
        }
    }
}

/// What [`Past::change`] was told of.
pub(crate) struct Changing<'a>(&'a Past);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        // What was written comes before.
        self.0.changing.fetch_sub(1, Release);
    }
}

/// A file as it was at some moment, until [`View::end`]: whose data it is ends it when nobody looks any more.
/// Dropping this does not sleep.
pub(crate) struct View {
    past: Arc<Past>,
    moment: u64,
    size: i64,
    has_ended: Atomic<bool>,
}

impl View {
    /// Whether both are of the same moment of the same file, and so show the same.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        core::ptr::eq::<Past>(&*self.past, &*other.past) && self.moment == other.moment
    }

    /// A number that is the same for those which are of the same moment, and mostly for those only.
    pub(crate) fn hash(&self) -> usize {
        // CAST: The upper bits are of no use.
        core::ptr::from_ref::<Past>(&*self.past)
            .addr()
            .wrapping_add(self.moment as usize)
    }

    /// How long the file was.
    pub(crate) fn size(&self) -> i64 {
        self.size
    }

    /// Fills `page` with what was in the file. `EIO` if the view has ended, `EINTR`; errors of reading the file. May
    /// sleep.
    pub(crate) fn read<'a>(&self, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        let index = page.index();
        // A fault that waits for what is being kept can be killed.
        let state = self.past.state.lock_killable()?;
        let views = state.views.as_ref().ok_or(EIO)?;
        let page = match views.chain.lookup(self.moment, index) {
            Some(Kept::Slot(slot)) => views.pages.store.read(slot, page)?,
            Some(Kept::Hole) => page.zero(),
            None => page.copy_of(&views.pages.file, index)?,
        };
        Ok(page.up_to(self.size))
    }

    /// Nobody looks any more. May sleep.
    pub(crate) fn end(&self) {
        // It decides who does it, and nothing else: the lock has the order.
        if self.has_ended.xchg(true, Relaxed) {
            return;
        }
        self.past.counts.views.fetch_sub(1, Relaxed);
        let mut state = self.past.state.lock();
        if let Some(views) = &mut state.views {
            nofs::scope(|| views.chain.leave(self.moment, &mut views.pages));
        }
        let unused = self.past.take_unused(&mut state);
        drop(state);
        drop(unused);
    }
}
