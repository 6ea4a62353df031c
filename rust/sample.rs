// SPDX-License-Identifier: GPL-2.0

//! A read-only filesystem that shows one directory tree of another filesystem: `-o dir=PATH`.
//!
//! It is only in test builds (`AUFS2_SAMPLE=1`), where it shows that [`crate::vfs`] knows nothing
//! about unions.
#![forbid(unsafe_code)]

use crate::vfs::{
    backing::{self, Hooks, Iocb, Iter},
    cred::Cred,
    dentry::{DEntry, Dentry, InLookup, Spliced},
    dentry_ops::{self, Real, Revalidate},
    errno::{EOPNOTSUPP, ESTALE},
    file::{self, FsFile, KernelFile, Opening},
    file_ops, flags,
    fs_context::{self, Log, Param, Value},
    idmap::Idmap,
    inode::{INode, Iget, InodeTables},
    inode_ops::{self, Ops, Target},
    lockdep::MAX_STACK_DEPTH,
    mode::FileType,
    mount::PrivateMount,
    namei,
    path::{Path, PathBuf},
    rcu::{RcuArc, Slot},
    readdir::Emitter,
    stat::{Stat, StatFs},
    super_block::{FileSystem, Params, SuperBlock},
    vma::NewMapping,
    xattr,
};
use core::convert::Infallible;
use kernel::{prelude::*, seq_file::SeqFile, sync::aref::ARef};

/// The filesystem type.
pub(crate) struct Sample;

/// What is shown, and as whom it is read.
pub(crate) struct Tree {
    mnt: PrivateMount,
    cred: Cred,
}

impl Tree {
    fn at<'a>(&'a self, dentry: &'a Dentry) -> Path<'a> {
        Path {
            mnt: &self.mnt,
            dentry,
        }
    }
}

/// What an inode shows, until it is evicted.
type Node = Slot<ARef<Dentry>>;

fn real(inode: &INode<Sample>) -> Result<RcuArc<ARef<Dentry>>> {
    inode.data().get().ok_or(ESTALE)
}

/// The inode that shows `dentry`.
fn node(sb: &SuperBlock<Sample>, dentry: &Dentry) -> Result<ARef<INode<Sample>>> {
    let below = dentry.inode().ok_or(ESTALE)?;
    match sb.iget(below.ino())? {
        Iget::New(new) => {
            let (inode, file) = match below.mode().file_type() {
                FileType::Directory => (Ops::new::<Dir>(), Some(file_ops::Ops::new::<Dir>())),
                FileType::Regular => (Ops::new::<File>(), Some(file_ops::Ops::new::<File>())),
                FileType::Symlink => (Ops::new::<Link>(), None),
                _ => (Ops::new::<File>(), None),
            };
            let tables = InodeTables { inode, file };
            let held = RcuArc::new(dentry.into(), GFP_KERNEL)?;
            let data = Ok::<_, Infallible>(Slot::new(Some(held)));
            new.fill(below, sb.data().mnt.idmap(), tables, data)
        }
        Iget::Cached(inode) if core::ptr::eq(real(&inode)?.inode().ok_or(ESTALE)?, below) => {
            Ok(inode)
        }
        // The number was given to another object below.
        Iget::Cached(_) => Err(ESTALE),
    }
}

impl FileSystem for Sample {
    const NAME: &'static CStr = c"aufs2_sample";
    const FLAGS: u32 = 0;
    type Context = Request;
    type SuperData = Tree;
    type INodeData = Node;
    type DentryOps = Dentries;
    type Xattrs = Xattrs;

    fn evict(inode: &INode<Self>) {
        drop(inode.data().replace(None));
    }

    fn shutdown(_sb: &SuperBlock<Self>) {}

    fn statfs(root: &DEntry<Self>) -> Result<StatFs> {
        let tree = root.sb().data();
        let mut stat = StatFs::of(tree.at(tree.mnt.root()))?;
        stat.identify(root.sb(), 255);
        Ok(stat)
    }

    fn show_options(_sb: &SuperBlock<Self>, _seq: &SeqFile) {}

    fn sync(_sb: &SuperBlock<Self>, _wait: bool) -> Result {
        Ok(())
    }
}

/// A mount being made.
pub(crate) struct Request(Option<PathBuf>);

impl fs_context::Context for Request {
    type Fs = Sample;

    fn new(_log: &Log, _sb: Option<&SuperBlock<Sample>>) -> Result<Self> {
        Ok(Self(None))
    }

    fn parse(&mut self, _log: &Log, key: &CStr, value: Value<'_>) -> Result<bool> {
        self.0 = match value {
            _ if key.to_bytes() != b"dir" => return Ok(false),
            Value::String(path) => Some(PathBuf::resolve(path.to_bytes())?),
            Value::Place(path) => Some(path),
            Value::Flag => return Err(EINVAL),
        };
        Ok(true)
    }

    fn split_monolithic(data: &[u8], param: &mut Param<'_>) -> Result {
        for piece in data.split(|&b| b == b',') {
            match piece.iter().position(|&b| b == b'=') {
                Some(at) => param(&piece[..at], Some(&piece[at + 1..]))?,
                None => param(piece, None)?,
            }
        }
        Ok(())
    }

    fn prepare(&mut self, log: &Log, _readonly: bool) -> Result<(Params, Tree)> {
        let Some(dir) = self.0.take() else {
            log.error(fmt!("which directory? dir=PATH"));
            return Err(EINVAL);
        };
        let mnt = PrivateMount::clone_of(dir.as_ref(), false)?;
        let below = mnt.super_block();
        if below.stack_depth() >= MAX_STACK_DEPTH {
            return Err(EINVAL);
        }
        let params = Params {
            magic: 0x7361_6d70,
            max_bytes: below.max_bytes(),
            time_granularity: below.time_granularity(),
            stack_depth: below.stack_depth() + 1,
            posix_acl: false,
            readonly: true,
        };
        let cred = Cred::current();
        Ok((params, Tree { mnt, cred }))
    }

    fn make_root(sb: &SuperBlock<Sample>) -> Result<ARef<INode<Sample>>> {
        node(sb, sb.data().mnt.root())
    }

    fn reconfigure(&mut self, _log: &Log, _sb: &SuperBlock<Sample>, readonly: bool) -> Result {
        if readonly {
            Ok(())
        } else {
            Err(EROFS)
        }
    }
}

pub(crate) struct Dentries;

impl dentry_ops::Operations for Dentries {
    type Fs = Sample;

    fn revalidate(call: Revalidate<'_, Sample>) -> Result<bool> {
        // A name that meant nothing may mean something now.
        Ok(call.dentry.is_positive())
    }

    fn real(_dentry: &DEntry<Sample>, _what: Real) -> Option<ARef<Dentry>> {
        None
    }
}

pub(crate) struct Xattrs;

impl xattr::Handler for Xattrs {
    type Fs = Sample;

    fn get(_dentry: &DEntry<Sample>, _name: &CStr, _buf: &mut [u8]) -> Result<usize> {
        Err(EOPNOTSUPP)
    }

    fn set(_: &DEntry<Sample>, _: &CStr, _: Option<&[u8]>, _flags: u32) -> Result {
        Err(EROFS)
    }
}

fn getattr(idmap: &Idmap, dentry: &DEntry<Sample>, mask: u32, flags: u32) -> Result<Stat> {
    let inode = dentry.positive()?;
    let (real, tree) = (real(inode)?, inode.sb().data());
    let query = || Stat::query(tree.at(&real), mask, flags);
    let mut stat = tree.cred.scope(query)?;
    stat.identify(inode, idmap);
    Ok(stat)
}

struct Dir;

#[vtable]
impl inode_ops::Operations for Dir {
    type Fs = Sample;

    fn lookup(dir: &INode<Sample>, dentry: InLookup<'_, Sample>) -> Result<Spliced<Sample>> {
        let (sb, tree, parent) = (dir.sb(), dir.sb().data(), real(dir)?);
        let name = dentry.name_in_lookup()?;
        let find = || namei::lookup(&tree.mnt, &parent, name);
        let found = tree.cred.scope(find)?;
        let inode = found.map(|found| node(sb, &found)).transpose()?;
        dentry.splice(inode, 0)
    }

    fn getattr(idmap: &Idmap, dentry: &DEntry<Sample>, mask: u32, flags: u32) -> Result<Stat> {
        getattr(idmap, dentry, mask, flags)
    }
}

#[vtable]
impl file_ops::Operations for Dir {
    type Fs = Sample;
    type Data = KernelFile;

    fn open(inode: &INode<Sample>, _file: Opening<'_, Sample>) -> Result<Pin<KBox<KernelFile>>> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        let flags = flags::O_RDONLY | flags::O_DIRECTORY;
        let open = || KernelFile::open(tree.at(&real), flags);
        Ok(KBox::pin(tree.cred.scope(open)?, GFP_KERNEL)?)
    }

    fn iterate(below: &KernelFile, file: &FsFile<Sample>, out: &mut Emitter<'_>) -> Result {
        if !out.emit_dots(file) {
            return Ok(());
        }
        // An entry's position is its number, after the two dots.
        let (mut number, mut has_room) = (2, true);
        file.node().sb().data().cred.scope(|| {
            below.read_dir(|entry| {
                if entry.name == b"." || entry.name == b".." {
                    return Ok(());
                }
                if number == out.position() && has_room {
                    has_room = out.emit(entry.name, entry.ino, entry.dirent_type);
                    out.set_position(number + i64::from(has_room));
                }
                number += 1;
                Ok(())
            })
        })
    }
}

struct File;

#[vtable]
impl inode_ops::Operations for File {
    type Fs = Sample;

    fn getattr(idmap: &Idmap, dentry: &DEntry<Sample>, mask: u32, flags: u32) -> Result<Stat> {
        getattr(idmap, dentry, mask, flags)
    }
}

#[vtable]
impl file_ops::Operations for File {
    type Fs = Sample;
    type Data = KernelFile;

    fn open(inode: &INode<Sample>, file: Opening<'_, Sample>) -> Result<Pin<KBox<KernelFile>>> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        let flags = flags::O_RDONLY | flags::O_LARGEFILE | file.flags() & flags::O_DIRECT;
        let below = file::open_backing(&file, flags, tree.at(&real), &tree.cred)?;
        file.copy_direct_io(&below);
        Ok(KBox::pin(below, GFP_KERNEL)?)
    }

    fn read(below: &KernelFile, iocb: Iocb<'_, Sample>, iter: &mut Iter<'_>) -> Result<isize> {
        let cred = &iocb.file().node().sb().data().cred;
        backing::read::<Self>(below, iocb, iter, cred)
    }

    fn mmap(below: &KernelFile, file: &FsFile<Sample>, vma: NewMapping<'_>) -> Result {
        vma.hand_to(below, &file.node().sb().data().cred)
    }

    fn lower(below: &KernelFile) -> Result<&KernelFile> {
        Ok(below)
    }
}

/// Nothing is to be done after a read.
impl Hooks for File {
    type Fs = Sample;

    fn accessed(_file: &FsFile<Sample>) {}

    fn written(_file: &FsFile<Sample>) {}
}

struct Link;

#[vtable]
impl inode_ops::Operations for Link {
    type Fs = Sample;

    fn get_link(inode: &INode<Sample>) -> Result<Target> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.cred.scope(|| namei::read_link(&real))
    }

    fn getattr(idmap: &Idmap, dentry: &DEntry<Sample>, mask: u32, flags: u32) -> Result<Stat> {
        getattr(idmap, dentry, mask, flags)
    }
}
