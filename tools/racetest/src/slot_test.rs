// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/rcu.rs`, `count.rs`, `load.rs`.

use crate::vfs::sync::rcu::{RcuArc, Shared, Slot};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen};

/// Counts its end.
struct Value {
    number: Seen<u32>,
    dropped: Arc<Seen<u32>>,
}

impl Shared for Value {}

impl Drop for Value {
    fn drop(&mut self) {
        // Everybody has finished with it.
        self.number.set(0);
        self.dropped.set(self.dropped.get() + 1);
    }
}

fn value(number: u32, dropped: &Arc<Seen<u32>>) -> RcuArc<Value> {
    let value = Value {
        number: Seen::new(number),
        dropped: dropped.clone(),
    };
    RcuArc::new(value, GFP_KERNEL).unwrap()
}

fn drops() -> Arc<Seen<u32>> {
    Arc::new(Seen::new(0))
}

/// What is got out of a slot is whole and alive, whoever replaces it meanwhile; each value is dropped once, when
/// nobody has it any more, and its memory goes when nobody looks at it any more.
#[test]
fn what_is_got_is_alive_and_goes_once() {
    model(2, || {
        let (old, new) = (drops(), drops());
        let slot = Arc::new(Slot::new(Some(value(1, &old))));
        let reader = {
            let slot = slot.clone();
            thread::spawn(move || {
                let got = slot.get().expect("there is always one");
                assert!([1, 2].contains(&got.number.get()));
            })
        };
        drop(slot.replace(Some(value(2, &new))));
        reader.join().unwrap();
        assert_eq!((old.get(), new.get()), (1, 0));
        drop(slot);
        assert_eq!((old.get(), new.get()), (1, 1));
    });
}

/// Of two who replace, each gets something else back.
#[test]
fn two_who_replace() {
    model(2, || {
        let drops: [_; 3] = std::array::from_fn(|_| drops());
        let slot = Arc::new(Slot::new(Some(value(1, &drops[0]))));
        let other = {
            let (slot, new) = (slot.clone(), value(2, &drops[1]));
            thread::spawn(move || slot.replace(Some(new)).map(|old| old.number.get()))
        };
        let mine = slot
            .replace(Some(value(3, &drops[2])))
            .map(|old| old.number.get());
        let other = other.join().unwrap();
        let left = slot.replace(None).map(|old| old.number.get());
        let mut all = [mine, other, left];
        all.sort_unstable();
        assert_eq!(all, [Some(1), Some(2), Some(3)]);
        assert_eq!(drops.each_ref().map(|drops| drops.get()), [1, 1, 1]);
    });
}

/// Who gives up the last reference, of whatever kind, has all others' uses behind it.
#[test]
fn the_last_of_several_references() {
    model(3, || {
        let drops = drops();
        let one = value(1, &drops);
        let other = one.clone();
        let thread = thread::spawn(move || assert_eq!(other.number.get(), 1));
        assert_eq!(one.number.get(), 1);
        drop(one);
        thread.join().unwrap();
        assert_eq!(drops.get(), 1);
    });
}
