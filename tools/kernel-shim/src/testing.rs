// SPDX-License-Identifier: GPL-2.0

//! What only tests have: allocations that fail when they are told to.

use crate::alloc::AllocError;
use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `test` with only `count` allocations that succeed on this thread.
///
/// Memory counts as allocated each time it is asked for, so also by a `push`
/// that would find room.
pub fn with_allocations<T>(count: usize, test: impl FnOnce() -> T) -> T {
    /// Takes the limit off, also when the test panics.
    struct Reset;

    impl Drop for Reset {
        fn drop(&mut self) {
            LEFT.set(None);
        }
    }

    let _reset = Reset;
    LEFT.set(Some(count));
    test()
}

/// Calls `test` with 0 allocations, 1, 2 and so on until it returns `Ok`;
/// returns that, with all the errors before it.
///
/// # Panics
///
/// When it still fails with a million allocations.
pub fn until_enough<T, E>(mut test: impl FnMut() -> Result<T, E>) -> (T, Vec<E>) {
    let mut errors = Vec::new();
    for count in 0..1_000_000 {
        match with_allocations(count, &mut test) {
            Ok(value) => return (value, errors),
            Err(error) => errors.push(error),
        }
    }
    panic!("it never succeeds");
}

/// One allocation.
pub(crate) fn allocate() -> Result<(), AllocError> {
    match LEFT.get() {
        Some(0) => Err(AllocError),
        Some(left) => {
            LEFT.set(Some(left - 1));
            Ok(())
        }
        None => Ok(()),
    }
}
