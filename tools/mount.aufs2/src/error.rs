// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, and the exit status that mount(8) expects for it.

use rustix::io::Errno;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why nothing was mounted.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

/// The exit statuses of mount(8) that a helper has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wrong arguments, or not allowed to mount at all.
    Usage = 1,
    /// The system lacks something: memory, descriptors, the mount API.
    System = 2,
    /// Interrupted by a signal.
    Interrupted = 8,
    /// The mount failed.
    Mount = 32,
}

/// The result of a step of mounting.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// An error in the arguments. `message` names the option.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
        }
    }

    /// What the kernel answered. `what` names the step and the option or path.
    pub fn kernel(what: &str, errno: Errno) -> Self {
        let kind = match errno {
            Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::NOSYS => Kind::System,
            Errno::INTR => Kind::Interrupted,
            _ => Kind::Mount,
        };
        Self {
            kind,
            message: format!("{what}: {}", reason(errno)),
        }
    }

    /// The same error with what the kernel gives as its reason.
    #[must_use]
    pub fn with_reason(self, reason: &str) -> Self {
        let message = format!("{} ({reason})", self.message);
        Self { message, ..self }
    }

    /// The same error, as one of a user who may not mount at all if that is what `errno` says.
    #[must_use]
    pub fn of_rights(self, errno: Errno) -> Self {
        match errno {
            Errno::PERM => self.of_kind(Kind::Usage),
            _ => self,
        }
    }

    /// The same error as one of another kind.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The status to exit with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says something on the standard error. Where that cannot be written to there is nobody to tell, and no
/// reason to leave what is under way.
pub fn say(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "mount.aufs2: {message}");
}

/// The text of an errno, as strerror(3) has it.
fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
