// SPDX-License-Identifier: GPL-2.0

//! Regular files.

use super::{control, durable};
use crate::{
    mmap::{
        self,
        pasts::{Known, Snapshots},
    },
    union::{
        branch::branch::Branch,
        copy::{
            copy_up::{self},
            data::Data,
        },
        find::refresh,
        object::{
            instance::Union,
            node::copy_attr,
            stack::{Layer, Stack},
        },
        text::{options::Attributes, settings::Mmap},
    },
    vfs::{
        admin::ioctl::Command,
        below::{
            copy::{CopyRange, RangeOp},
            open::{self, WritersKeptOut},
        },
        mm::{front_file::FrontPath, vma::NewMapping},
        mount::{file::KernelFile, file_chain::FileChain},
        ops::{
            backing::{self, Change, Hooks, Iocb, Iter, LockedPipe, Pipe},
            file_ops::{self, Owner},
            vtable::Without,
        },
        own::{
            file::{FsFile, Opening},
            file_system::InodeTables,
            inode::OwnInode,
        },
        sync::{
            load::Load,
            lockdep,
            rcu::RcuArc,
            task::{self, fatal_signal_pending},
        },
        value::{
            errno::{EOPNOTSUPP, ESTALE},
            flags,
        },
    },
};
use core::{cell::Cell, ops::Range};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Release},
        Arc, Mutex,
    },
};

/// The tables of regular files.
pub(crate) fn tables() -> InodeTables<Union> {
    InodeTables::with_file::<Without<Union>, RegularFile>()
}

/// Flags that may change later, by `fcntl(F_SETFL)` or by a remount with another `fsync=`.
const CHANGEABLE: u32 = flags::O_APPEND | flags::O_NONBLOCK | flags::O_DIRECT | SYNC;

/// Those that have each write written out; `O_DSYNC` is a part of it.
const SYNC: u32 = flags::O_SYNC;

/// The attributes of a branch whose regular files are copied up when they are opened.
const COPIES_FILES: Attributes =
    Attributes::COPY_REGULAR_ON_OPEN.with(Attributes::COPY_ALL_ON_OPEN);

/// Copies up what `file` is opened on for reading, if the attributes of its branch say so. Where that
/// cannot be done, it is read where it is; so it is through a mount, or of a union, that is read-only
/// or frozen, and by a listener of fanotify's, who may have to answer for what reads it. Says whether
/// it was copied up.
pub(crate) fn copy_on_open(file: &FsFile<Union>, at: &Layer, attributes: Attributes) -> bool {
    let branch = &at.branch;
    if !branch.permission().attributes.has(attributes) || branch.is_writable() || file.is_silent() {
        return false;
    }
    // Reading does not wait for the end of a freeze.
    let access = file.mount().try_want_write();
    access.is_ok() && copy_up::ensure(file.dentry(), Data::All).is_ok()
}

/// A descriptor is open on an inode.
pub(crate) struct Opened(ARef<OwnInode<Union>>);

impl Opened {
    /// Counts it.
    pub(crate) fn new(inode: &OwnInode<Union>) -> Self {
        inode.data().opened(task::current_id());
        Self(inode.into())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.data().closed();
    }
}

/// An open regular file.
#[pin_data]
pub(crate) struct OpenFile {
    _opened: Option<Opened>,
    /// Of what is open for being executed: the kernel asks the inode of the union, which knows of
    /// open descriptors, but not of maps that outlive them. Given up before the file.
    _executed: Option<WritersKeptOut>,
    /// The generation of the branches that the current file was looked at in.
    seen: Atomic<usize>,
    /// The files on the branches, of which one at a time is current.
    chain: FileChain,
    /// Held to make another file current, and for nothing that waits for anything but memory: it is
    /// taken below `mmap_lock`.
    #[pin]
    chain_lock: Mutex<()>,
    /// Held for seeks, which use the position of the current file.
    #[pin]
    lock: Mutex<()>,
}

/// Opens the object that `user` shows on its branch. `first` is called when it is clear that the
/// branch stays for as long as the file is open.
fn open_real(
    user: &FsFile<Union>,
    mut stack: RcuArc<Stack>,
    flags: u32,
    first: impl Fn(),
) -> Result<KernelFile> {
    loop {
        let node = user.own_inode().data();
        let inside = stack.top().branch.gate.enter();
        if inside.is_some() && node.stands_for(&stack) {
            first();
            return open_at(user, &stack, flags);
        }
        let was_open = inside.is_some();
        drop(inside);
        if was_open {
            // It was moved down, and the gate opened again, since the stack was looked at; or it was copied up.
            stack = node.stack()?;
            continue;
        }
        // The branch may be about to go. Once that is decided, either its gate is open again, or the
        // inode stands for something else.
        if fatal_signal_pending() {
            return Err(EINTR);
        }
        user.own_inode().sb().data().wait_for_change();
        stack = refresh::stack(user.dentry())?;
    }
}

fn open_at(user: &FsFile<Union>, stack: &Stack, flags: u32) -> Result<KernelFile> {
    let path = stack.top().path();
    let cred = &user.own_inode().sb().data().cred;
    // The union keeps access times itself.
    let flags = flags & !flags::NOT_BELOW | flags::O_NOATIME;
    // Security modules take whoever allocates a file for the one who opened it: the mounter, as of
    // all that is done on branches.
    cred.scope(|| {
        let flags = open::may_open(path, flags, path.idmap())?;
        backing::open_backing(user, flags, path, cred)
    })
}

impl OpenFile {
    /// The file on the branch that the inode stands for now, with the flags that `user` has now.
    #[inline]
    fn real(&self, user: &FsFile<Union>) -> Result<&KernelFile> {
        let real = self.chain.current();
        let node = user.own_inode();
        let flags = user.flags();
        if self.seen.load_once() == node.sb().data().generation()
            && node.data().is_at(real.path().dentry())
            && flags & SYNC == 0
            && (flags ^ real.flags()) & CHANGEABLE == 0
        {
            return Ok(real);
        }
        self.real_anew(user)
    }

    #[cold]
    fn real_anew(&self, user: &FsFile<Union>) -> Result<&KernelFile> {
        let generation = user.own_inode().sb().data().generation();
        if self.seen.load_once() != generation {
            self.catch_up(user, generation)?;
        }
        let mut real = self.chain.current();
        if !shows(user.own_inode(), real) {
            real = self.refresh(user)?;
        }
        let mut flags = user.flags();
        if flags & SYNC != 0 && user.own_inode().sb().data().is_volatile() {
            flags &= !SYNC;
        }
        if (flags ^ real.flags()) & CHANGEABLE != 0 {
            real.set_flags(flags, CHANGEABLE)?;
        }
        Ok(real)
    }

    /// The branches have changed.
    fn catch_up(&self, user: &FsFile<Union>, generation: usize) -> Result {
        // What cannot be brought up to date shows what it showed.
        if user.own_inode().sb().data().settings().refrof() && !user.is_writable() {
            refresh::refresh(user.dentry())?;
        }
        // Who finds this has the inode as it was brought up to date, in `real`, where it is asked for first.
        self.seen.store(generation, Release);
        Ok(())
    }

    /// The object was copied up since the file was opened, or its name means another one. Only a
    /// reader can be in that situation, or an open that is not complete: whoever may write has the
    /// copy, and keeps it.
    fn refresh(&self, user: &FsFile<Union>) -> Result<&KernelFile> {
        let stack = user.own_inode().data().stack()?;
        let real = open_real(user, stack, user.flags(), || ())?;
        self.make_current(user, real)
    }

    /// Makes `real` the current file, unless the current one is of the right object by now. Should
    /// `real` be outdated already, the next look at the file will say so.
    fn make_current(&self, user: &FsFile<Union>, real: KernelFile) -> Result<&KernelFile> {
        let _guard = self.chain_lock.lock();
        if !shows(user.own_inode(), self.chain.current()) {
            // What could not be written out since the descriptor was opened, it has not been told of by the other file.
            real.tell_all_errors();
            self.chain.push(real)?;
            file_ops::share_mapping::<RegularFile>(user, self);
        }
        Ok(self.chain.current())
    }

    /// The file to be mapped: as [`Self::real`], but below `mmap_lock`. There, no name may be looked
    /// up, since who reads a directory writes to user memory with it locked, and nobody be waited
    /// for who changes the branches. So a descriptor from before a change of the branches maps the
    /// file that it read last, if nobody has used the name since, or if the name means something on
    /// a stacked branch now.
    #[inline]
    fn real_to_map(&self, user: &FsFile<Union>) -> Result<&KernelFile> {
        let current = self.chain.current();
        match user.own_inode().data().is_at(current.path().dentry()) {
            true => Ok(current),
            false => self.real_to_map_anew(user, current),
        }
    }

    #[cold]
    fn real_to_map_anew<'a>(
        &'a self,
        user: &FsFile<Union>,
        current: &'a KernelFile,
    ) -> Result<&'a KernelFile> {
        if shows(user.own_inode(), current) {
            return Ok(current);
        }
        let stack = user.own_inode().data().stack()?;
        let branch = &stack.top().branch;
        if branch.looks_up_to_open() {
            return Ok(current);
        }
        let Some(_inside) = branch.gate.enter() else {
            return Ok(current);
        };
        if !user.own_inode().data().stands_for(&stack) {
            return Ok(current);
        }
        let real = open_at(user, &stack, user.flags())?;
        self.make_current(user, real)
    }
}

/// Whether `real` is the object that `inode` stands for now.
fn shows(inode: &OwnInode<Union>, real: &KernelFile) -> bool {
    let node = inode.data();
    node.is_at(real.path().dentry()) || node.shows(real.inode())
}

/// The engine that `mmap=` names: the words of the option know of no mapping, and the engines of no option. What a
/// mapping then gets is decided by [`mmap::map`].
fn engine(chosen: Mmap) -> mmap::Engine {
    match chosen {
        Mmap::Direct => mmap::Engine::Direct,
        Mmap::Fault => mmap::Engine::Fault,
    }
}

/// The branch that `real`, which serves `user`, is on. `ESTALE` if it has gone.
fn branch_of(user: &FsFile<Union>, real: &KernelFile) -> Result<Arc<Branch>> {
    let is_it = |branch: &Branch| core::ptr::eq(branch.mnt(), real.path().mnt());
    let stack = user.own_inode().data().stack()?;
    let top = &stack.top().branch;
    if is_it(top) {
        return Ok(top.clone());
    }
    // It was copied up just now.
    let table = user.own_inode().sb().data().table()?;
    let branch = table.branches.iter().find(|branch| is_it(branch));
    branch.cloned().ok_or(ESTALE)
}

/// Does `change`, which changes `bytes` of `real`, if any: see `Node::changing`.
fn changing<R>(
    user: &FsFile<Union>,
    real: &KernelFile,
    bytes: Option<Range<i64>>,
    change: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let inode = user.own_inode();
    inode
        .data()
        .changing(inode.sb().data(), real.inode(), bytes, change)
}

/// What a private mapping of `real`, which serves `user`, is a snapshot by, if it is to be, and the union may change
/// the file. One that was left behind by a copy-up it does not change any more; one that was by a move is on a branch
/// that is written to, and may be what is moved after all, if the move is taken back.
fn past_to_map<'a>(
    user: &'a FsFile<Union>,
    real: &KernelFile,
) -> Result<Option<(&'a Snapshots, RcuArc<Known>)>> {
    let instance = user.own_inode().sb().data();
    let Some(snapshots) = &instance.snapshots else {
        return Ok(None);
    };
    let may_change = branch_of(user, real).is_ok_and(|branch| branch.is_writable());
    let past = match may_change {
        true => user.own_inode().data().past(instance, real.inode())?,
        false => None,
    };
    Ok(past.map(|past| (&**snapshots, past)))
}

/// The bytes that `fallocate(2)` changes, of a file of any length.
fn allocated(mode: u32, offset: i64, len: i64) -> Range<i64> {
    let only_adds = flags::FALLOC_FL_KEEP_SIZE | flags::FALLOC_FL_UNSHARE_RANGE;
    let in_place = only_adds | flags::FALLOC_FL_PUNCH_HOLE | flags::FALLOC_FL_ZERO_RANGE;
    match mode {
        mode if mode & !only_adds == 0 => 0..0,
        mode if mode & !in_place == 0 => offset..offset.saturating_add(len),
        // What comes after goes elsewhere.
        _ => offset..i64::MAX,
    }
}

struct AfterIo;

impl Hooks for AfterIo {
    type Fs = Union;

    fn accessed(file: &FsFile<Union>, lower: Option<&KernelFile>) {
        // The time that a branch does not keep would be found out of date at each read.
        let is_kept = lower.is_none_or(|real| real.path().mnt().keeps_atime());
        if is_kept && file.flags() & flags::O_NOATIME == 0 {
            file.touch_atime();
        }
    }

    fn written(file: &FsFile<Union>, lower: Option<&KernelFile>) {
        match lower {
            Some(real) if shows(file.own_inode(), real) => {
                file.own_inode()
                    .copy_attr(real.inode(), real.path().idmap());
            }
            // What could not be read stays as it was until the next look.
            _ => drop(copy_attr(file.own_inode())),
        }
    }
}

/// How much is taken from a pipe at once where what it goes over is kept.
const SPLICED: usize = 1 << 20;

static CHAIN_LOCK: lockdep::Classes = lockdep::Classes::new();
static LOCK: lockdep::Classes = lockdep::Classes::new();

struct RegularFile;

#[vtable]
impl file_ops::Operations for RegularFile {
    type Fs = Union;
    type Data = OpenFile;

    fn open(inode: &OwnInode<Union>, file: Opening<'_, Union>) -> Result<Pin<KBox<OpenFile>>> {
        let depth = inode.sb().data().depth;
        let flags = file.flags();
        let truncates = flags & flags::O_TRUNC != 0;
        file.clear_flags(flags::OPEN_ONLY);
        let dentry = file.dentry();
        let stack = refresh::stack_or_old(dentry)?;
        if flags & flags::FMODE_EXEC != 0 && stack.top().branch.mnt().has_no_programs() {
            return Err(EACCES);
        }
        let seen = stack.generation;
        let opened = Cell::new(None);
        let count = || opened.set(Some(Opened::new(inode)));
        let real = if truncates
            && !stack.top().branch.is_writable()
            // Whether there is direct I/O has to be known now, so the copy has.
            && flags & flags::O_DIRECT == 0
        {
            // The truncation may still be refused: it is what copies the file up, without its data.
            // Until then nobody has the descriptor, and nothing is written through it.
            file.allow_direct_io();
            let flags = flags & !flags::O_ACCMODE | flags::O_RDONLY;
            open_real(&file, stack, flags, count)?
        } else {
            // A copy-up is a change, and so is a name that the object does not have on its branch yet. The
            // VFS asks when it is to truncate, too: to ask twice could mean to wait for a freeze that waits
            // for the first.
            let changes = !stack.top().branch.is_writable() || inode.data().has_names_below();
            let _access = match changes && file.is_writable() && !truncates {
                true => Some(file.mount().want_write()?),
                false => None,
            };
            let stack = if changes && (file.is_writable() || truncates) {
                copy_up::ensure_to_change_from(dentry, stack, Data::All)?.into_stack()
            } else if copy_on_open(&file, stack.top(), COPIES_FILES) {
                inode.data().stack()?
            } else {
                stack
            };
            let real = open_real(&file, stack, file.flags(), count)?;
            file.copy_direct_io(&real);
            real
        };
        let executed = match flags & flags::FMODE_EXEC {
            0 => None,
            _ => Some(real.keep_writers_out()?),
        };
        KBox::pin_init(
            try_pin_init!(OpenFile {
                _opened: opened.take(),
                _executed: executed,
                seen: Atomic::new(seen),
                chain: FileChain::new(real),
                chain_lock <- Mutex::new((), c"OpenFile::chain_lock", CHAIN_LOCK.at(depth)),
                lock <- Mutex::new((), c"OpenFile::lock", LOCK.at(depth)),
            }? Error),
            GFP_KERNEL,
        )
    }

    fn truncated(data: &Self::Data, file: &FsFile<Union>) -> Result {
        data.real(file).map(|_| ())
    }

    #[inline(always)]
    fn read(data: &Self::Data, iocb: Iocb<'_, Union>, iter: &mut Iter<'_>) -> Result<isize> {
        let user = iocb.file();
        let real = data.real(user)?;
        backing::read::<AfterIo>(real, iocb, iter, &user.own_inode().sb().data().cred)
    }

    #[inline(always)]
    fn write(data: &Self::Data, iocb: Iocb<'_, Union>, iter: &mut Iter<'_>) -> Result<isize> {
        if iter.len() == 0 {
            return Ok(0);
        }
        let user = iocb.file();
        let instance = user.own_inode().sb().data();
        let locked = user.lock();
        let real = data.real(user)?;
        // Whether set-id bits must go is decided by the mode as it is now.
        user.own_inode()
            .refresh_owner(real.inode(), real.path().idmap());
        let mut change = if instance.is_volatile() {
            Change {
                without: flags::IOCB_DSYNC | flags::IOCB_SYNC,
                ..Change::default()
            }
        } else {
            durable::for_write(&iocb, real)?
        };
        // What went on afterwards would be no change that was told of.
        change.waits = instance.snapshots.is_some();
        let bytes = instance
            .snapshots
            .is_some()
            .then(|| iocb.range(real, iter.len()));
        changing(user, real, bytes, || {
            backing::write::<AfterIo>(real, &locked, iocb, iter, &instance.cred, change)
        })
    }

    fn seek(data: &Self::Data, file: &FsFile<Union>, offset: i64, whence: u32) -> Result<i64> {
        if offset == 0 && whence == flags::SEEK_CUR {
            return Ok(file.position());
        }
        let real = data.real(file)?;
        // The branch's filesystem knows holes and limits; the position is the union's.
        let _guard = data.lock.lock();
        let cred = &file.own_inode().sb().data().cred;
        let pos = cred.scope(|| real.seek(file.position(), offset, whence))?;
        file.set_position(pos)
    }

    #[inline(always)]
    fn mmap(data: &Self::Data, file: &FsFile<Union>, vma: NewMapping<'_>) -> Result {
        let real = data.real_to_map(file)?;
        if real.path().mnt().has_no_programs() {
            vma.deny_execution()?;
        }
        if file.own_inode().data().has_new_name() && vma.writes_to_file() {
            durable::before_mapping(file, real)?;
        }
        let instance = file.own_inode().sb().data();
        let settings = instance.settings();
        let shown = if settings.mmap_path() {
            FrontPath::User
        } else {
            FrontPath::Behind
        };
        let how = mmap::How {
            engine: engine(settings.mmap()),
            shown,
            past: past_to_map(file, real)?,
        };
        let branch = || branch_of(file, real);
        mmap::map(file, real, vma, &instance.cred, branch, how)?;
        file.own_inode().data().used(task::current_id());
        AfterIo::accessed(file, Some(real));
        Ok(())
    }

    fn lower(data: &Self::Data) -> Result<&KernelFile> {
        Ok(data.chain.current())
    }

    fn flush(data: &Self::Data, owner: Owner) -> Result {
        owner.flush(data.chain.current())
    }

    fn ioctl(_data: &Self::Data, file: &FsFile<Union>, command: Command) -> Result<u32> {
        control::file_ioctl(file, command)
    }

    #[inline(always)]
    fn sync(
        data: &Self::Data,
        file: &FsFile<Union>,
        start: i64,
        end: i64,
        data_only: bool,
    ) -> Result {
        let instance = file.own_inode().sb().data();
        // What is open for writing is where it can be written. What is not may have been written by
        // somebody else.
        let is_written =
            || Ok::<_, Error>(file.own_inode().data().stack()?.top().branch.was_written());
        if instance.is_volatile() {
            return file.own_inode().data().stack()?.top().branch.check_writes();
        }
        if !(file.is_writable() || is_written()?) {
            return Ok(());
        }
        let real = data.real(file)?;
        // What has been told of by one call is not told of again by another.
        file.share_write_errors(real);
        let result = instance
            .cred
            .scope(|| durable::sync(file, real, start, end, data_only));
        file.share_write_errors(real);
        result
    }

    fn splice_read(
        data: &Self::Data,
        file: &FsFile<Union>,
        pos: &mut i64,
        pipe: LockedPipe<'_>,
        len: usize,
        flags: u32,
    ) -> Result<isize> {
        let real = data.real(file)?;
        let cred = &file.own_inode().sb().data().cred;
        backing::splice_read::<AfterIo>(real, file, pos, &pipe, len, flags, cred)
    }

    fn splice_write(
        data: &Self::Data,
        file: &FsFile<Union>,
        pos: &mut i64,
        pipe: Pipe<'_>,
        len: usize,
        flags: u32,
    ) -> Result<isize> {
        let locked = file.lock();
        copy_attr(file.own_inode())?;
        let real = data.real(file)?;
        let instance = file.own_inode().sb().data();
        let cred = &instance.cred;
        let is_ours = durable::begin(file, real)?;
        let len = match instance.snapshots {
            // Callers ask for as much as they can. What is not in the pipe would be kept for nothing.
            Some(_) => len.min(SPLICED),
            None => len,
        };
        let end = pos.saturating_add(i64::try_from(len).unwrap_or(i64::MAX));
        let written = changing(file, real, Some(*pos..end), || {
            backing::splice_write::<AfterIo>(real, &locked, pos, &pipe, len, flags, cred)
        })?;
        if is_ours {
            cred.scope(|| real.sync_range(0, i64::MAX, true))?;
        }
        Ok(written)
    }

    fn allocate(
        data: &Self::Data,
        file: &FsFile<Union>,
        mode: u32,
        offset: i64,
        len: i64,
    ) -> Result {
        let locked = file.lock();
        copy_attr(file.own_inode())?;
        locked.remove_privileges()?;
        let real = data.real(file)?;
        let cred = &file.own_inode().sb().data().cred;
        let is_ours = durable::begin(file, real)?;
        changing(file, real, Some(allocated(mode, offset, len)), || {
            cred.scope(|| real.allocate(mode, offset, len))
        })?;
        if is_ours {
            cred.scope(|| real.sync())?;
        }
        copy_attr(file.own_inode())
    }

    fn advise(data: &Self::Data, offset: i64, len: i64, advice: u32) -> Result {
        data.chain.current().advise(offset, len, advice)
    }

    fn copy_range(
        source: (&Self::Data, &FsFile<Union>),
        target: (&Self::Data, &FsFile<Union>),
        range: CopyRange,
        op: RangeOp,
    ) -> Result<i64> {
        let locked = target.1.lock();
        copy_attr(target.1.own_inode())?;
        if !matches!(op, RangeOp::Dedupe(_)) {
            locked.remove_privileges()?;
        }
        let from = source.0.real(source.1)?;
        let to = target.0.real(target.1)?;
        let cred = &target.1.own_inode().sb().data().cred;
        let is_ours = durable::begin(target.1, to)?;
        let end = match range.len {
            // All that there is by the time that the source is locked.
            0 => i64::MAX,
            len => range.to.saturating_add(len),
        };
        let bytes = match op {
            RangeOp::Copy(_) | RangeOp::Clone(_) => Some(range.to..end),
            // What is the same stays so.
            RangeOp::Dedupe(_) => None,
        };
        let copy = || match (from.copy_range_to(to, range, op), op) {
            // The branches may be of different filesystems, which the caller cannot know.
            (Err(e), RangeOp::Copy(_)) if e == EXDEV || e == EOPNOTSUPP => {
                from.splice_to(to, range)
            }
            (result, _) => result,
        };
        let copied = changing(target.1, to, bytes, || cred.scope(copy))?;
        if is_ours {
            cred.scope(|| to.sync_range(0, i64::MAX, true))?;
        }
        copy_attr(target.1.own_inode())?;
        Ok(copied)
    }
}
