// SPDX-License-Identifier: GPL-2.0

//! What `--json` prints.

use serde::Serialize;

/// Prints what is found, in one line.
pub fn print<T: Serialize + ?Sized>(rows: &T) -> Result<(), String> {
    let text = serde_json::to_string(rows).map_err(|e| e.to_string())?;
    aubusy::print::print(|out| writeln!(out, "{text}"))
}
