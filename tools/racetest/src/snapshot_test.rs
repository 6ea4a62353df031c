// SPDX-License-Identifier: GPL-2.0

//! `mmap/snapshot/mod.rs`, with its `chain.rs`.

use crate::mmap::snapshot::{Counts, Past, View};
use crate::vfs::mm::folio::EmptyPage;
use crate::vfs::mount::file::{Inode, KernelFile};
use kernel::sync::Arc;
use kernel::testing::{model, thread};

fn pages(view: &View) -> [usize; 2] {
    [0, 1].map(|page| view.read(EmptyPage::new(page)).unwrap().value())
}

/// What a view shows stays so, whoever changes the file meanwhile; it is what was in the file at some moment, page by
/// page, and what is kept for it goes with it.
#[test]
fn a_view_stays_as_it_is() {
    model(2, || {
        let (past, inode) = (Past::new(1, Counts::new().unwrap()).unwrap(), Inode::new());
        let writer = {
            let (past, inode) = (past.clone(), inode.clone());
            thread::spawn(move || {
                let _changing = past.change(0..1).unwrap();
                inode.write(0, 3);
            })
        };
        let view = past.view(|| KernelFile::of(&inode)).unwrap();
        let first = pages(&view);
        assert!([1, 3].contains(&first[0]) && first[1] == 2);
        assert_eq!(pages(&view), first);
        writer.join().unwrap();
        assert_eq!(pages(&view), first);
        view.end();
    });
}

/// As before, of a file that gets shorter.
#[test]
fn a_view_of_what_gets_shorter() {
    model(2, || {
        let (past, inode) = (Past::new(1, Counts::new().unwrap()).unwrap(), Inode::new());
        let cutter = {
            let (past, inode) = (past.clone(), inode.clone());
            thread::spawn(move || {
                let _changing = past.change(1..2).unwrap();
                inode.cut(1);
            })
        };
        let view = past.view(|| KernelFile::of(&inode)).unwrap();
        let first = pages(&view);
        assert!(first[0] == 1 && [0, 2].contains(&first[1]));
        cutter.join().unwrap();
        assert_eq!(pages(&view), first);
        view.end();
    });
}

/// A view that two end at the same time ends once: one of the same moment stays as it is, and what was kept for both
/// is given up once.
#[test]
fn a_view_ends_once() {
    model(2, || {
        let (past, inode) = (Past::new(1, Counts::new().unwrap()).unwrap(), Inode::new());
        let view = || past.view(|| KernelFile::of(&inode)).unwrap();
        let (ending, other) = (Arc::new(view()), view());
        {
            let _changing = past.change(0..2).unwrap();
            inode.write(0, 3);
        }
        let enders = [0, 1].map(|_| {
            let view = ending.clone();
            thread::spawn(move || view.end())
        });
        assert_eq!(pages(&other), [1, 2]);
        for ender in enders {
            ender.join().unwrap();
        }
        assert_eq!(pages(&other), [1, 2]);
        other.end();
    });
}
