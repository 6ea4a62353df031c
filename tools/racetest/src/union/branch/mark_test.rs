// SPDX-License-Identifier: GPL-2.0

//! `union/branch/volatile_mark.rs`.

use super::volatile_mark::VolatileMark;
use crate::vfs::object::super_block::WriteErrors;
use kernel::sync::Arc;
use kernel::testing::{model, thread};

/// Who finds a mark finds the errors of before it.
#[test]
fn a_mark_has_its_errors() {
    model(3, || {
        let mark = Arc::new(VolatileMark::new());
        let marker = {
            let mark = mark.clone();
            thread::spawn(move || mark.set(WriteErrors(7)))
        };
        assert!(mark.errors().is_none_or(|errors| errors.0 == 7));
        marker.join().unwrap();
        assert_eq!(mark.errors().map(|errors| errors.0), Some(7));
        mark.clear();
        assert!(mark.errors().is_none());
    });
}
