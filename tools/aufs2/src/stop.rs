// SPDX-License-Identifier: GPL-2.0

//! Ends what takes long, when somebody wants that, at a place where all can be left as it was.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What is said then.
pub const SAID: &str = "it was interrupted";

static WANTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on a signal that asks a program to end is noticed by [`is_wanted`] only.
pub fn on_signals() -> Result<(), String> {
    let wanted = WANTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let noticed = flag::register(signal, wanted.clone());
        noticed.map_err(|e| format!("signals: {e}"))?;
    }
    Ok(())
}

/// Whether the program is to end.
pub fn is_wanted() -> bool {
    WANTED
        .get()
        .is_some_and(|wanted| wanted.load(Ordering::Relaxed))
}
