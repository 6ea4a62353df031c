// SPDX-License-Identifier: GPL-2.0

//! `mmap/snapshot/mod.rs`, with its `chain.rs`.

use crate::mmap::snapshot::{Counts, Past, View};
use crate::vfs::mm::folio::EmptyPage;
use crate::vfs::mount::file::{Inode, KernelFile};
use kernel::sync::{atomic::Relaxed, Arc};
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

/// Two that change a file by names that have nothing to do with each other, and so at the same time, are both seen; the
/// last of them leaves nothing.
#[test]
fn a_view_while_two_write() {
    model(2, || {
        let counts = Counts::new().unwrap();
        let (past, inode) = (Past::new(1, counts.clone()).unwrap(), Inode::new());
        let writers = [0..1, 1..2].map(|bytes| {
            let (past, inode) = (past.clone(), inode.clone());
            thread::spawn(move || {
                let page = usize::try_from(bytes.start).unwrap();
                let _changing = past.change(bytes).unwrap();
                inode.write(page, 3 + page);
            })
        });
        let view = past.view(|| KernelFile::of(&inode)).unwrap();
        let first = pages(&view);
        assert!([1, 3].contains(&first[0]) && [2, 4].contains(&first[1]));
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(pages(&view), first);
        view.end();
        // Nobody changes anything any more: nothing is kept of what is not.
        let view = past.view(|| KernelFile::of(&inode)).unwrap();
        assert_eq!(counts.pages.load(Relaxed), 0);
        view.end();
    });
}

/// However many come and go before nobody is left, what is being changed is known.
#[test]
fn a_view_while_many_write() {
    for many in 50..80 {
        model(2, move || {
            let (past, inode) = (Past::new(1, Counts::new().unwrap()).unwrap(), Inode::new());
            let mut last = past.change(many..many * 2).unwrap();
            for page in (0..many).rev() {
                last = past.change(page..many).unwrap();
            }
            let view = past.view(|| KernelFile::of(&inode)).unwrap();
            inode.write(0, 3);
            drop(last);
            assert_eq!(pages(&view), [1, 2]);
            view.end();
        });
    }
}

/// What comes to the end of a file is no part of who has it mapped already, and nobody waits for it.
#[test]
fn a_view_of_what_grows() {
    model(2, || {
        let (past, inode) = (Past::new(1, Counts::new().unwrap()).unwrap(), Inode::new());
        inode.cut(1);
        let writer = {
            let (past, inode) = (past.clone(), inode.clone());
            thread::spawn(move || {
                let _changing = past.change(1..2).unwrap();
                inode.write(1, 3);
                inode.grow(2);
            })
        };
        let view = past.view(|| KernelFile::of(&inode)).unwrap();
        let first = pages(&view);
        assert!(first[0] == 1 && [0, 3].contains(&first[1]));
        writer.join().unwrap();
        assert_eq!(pages(&view), first);
        // The first look is as good as any.
        let first = core::ptr::from_ref::<Past>(&past).addr() + 1;
        assert_eq!(view.hash(), first);
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
