// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/watch.rs`.

use super::sync::watch::Watch;
use kernel::sync::{
    atomic::{Atomic, Relaxed},
    Arc,
};
use kernel::testing::{model, thread};

/// A name that was looked at, and has the stamp of before, is what is there; also while others change the directory,
/// each change of which is counted once it was made.
#[test]
fn a_count_that_stays() {
    model(3, || {
        let watch = Arc::new(Watch::new());
        let dir = Arc::new(Atomic::new(0_u32));
        let changer = {
            let (watch, dir) = (watch.clone(), dir.clone());
            thread::spawn(move || {
                dir.store(1, Relaxed);
                watch.notice();
            })
        };
        let looked = watch.changes();
        let found = dir.load(Relaxed);
        // Later, somebody asks whether it holds.
        let now = watch.changes();
        if now == looked && now == 1 {
            assert_eq!(found, 1);
        }
        changer.join().unwrap();
        assert!(watch.changes() != looked || dir.load(Relaxed) == found);
    });
}

/// What others do counts, whatever the task that counts does itself; what one does alone does not.
#[test]
fn own_changes_do_not_count() {
    model(3, || {
        let watch = Arc::new(Watch::new());
        {
            let _changing = watch.changing();
            watch.notice();
        }
        assert_eq!(watch.changes(), 0);
        let other = {
            let watch = watch.clone();
            thread::spawn(move || {
                {
                    let _changing = watch.changing();
                }
                // After the end of that, and whoever begins.
                watch.notice();
            })
        };
        {
            let _changing = watch.changing();
        }
        other.join().unwrap();
        assert_eq!(watch.changes(), 1);
    });
}
