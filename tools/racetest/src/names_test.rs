// SPDX-License-Identifier: GPL-2.0

//! `union/object/new_names.rs`.

use crate::union::object::new_names::NewNames;
use kernel::sync::atomic::{Atomic, Full};
use kernel::sync::Arc;
use kernel::testing::{model, thread};

/// An object with names, and what is on the disk of them.
struct File {
    new: NewNames,
    names: Atomic<u32>,
    disk: Atomic<u32>,
}

impl File {
    fn sync(&self) {
        let write_out = || {
            let names = self.names.fetch_add(0, Full);
            let mut there = self.disk.load(Full);
            while there < names {
                match self.disk.cmpxchg(there, names, Full) {
                    Ok(_) => break,
                    Err(other) => there = other,
                }
            }
            Ok(())
        };
        self.new.write_out(write_out).unwrap();
    }
}

/// What is said to be on the disk is, however many write it out while names are made.
#[test]
fn no_name_is_forgotten() {
    model(2, || {
        let file = Arc::new(File {
            new: NewNames::new(true),
            names: Atomic::new(1),
            disk: Atomic::new(0),
        });
        let syncers = [(); 2].map(|()| {
            let file = file.clone();
            thread::spawn(move || file.sync())
        });
        file.names.fetch_add(1, Full);
        file.new.note();
        for syncer in syncers {
            syncer.join().unwrap();
        }
        assert!(file.new.any() || file.disk.load(Full) == 2);
        file.sync();
        assert!(!file.new.any() && file.disk.load(Full) == 2);
    });
}
