// SPDX-License-Identifier: GPL-2.0

//! Tests of private mappings as snapshots: what is kept for them, against a model that copies the file for each.

use crate::chain::{Chain, Kept, Store};
use core::ops::Range;
use kernel::prelude::*;
use kernel::testing::with_allocations;
use proptest::prelude::{any, prop, prop_oneof, proptest, Just, ProptestConfig, Strategy};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Small, so that much happens at the borders.
const PAGE: usize = 4;
/// How long a file gets, in pages.
const PAGES: usize = 24;

type Page = [u8; PAGE];

fn pages_of(len: usize) -> u64 {
    len.div_ceil(PAGE) as u64
}

/// The file, and the slots that pages of it are kept in.
#[derive(Default)]
struct Disk {
    /// As many as it needs; what is not there is a hole.
    pages: Vec<Option<Page>>,
    len: usize,
    slots: HashMap<u64, Page>,
    next_slot: u64,
    /// No more than so many pages are kept at a time.
    at_once: u64,
    /// So many slots there may be.
    room: usize,
}

impl Disk {
    fn page(&self, page: u64) -> Page {
        let page = self.pages.get(usize::try_from(page).unwrap());
        page.copied().flatten().unwrap_or([0; PAGE])
    }

    /// What is in the file.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..pages_of(self.len)).flat_map(|i| self.page(i)).collect();
        // A filesystem has zeroes behind the end, also in the last page.
        assert!(bytes[self.len..].iter().all(|&byte| byte == 0));
        bytes.truncate(self.len);
        bytes
    }

    fn put(&mut self, range: Range<usize>, byte: impl Fn(usize) -> u8) {
        for at in range {
            self.pages[at / PAGE].get_or_insert([0; PAGE])[at % PAGE] = byte(at);
        }
    }

    fn resize(&mut self, len: usize) {
        let full = usize::try_from(pages_of(len)).unwrap();
        self.pages.resize(full, None);
        if len < self.len && self.pages.last().is_some_and(Option::is_some) {
            self.put(len..full * PAGE, |_| 0);
        }
        self.len = len;
    }
}

impl Store for Disk {
    fn keep(&mut self, pages: Range<u64>, slot: u64) -> Result<(Kept, u64)> {
        assert!(!pages.is_empty());
        let there = |page| {
            let page: usize = usize::try_from(page).unwrap();
            matches!(self.pages.get(page), Some(Some(_)))
        };
        let is_data = there(pages.start);
        let end = (pages.start..pages.end).find(|&page| there(page) != is_data);
        let count = (end.unwrap_or(pages.end) - pages.start).min(self.at_once);
        if !is_data {
            return Ok((Kept::Hole, count));
        }
        if self.slots.len() + usize::try_from(count).unwrap() > self.room {
            return Err(ENOSPC);
        }
        for i in 0..count {
            assert!(slot + i >= self.next_slot, "a slot is used twice");
            let page = self.page(pages.start + i);
            self.slots.insert(slot + i, page);
        }
        self.next_slot = slot + count;
        Ok((Kept::Slot(slot), count))
    }

    fn free(&mut self, slots: Range<u64>) {
        for slot in slots {
            assert!(self.slots.remove(&slot).is_some(), "freed twice");
        }
    }
}

/// A file with the moments of it.
struct File {
    disk: Disk,
    chain: Chain,
}

/// What a mapping has in the place of the file. Goes with the last one that has it.
struct View {
    file: Rc<RefCell<File>>,
    moment: u64,
    len: usize,
}

impl Drop for View {
    fn drop(&mut self) {
        let file = &mut *self.file.borrow_mut();
        file.chain.leave(self.moment, &mut file.disk);
    }
}

impl View {
    fn page(&self, page: u64) -> Page {
        let file = self.file.borrow();
        match file.chain.lookup(self.moment, page) {
            Some(Kept::Slot(slot)) => file.disk.slots[&slot],
            Some(Kept::Hole) => [0; PAGE],
            None => file.disk.page(page),
        }
    }
}

/// A private mapping of all of the file, with what its process has written to it; and what it should show.
#[derive(Clone)]
struct Mapping {
    view: Rc<View>,
    /// The kernel's anonymous memory.
    written: BTreeMap<u64, Page>,
    expected: Vec<u8>,
}

impl Mapping {
    fn bytes(&self) -> Vec<u8> {
        let page = |i| {
            let written = self.written.get(&i);
            written.copied().unwrap_or_else(|| self.view.page(i))
        };
        let mut bytes: Vec<u8> = (0..pages_of(self.view.len)).flat_map(page).collect();
        bytes.truncate(self.view.len);
        bytes
    }

    fn write(&mut self, at: usize, byte: u8) {
        if self.view.len > 0 {
            let at = at % self.view.len;
            let page = (at / PAGE) as u64;
            let whole = self.written.entry(page);
            whole.or_insert_with(|| self.view.page(page))[at % PAGE] = byte;
            self.expected[at] = byte;
        }
    }
}

/// What happens to the file, or to one of its mappings.
#[derive(Clone, Debug)]
enum Step {
    Map,
    Unmap(usize),
    Fork(usize),
    Store(usize, usize, u8),
    Write(usize, usize, u8),
    Truncate(usize),
    Punch(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..PAGES * PAGE;
    let len = || prop_oneof![1..3 * PAGE, 1..PAGES * PAGE];
    let one = any::<usize>;
    prop_oneof![
        4 => Just(Step::Map),
        3 => one().prop_map(Step::Unmap),
        1 => one().prop_map(Step::Fork),
        1 => (one(), at(), any::<u8>()).prop_map(|(one, at, byte)| Step::Store(one, at, byte)),
        6 => (at(), len(), any::<u8>()).prop_map(|(at, len, byte)| Step::Write(at, len, byte)),
        2 => at().prop_map(Step::Truncate),
        2 => (at(), len()).prop_map(|(at, len)| Step::Punch(at, len)),
    ]
}

/// A file, and who has mapped it.
struct World {
    file: Rc<RefCell<File>>,
    mappings: Vec<Mapping>,
}

impl World {
    fn new(at_once: u64, room: usize) -> Self {
        let disk = Disk {
            at_once,
            room,
            ..Disk::default()
        };
        let file = File {
            disk,
            chain: Chain::new(),
        };
        Self {
            file: Rc::new(RefCell::new(file)),
            mappings: Vec::new(),
        }
    }

    /// As a write to the file: keeps what is changed, then changes it.
    fn change(&self, pages: Range<u64>, change: impl FnOnce(&mut Disk)) -> Result {
        let File { disk, chain } = &mut *self.file.borrow_mut();
        chain.capture(pages, disk)?;
        change(disk);
        Ok(())
    }

    fn map(&mut self) -> Result {
        let file = &mut *self.file.borrow_mut();
        let len = file.disk.len;
        let moment = file.chain.snapshot(pages_of(len))?;
        self.mappings.push(Mapping {
            view: Rc::new(View {
                file: self.file.clone(),
                moment,
                len,
            }),
            written: BTreeMap::new(),
            expected: file.disk.bytes(),
        });
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result {
        let len = self.file.borrow().disk.len;
        let count = self.mappings.len();
        match *step {
            Step::Map => self.map()?,
            Step::Unmap(_) | Step::Fork(_) | Step::Store(..) if count == 0 => {}
            Step::Unmap(one) => drop(self.mappings.swap_remove(one % count)),
            Step::Fork(one) => self.mappings.push(self.mappings[one % count].clone()),
            Step::Store(one, at, byte) => self.mappings[one % count].write(at, byte),
            Step::Write(at, bytes, byte) => {
                let end = (at + bytes).min(PAGES * PAGE);
                // The page that the file ended in is changed, too, where that is before.
                self.change((at / PAGE) as u64..pages_of(end), |disk| {
                    disk.resize(end.max(len));
                    disk.put(at..end, |at| byte ^ at.to_le_bytes()[0]);
                })?;
            }
            Step::Truncate(to) => {
                let pages = (to.min(len) / PAGE) as u64..pages_of(to.max(len));
                self.change(pages, |disk| disk.resize(to))?;
            }
            Step::Punch(at, bytes) => {
                let (at, end) = (at.min(len), (at + bytes).min(len));
                self.change((at / PAGE) as u64..pages_of(end), |disk| {
                    for page in at.div_ceil(PAGE)..end / PAGE {
                        disk.pages[page] = None;
                    }
                    for at in at..end {
                        if let Some(page) = &mut disk.pages[at / PAGE] {
                            page[at % PAGE] = 0;
                        }
                    }
                })?;
            }
        }
        Ok(())
    }

    fn check(&self) {
        for mapping in &self.mappings {
            assert_eq!(mapping.bytes(), mapping.expected);
        }
    }

    fn picture(&self) -> String {
        self.file.borrow().chain.to_string()
    }

    /// Nothing is left when nobody looks. What could not be sorted out for want of memory is, in the end.
    fn end(mut self) {
        self.mappings.clear();
        let file = self.file.borrow();
        assert!(file.chain.is_empty());
        assert_eq!(file.disk.slots, HashMap::new());
    }
}

/// Dillon's picture: what lies over the file is what parent and child share, and over that lies what each has
/// for itself.
#[test]
fn a_small_tree_of_four() {
    let mut world = World::new(u64::MAX, usize::MAX);
    for step in [
        Step::Write(0, 4 * PAGE, b'a'),
        Step::Map,
        Step::Fork(0),
        Step::Store(0, PAGE, b'p'),
        Step::Store(1, 2 * PAGE, b'c'),
        Step::Write(3 * PAGE, PAGE, b'n'),
    ] {
        world.step(&step).unwrap();
    }
    world.check();
    let [parent, child] = &world.mappings[..] else {
        panic!("there are two");
    };
    let own = |mapping: &Mapping| mapping.written.keys().copied().collect::<Vec<_>>();
    assert!(Rc::ptr_eq(&parent.view, &child.view));
    assert_eq!((own(parent), own(child)), (vec![1], vec![2]));
    let picture = format!(
        "parent {:?}   child {:?}\n      \\   /\n{}",
        own(parent),
        own(child),
        world.picture()
    );
    assert_eq!(
        picture,
        "parent [1]   child [2]\n      \\   /\nmoment 1, 1 view(s): 3-3 Slot(0)\n|\nfile\n"
    );
    println!("{picture}");
    world.end();
}

/// Those who mapped the file at different times look through each other's pages. When the one in the middle
/// goes, what it has is what the one above lacks; what that has as well goes with it.
#[test]
fn the_one_in_the_middle_goes() {
    let mut world = World::new(u64::MAX, usize::MAX);
    for step in [
        Step::Write(0, 4 * PAGE, b'a'),
        Step::Map,
        Step::Write(0, PAGE, b'b'),
        Step::Map,
        Step::Write(0, 2 * PAGE, b'c'),
        Step::Map,
        // Nothing has changed: the same moment.
        Step::Map,
        Step::Truncate(2 * PAGE),
    ] {
        world.step(&step).unwrap();
    }
    assert_eq!(
        world.picture(),
        "moment 1, 1 view(s): 0-0 Slot(0)\n|\n\
         moment 2, 1 view(s): 0-1 Slot(1)\n|\n\
         moment 3, 2 view(s): 2-3 Slot(3)\n|\n\
         file\n"
    );
    world.mappings.remove(1);
    assert_eq!(
        world.picture(),
        "moment 1, 1 view(s): 0-0 Slot(0) 1-1 Slot(2)\n|\n\
         moment 3, 2 view(s): 2-3 Slot(3)\n|\n\
         file\n"
    );
    world.check();
    world.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Every mapping shows the file as it was, byte for byte, whatever happens to it.
    #[test]
    fn as_if_each_had_a_copy(
        steps in prop::collection::vec(step(), 1..40),
        at_once in prop_oneof![Just(1_u64), 1..5_u64, Just(u64::MAX)],
    ) {
        let mut world = World::new(at_once, usize::MAX);
        for step in &steps {
            world.step(step).unwrap();
            world.check();
        }
        world.end();
    }

    /// Where there is no memory, or no room in the store, what fails has changed nothing.
    #[test]
    fn nothing_has_happened_then(
        steps in prop::collection::vec((step(), 0..4_usize), 1..40),
        room in 0..2 * PAGES,
    ) {
        let mut world = World::new(3, room);
        for (step, memory) in &steps {
            let before = world.file.borrow().disk.bytes();
            if let Err(e) = with_allocations(*memory, || world.step(step)) {
                assert!(e == ENOMEM || e == ENOSPC);
                assert_eq!(world.file.borrow().disk.bytes(), before);
            }
            world.check();
        }
        world.end();
    }

    /// A store has no more than what is needed: of each page, one for each of its contents that somebody
    /// may look at.
    #[test]
    fn nothing_is_kept_in_vain(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new(u64::MAX, usize::MAX);
        for step in &steps {
            world.step(step).unwrap();
            let file = world.file.borrow();
            let mut needed = std::collections::HashSet::new();
            for mapping in &world.mappings {
                for page in 0..pages_of(mapping.view.len) {
                    let kept = file.chain.lookup(mapping.view.moment, page);
                    if let Some(Kept::Slot(slot)) = kept {
                        needed.insert(slot);
                    }
                }
            }
            assert_eq!(file.disk.slots.len(), needed.len());
        }
    }
}
