// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/gate.rs`.

use crate::vfs::sync::{
    gate::Gate,
    rcu::{RcuArc, Shared, Slot},
};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen};
use kernel::time::Delta;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

fn gate() -> Arc<Gate> {
    Arc::<Gate>::pin_init(Gate::new(), GFP_KERNEL).unwrap()
}

/// How often it is looked whether somebody is inside.
fn patience() -> Delta {
    Delta::from_millis(1)
}

/// A gate that is closed has nobody inside, and what was done inside is seen by who has closed it.
#[test]
fn nobody_is_inside() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    model(2, || {
        let gate = gate();
        let branch = Arc::new(Seen::new(0));
        let visitor = {
            let (gate, branch) = (gate.clone(), branch.clone());
            thread::spawn(move || {
                if let Some(_inside) = gate.enter() {
                    assert_eq!(branch.get(), 0);
                }
            })
        };
        match gate.close(patience()) {
            Ok(closed) => {
                assert!(gate.enter().is_none() && !gate.is_open());
                branch.set(1);
                closed.for_ever();
                CLOSED.store(true, SeqCst);
            }
            Err(e) => {
                assert_eq!(e, EBUSY);
                assert!(gate.is_open());
            }
        }
        visitor.join().unwrap();
    });
    // In one of all these it was.
    assert!(CLOSED.load(SeqCst));
}

/// Who enters after a gate was opened again sees what was done while it was closed.
#[test]
fn what_was_done_meanwhile_is_seen() {
    model(2, || {
        let gate = gate();
        let branch = Arc::new(Seen::new(0));
        let visitor = {
            let (gate, branch) = (gate.clone(), branch.clone());
            thread::spawn(move || {
                if let Some(_inside) = gate.enter() {
                    branch.get();
                }
            })
        };
        if let Ok(_closed) = gate.close(patience()) {
            branch.set(1);
        }
        drop(gate.enter().expect("it is open again"));
        visitor.join().unwrap();
    });
}

/// Of two who close a gate at a time one is told that it is closed; neither opens it for the other.
#[test]
fn one_closes_it() {
    model(2, || {
        let gate = gate();
        let inside = Arc::new(Seen::new(0));
        let close = |gate: Arc<Gate>, inside: Arc<Seen<u32>>| {
            if let Ok(_closed) = gate.close(patience()) {
                inside.set(inside.get() + 1);
            }
        };
        let other = {
            let (gate, inside) = (gate.clone(), inside.clone());
            thread::spawn(move || close(gate, inside))
        };
        close(gate.clone(), inside.clone());
        other.join().unwrap();
        assert!([1, 2].contains(&inside.get()));
        assert!(gate.is_open());
    });
}

struct Object {
    is_there: Seen<bool>,
}

impl Shared for Object {}

fn object() -> RcuArc<Object> {
    let object = Object {
        is_there: Seen::new(true),
    };
    RcuArc::new(object, GFP_KERNEL).unwrap()
}

/// As `union/serve/regular.rs` opens a file that `union/entries/move_down.rs` moves. If it `looks_again` inside the gate,
/// what it opens is there.
fn open(looks_again: bool) {
    model(2, move || {
        let gate = gate();
        let node = Arc::new(Slot::new(Some(object())));
        let opener = {
            let (gate, node) = (gate.clone(), node.clone());
            thread::spawn(move || {
                let mut object = node.get().unwrap();
                for _ in 0..3 {
                    let is_it = || core::ptr::eq::<Object>(&*node.get().unwrap(), &*object);
                    if let Some(_inside) = gate.enter() {
                        if !looks_again || is_it() {
                            assert!(object.is_there.get());
                            return;
                        }
                    }
                    thread::yield_now();
                    object = node.get().unwrap();
                }
            })
        };
        if let Ok(_closed) = gate.close(patience()) {
            let old = node.replace(Some(object())).unwrap();
            old.is_there.set(false);
        }
        opener.join().unwrap();
    });
}

/// Whoever opens a file opens what is there.
#[test]
fn what_is_opened_is_there() {
    open(true);
}

/// What was looked at before the gate may have been moved while that was closed.
#[test]
#[should_panic(expected = "is_there")]
fn what_was_looked_at_before_the_gate() {
    open(false);
}
