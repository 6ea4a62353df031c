// SPDX-License-Identifier: GPL-2.0

//! `aufs2`: answers what people ask of a union, and changes its branches.

mod check;
mod diff;
mod layers;
mod names;
mod status;
mod union;
mod which;

use clap::{Parser, Subcommand};
use mount_aufs2::{kernel, options};
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
Branches are looked at by their paths: run it as root, where the union was mounted.

Exit status: 0 if so (which: it is there; diff: there are no changes; busy: nobody;
check: nothing is wrong), 1 if not, 2 if that cannot be found out or done.";

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
    /// Add, remove, move and change branches, all at once or none
    #[command(subcommand)]
    Layers(Layers),
}

#[derive(Debug, Subcommand)]
enum Layers {
    /// The branches, topmost first
    List {
        /// A path in the union
        union: PathBuf,
    },
    /// Add a branch
    Add {
        /// Where the union is mounted
        union: PathBuf,
        /// The directory
        path: PathBuf,
        /// rw, ro, rr, with +wh and the like
        #[arg(short, long, default_value = "ro")]
        permission: String,
        /// Its index, 0 for the topmost one; without it, it is the lowest
        #[arg(short, long)]
        index: Option<usize>,
    },
    /// Remove a branch
    Del {
        /// Where the union is mounted
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
    },
    /// Move a branch
    Move {
        /// Where the union is mounted
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
        /// Its new index
        index: usize,
    },
    /// Change the permission of a branch
    Mod {
        /// Where the union is mounted
        union: PathBuf,
        /// The branch, by path or index
        branch: OsString,
        /// rw, ro, rr, with +wh and the like
        permission: String,
    },
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
            eprintln!("aufs2: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let json = arguments.json;
    match &arguments.command {
        Command::Status { path } => status::run(path.as_deref(), json).map(|()| true),
        Command::Which { path } => which::run(path, json),
        Command::Diff { union, branch } => {
            diff::run(union, branch.as_deref(), json).map(|differs| !differs)
        }
        Command::Busy { union, branch } => busy(union, branch, json),
        Command::Check { dir } => check::run(dir, json),
        Command::Layers(layers) => change(layers, json).map(|()| true),
    }
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
fn busy(union: &Path, branch: &OsStr, json: bool) -> Result<bool, String> {
    let holders = aubusy::holders(union, branch)?;
    if json {
        let row = |holder: &aubusy::Holder| Holder {
            pid: holder.pid,
            command: holder.command.clone(),
            how: holder.of.how.to_string(),
            path: union::lossy(&holder.of.path),
        };
        let rows: Vec<Holder> = holders.iter().map(row).collect();
        let text = serde_json::to_string(&rows).map_err(|e| e.to_string())?;
        println!("{text}");
    } else {
        for holder in &holders {
            println!("{holder}");
        }
    }
    Ok(holders.is_empty())
}

/// Lists the branches of a union, or changes them.
fn change(layers: &Layers, json: bool) -> Result<(), String> {
    let (at, option) = match layers {
        Layers::List { union } => return status::run(Some(union), json),
        Layers::Add {
            union,
            path,
            permission,
            index,
        } => {
            let path = std::path::absolute(path).map_err(|e| e.to_string())?;
            let path = escaped(path.as_os_str());
            let verb = index.map_or("append".to_owned(), |index| format!("add:{index}"));
            (
                union,
                join(&[verb.as_bytes(), b":", &path, b"=", permission.as_bytes()]),
            )
        }
        Layers::Del { union, branch } => (union, join(&[b"del:", &meant(union, branch)?])),
        Layers::Move {
            union,
            branch,
            index,
        } => {
            let index = index.to_string();
            (
                union,
                join(&[b"mv:", index.as_bytes(), b":", &meant(union, branch)?]),
            )
        }
        Layers::Mod {
            union,
            branch,
            permission,
        } => {
            let branch = meant(union, branch)?;
            (
                union,
                join(&[b"mod:", &branch, b"=", permission.as_bytes()]),
            )
        }
    };
    let text = join(&[b"remount,", &option]);
    let request = options::Request::parse(&text).map_err(|e| e.to_string())?;
    let manner = kernel::Manner {
        sloppy: false,
        verbose: false,
    };
    kernel::remount(at, &request, manner).map_err(|e| e.to_string())
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What the kernel knows a branch by.
fn meant(at: &Path, branch: &OsStr) -> Result<Vec<u8>, String> {
    let (union, _) = union::Union::of(at)?;
    let branch = union.branch(branch)?;
    // One that cannot be come to by a path is known by its index.
    Ok(match branch.dir() {
        Some(dir) => escaped(dir.as_os_str()),
        None => branch.index.to_string().into_bytes(),
    })
}

/// A path as it stands in an option.
fn escaped(path: &OsStr) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if b"\\:,=".contains(&byte) {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}
