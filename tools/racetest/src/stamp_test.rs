// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/versioned.rs`, `vfs/sync/spells.rs`, `union/object/settled.rs`.

use crate::union::object::settled::{stamp, Settled};
use crate::vfs::sync::{
    killable::KillableMutex,
    load::Load,
    lockdep,
    rcu::{RcuArc, Shared, Slot},
    spells::Spells,
    versioned::Versioned,
};
use kernel::prelude::*;
use kernel::sync::{
    atomic::{Atomic, Relaxed, Release},
    Arc,
};
use kernel::testing::{model, thread, Seen};

static CLASSES: lockdep::Classes = lockdep::Classes::new();

/// A table, or a stack that was made of it.
struct Made {
    generation: usize,
}

impl Shared for Made {}

fn made(generation: usize) -> RcuArc<Made> {
    RcuArc::new(Made { generation }, GFP_KERNEL).unwrap()
}

/// Who has seen a generation gets the value of it, or a later one.
#[test]
fn a_generation_has_its_value() {
    model(2, || {
        let table = Arc::new(Versioned::new(1, made(1)));
        let changer = {
            let table = table.clone();
            thread::spawn(move || {
                [2, 3].map(|generation| table.publish(generation, made(generation)))
            })
        };
        let generation = table.generation();
        assert!(table.get().unwrap().generation >= generation);
        drop(changer.join().unwrap());
    });
}

/// As `Node` has them.
struct Node {
    stack: Slot<Made>,
    settled: Settled,
    state: KillableMutex<()>,
}

impl Node {
    fn new() -> Arc<Self> {
        let node = pin_init!(Self {
            stack: Slot::new(Some(made(1))),
            settled: Settled::new(1, 0),
            state <- KillableMutex::new((), c"state", CLASSES.at(1)),
        });
        Arc::<Self>::pin_init(node, GFP_KERNEL).unwrap()
    }

    /// As `Node::publish_newer` does, with the lock. What was there is kept: the end of it would have an order.
    fn publish_newer(&self, generation: usize) -> Option<RcuArc<Made>> {
        let _state = self.state.lock();
        if self.stack.get().unwrap().generation > generation {
            return None;
        }
        let old = self.stack.replace(Some(made(generation)));
        self.settled.publish(generation);
        old
    }
}

/// Who finds that an inode is settled in a generation gets a stack of that, or of a later one, whoever refreshes it
/// meanwhile; and of two who do, the one with the later table wins, in whatever order.
#[test]
fn who_finds_it_settled_gets_the_stack() {
    model(2, || {
        let node = Node::new();
        let refreshers = [2, 3].map(|generation| {
            let node = node.clone();
            thread::spawn(move || node.publish_newer(generation))
        });
        for generation in [3, 2] {
            if node.settled.is(stamp(generation, 0)) {
                assert!(node.stack.get().unwrap().generation >= generation);
            }
        }
        for refresher in refreshers {
            drop(refresher.join().unwrap());
        }
        assert_eq!(node.stack.get().unwrap().generation, 3);
        assert!(node.settled.is(stamp(3, 0)));
    });
}

/// As before, where another one than who has published it finds that it holds, by more changes.
#[test]
fn who_finds_it_settled_by_another() {
    model(2, || {
        let node = Node::new();
        let refresher = {
            let node = node.clone();
            thread::spawn(move || node.publish_newer(2))
        };
        let settler = {
            let node = node.clone();
            thread::spawn(move || {
                let _state = node.state.lock();
                if node.stack.get().unwrap().generation == 2 {
                    node.settled.settle(2, 1);
                }
            })
        };
        if node.settled.is(stamp(2, 1)) {
            assert_eq!(node.stack.get().unwrap().generation, 2);
        }
        drop(refresher.join().unwrap());
        settler.join().unwrap();
    });
}

/// As the way of a name: the branches change, its inode is refreshed, somebody else finds that, and stamps its
/// dentry (`d_time`). Who finds the stamp of the branches as they are gets a stack that was made of them.
fn a_name(is_ordered: bool) {
    model(2, move || {
        let table = Arc::new(Versioned::new(1, made(1)));
        let node = Node::new();
        let dentry = Arc::new(Atomic::new(1_usize));
        let refresher = {
            let (table, node) = (table.clone(), node.clone());
            thread::spawn(move || {
                drop(table.publish(2, made(2)));
                node.publish_newer(2)
            })
        };
        let stamper = {
            let (node, dentry) = (node.clone(), dentry.clone());
            thread::spawn(move || {
                if node.settled.is(stamp(2, 0)) {
                    if is_ordered {
                        dentry.store(2, Release);
                    } else {
                        dentry.store(2, Relaxed);
                    }
                }
            })
        };
        let stamp = dentry.load_acquire();
        if stamp == table.generation() {
            assert!(node.stack.get().unwrap().generation >= stamp);
        }
        drop(refresher.join().unwrap());
        stamper.join().unwrap();
    });
}

/// With the orders of `OwnDentry::stamp` and `OwnDentry::set_stamp`.
#[test]
fn a_name_that_has_the_stamp() {
    a_name(true);
}

/// Without them.
#[test]
#[should_panic(expected = "generation >= stamp")]
fn a_name_whose_stamp_is_not_ordered() {
    a_name(false);
}

/// Flags that are off during a spell are never repeated as off; flags that are off are, when there is none.
#[test]
fn what_is_off_for_a_while() {
    model(2, || {
        static SPELLS: Spells = Spells::new();
        let flags = Arc::new(Atomic::new(1_u32));
        let lifter = {
            let flags = flags.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    SPELLS.begin();
                    flags.store(0, Relaxed);
                    flags.store(1, Relaxed);
                    SPELLS.end();
                }
            })
        };
        assert_eq!(SPELLS.outside(|| flags.load(Relaxed), 1), 1);
        lifter.join().unwrap();
        flags.store(0, Relaxed);
        assert_eq!(SPELLS.outside(|| flags.load(Relaxed), 1), 0);
    });
}

/// Who repeats something, and was told that there was no spell since it began, has not seen any of one.
#[test]
fn an_interval_without_a_spell() {
    model(2, || {
        static SPELLS: Spells = Spells::new();
        let flags = Arc::new(Atomic::new(1_u32));
        let seen = Seen::new(0);
        let lifter = {
            let flags = flags.clone();
            thread::spawn(move || {
                SPELLS.begin();
                flags.store(0, Relaxed);
                flags.store(1, Relaxed);
                SPELLS.end();
            })
        };
        let so_far = SPELLS.so_far();
        seen.set(flags.load_acquire());
        assert!(seen.get() == 1 || SPELLS.any_since(so_far));
        lifter.join().unwrap();
    });
}
