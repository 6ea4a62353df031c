// SPDX-License-Identifier: GPL-2.0

//! Locks, counts and memory that is shared.

#[path = "../../../../../rust/vfs/sync/bit_lock.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(in crate::vfs) mod bit_lock;
#[path = "../../../../../rust/vfs/sync/count.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
mod count;
#[path = "../../../../../rust/vfs/sync/gate.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod gate;
#[path = "../../../../../rust/vfs/sync/killable.rs"]
#[allow(dead_code, unexpected_cfgs, clippy::all, clippy::pedantic)]
pub(crate) mod killable;
#[path = "../../../../../rust/vfs/sync/load.rs"]
#[allow(
    dead_code,
    unused_macros,
    unused_imports,
    clippy::all,
    clippy::pedantic
)]
pub(crate) mod load;
pub(crate) mod lockdep;
#[allow(dead_code)]
pub(crate) mod nofs;
#[path = "../../../../../rust/vfs/sync/rcu.rs"]
#[allow(dead_code, unexpected_cfgs, clippy::all, clippy::pedantic)]
pub(crate) mod rcu;
#[path = "../../../../../rust/vfs/sync/spells.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod spells;
#[allow(dead_code)]
pub(crate) mod task;
#[path = "../../../../../rust/vfs/sync/thread.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod thread;
#[path = "../../../../../rust/vfs/sync/versioned.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod versioned;
#[path = "../../../../../rust/vfs/sync/watch.rs"]
#[allow(dead_code, clippy::all, clippy::pedantic)]
pub(crate) mod watch;
