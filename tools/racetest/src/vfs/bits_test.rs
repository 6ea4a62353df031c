// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/bit_lock.rs`.

use super::sync::bit_lock::BitLocks;
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen};

/// One has the lock of an object at a time, and who cannot have it at once is told.
#[test]
fn one_has_a_bit() {
    model(2, || {
        let (locks, value) = (Arc::new(BitLocks::new()), Arc::new(Seen::new(0)));
        let other = {
            let (locks, value) = (locks.clone(), value.clone());
            thread::spawn(move || {
                let _guard = locks.lock_killable(64).unwrap();
                assert!(locks.try_lock(64).is_none());
                value.set(value.get() + 1);
            })
        };
        let mine = locks.try_lock(64).map(|_guard| value.set(value.get() + 1));
        other.join().unwrap();
        assert_eq!(value.get(), 1 + u32::from(mine.is_some()));
    });
}
