// SPDX-License-Identifier: GPL-2.0

//! `aubusy`: tells who keeps a branch of a mounted union from being removed.

use aubusy::print::{complain, print};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tells who keeps a branch of a union from being removed
#[derive(Debug, Parser)]
#[command(name = "aubusy", version, after_help = AFTER)]
struct Arguments {
    /// Where the union is mounted
    mountpoint: PathBuf,

    /// The branch: its path, or its index, 0 for the topmost one
    branch: std::ffi::OsString,

    /// Print the process ids only, each once
    #[arg(short, long)]
    quiet: bool,
}

const AFTER: &str = "\
Prints a line for each use: process id, command, how (fd N, cwd, root, exe, mapping)
and path.

Exit status: 0 if no process keeps the branch, 1 if one does, 2 if that cannot
be found out.";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(is_busy) => ExitCode::from(u8::from(is_busy)),
        Err(message) => {
            complain("aubusy", &message);
            ExitCode::from(2)
        }
    }
}

/// Prints who keeps the branch; whether anybody does.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let mut holders = aubusy::holders(&arguments.mountpoint, &arguments.branch)?;
    if arguments.quiet {
        holders.dedup_by_key(|holder| holder.pid);
    }
    print(|out| {
        holders.iter().try_for_each(|holder| {
            if arguments.quiet {
                writeln!(out, "{}", holder.pid)
            } else {
                writeln!(out, "{holder}")
            }
        })
    })?;
    Ok(!holders.is_empty())
}
