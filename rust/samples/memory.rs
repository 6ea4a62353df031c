// SPDX-License-Identifier: GPL-2.0

//! A filesystem with a few files that are always there, named by digits, in memory. What is written to them goes
//! from the page cache to files of shmem's, and with them to swap. With `-o privmap=snapshot` a private mapping
//! shows a file as it was when it was mapped.
//!
//! It has a page cache of its own to show one: a filesystem that had nothing else in mind would have the pages
//! of shmem's files mapped.

use crate::{
    mmap::snapshot::{Changing, Counts, Past, View},
    vfs::{below::readdir::Entry, prelude::*, value::errno::EOPNOTSUPP},
};
use core::{convert::Infallible, ops::Range};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};

/// The filesystem type.
pub(crate) struct Memory;

/// The names of the files.
const NAMES: [&[u8]; 8] = [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"];

/// The inode number of the root; that of a file is larger by its digit and one.
const ROOT: u64 = 1;

/// What is kept in a super block.
#[pin_data]
pub(crate) struct Kept {
    /// The inodes of all files: what is in them is nowhere else.
    #[pin]
    all: Mutex<KVec<ARef<OwnInode<Memory>>>>,
    /// Whether a private mapping is a snapshot.
    snapshots: bool,
    /// As whom files are mapped that nobody has opened.
    cred: Cred,
}

/// What is kept in an inode.
pub(crate) enum Node {
    Root,
    File(Contents),
    /// What private mappings have in the place of a file.
    View(View),
}

/// What is in a file, and what was in it, if that is asked for.
pub(crate) struct Contents {
    pages: ShmemFile,
    past: Option<Arc<Past>>,
}

impl Node {
    /// What is in a file. `EISDIR`, `EROFS`.
    fn contents(&self) -> Result<&Contents> {
        match self {
            Self::Root => Err(EISDIR),
            Self::File(contents) => Ok(contents),
            Self::View(_) => Err(EROFS),
        }
    }
}

impl Contents {
    /// `bytes` are about to be changed; see [`Past::change`].
    fn change(&self, bytes: Range<i64>) -> Result<Option<Changing<'_>>> {
        self.past
            .as_ref()
            .map(|past| past.change(bytes))
            .transpose()
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
        // No two get the same one, in whatever order.
        !NEXT.fetch_add(1, Relaxed)
    }

    fn tables(node: &Node, _: Mode) -> InodeTables<Self> {
        match node {
            Node::Root => InodeTables::with_file::<Root, Root>(),
            Node::File(_) => InodeTables::with_pages::<Without<Memory>, File, Pages>(),
            Node::View(_) => InodeTables::with_pages::<Without<Memory>, ViewFile, ViewPages>(),
        }
    }

    fn evict(inode: Glimpse<'_, OwnInode<Self>>) {
        if let Node::View(view) = inode.data() {
            view.end();
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
pub(crate) struct Request {
    snapshots: bool,
}

#[vtable]
impl fs_context::Context for Request {
    type Fs = Memory;

    fn new(_log: &Log, _sb: Option<&SuperBlock<Memory>>, _type_name: &CStr) -> Result<Self> {
        Ok(Self { snapshots: false })
    }

    fn parse(
        &mut self,
        _log: &Log,
        _sb: Option<&SuperBlock<Memory>>,
        key: &CStr,
        value: Value<'_>,
    ) -> Result<bool> {
        match (key.to_bytes(), value) {
            (b"privmap", Value::String(how)) if how.to_bytes() == b"snapshot" => {
                self.snapshots = true;
                Ok(true)
            }
            (b"privmap", _) => Err(EINVAL),
            _ => Ok(false),
        }
    }

    fn prepare(&mut self, _log: &Log, _readonly: bool) -> Result<(Params, Pin<KBox<Kept>>)> {
        // Room for all of them, so that none that has been seen is not kept.
        let all = KVec::with_capacity(NAMES.len(), GFP_KERNEL)?;
        let (snapshots, cred) = (self.snapshots, Cred::current_within_limits()?);
        let kept = pin_init!(Kept {
            all <- new_mutex!(all),
            snapshots,
            cred,
        });
        let kept = KBox::pin_init(kept, GFP_KERNEL)?;
        Ok((Params::own_pages(0x6d65_6d6f, ShmemFile::SIZE), kept))
    }

    fn make_root(sb: &SuperBlock<Memory>) -> Result<ARef<OwnInode<Memory>>> {
        node(sb, ROOT)
    }
}

/// The inode with the number `ino`.
fn node(sb: &SuperBlock<Memory>, ino: u64) -> Result<ARef<OwnInode<Memory>>> {
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
            let contents = Contents {
                pages: ShmemFile::new(c"aufs2_memory")?,
                past: match sb.data().snapshots {
                    true => Some(Past::new(1, Counts::new()?)?),
                    false => None,
                },
            };
            (Mode(0o100644), 1, Node::File(contents))
        }
    };
    let inode = new.fill_own(mode, links, 0, Ok::<_, Infallible>(data))?;
    if ino != ROOT {
        sb.data().all.lock().push(inode.clone(), GFP_KERNEL)?;
    }
    Ok(inode)
}

/// The inode of a view, which goes when nobody has it open or mapped.
fn view_inode(sb: &SuperBlock<Memory>, view: View) -> Result<ARef<OwnInode<Memory>>> {
    static NEXT: Atomic<u64> = Atomic::new(1 << 32);
    // No two get the same one, in whatever order.
    let number = NEXT.fetch_add(1, Relaxed);
    let sought = Sought {
        hash: number,
        number,
        key: number as usize,
        by_number: false,
    };
    match sb.iget(&sought) {
        Ok(Iget::New(new)) => {
            let (mode, size) = (Mode(0o100400), view.size());
            new.fill_own(mode, 0, size, Ok::<_, Infallible>(Node::View(view)))
        }
        other => {
            view.end();
            other.and(Err(EEXIST))
        }
    }
}

/// Attributes are kept in the inode.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Memory;

    fn resize(inode: &Locked<'_, Memory>, size: i64) -> Result {
        let (contents, old) = (inode.data().contents()?, inode.size());
        let _changing = contents.change(size.min(old)..size.max(old))?;
        page_ops::resize(inode, size, || contents.pages.punch(size..i64::MAX))
    }
}

struct Root;

#[vtable]
impl inode_ops::Operations for Root {
    type Fs = Memory;

    fn lookup(dir: &OwnInode<Memory>, dentry: InLookup<'_, Memory>) -> Result<Spliced<Memory>> {
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

    fn open(_: &OwnInode<Memory>, _: Opening<'_, Memory>) -> Result<Pin<KBox<()>>> {
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

    fn open(_: &OwnInode<Memory>, _: Opening<'_, Memory>) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn read((): &(), iocb: Iocb<'_, Memory>, iter: &mut Iter<'_>) -> Result<isize> {
        page_ops::read(iocb, iter)
    }

    fn write((): &(), iocb: Iocb<'_, Memory>, iter: &mut Iter<'_>) -> Result<isize> {
        let contents = iocb.file().own_inode().data().contents()?;
        page_ops::write(iocb, iter, |bytes| contents.change(bytes))
    }

    fn mmap((): &(), file: &FsFile<Memory>, vma: NewMapping<'_>) -> Result {
        let (contents, kept) = (
            file.own_inode().data().contents()?,
            file.own_inode().sb().data(),
        );
        let Some(past) = &contents.past else {
            return page_ops::map(file, vma);
        };
        if !vma.is_private() {
            if vma.writes_to_file() {
                past.share()?;
            }
            return page_ops::map(file, vma);
        }
        let view = view_inode(file.own_inode().sb(), past.view(|| file.share())?)?;
        let view = backing::open_nameless(file, file.mount(), view, &kept.cred)?;
        vma.hand_to(&view, &kept.cred).map(|_| ())
    }

    fn sync((): &(), file: &FsFile<Memory>, start: i64, end: i64, _: bool) -> Result {
        page_ops::sync(file, start, end)
    }

    fn allocate((): &(), file: &FsFile<Memory>, mode: u32, offset: i64, len: i64) -> Result {
        if mode != flags::FALLOC_FL_PUNCH_HOLE | flags::FALLOC_FL_KEEP_SIZE {
            return Err(EOPNOTSUPP);
        }
        let contents = file.own_inode().data().contents()?;
        let bytes = offset..offset.saturating_add(len);
        let locked = file.lock();
        let _changing = contents.change(bytes.clone())?;
        page_ops::punch(&locked, bytes.clone(), || contents.pages.punch(bytes))
    }
}

struct Pages;

#[vtable]
impl page_ops::Operations for Pages {
    type Fs = Memory;

    fn read<'a>(inode: &OwnInode<Memory>, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        inode.data().contents()?.pages.read(page.index(), page)
    }

    fn write(inode: &OwnInode<Memory>, page: &DirtyPage<'_>) -> Result {
        inode.data().contents()?.pages.write(page.index(), page)
    }
}

struct ViewFile;

#[vtable]
impl file_ops::Operations for ViewFile {
    type Fs = Memory;
    type Data = ();

    fn open(_: &OwnInode<Memory>, _: Opening<'_, Memory>) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    fn mmap((): &(), file: &FsFile<Memory>, vma: NewMapping<'_>) -> Result {
        page_ops::map(file, vma)
    }
}

struct ViewPages;

#[vtable]
impl page_ops::Operations for ViewPages {
    type Fs = Memory;

    fn read<'a>(inode: &OwnInode<Memory>, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        match inode.data() {
            Node::View(view) => view.read(page),
            _ => Err(EIO),
        }
    }
}
