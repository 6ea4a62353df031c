// SPDX-License-Identifier: GPL-2.0

//! What a copy-up copies: data with its holes, extended attributes, ACLs, flags.

use crate::{
    union::{branch::branch::Branch, object::stack::Layer, text::options::Attributes},
    vfs::{
        attr::{
            acl,
            attr::Attr,
            fileattr,
            stat::Stat,
            xattr::{self, NameList},
        },
        below::copy::{CopyRange, RangeOp},
        mount::{file::KernelFile, path::Path, write_access::WriteAccess},
        object::dentry::Dentry,
        sync::{task::fatal_signal_pending, thread},
        value::{
            errno::{ENODATA, EOPNOTSUPP},
            flags,
            mode::FileType,
        },
    },
};
use kernel::prelude::*;

/// How much is copied between two looks at the signals.
const CHUNK: i64 = 1 << 20;

/// What is not looked for holes if it has blocks for all of it: one page.
const SMALL: i64 = 4096;

/// How much of a file's data its copy needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// All of it.
    All,
    /// None: the file is about to be truncated.
    Nothing,
}

/// What is to be done for a copy's data before the copy shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Nothing. There is none, or it is in blocks that the source has, too: the filesystem wrote them
    /// out before it shared them (`generic_remap_file_range_prep`), and whoever finds the copy's name
    /// after a crash finds them, for what it logs is in the order in which it was done.
    Safely,
    /// It may be in memory only.
    ToMemory,
}

/// Copies what is needed of the `data` that the file at `source`, whose attributes `stat` are, has to the empty `target`.
/// Shares the blocks where the filesystem can, and leaves holes holes. `EINTR` when the task is to die: no other signal
/// ends it, and no limit of the task's applies.
///
/// Not with the right to write to the branch, which is asked for on the way, and which comes after the locks that
/// reading takes: `Documentation/locking.md`.
pub(crate) fn copy(
    source: Path<'_>,
    target: &KernelFile,
    stat: &Stat,
    data: Data,
) -> Result<Copied> {
    let len = stat.size();
    if len == 0 || data == Data::Nothing {
        return Ok(Copied::Safely);
    }
    let flags = flags::O_RDONLY | flags::O_LARGEFILE | flags::O_NOATIME;
    let source = KernelFile::open(source, flags)?;
    let mut copying = Copying {
        is_sparse: source.can_seek() && !(len <= SMALL && stat.is_dense()),
        source: &source,
        target,
        len,
        at: 0,
        data_end: 0,
    };
    // CAST: A size is not negative.
    if thread::file_size_limit() < len as u64 {
        return thread::run(|| copying.all())?;
    }
    match copying.all() {
        // Splicing ends for any signal that is pending, and does so until it has been dealt with.
        Err(e) if is_interrupted(e) && !fatal_signal_pending() => thread::run(|| copying.rest())?,
        other => other,
    }
}

/// Whether `e` says that there is a signal.
fn is_interrupted(e: Error) -> bool {
    e == EINTR || e == ERESTARTSYS || e == ERESTARTNOINTR || e == ERESTARTNOHAND
}

/// Data that is being copied, and how far that is.
struct Copying<'a> {
    source: &'a KernelFile,
    target: &'a KernelFile,
    len: i64,
    at: i64,
    /// Up to where there is no hole, if the source can tell.
    data_end: i64,
    is_sparse: bool,
}

impl Copying<'_> {
    fn all(&mut self) -> Result<Copied> {
        let whole = CopyRange {
            from: 0,
            to: 0,
            len: self.len,
        };
        let op = RangeOp::Clone(0);
        if self.source.copy_range_to(self.target, whole, op) == Ok(self.len) {
            return Ok(Copied::Safely);
        }
        self.rest()
    }

    fn rest(&mut self) -> Result<Copied> {
        while self.at < self.len {
            if fatal_signal_pending() {
                return Err(EINTR);
            }
            if self.is_sparse && self.at >= self.data_end {
                match self.source.seek(self.at, self.at, flags::SEEK_DATA) {
                    // A server that says so has no end.
                    Ok(data) if data < self.at => self.is_sparse = false,
                    Ok(data) => {
                        self.at = data;
                        let end = self.source.seek(data, data, flags::SEEK_HOLE);
                        self.data_end = end.unwrap_or(self.len);
                        self.is_sparse = self.data_end > data;
                        continue;
                    }
                    // Nothing but a hole up to the end.
                    Err(e) if e == ENXIO => break,
                    Err(_) => self.is_sparse = false,
                }
            }
            let end = match self.is_sparse {
                true => self.data_end.min(self.len),
                false => self.len,
            };
            let range = CopyRange {
                from: self.at,
                to: self.at,
                len: (end - self.at).min(CHUNK),
            };
            match self.source.splice_to(self.target, range)? {
                // The file has become shorter since its size was taken.
                0 => break,
                moved => self.at += moved,
            }
        }
        if self.target.inode().size() < self.len {
            self.target.set_size(self.len)?;
        }
        Ok(Copied::ToMemory)
    }
}

/// Gives `copy` on the branch `target` the attributes of `source`, which has `stat`. Of the `chattr(1)` flags those that
/// still make sense on a copy: those that forbid changes do not, as it is made in order to be changed.
pub(crate) fn copy_attributes(
    source: &Layer,
    stat: &Stat,
    target: &Branch,
    access: &WriteAccess<'_>,
    copy: &Dentry,
) -> Result {
    let path = source.path();
    let attributes = |branch: &Branch| branch.permission().attributes;
    let lose = attributes(target).with(attributes(&source.branch));
    let group_bits = copy_xattrs(path, access, copy, lose)?;
    fileattr::copy_flags(path, access, copy)?;
    let mut mode = stat.mode();
    if mode.is_regular() && path.mnt().has_no_privileges() {
        // Set-id bits that mean nothing on the branch would mean something on the copy.
        mode = mode.without_set_id();
    }
    if let Some(bits) = group_bits {
        mode.0 &= !0o070 | bits;
    }
    let times = Attr::times(stat);
    let attr = if mode.file_type() == FileType::Symlink {
        times.and_owner(stat)
    } else if mode.has_set_id() {
        // After the owner, whose change takes set-id bits away, even those that come with it on
        // a server.
        Attr::owner(stat).apply(access, copy)?;
        times.and_mode(mode)
    } else {
        times.and_owner(stat).and_mode(mode)
    };
    attr.apply(access, copy)
}

/// Copies the extended attributes, ACLs included, of the object at `source` to `target`. Attributes
/// that `target`'s filesystem does not know are left out, but not those that decide who may do what.
///
/// `lose` says which may be lost if they cannot be copied. Returns the permission bits that the owning
/// group is to have if that is not what the mode of `source` says, for its ACL was lost.
fn copy_xattrs(
    source: Path<'_>,
    access: &WriteAccess<'_>,
    target: &Dentry,
    lose: Attributes,
) -> Result<Option<u16>> {
    // What the directory's default ACL gave the copy is not the source's.
    acl::clear(access, target)?;
    let names = match NameList::of(source) {
        Err(e) if e == EOPNOTSUPP => return Ok(None),
        other => other?,
    };
    let mut group_bits = None;
    for name in names.iter() {
        let may_lose = |e| e != ENOMEM && lose.has(class(name));
        if !xattr::may_copy(source, name)? {
            continue;
        }
        if acl::is_acl(name) {
            match acl::copy(source, access, target, name) {
                Err(lost) if may_lose(lost.error) => group_bits = lost.group_bits.or(group_bits),
                other => other.map_err(|lost| lost.error)?,
            }
            continue;
        }
        match copy_xattr(source, access, target, name) {
            Err(e) if may_lose(e) => {}
            other => other?,
        }
    }
    Ok(group_bits)
}

fn copy_xattr(source: Path<'_>, access: &WriteAccess<'_>, target: &Dentry, name: &CStr) -> Result {
    if name == xattr::CAPABILITY && source.mnt().has_no_privileges() {
        // They mean nothing there, and would here.
        return Ok(());
    }
    let value = match xattr::get_all(source, name) {
        // It went in between, or is listed without being there.
        Err(e) if e == ENODATA || e == EOPNOTSUPP => return Ok(()),
        // An empty one, which any user can store, cannot be read, and means nothing.
        Err(e) if e == EINVAL && is_capability(name) => return Ok(()),
        other => other?,
    };
    if value.is_empty() && is_capability(name) {
        // No filesystem means anything by it, and some refuse to set it.
        return Ok(());
    }
    match xattr::set(access, target, name, &value, 0) {
        Err(e) if e == EOPNOTSUPP && !decides_access(name) => Ok(()),
        other => other,
    }
}

/// The attribute of a branch that allows to lose the extended attribute `name`.
fn class(name: &CStr) -> Attributes {
    let name = name.to_bytes();
    if name.starts_with(b"security.") {
        Attributes::LOSE_SECURITY
    } else if name.starts_with(b"system.") {
        Attributes::LOSE_SYSTEM
    } else if name.starts_with(b"trusted.") {
        Attributes::LOSE_TRUSTED
    } else if name.starts_with(b"user.") {
        Attributes::LOSE_USER
    } else {
        Attributes::LOSE_OTHER
    }
}

/// Whether a security module decides by the attribute who may do what.
fn decides_access(name: &CStr) -> bool {
    name.to_bytes().starts_with(b"security.")
}

fn is_capability(name: &CStr) -> bool {
    name.to_bytes() == b"security.capability"
}
