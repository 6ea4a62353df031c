// SPDX-License-Identifier: GPL-2.0

//! The system calls: a filesystem context is filled and made into a mount, or
//! applied to one.

use crate::error::{Error, Kind, Result, say};
use crate::flags::Attributes;
use crate::options::{Param, Request};
use aubusy::print::escaped;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MoveMountFlags, fsconfig_create, fsconfig_reconfigure,
    fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick, move_mount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The names that the module registers, of which the first is that of a union if none is said.
pub const TYPES: [&str; 2] = ["aufs2", "aufs"];

/// How to treat options and messages.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Leave out the options that the filesystem does not know.
    pub sloppy: bool,
    /// Print what the kernel has to tell even when all went well.
    pub verbose: bool,
}

/// Mounts a new union, of one of [`TYPES`], with `source` as its name at `target`.
pub fn mount(
    kind: &str,
    source: &OsStr,
    target: &Path,
    request: &Request,
    manner: Manner,
) -> Result {
    let context = Context::open(kind, manner)?;
    context.step(&format!("source {}", escaped(source)), |fd| {
        fsconfig_set_string(fd, "source", source)
    })?;
    context.set_all(&request.params)?;
    context.step("cannot set up the union", |fd| fsconfig_create(fd))?;
    let mount = context.step("cannot make a mount", |fd| {
        fsmount(fd, FsMountFlags::FSMOUNT_CLOEXEC, request.attributes.set)
    })?;
    print(&context.messages(), manner.verbose);
    move_mount(
        &mount,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
            | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS
            | MoveMountFlags::MOVE_MOUNT_T_AUTOMOUNTS,
    )
    .map_err(|errno| {
        // The kernel has no more to say of a file than that it makes no sense.
        let is_file = errno == Errno::INVAL && target.exists() && !target.is_dir();
        let errno = if is_file { Errno::NOTDIR } else { errno };
        Error::kernel(&format!("mount point {}", escaped(target)), errno)
    })
}

/// Reconfigures the union mounted at `target`.
pub fn remount(target: &Path, request: &Request, manner: Manner) -> Result {
    let context = Context::pick(target, manner)?;
    context.set_all(&request.params)?;
    context.step(&format!("cannot remount {}", escaped(target)), |fd| {
        fsconfig_reconfigure(fd)
    })?;
    print(&context.messages(), manner.verbose);
    if request.attributes.is_none() {
        return Ok(());
    }
    let mount = open(target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| set_attributes(fd.as_fd(), request.attributes));
    mount.map_err(|errno| {
        Error::kernel(
            &format!("cannot change the attributes of {}", escaped(target)),
            errno,
        )
    })
}

/// Enters the mount namespace that `-N` named by a file or a process id.
pub fn enter_namespace(name: &OsStr) -> Result {
    let by_pid = name.as_bytes().iter().all(u8::is_ascii_digit);
    let path = if by_pid {
        Path::new("/proc").join(name).join("ns/mnt")
    } else {
        name.into()
    };
    open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Mount)))
        .map_err(|errno| Error::kernel(&format!("namespace {}", escaped(&path)), errno))
}

/// A filesystem context, which collects options and the kernel's messages.
struct Context {
    fd: OwnedFd,
    manner: Manner,
}

impl Context {
    fn open(kind: &str, manner: Manner) -> Result<Self> {
        match fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
            Ok(fd) => Ok(Self { fd, manner }),
            Err(errno) => {
                let hint = match errno {
                    Errno::NODEV => " (is the module inserted?)",
                    _ => "",
                };
                let error = Error::kernel(&format!("filesystem type {kind}{hint}"), errno);
                Err(error.of_rights(errno))
            }
        }
    }

    fn pick(target: &Path, manner: Manner) -> Result<Self> {
        match fspick(CWD, target, FsPickFlags::FSPICK_CLOEXEC) {
            Ok(fd) => Ok(Self { fd, manner }),
            Err(Errno::INVAL) => Err(Error::usage(format!(
                "{} is not a mount point",
                escaped(target)
            ))
            .of_kind(Kind::Mount)),
            Err(errno) => {
                let error = Error::kernel(&escaped(target).to_string(), errno);
                Err(error.of_rights(errno))
            }
        }
    }

    /// Does one step; when it fails, all that the kernel said goes first, and the last of it is the reason.
    fn step<T>(
        &self,
        what: &str,
        step: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Result<T> {
        step(self.fd.as_fd()).map_err(|errno| failed(what, errno, self.messages()))
    }

    fn set_all(&self, params: &[Param]) -> Result {
        for param in params {
            self.set(param)?;
        }
        Ok(())
    }

    fn set(&self, param: &Param) -> Result {
        if self.manner.verbose {
            say(format_args!("fsconfig {param}"));
        }
        let fd = self.fd.as_fd();
        let result = match param {
            Param::Flag(key) => fsconfig_set_flag(fd, &key[..]),
            Param::Text { key, value } => fsconfig_set_string(fd, &key[..], &value[..]),
            Param::Branch { key, path } => {
                let branch = folder(path)?;
                fsconfig_set_fd(fd, &key[..], &branch)
            }
            Param::Link {
                before,
                path,
                after,
            } => {
                let branch = folder(path)?;
                let link = format!("/proc/self/fd/{}", branch.as_raw_fd());
                let key = [before, link.as_bytes()].concat();
                match after.strip_prefix(b"=") {
                    Some(value) => fsconfig_set_string(fd, &key[..], value),
                    None => fsconfig_set_flag(fd, &key[..]),
                }
            }
        };
        let Err(errno) = result else {
            return Ok(());
        };
        let messages = self.messages();
        let unknown = |message: &String| message.contains("Unknown parameter");
        if self.manner.sloppy && messages.iter().any(unknown) {
            return Ok(());
        }
        Err(failed(&format!("option {param}"), errno, messages))
    }

    /// Takes the messages out of the kernel's log, each one with its severity
    /// ahead: `e`, `w` or `i`.
    fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = rustix::io::read(&self.fd, &mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            messages.push(text.trim_end().to_owned());
        }
        messages
    }
}

/// The error of `what`, with the last of the kernel's messages as its reason. The others are printed.
fn failed(what: &str, errno: Errno, mut messages: Vec<String>) -> Error {
    let last = messages.iter().rposition(|text| text.starts_with("e "));
    let last = last.map(|at| messages.remove(at));
    print(&messages, true);
    let error = Error::kernel(what, errno);
    match last.as_deref().and_then(|last| last.split_once(' ')) {
        Some((_, text)) => error.with_reason(text),
        None => error,
    }
}

/// Prints the errors and warnings among the kernel's messages, and with `all`
/// the rest as well.
fn print(messages: &[String], all: bool) {
    for message in messages {
        match message.split_once(' ') {
            Some(("e" | "w", text)) => say(text),
            Some((_, text)) if all => say(text),
            _ => {}
        }
    }
}

/// Opens a folder whose path is too long for an option.
fn folder(path: &[u8]) -> Result<OwnedFd> {
    open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| {
        Error::kernel(
            &format!("branch {}", escaped(OsStr::from_bytes(path))),
            errno,
        )
    })
}

/// `mount_setattr(2)`, which rustix does not have.
fn set_attributes(mount: BorrowedFd<'_>, change: Attributes) -> rustix::io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: change.set.bits().into(),
        attr_clr: change.clear.bits().into(),
        propagation: 0,
        userns_fd: 0,
    };
    let path: &CStr = c"";
    // SAFETY: The path is a C string and `attributes` as large as is said; the
    // kernel only reads both, and only for the time of the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
