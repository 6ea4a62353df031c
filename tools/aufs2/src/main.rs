// SPDX-License-Identifier: GPL-2.0

//! `aufs2`: answers what people ask of a union, and changes its branches.

mod archive;
mod change;
mod check;
mod commit;
mod copy;
mod diff;
mod discard;
mod doctor;
mod down;
mod export;
mod json;
mod layers;
mod merge;
mod names;
mod object;
mod pseudo;
mod status;
mod stop;
mod tree;
mod union;
mod which;

use aubusy::print::{complain, print};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use union::At;

/// Answers what people ask of a union, and changes its branches
#[derive(Debug, Parser)]
#[command(name = "aufs2", version, after_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

const AFTER: &str = "\
Run it as root: the union gives its branches to root only, wherever their paths lead;
others look at them by their paths.

Exit status: 0 if so (which: it is there; diff: there are no changes; busy: nobody;
check: nothing is wrong; doctor: nothing is missing) or if it is done, 1 if not,
2 if that cannot be found out or done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// The unions that are mounted, their branches, and the room on them
    Status {
        /// Only the union that this is in
        path: Option<PathBuf>,
    },
    /// The branches that a path is on: what shows, what is merged with it, what is hidden
    Which {
        /// A path in a union, also one that was deleted
        path: PathBuf,
    },
    /// What a branch adds (A) to those below it, changes (C) and deletes (D)
    Diff {
        /// A path in the union
        union: PathBuf,
        /// The branch, by path or index; without it, the topmost one that is written to
        branch: Option<OsString>,
        #[command(flatten)]
        to: diff::To,
    },
    /// Who keeps a branch from being removed
    Busy {
        /// A path in the union
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
    },
    /// Whether what is on a branch that is not in use means what it seems to
    Check {
        /// The branch
        dir: PathBuf,
    },
    /// Make one layer of the topmost branch that is written to and the one below it: --to, --swap or both say where
    Commit {
        /// A path in the union
        union: PathBuf,
        #[command(flatten)]
        how: commit::How,
    },
    /// Throw away what is on the branch that is written to
    Discard {
        /// A path in the union
        union: PathBuf,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// The branch, by its path or index, where it is not the first, or not the only one that is written to
        #[arg(long)]
        branch: Option<OsString>,
    },
    /// Move files to a lower branch that is written to
    Down(down::How),
    /// What building the module by dkms takes, what of it is missing, and whether the module is there
    Doctor {
        /// The kernel; without it, the one that is running
        kernel: Option<String>,
    },
    /// What completes command lines in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// List, add, remove, move and change branches
    #[command(subcommand)]
    Layers(change::Layers),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where that cannot be written to there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            complain("aufs2", &message);
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let json = arguments.json;
    match &arguments.command {
        Command::Status { path } => status::run(path.as_deref(), json).map(|()| true),
        Command::Which { path } => which::run(path, json),
        Command::Diff { union, branch, to } => {
            diff::run(union, branch.as_deref(), to, json).map(|differs| !differs)
        }
        Command::Busy { union, branch } => busy(union, branch, json),
        Command::Check { dir } => check::run(dir, json),
        Command::Commit { union, how } => commit::run(union, how, json).map(|()| true),
        Command::Discard { union, yes, branch } => {
            discard::run(union, branch.as_deref(), *yes, json)
        }
        Command::Down(how) => down::run(how, json).map(|()| true),
        Command::Doctor { kernel } => doctor::run(kernel.as_deref(), json),
        Command::Completions { shell } => completions(*shell, json).map(|()| true),
        Command::Layers(layers) => change::run(layers, json).map(|()| true),
    }
}

/// Prints what a shell completes command lines by.
fn completions(shell: Shell, json: bool) -> Result<(), String> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "aufs2", &mut text);
    if json {
        let text = String::from_utf8_lossy(&text).into_owned();
        let rows = [Completions {
            shell: shell.to_string(),
            text,
        }];
        return json::print(&rows);
    }
    print(|out| out.write_all(&text))
}

/// What a shell completes command lines by.
#[derive(Serialize)]
struct Completions {
    shell: String,
    text: String,
}

/// Who keeps a branch, as it is told.
#[derive(Serialize)]
struct Holder {
    pid: u32,
    command: String,
    how: String,
    path: String,
}

/// Prints who keeps a branch; whether nobody does.
fn busy(path: &Path, branch: &OsStr, json: bool) -> Result<bool, String> {
    let at = At::of(path)?;
    let holders = aubusy::holders_of(at.ask()?, path, branch)?;
    if json {
        let row = |holder: &aubusy::Holder| Holder {
            pid: holder.pid,
            command: holder.command.clone(),
            how: holder.of.how.to_string(),
            path: union::lossy(&holder.of.path),
        };
        let rows: Vec<Holder> = holders.iter().map(row).collect();
        json::print(&rows)?;
    } else {
        let mut rows = holders.iter();
        print(|out| rows.try_for_each(|holder| writeln!(out, "{holder}")))?;
    }
    Ok(holders.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Arguments::command().debug_assert();
    }

    /// All that there is can be completed.
    #[test]
    fn completed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "aufs2", &mut text);
            let text = String::from_utf8(text).expect("text");
            for word in Arguments::command().get_subcommands() {
                assert!(text.contains(word.get_name()), "{shell}: {word}");
            }
            assert!(text.contains("oci"));
        }
    }
}
