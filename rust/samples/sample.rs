// SPDX-License-Identifier: GPL-2.0

//! A read-only filesystem that shows one directory tree of another filesystem: `-o dir=PATH`.
//!
//! It is only in test builds (`AUFS2_SAMPLE=1`), where it shows that [`crate::vfs`] knows nothing
//! about unions.
#![forbid(unsafe_code)]

use crate::vfs::{prelude::*, value::errno::ESTALE};
use core::{convert::Infallible, ptr};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
};

/// The filesystem type.
pub(crate) struct Sample;

/// What is shown, and as whom it is read.
pub(crate) struct Tree {
    mnt: PrivateMount,
    cred: Cred,
}

/// What an inode shows, until it is evicted.
type Node = Slot<ARef<Dentry>>;

#[vtable]
impl FileSystem for Sample {
    const NAME: &'static CStr = c"aufs2_sample";
    type SuperData = Tree;
    type INodeData = Node;

    fn fresh_number(_: &SuperBlock<Sample>) -> u64 {
        static NEXT: Atomic<u64> = Atomic::new(1);
        // No two get the same one, in whatever order.
        !NEXT.fetch_add(1, Relaxed)
    }

    fn tables(_: &Self::INodeData, mode: Mode) -> InodeTables<Self> {
        match mode.file_type() {
            FileType::Directory => InodeTables::with_file::<Dir, Dir>(),
            FileType::Regular => InodeTables::with_file::<Without<Sample>, File>(),
            FileType::Symlink => InodeTables::new::<Link>(),
            _ => InodeTables::new::<Without<Sample>>(),
        }
    }

    fn evict(inode: Glimpse<'_, OwnInode<Self>>) {
        drop(inode.data().replace(None));
    }

    fn statfs(root: &OwnDentry<Self>) -> Result<StatFs> {
        let mnt = &root.sb().data().mnt;
        let mut stat = StatFs::of(mnt.at(mnt.root()))?;
        stat.identify(root.sb(), 255);
        Ok(stat)
    }
}

impl Mountable for Sample {
    type Context = Request;
    type DentryOps = Names;
    type Attrs = Attrs;
    type Xattrs = Without<Self>;
}

/// A mount being made.
pub(crate) struct Request(Option<PathBuf>);

#[vtable]
impl fs_context::Context for Request {
    type Fs = Sample;

    fn new(_log: &Log, _sb: Option<&SuperBlock<Sample>>, _type_name: &CStr) -> Result<Self> {
        Ok(Self(None))
    }

    fn parse(
        &mut self,
        _log: &Log,
        _sb: Option<&SuperBlock<Sample>>,
        key: &CStr,
        value: Value<'_>,
    ) -> Result<bool> {
        match value {
            _ if key.to_bytes() != b"dir" => return Ok(false),
            Value::String(path) => self.0 = Some(PathBuf::resolve(path.to_bytes())?),
            Value::Place(path) => self.0 = Some(path),
            Value::Flag => return Err(EINVAL),
        }
        Ok(true)
    }

    fn prepare(&mut self, log: &Log, _readonly: bool) -> Result<(Params, Tree)> {
        let dir = self.0.take().ok_or(EINVAL).inspect_err(|_| {
            log.error(fmt!("which directory? dir=PATH"));
        })?;
        let mnt = PrivateMount::clone_of(dir.as_ref(), false)?;
        let (params, cred) = (
            Params::above(mnt.super_block(), 0x7361_6d70)?,
            Cred::current_within_limits()?,
        );
        Ok((params, Tree { mnt, cred }))
    }

    fn make_root(sb: &SuperBlock<Sample>) -> Result<ARef<OwnInode<Sample>>> {
        node(sb, sb.data().mnt.root())
    }

    fn reconfigure(&mut self, _: &Log, _: &Reconfigured<'_, Sample>, readonly: bool) -> Result {
        readonly.then_some(()).ok_or(EROFS)
    }
}

/// The inode that shows `dentry`.
fn node(sb: &SuperBlock<Sample>, dentry: &Dentry) -> Result<ARef<OwnInode<Sample>>> {
    let below = dentry.inode().ok_or(ESTALE)?;
    let sought = Sought {
        hash: below.ino(),
        number: below.ino(),
        key: ptr::from_ref(below).addr(),
        by_number: false,
    };
    match sb.iget(&sought)? {
        Iget::New(new) => {
            let data = Slot::new(Some(RcuArc::new(dentry.into(), GFP_KERNEL)?));
            let data = Ok::<_, Infallible>(data);
            new.fill(below, below.nlink(), sb.data().mnt.idmap(), data)
        }
        Iget::Cached(inode) if ptr::eq(real(&inode)?.inode().ok_or(ESTALE)?, below) => Ok(inode),
        // What had its address is about to leave the cache.
        Iget::Cached(_) => Err(ESTALE),
    }
}

fn real(inode: &OwnInode<Sample>) -> Result<RcuArc<ARef<Dentry>>> {
    inode.data().get().ok_or(ESTALE)
}

/// Opens what `inode` shows.
fn open(inode: &OwnInode<Sample>, file: &Opening<'_, Sample>) -> Result<Pin<KBox<KernelFile>>> {
    let (real, tree) = (real(inode)?, inode.sb().data());
    let flags = file.flags() & (flags::O_DIRECTORY | flags::O_DIRECT) | flags::O_LARGEFILE;
    let below = backing::open_backing(file, flags, tree.mnt.at(&real), &tree.cred)?;
    file.copy_direct_io(&below);
    Ok(KBox::pin(below, GFP_KERNEL)?)
}

/// Attributes are those of what is shown.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Sample;

    fn getattr(
        idmap: &Idmap,
        dentry: &OwnDentry<Sample>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        let inode = dentry.positive()?;
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.cred
            .scope(|| stat.query(tree.mnt.at(&real), mask, flags))?;
        stat.identify(inode, idmap);
        Ok(())
    }
}

/// Names that mean something keep their meaning.
pub(crate) struct Names;

#[vtable]
impl dentry_ops::Operations for Names {
    type Fs = Sample;

    fn revalidate(call: dentry_ops::Revalidate<'_, Sample>) -> Result<bool> {
        Ok(call.seen().0.is_positive())
    }
}

struct Dir;

#[vtable]
impl inode_ops::Operations for Dir {
    type Fs = Sample;

    fn lookup(dir: &OwnInode<Sample>, dentry: InLookup<'_, Sample>) -> Result<Spliced<Sample>> {
        let (real, tree, name) = (real(dir)?, dir.sb().data(), dentry.name_in_lookup()?);
        let found = tree.cred.scope(|| namei::lookup(&tree.mnt, &real, name))?;
        let inode = found.map(|found| node(dir.sb(), &found)).transpose()?;
        dentry.splice(inode, 0)
    }
}

#[vtable]
impl file_ops::Operations for Dir {
    type Fs = Sample;
    type Data = KernelFile;

    fn open(inode: &OwnInode<Sample>, file: Opening<'_, Sample>) -> Result<Pin<KBox<KernelFile>>> {
        open(inode, &file)
    }

    fn iterate(below: &KernelFile, file: &FsFile<Sample>, out: &mut Emitter<'_>) -> Result {
        let read = || below.read_dir_into(out);
        file.own_inode().sb().data().cred.scope(read)
    }
}

struct File;

#[vtable]
impl file_ops::Operations for File {
    type Fs = Sample;
    type Data = KernelFile;

    fn open(inode: &OwnInode<Sample>, file: Opening<'_, Sample>) -> Result<Pin<KBox<KernelFile>>> {
        open(inode, &file)
    }

    fn read(below: &KernelFile, iocb: Iocb<'_, Sample>, iter: &mut Iter<'_>) -> Result<isize> {
        let cred = &iocb.file().own_inode().sb().data().cred;
        backing::read::<Without<Sample>>(below, iocb, iter, cred)
    }

    fn mmap(below: &KernelFile, file: &FsFile<Sample>, vma: NewMapping<'_>) -> Result {
        vma.hand_to(below, &file.own_inode().sb().data().cred)
            .map(|_| ())
    }

    fn lower(below: &KernelFile) -> Result<&KernelFile> {
        Ok(below)
    }
}

struct Link;

#[vtable]
impl inode_ops::Operations for Link {
    type Fs = Sample;

    fn get_link(inode: &OwnInode<Sample>) -> Result<Target> {
        let (real, tree) = (real(inode)?, inode.sb().data());
        tree.cred.scope(|| namei::read_link(&real))
    }
}
