// SPDX-License-Identifier: GPL-2.0

//! A filesystem with a few files that are always there, named by digits, in memory: `none`. What is written to
//! them goes from the page cache to files of shmem's, and with them to swap.
//!
//! It has a page cache of its own to show one: a filesystem that had nothing else in mind would have the pages
//! of shmem's files mapped.

use crate::vfs::{below::readdir::Entry, prelude::*, value::errno::EOPNOTSUPP};
use core::convert::Infallible;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Mutex,
    },
};

/// The filesystem type.
pub(crate) struct Memory;

/// The names of the files.
const NAMES: [&[u8]; 8] = [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"];

/// The inode number of the root; that of a file is larger by its digit and one.
const ROOT: u64 = 1;

/// All inodes that there are: what is in a file is nowhere else.
#[pin_data]
pub(crate) struct Kept {
    #[pin]
    all: Mutex<KVec<ARef<INode<Memory>>>>,
}

/// What is kept in an inode.
pub(crate) enum Node {
    Root,
    File(ShmemFile),
}

impl Node {
    /// Where the pages of a file are kept. `EISDIR`.
    fn pages(&self) -> Result<&ShmemFile> {
        match self {
            Self::Root => Err(EISDIR),
            Self::File(pages) => Ok(pages),
        }
    }
}

#[vtable]
impl FileSystem for Memory {
    const NAME: &'static CStr = c"aufs2_memory";
    type SuperData = Pin<KBox<Kept>>;
    type INodeData = Node;

    // Never used: numbers are different.
    fn fresh_number(_: &SuperBlock<Memory>) -> u64 {
        static NEXT: Atomic<u64> = Atomic::new(1);
        !NEXT.fetch_add(1, Relaxed)
    }

    fn tables(_: &Node, mode: Mode) -> InodeTables<Self> {
        match mode.is_dir() {
            true => InodeTables::with_file::<Root, Root>(),
            false => InodeTables::with_pages::<Without<Memory>, File, Pages>(),
        }
    }

    fn shutdown(sb: &SuperBlock<Self>) {
        let kept = core::mem::take(&mut *sb.data().all.lock());
        drop(kept);
    }
}

impl Mountable for Memory {
    type Context = Request;
    type DentryOps = Without<Self>;
    type Attrs = Attrs;
    type Xattrs = Without<Self>;
}

/// A mount being made.
pub(crate) struct Request;

#[vtable]
impl fs_context::Context for Request {
    type Fs = Memory;

    fn new(_log: &Log, _sb: Option<&SuperBlock<Memory>>, _type_name: &CStr) -> Result<Self> {
        Ok(Self)
    }

    fn parse(
        &mut self,
        _log: &Log,
        _sb: Option<&SuperBlock<Memory>>,
        _key: &CStr,
        _value: Value<'_>,
    ) -> Result<bool> {
        Ok(false)
    }

    fn prepare(&mut self, _log: &Log, _readonly: bool) -> Result<(Params, Pin<KBox<Kept>>)> {
        // Room for all of them, so that none that has been seen is not kept.
        let all = KVec::with_capacity(NAMES.len(), GFP_KERNEL)?;
        let kept = pin_init!(Kept { all <- new_mutex!(all) });
        let kept = KBox::pin_init(kept, GFP_KERNEL)?;
        Ok((Params::own_pages(0x6d65_6d6f, ShmemFile::SIZE), kept))
    }

    fn make_root(sb: &SuperBlock<Memory>) -> Result<ARef<INode<Memory>>> {
        node(sb, ROOT)
    }
}

/// The inode with the number `ino`.
fn node(sb: &SuperBlock<Memory>, ino: u64) -> Result<ARef<INode<Memory>>> {
    let sought = Sought {
        hash: ino,
        number: ino,
        key: ino as usize,
        by_number: false,
    };
    let new = match sb.iget(&sought)? {
        Iget::Cached(inode) => return Ok(inode),
        Iget::New(new) => new,
    };
    let (mode, links, data) = match ino {
        ROOT => (Mode(0o040755), 2, Node::Root),
        _ => {
            let pages = ShmemFile::new(c"aufs2_memory")?;
            (Mode(0o100644), 1, Node::File(pages))
        }
    };
    let inode = new.fill_own(mode, links, Ok::<_, Infallible>(data))?;
    if ino != ROOT {
        sb.data().all.lock().push(inode.clone(), GFP_KERNEL)?;
    }
    Ok(inode)
}

/// Attributes are kept in the inode.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Memory;

    fn resize(inode: &Locked<'_, Memory>, size: i64) -> Result {
        let pages = inode.data().pages()?;
        page_ops::resize(inode, size, || pages.punch(size..i64::MAX))
    }
}

struct Root;

#[vtable]
impl inode_ops::Operations for Root {
    type Fs = Memory;

    fn lookup(dir: &INode<Memory>, dentry: InLookup<'_, Memory>) -> Result<Spliced<Memory>> {
        let name = dentry.name_in_lookup()?.as_bytes();
        let number = NAMES.iter().position(|&known| known == name);
        let inode = number.map(|number| node(dir.sb(), ROOT + 1 + number as u64));
        dentry.splice(inode.transpose()?, 0)
    }
}

#[vtable]
impl file_ops::Operations for Root {
    type Fs = Memory;
    type Data = ();

    fn open(_: &INode<Memory>, _: Opening<'_, Memory>) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn iterate((): &(), file: &FsFile<Memory>, out: &mut Emitter<'_>) -> Result {
        if !out.emit_dots(file) {
            return Ok(());
        }
        // The dots are the first two.
        let done = usize::try_from(out.position())?.saturating_sub(2);
        let rest = NAMES.get(done..).unwrap_or(&[]);
        out.emit_all(rest, |&name| Entry {
            name,
            // One digit.
            ino: ROOT + 1 + u64::from(name[0] - b'0'),
            dirent_type: flags::DT_UNKNOWN,
        });
        Ok(())
    }
}

struct File;

#[vtable]
impl file_ops::Operations for File {
    type Fs = Memory;
    type Data = ();

    fn open(_: &INode<Memory>, _: Opening<'_, Memory>) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn read((): &(), iocb: Iocb<'_, Memory>, iter: &mut Iter<'_>) -> Result<isize> {
        page_ops::read(iocb, iter)
    }

    fn write((): &(), iocb: Iocb<'_, Memory>, iter: &mut Iter<'_>) -> Result<isize> {
        page_ops::write(iocb, iter)
    }

    fn mmap((): &(), file: &FsFile<Memory>, vma: NewMapping<'_>) -> Result {
        page_ops::map(file, vma)
    }

    fn sync((): &(), file: &FsFile<Memory>, start: i64, end: i64, _: bool) -> Result {
        page_ops::sync(file, start, end)
    }

    fn allocate((): &(), file: &FsFile<Memory>, mode: u32, offset: i64, len: i64) -> Result {
        if mode != flags::FALLOC_FL_PUNCH_HOLE | flags::FALLOC_FL_KEEP_SIZE {
            return Err(EOPNOTSUPP);
        }
        let pages = file.node().data().pages()?;
        let bytes = offset..offset.saturating_add(len);
        page_ops::punch(&file.lock(), bytes.clone(), || pages.punch(bytes))
    }
}

struct Pages;

#[vtable]
impl page_ops::Operations for Pages {
    type Fs = Memory;

    fn read<'a>(inode: &INode<Memory>, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        inode.data().pages()?.read(page.index(), page)
    }

    fn write(inode: &INode<Memory>, page: &DirtyPage<'_>) -> Result {
        inode.data().pages()?.write(page.index(), page)
    }
}
