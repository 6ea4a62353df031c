// SPDX-License-Identifier: GPL-2.0

//! `vfs/object/published.rs`.

use crate::vfs::object::{dentry::Dentry, published::Published};
use kernel::sync::{rcu, Arc};
use kernel::testing::{model, thread};

/// What an RCU walk looks at is whole, and its memory there, whoever replaces it meanwhile; what was replaced goes
/// once.
#[test]
fn what_a_walk_looks_at_is_there() {
    model(2, || {
        let published = Arc::new(Published::new(Dentry::new(1)));
        let walk = {
            let published = published.clone();
            thread::spawn(move || {
                let guard = rcu::read_lock();
                let seen = published.read((&guard).into());
                let name = seen.expect("there is always one").get().name();
                assert!([1, 2].contains(&name));
                drop(guard);
            })
        };
        published.replace(Some(Dentry::new(2)));
        walk.join().unwrap();
        published.replace(None);
        let guard = rcu::read_lock();
        assert!(published.read((&guard).into()).is_none());
    });
}
