// SPDX-License-Identifier: GPL-2.0

//! What is done to operations, and the file in debugfs that says so.
//!
//! The operations of a mount are counted, whoever asks for them, in the order in which they begin. To
//! `operations` one of these is written, which also starts the count anew:
//!
//! - `hold N`: the N-th waits until it is released, or until who asked for it is killed;
//! - `fail N ERRNO`: the N-th fails, with that number, and does nothing;
//! - `break N ERRNO`: so do all from the N-th on;
//! - `deny N ERRNO [MORE]`: the N-th is done, and says that it failed, as a server does whose answer is lost; of those
//!   that change something. So many more that come next fail with `EIO`;
//! - `slow MS`: each takes so many milliseconds more;
//! - `count`: nothing happens to them;
//! - `release`: the one that is held goes on; the count does, too.
//!
//! Reading it says how many there were, which is held or was failed last, the numbers of those that can be
//! denied, and the names of the last ones.

use crate::vfs::{admin::debugfs, sync::killable::Permits};
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{Arc, Mutex},
    time::{delay::fsleep, Delta},
};

/// How many names are remembered.
const REMEMBERED: usize = 64;

/// Of so many, and no more, it is known which can be denied.
const KNOWN: usize = 256;

/// What is planned for operations.
#[derive(Clone, Copy)]
enum Plan {
    Nothing,
    Hold(usize),
    /// From one to another, both included.
    Fail(usize, usize, Error),
    /// One, and so many more fail after it.
    Deny(usize, usize, Error),
    Slow(i64),
}

struct State {
    plan: Plan,
    seen: usize,
    held: Option<(usize, &'static str)>,
    failed: Option<(usize, &'static str)>,
    last: [&'static str; REMEMBERED],
    /// Which can be denied, one bit each.
    changes: [u64; KNOWN / 64],
}

/// What is done to the operations of one mount.
#[pin_data]
pub(crate) struct Trouble {
    #[pin]
    state: Mutex<State>,
    /// One for each operation that is not to be held any more.
    #[pin]
    permits: Permits,
}

impl Trouble {
    /// None so far.
    pub(crate) fn new() -> impl PinInit<Self> {
        let state = State {
            plan: Plan::Nothing,
            seen: 0,
            held: None,
            failed: None,
            last: [""; REMEMBERED],
            changes: [0; KNOWN / 64],
        };
        pin_init!(Self {
            state <- new_mutex!(state, "Trouble::state"),
            permits <- Permits::new(),
        })
    }

    /// The operation `what` begins: its number. It is not to be done if this fails.
    pub(super) fn ask(&self, what: &'static str) -> Result<usize> {
        let mut state = self.state.lock();
        let number = state.seen + 1;
        state.seen = number;
        state.last[number % REMEMBERED] = what;
        match state.plan {
            Plan::Hold(planned) if planned == number => {
                state.plan = Plan::Nothing;
                state.held = Some((number, what));
                drop(state);
                self.wait().map(|()| number)
            }
            Plan::Fail(from, to, error) if (from..=to).contains(&number) => {
                state.failed = Some((number, what));
                Err(error)
            }
            Plan::Slow(ms) => {
                drop(state);
                fsleep(Delta::from_millis(ms));
                Ok(number)
            }
            _ => Ok(number),
        }
    }

    /// The operation `what`, which has that `number`, is done: what it says. Where this fails, nothing is to be
    /// cached of what it was about.
    pub(super) fn answer(&self, number: usize, what: &'static str) -> Result {
        let mut state = self.state.lock();
        if let Some(word) = state.changes.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
        match state.plan {
            Plan::Deny(planned, more, error) if planned == number => {
                state.plan = Plan::Fail(number + 1, number.saturating_add(more), EIO);
                state.failed = Some((number, what));
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn wait(&self) -> Result {
        self.permits.take_killable().inspect_err(|_| {
            // Whoever has released it just now has given a permit, which is not the next one's.
            if self.state.lock().held.take().is_none() {
                self.permits.take();
            }
        })
    }

    fn plan(&self, plan: Plan) -> Result {
        let mut state = self.state.lock();
        if state.held.is_some() {
            return Err(EBUSY);
        }
        state.plan = plan;
        state.seen = 0;
        state.failed = None;
        state.changes = [0; KNOWN / 64];
        Ok(())
    }

    fn release(&self) {
        if self.state.lock().held.take().is_some() {
            self.permits.give();
        }
    }
}

/// `operations`.
pub(crate) struct Operations;

impl debugfs::File<Arc<Trouble>> for Operations {
    const NAME: &'static CStr = c"operations";

    fn show(trouble: &Arc<Trouble>, seq: &SeqFile) {
        let state = trouble.state.lock();
        seq_print!(seq, "seen {}\n", state.seen);
        if let Some((number, what)) = state.held {
            seq_print!(seq, "held {number} {what}\n");
        }
        if let Some((number, what)) = state.failed {
            seq_print!(seq, "failed {number} {what}\n");
        }
        seq_print!(seq, "changes");
        for number in 1..KNOWN {
            if state.changes[number / 64] >> (number % 64) & 1 != 0 {
                seq_print!(seq, " {number}");
            }
        }
        seq_print!(seq, "\nlast");
        for number in state.seen.saturating_sub(REMEMBERED)..state.seen {
            seq_print!(seq, " {}", state.last[(number + 1) % REMEMBERED]);
        }
        seq_print!(seq, "\n");
    }
}

impl debugfs::Writable<Arc<Trouble>> for Operations {
    fn store(trouble: &Arc<Trouble>, text: &[u8]) -> Result {
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        let mut words = text.split_ascii_whitespace();
        let command = words.next().ok_or(EINVAL)?;
        let mut number = || words.next()?.parse::<u32>().ok();
        let mut wanted = || number().ok_or(EINVAL);
        match command {
            "hold" => trouble.plan(Plan::Hold(wanted()? as usize)),
            "fail" | "break" | "deny" => {
                let (planned, errno) = (wanted()? as usize, wanted()?);
                let error = match errno {
                    1..=4095 => Error::from_errno(-(errno as c_int)),
                    _ => return Err(EINVAL),
                };
                trouble.plan(match command {
                    "fail" => Plan::Fail(planned, planned, error),
                    "deny" => Plan::Deny(planned, wanted().unwrap_or(0) as usize, error),
                    _ => Plan::Fail(planned, usize::MAX, error),
                })
            }
            "slow" => trouble.plan(Plan::Slow(wanted()?.into())),
            "count" => trouble.plan(Plan::Nothing),
            "release" => {
                trouble.release();
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }
}
