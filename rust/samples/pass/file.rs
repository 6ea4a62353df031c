// SPDX-License-Identifier: GPL-2.0

//! Open files and directories, and symbolic links.

use super::{real, update, Pass};
use crate::vfs::{
    below::copy::{CopyRange, RangeOp},
    ops::backing::{Change, Hooks, LockedPipe, Pipe},
    prelude::*,
};
use kernel::prelude::*;

/// The tables of regular files.
pub(super) fn tables() -> InodeTables<Pass> {
    InodeTables::with_file::<Without<Pass>, File>()
}

/// The tables of symbolic links.
pub(super) fn link_tables() -> InodeTables<Pass> {
    InodeTables::new::<Link>()
}

/// Opens what `inode` stands for.
fn open(inode: &OwnInode<Pass>, file: &Opening<'_, Pass>) -> Result<Pin<KBox<KernelFile>>> {
    let (real, tree) = (real(inode)?, inode.sb().data());
    tree.trouble.ask("open")?;
    let is_dir = flags::O_DIRECTORY & file.flags();
    let flags = file.flags() & !flags::NOT_BELOW | is_dir;
    let below = backing::open_backing(file, flags, tree.mnt.at(&real), &tree.cred)?;
    file.copy_direct_io(&below);
    Ok(KBox::pin(below, GFP_KERNEL)?)
}

/// The operation `what` begins on `file`: its number.
fn ask(file: &FsFile<Pass>, what: &'static str) -> Result<usize> {
    file.own_inode().sb().data().trouble.ask(what)
}

/// The operation `what` on `file`, which has that `number`, is done: what it says.
fn answer(file: &FsFile<Pass>, number: usize, what: &'static str) -> Result {
    file.own_inode().sb().data().trouble.answer(number, what)
}

/// As whom files below are used.
fn cred(file: &FsFile<Pass>) -> &Cred {
    &file.own_inode().sb().data().cred
}

/// An open directory.
pub(super) struct DirFile;

#[vtable]
impl file_ops::Operations for DirFile {
    type Fs = Pass;
    type Data = KernelFile;

    fn open(inode: &OwnInode<Pass>, file: Opening<'_, Pass>) -> Result<Pin<KBox<KernelFile>>> {
        open(inode, &file)
    }

    fn iterate(below: &KernelFile, file: &FsFile<Pass>, out: &mut Emitter<'_>) -> Result {
        ask(file, "readdir")?;
        cred(file).scope(|| below.read_dir_into(out))
    }

    fn sync(
        below: &KernelFile,
        file: &FsFile<Pass>,
        start: i64,
        end: i64,
        data_only: bool,
    ) -> Result {
        let number = ask(file, "fsync of a directory")?;
        cred(file).scope(|| below.sync_range(start, end, data_only))?;
        answer(file, number, "fsync of a directory")
    }
}

struct AfterIo;

impl Hooks for AfterIo {
    type Fs = Pass;

    fn accessed(file: &FsFile<Pass>, _lower: Option<&KernelFile>) {
        let _ = update(file.own_inode());
    }

    fn written(file: &FsFile<Pass>, _lower: Option<&KernelFile>) {
        let _ = update(file.own_inode());
    }
}

struct File;

#[vtable]
impl file_ops::Operations for File {
    type Fs = Pass;
    type Data = KernelFile;

    fn open(inode: &OwnInode<Pass>, file: Opening<'_, Pass>) -> Result<Pin<KBox<KernelFile>>> {
        open(inode, &file)
    }

    fn read(below: &KernelFile, iocb: Iocb<'_, Pass>, iter: &mut Iter<'_>) -> Result<isize> {
        let file = iocb.file();
        ask(file, "read")?;
        backing::read::<AfterIo>(below, iocb, iter, cred(file))
    }

    fn write(below: &KernelFile, iocb: Iocb<'_, Pass>, iter: &mut Iter<'_>) -> Result<isize> {
        let file = iocb.file();
        let number = ask(file, "write")?;
        let locked = file.lock();
        let written =
            backing::write::<AfterIo>(below, &locked, iocb, iter, cred(file), Change::default())?;
        answer(file, number, "write").map(|()| written)
    }

    fn seek(below: &KernelFile, file: &FsFile<Pass>, offset: i64, whence: u32) -> Result<i64> {
        ask(file, "seek")?;
        let position = cred(file).scope(|| below.seek(file.position(), offset, whence))?;
        file.set_position(position)
    }

    fn mmap(below: &KernelFile, file: &FsFile<Pass>, vma: NewMapping<'_>) -> Result {
        vma.hand_to(below, cred(file)).map(|_| ())
    }

    fn lower(below: &KernelFile) -> Result<&KernelFile> {
        Ok(below)
    }

    fn sync(
        below: &KernelFile,
        file: &FsFile<Pass>,
        start: i64,
        end: i64,
        data_only: bool,
    ) -> Result {
        let number = ask(file, "fsync")?;
        cred(file).scope(|| below.sync_range(start, end, data_only))?;
        answer(file, number, "fsync")
    }

    fn splice_read(
        below: &KernelFile,
        file: &FsFile<Pass>,
        pos: &mut i64,
        pipe: LockedPipe<'_>,
        len: usize,
        flags: u32,
    ) -> Result<isize> {
        ask(file, "splice from")?;
        backing::splice_read::<AfterIo>(below, file, pos, &pipe, len, flags, cred(file))
    }

    fn splice_write(
        below: &KernelFile,
        file: &FsFile<Pass>,
        pos: &mut i64,
        pipe: Pipe<'_>,
        len: usize,
        flags: u32,
    ) -> Result<isize> {
        let number = ask(file, "splice to")?;
        let locked = file.lock();
        let written =
            backing::splice_write::<AfterIo>(below, &locked, pos, &pipe, len, flags, cred(file))?;
        answer(file, number, "splice to").map(|()| written)
    }

    fn allocate(
        below: &KernelFile,
        file: &FsFile<Pass>,
        mode: u32,
        offset: i64,
        len: i64,
    ) -> Result {
        let number = ask(file, "fallocate")?;
        let _lock = file.own_inode().lock();
        cred(file).scope(|| below.allocate(mode, offset, len))?;
        update(file.own_inode())?;
        answer(file, number, "fallocate")
    }

    fn advise(below: &KernelFile, offset: i64, len: i64, advice: u32) -> Result {
        below.advise(offset, len, advice)
    }

    fn copy_range(
        (from, _): (&KernelFile, &FsFile<Pass>),
        (to, target): (&KernelFile, &FsFile<Pass>),
        range: CopyRange,
        op: RangeOp,
    ) -> Result<i64> {
        let number = ask(target, "copy_range")?;
        let _lock = target.own_inode().lock();
        let copied = cred(target).scope(|| from.copy_range_to(to, range, op))?;
        update(target.own_inode())?;
        answer(target, number, "copy_range").map(|()| copied)
    }
}

struct Link;

#[vtable]
impl inode_ops::Operations for Link {
    type Fs = Pass;

    fn get_link(inode: &OwnInode<Pass>) -> Result<Target> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.trouble.ask("readlink")?;
        tree.cred.scope(|| namei::read_link(&real))
    }
}
