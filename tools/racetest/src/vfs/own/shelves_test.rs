// SPDX-License-Identifier: GPL-2.0

//! `vfs/own/shelves.rs`.

use super::shelves::{Cursor, Shelf, Shelves, Slot, Step};
use core::pin::pin;
use kernel::init::PinInit;
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen};

/// An inode: its place comes first.
#[repr(C)]
struct Thing {
    place: Slot,
    is_alive: Seen<bool>,
}

// SAFETY: Its place is changed with the lock of a shelf held, and what is seen is looked at by loom.
unsafe impl Send for Thing {}
// SAFETY: As above.
unsafe impl Sync for Thing {}

impl Thing {
    fn put(shelves: &Shelves, groups: u64) -> Arc<Self> {
        let this = Arc::new(Self {
            place: Slot::nowhere(),
            is_alive: Seen::new(true),
        });
        // SAFETY: It is new, and stays where it is.
        unsafe { this.place.put(shelves, Shelf::of(groups)) };
        this
    }
}

fn shelves() -> Arc<Shelves> {
    let Ok(shelves) = Shelves::new().make();
    Arc::new(shelves)
}

/// How many things are found in one of `groups`.
fn walk(shelves: &Shelves, groups: u64) -> usize {
    let mut found = 0;
    for chain in shelves.of(groups) {
        let cursor = pin!(Cursor::new(chain));
        let alive = |place: *mut Slot| {
            // SAFETY: It is on a shelf whose lock is held, and so alive; a place is the start of a thing.
            unsafe { (*place.cast::<Thing>()).is_alive.get() }
        };
        while let Step::Found(()) = cursor.as_ref().step(|place| alive(place).then_some(())) {
            found += 1;
        }
    }
    found
}

/// A walk over a group finds what belongs to it, also while that comes to belong to several.
#[test]
fn nothing_is_missed() {
    model(2, || {
        let shelves = shelves();
        let things = [1, 1].map(|groups| Thing::put(&shelves, groups));
        let mover = {
            let (shelves, thing) = (shelves.clone(), things[0].clone());
            // SAFETY: Nobody takes it off meanwhile.
            thread::spawn(move || unsafe { thing.place.move_to_several(&shelves) })
        };
        let found = walk(&shelves, 1);
        mover.join().unwrap();
        // It may be found twice.
        assert!([2, 3].contains(&found));
        assert_eq!((walk(&shelves, 1), walk(&shelves, 2)), (2, 1));
        for thing in &things {
            // SAFETY: Nobody moves it.
            unsafe { thing.place.remove(&shelves) };
        }
    });
}

/// What was taken off a shelf is not found there, by nobody, and may go.
#[test]
fn what_is_taken_off_may_go() {
    model(2, || {
        let shelves = shelves();
        let things = [1, 1].map(|groups| Thing::put(&shelves, groups));
        let walker = {
            let shelves = shelves.clone();
            thread::spawn(move || walk(&shelves, 1))
        };
        for thing in &things {
            // SAFETY: Nobody moves it.
            unsafe { thing.place.remove(&shelves) };
            thing.is_alive.set(false);
        }
        assert!(walker.join().unwrap() <= 2);
    });
}

/// Of two who move, one does.
#[test]
fn two_who_move() {
    model(3, || {
        let shelves = shelves();
        let thing = Thing::put(&shelves, 4);
        let other = {
            let (shelves, thing) = (shelves.clone(), thing.clone());
            // SAFETY: Nobody takes it off meanwhile.
            thread::spawn(move || unsafe { thing.place.move_to_several(&shelves) })
        };
        // SAFETY: As above.
        unsafe { thing.place.move_to_several(&shelves) };
        other.join().unwrap();
        assert_eq!(walk(&shelves, 4), 1);
        // SAFETY: Nobody moves it any more.
        unsafe { thing.place.remove(&shelves) };
        assert_eq!(walk(&shelves, 4), 0);
    });
}
