// SPDX-License-Identifier: GPL-2.0

//! What is kept of a file as it was, for those who have mapped it privately.
//!
//! A private mapping is to show the file as it was when it was mapped, whatever is written to it later
//! (Biederman, 1998). So before a page is changed, it is kept for the newest moment that somebody has a view
//! of; who looks at an earlier moment, and finds the page neither there nor at a later one, finds it in the
//! file, where nobody has changed it since. This is Dillon's tree of objects (2000), where pages that are not
//! in one are looked for in the next.
//!
//! This is the logic alone: which page is where. The bytes are moved by a [`Store`], and the lock is the
//! owner's. A moment costs what was changed while it was the newest, and looking a page up as much as there are
//! moments after it that somebody has a view of.

use core::ops::Range;
use kernel::{alloc::flags::GFP_KERNEL_ACCOUNT, prelude::*, rbtree::RBTree};

/// How many moments of one file there may be: whoever looks at an early one looks at all that come after.
const MAX_MOMENTS: usize = 8192;

/// What a page was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// What is in this slot of the store.
    Slot(u64),
    /// All zeroes.
    Hole,
}

/// Where pages are kept. A slot has room for a page, and there is one for each number.
pub(crate) trait Store {
    /// Finds out what the first pages of `pages` are in the file now; if not a hole, copies them to the slots
    /// from `slot` on. Returns what the first one is, and how many are of its kind: at least one.
    ///
    /// Whatever it fails with, the change that the pages are kept for fails with, too.
    fn keep(&mut self, pages: Range<u64>, slot: u64) -> Result<(Kept, u64)>;

    /// Nobody looks at these slots any more, and none of them is used again.
    fn free(&mut self, slots: Range<u64>);
}

/// Pages in a row: the first of them, and what it was. Those after it were the like.
#[derive(Clone, Copy)]
struct Run {
    first: u64,
    kept: Kept,
}

impl Run {
    /// What a page was that is in the run, or what the one after it would have to have been to be in it, too.
    fn at(&self, page: u64) -> Kept {
        match self.kept {
            Kept::Slot(slot) => Kept::Slot(slot + (page - self.first)),
            Kept::Hole => Kept::Hole,
        }
    }
}

/// What some pages were.
///
/// # Invariants
///
/// The key of a run is its last page. No page is in two runs, and no run could be one with the next.
struct Runs(RBTree<u64, Run>);

impl Runs {
    /// Nothing is known of any page.
    fn new() -> Self {
        // INVARIANT: There are no runs.
        Self(RBTree::new())
    }

    /// The first run, and its last page.
    fn first(&self) -> Option<(u64, Run)> {
        let cursor = self.0.cursor_front()?;
        let (&last, &run) = cursor.current();
        Some((last, run))
    }

    /// What the first of `pages` was, if that is known, and the page up to which it goes on like that.
    fn piece(&self, pages: &Range<u64>) -> (u64, Option<Kept>) {
        let Some(cursor) = self.0.cursor_lower_bound(&pages.start) else {
            return (pages.end, None);
        };
        let (&last, run) = cursor.current();
        if run.first > pages.start {
            return (pages.end.min(run.first), None);
        }
        (pages.end.min(last + 1), Some(run.at(pages.start)))
    }

    /// Notes what `pages` were, which are some, and of none of which anything is known. `ENOMEM`.
    fn insert(&mut self, pages: Range<u64>, kept: Kept) -> Result {
        let mut run = Run {
            first: pages.start,
            kept,
        };
        let next = self.0.cursor_lower_bound(&pages.end).and_then(|cursor| {
            let (&last, next) = cursor.current();
            (next.first == pages.end && run.at(pages.end) == next.kept).then_some(last)
        });
        let before = pages.start.checked_sub(1).and_then(|last| {
            let before = self.0.get(&last)?;
            (before.at(pages.start) == kept).then_some((last, *before))
        });
        // INVARIANT: What it could be one with, it becomes one with.
        let room = before.and_then(|(last, before)| {
            run = before;
            self.0.remove_node(&last)
        });
        if let Some(next) = next.and_then(|last| self.0.get_mut(&last)) {
            *next = run;
        } else if let Some(room) = room {
            self.0
                .insert(room.into_reservation().into_node(pages.end - 1, run));
        } else {
            self.0
                .try_create_and_insert(pages.end - 1, run, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    /// Forgets what is known of the pages before `page` of the run that ends with `last`.
    fn cut(&mut self, last: u64, page: u64) {
        if page > last {
            self.0.remove(&last);
        } else if let Some(run) = self.0.get_mut(&last) {
            run.kept = run.at(page);
            run.first = page;
        }
    }
}

/// A moment of the file, and what pages were at it that have changed since.
struct Moment {
    id: u64,
    /// How many pages the file had.
    size: u64,
    /// How many views there are of it.
    views: usize,
    /// Whether the file has changed since, or is about to.
    is_past: bool,
    pages: Runs,
}

impl Moment {
    /// Takes over from a later moment what this one does not know of pages that it has. `ENOMEM`: then the
    /// later one has the rest.
    fn inherit(&mut self, later: &mut Runs, store: &mut impl Store) -> Result {
        while let Some((last, run)) = later.first() {
            let (until, known) = match run.first < self.size {
                true => self.pages.piece(&(run.first..self.size.min(last + 1))),
                // It never had them.
                false => (last + 1, Some(Kept::Hole)),
            };
            match known {
                None => self.pages.insert(run.first..until, run.kept)?,
                Some(_) => free(store, run.kept, until - run.first),
            }
            later.cut(last, until);
        }
        Ok(())
    }
}

/// Gives up the slots of a run of so many pages, if it has any.
fn free(store: &mut impl Store, kept: Kept, pages: u64) {
    if let Kept::Slot(slot) = kept {
        store.free(slot..slot + pages);
    }
}

/// The moments of one file that somebody has a view of.
///
/// # Invariants
///
/// The earliest comes first, and has a view. A page of a moment that has not changed since is in none from it
/// on; of any other the first of these that knows it knows what it was.
pub(crate) struct Chain {
    moments: KVVec<Moment>,
    next_id: u64,
    next_slot: u64,
}

impl Chain {
    /// Nobody has a view.
    pub(crate) fn new() -> Self {
        // INVARIANT: There are no moments.
        Self {
            moments: KVVec::new(),
            next_id: 1,
            next_slot: 0,
        }
    }

    /// Whether nobody has a view.
    pub(crate) fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// One view more, of the file as it is now, with so many pages. Returns the moment that it is of. `ENOMEM`, also
    /// where there are [`MAX_MOMENTS`].
    pub(crate) fn snapshot(&mut self, size: u64) -> Result<u64> {
        let newest = self.moments.last_mut();
        if let Some(newest) = newest.filter(|newest| !newest.is_past && newest.size == size) {
            newest.views += 1;
            return Ok(newest.id);
        }
        if self.moments.len() >= MAX_MOMENTS {
            return Err(ENOMEM);
        }
        let id = self.next_id;
        let moment = Moment {
            id,
            size,
            views: 1,
            is_past: false,
            pages: Runs::new(),
        };
        // INVARIANT: It is the latest, and nothing has changed since.
        self.moments.push(moment, GFP_KERNEL_ACCOUNT)?;
        self.next_id += 1;
        Ok(id)
    }

    /// `pages` are about to be changed in the file, or to go; the one that the file ends in is, too, where that
    /// is to be elsewhere. The change may follow if this succeeds; if not, nothing has happened. `ENOMEM`, or
    /// what the store says.
    pub(crate) fn capture(&mut self, pages: Range<u64>, store: &mut impl Store) -> Result {
        let Some(newest) = self.moments.last_mut() else {
            return Ok(());
        };
        // What the newest moment has not, no earlier one has that would not know it: it was kept when the
        // file lost it.
        let (mut at, end) = (pages.start, pages.end.min(newest.size));
        while at < end {
            let (until, known) = newest.pages.piece(&(at..end));
            if known.is_some() {
                at = until;
                continue;
            }
            let (kept, count) = store.keep(at..until, self.next_slot)?;
            let count = count.clamp(1, until - at);
            self.next_slot += count;
            // INVARIANT: They have not changed since the newest moment, or they would be known.
            if let Err(e) = newest.pages.insert(at..at + count, kept) {
                free(store, kept, count);
                return Err(e);
            }
            at += count;
        }
        newest.is_past = true;
        Ok(())
    }

    /// How many pages of a file that is changed are kept at most: all that the newest moment has.
    pub(crate) fn size(&self) -> u64 {
        self.moments.last().map_or(0, |newest| newest.size)
    }

    /// What a page was at a moment of which there is a view; `None` if the file has it still as it was.
    pub(crate) fn lookup(&self, id: u64, page: u64) -> Option<Kept> {
        let from = self.moments.iter().skip_while(|moment| moment.id != id);
        let mut known = from.map(|moment| moment.pages.piece(&(page..page + 1)).1);
        known.find_map(|kept| kept)
    }

    /// One view less of a moment that there is a view of. What nobody can look at any more is given up;
    /// where there is no memory to sort that out, some later time.
    pub(crate) fn leave(&mut self, id: u64, store: &mut impl Store) {
        if let Some(moment) = self.moments.iter_mut().find(|moment| moment.id == id) {
            moment.views = moment.views.saturating_sub(1);
        }
        let mut at = 0;
        while let Some((earlier, [moment, ..])) = self.moments.split_at_mut_checked(at) {
            if moment.views > 0 {
                at += 1;
                continue;
            }
            let inherited = match earlier.last_mut() {
                Some(earlier) => earlier.inherit(&mut moment.pages, store),
                None => {
                    while let Some((last, run)) = moment.pages.first() {
                        free(store, run.kept, last + 1 - run.first);
                        moment.pages.cut(last, last + 1);
                    }
                    Ok(())
                }
            };
            // INVARIANT: Who looked for a page in both of them finds it in the earlier one.
            match inherited {
                Ok(()) => drop(self.moments.remove(at)),
                Err(_) => at += 1,
            }
        }
    }
}

/// The picture of it: who does not find a page looks below.
#[cfg(test)]
impl kernel::fmt::Display for Chain {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        for Moment {
            id, views, pages, ..
        } in self.moments.iter()
        {
            write!(f, "moment {id}, {views} view(s):")?;
            for (last, Run { first, kept }) in pages.0.iter() {
                write!(f, " {first}-{last} {kept:?}")?;
            }
            f.write_str("\n|\n")?;
        }
        f.write_str("file\n")
    }
}
