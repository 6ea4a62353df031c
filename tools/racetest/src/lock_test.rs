// SPDX-License-Identifier: GPL-2.0

//! `vfs/sync/killable.rs`, `bit_lock.rs`, `thread.rs`.

use crate::vfs::sync::{killable::KillableMutex, lockdep, task::fatal_signal_pending, thread::run};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen, Victim};

static CLASSES: lockdep::Classes = lockdep::Classes::new();

/// What a mutex protects is one's own while one has it.
#[test]
fn one_has_a_mutex() {
    model(2, || {
        let mutex = KillableMutex::new(Seen::new(0), c"test", CLASSES.at(1));
        let mutex = Arc::<KillableMutex<Seen<u32>>>::pin_init(mutex, GFP_KERNEL).unwrap();
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                let value = mutex.lock_killable().unwrap();
                value.set(value.get() + 1);
            })
        };
        {
            let value = mutex.lock();
            value.set(value.get() + 1);
        }
        let tried = mutex.try_lock().map(|value| value.set(value.get() + 1));
        other.join().unwrap();
        assert_eq!(mutex.lock().get(), 2 + u32::from(tried.is_some()));
        assert!(mutex.try_lock().is_some());
    });
}

/// Who is killed while a thread works for it waits for the end of that alone, which the thread is told of: nobody
/// waits for ever, and what has been done is not lost.
#[test]
fn killed_while_a_thread_works() {
    model(2, || {
        let victim = Victim::current();
        let killer = thread::spawn(move || victim.kill());
        let result = run(|| {
            // It would go on for ever, but for the signal.
            while !fatal_signal_pending() {
                thread::yield_now();
            }
            7
        });
        killer.join().unwrap();
        assert!([Ok(7), Err(EINTR)].contains(&result));
    });
}

/// What a thread has done is seen by whom it was done for.
#[test]
fn what_a_thread_has_done() {
    model(3, || {
        let seen = Seen::new(0);
        assert_eq!(run(|| seen.set(3)), Ok(()));
        assert_eq!(seen.get(), 3);
    });
}
