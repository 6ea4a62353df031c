// SPDX-License-Identifier: GPL-2.0

//! `mount.aufs2`: what mount(8) runs for `mount -t aufs2`.
//!
//! The kernel takes options of at most 255 bytes.  This helper cuts a list of
//! branches into as many options as it needs, hands over a path that is longer
//! by itself as an open folder, turns the generic options into attributes of
//! the mount, and prints what the kernel has to say when it refuses.

use aubusy::print::escaped;
use clap::Parser;
use mount_aufs2::error::{Error, Result, say};
use mount_aufs2::{kernel, options};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Mounts a union, or changes a mounted one; mount(8) runs this for aufs2.
#[derive(Debug, Parser)]
#[command(name = "mount.aufs2", bin_name = "mount.aufs2", version, after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are what mount(8) passes"
)]
struct Arguments {
    /// The name that /proc/mounts is to show, by custom "none"
    source: OsString,

    /// Where to mount, or what to remount
    directory: PathBuf,

    /// Options, comma separated, with "\," for a comma in a path
    #[arg(short = 'o', value_name = "OPTIONS", allow_hyphen_values = true)]
    options: Vec<OsString>,

    /// Read the options and stop there
    #[arg(short = 'f')]
    fake: bool,

    /// Accepted: there is no /etc/mtab to write
    #[arg(short = 'n')]
    no_mtab: bool,

    /// Leave out the options that the kernel does not know
    #[arg(short = 's')]
    sloppy: bool,

    /// Print every option the way the kernel gets it
    #[arg(short = 'v')]
    verbose: bool,

    /// Mount in another mount namespace, given by a file or a process id
    #[arg(short = 'N', value_name = "NAMESPACE")]
    namespace: Option<OsString>,

    /// The filesystem type: aufs2, or aufs, which holds the mounts of its branches
    #[arg(short = 't', value_name = "TYPE", default_value = "aufs2")]
    kind: OsString,
}

const EXAMPLES: &str = "\
Branches:
  br:PATH[=PERM][:PATH[=PERM]...]    the first branch is the topmost one
  PERM is rw, ro or rr, with attributes: ro+wh.  In a path \"\\:\" stands for a
  colon, \"\\,\" for a comma, \"\\=\" for an equals sign, and \"\\\\\" for a
  backslash.  Any number of branches with paths of any length will do.

On a remount, br:, dirs: and dirsync are left out: mount(8) repeats them from fstab(5).

Examples:
  mount -t aufs2 -o br:/rw=rw:/ro=ro none /union
  mount -t aufs2 -o br:mem=rw:/ro=ro,size=50% none /union
  mount -o remount,ro /union";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // To stdout for --help and --version, to stderr for a mistake. Where
            // that cannot be written to there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            error.exit_code()
        }
    }
}

fn run(arguments: &Arguments) -> Result {
    let mut kinds = kernel::TYPES.iter();
    let kind = kinds.find(|kind| arguments.kind == **kind).ok_or_else(|| {
        let kind = escaped(&arguments.kind);
        Error::usage(format!("option -t {kind}: this mounts aufs2 only"))
    })?;
    let texts: Vec<&[u8]> = arguments
        .options
        .iter()
        .map(|text| text.as_bytes())
        .collect();
    let request = options::Request::parse(&texts.join(&b','))?;
    if arguments.verbose {
        for option in &request.repeated {
            say(format_args!(
                "left out on a remount: {}",
                options::Shown(option)
            ));
        }
    }
    if arguments.fake {
        if arguments.verbose {
            for param in &request.params {
                say(format_args!("fsconfig {param}"));
            }
        }
        return Ok(());
    }
    if let Some(namespace) = &arguments.namespace {
        kernel::enter_namespace(namespace)?;
    }
    let manner = kernel::Manner {
        sloppy: arguments.sloppy,
        verbose: arguments.verbose,
    };
    if request.remount {
        kernel::remount(&arguments.directory, &request, manner)
    } else {
        let (source, directory) = (&arguments.source, &arguments.directory);
        kernel::mount(kind, source, directory, &request, manner)
    }
}
