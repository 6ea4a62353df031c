// SPDX-License-Identifier: GPL-2.0

//! `vfs/mount/file_chain.rs`.

use crate::vfs::mount::{file::KernelFile, file_chain::FileChain};
use kernel::sync::Arc;
use kernel::testing::{model, thread, Seen};

/// Who has looked up the current file uses it, whole and open, whoever adds others; all are closed once.
#[test]
fn files_stay_until_the_release() {
    model(3, || {
        let closed: [_; 3] = std::array::from_fn(|_| Arc::new(Seen::new(0)));
        let chain = Arc::new(FileChain::new(KernelFile::new(1, &closed[0])));
        let push = |number: u32| {
            let (chain, closed) = (chain.clone(), closed[number as usize - 1].clone());
            thread::spawn(move || chain.push(KernelFile::new(number, &closed)).unwrap())
        };
        let pushers = [push(2), push(3)];
        let (first, later) = (chain.current(), chain.current());
        assert!([1, 2, 3].contains(&first.number()));
        // It never goes back.
        assert!(later.number() != 1 || first.number() == 1);
        for pusher in pushers {
            pusher.join().unwrap();
        }
        assert!(chain.current().number() != 1);
        drop(chain);
        assert_eq!(closed.each_ref().map(|closed| closed.get()), [1, 1, 1]);
    });
}
