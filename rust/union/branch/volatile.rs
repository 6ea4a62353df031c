// SPDX-License-Identifier: GPL-2.0

//! `fsync=volatile`: nothing is written out for the union's sake.
//!
//! What is on such a branch after a crash is anything. A mark at its root says so, from before the
//! first change until all was written out; who finds it there does not use the branch. Errors of
//! writing out are told to everybody who asks for it, though nothing is written out then.

use super::branch::Branch;
use crate::{
    union::text::names,
    vfs::{
        admin::log::Log,
        below::namei::{self, Creating, Removing},
        mount::{file::KernelFile, write_access::WriteAccess},
        value::{flags, mode::Mode, name::Name},
    },
};
use kernel::{prelude::*, sync::Arc};

/// The name of the mark.
const MARK: &Name = Name::literal(names::VOLATILE);

/// The mode of the mark: nobody has a reason to read or write it.
const MODE: Mode = Mode(0o100444);

/// Refuses a branch that was volatile when the machine went down, or is at the moment: `EINVAL`.
pub(crate) fn check(log: &Log, branch: &Branch) -> Result {
    if namei::lookup(branch.mnt(), branch.root(), MARK)?.is_none() {
        return Ok(());
    }
    log.error(fmt!(
        "branch '{}' was not written out after its use with fsync=volatile: see whether it is whole, \
        and remove '{}' from it to use it",
        branch.name(),
        kernel::str::BStr::from_bytes(names::VOLATILE)
    ));
    Err(EINVAL)
}

/// Marks the writable branches of `branches`, with the mounter's credentials; none of them if one cannot
/// be.
pub(crate) fn begin(log: &Log, branches: &[Arc<Branch>]) -> Result {
    for branch in branches.iter().filter(|branch| branch.is_writable()) {
        mark(branch).inspect_err(|e| {
            log.error(fmt!(
                "branch '{}' cannot be marked for fsync=volatile: error {}",
                branch.name(),
                e.to_errno()
            ));
            end_all(branches);
        })?;
    }
    Ok(())
}

/// Brings the marks of `branches` up to date: those that are written to have one if the
/// union `is_volatile`, and no others. For when nothing may fail any more.
pub(crate) fn adjust(log: &Log, branches: &[Arc<Branch>], is_volatile: bool) {
    for branch in branches {
        if !(is_volatile && branch.is_writable()) {
            end(branch);
        }
    }
    if is_volatile && begin(log, branches).is_err() {
        pr_warn!("a branch is used with fsync=volatile, and has no mark of it\n");
    }
}

/// Takes the marks off `branches`, if they are whole.
pub(crate) fn end_all(branches: &[Arc<Branch>]) {
    branches.iter().for_each(|branch| end(branch));
}

/// Takes the mark off `branch`, if there is one, after having all of it written out. It stays where
/// something went wrong.
pub(crate) fn end(branch: &Branch) {
    if !branch.is_volatile() {
        return;
    }
    let done = branch
        .mnt()
        .super_block()
        .sync()
        .and_then(|()| branch.check_writes())
        .and_then(|()| {
            // Nobody waits for the end of a freeze here: an unmount would not end.
            let access = branch.mnt().try_want_write()?;
            Removing::start(&access, branch.root(), MARK).and_then(Removing::unlink)
        })
        .and_then(|()| write_out_root(branch));
    branch.volatile_mark.clear();
    if let Err(e) = done {
        pr_warn!(
            "branch '{}' keeps its mark of fsync=volatile (error {})\n",
            branch.name(),
            e.to_errno()
        );
    }
}

fn mark(branch: &Branch) -> Result {
    if branch.is_volatile() {
        return Ok(());
    }
    let errors = branch.mnt().super_block().write_errors()?;
    {
        let access = branch.mnt().want_write()?;
        make(&access, branch)?;
    }
    write_out_root(branch)?;
    branch.volatile_mark.set(errors);
    Ok(())
}

fn make(access: &WriteAccess<'_>, branch: &Branch) -> Result {
    match Creating::start(access, branch.root(), MARK) {
        Ok(creating) => creating.create(MODE).map(|_| ()),
        // It was writable before, and something had gone wrong.
        Err(e) if e == EEXIST => Ok(()),
        Err(e) => Err(e),
    }
}

/// The mark is there, or not, before anything else is.
fn write_out_root(branch: &Branch) -> Result {
    KernelFile::open(branch.at(branch.root()), flags::READ_DIR)?.sync_names()
}
