// SPDX-License-Identifier: GPL-2.0

//! A filesystem that passes everything on to one directory tree of another filesystem, and in which
//! each operation can be held, failed or slowed: `-o dir=PATH,control=NAME`.
//!
//! It is only in test builds (`AUFS2_SAMPLE=1`), where it is a branch that answers when a test wants
//! it to. `NAME` is a directory of debugfs, with the file `operations`: see [`trouble`]. What is in the
//! tree is changed through here alone while it is mounted. With `-o remote` it is cached as of a server: it can be
//! asked whether that holds, and is believed to meanwhile, also of what has gone while nobody knew.
#![forbid(unsafe_code)]

mod attr;
mod dir;
mod file;
mod trouble;

use crate::vfs::{
    admin::debugfs::Directory, ops::dentry_ops::Revalidate, prelude::*, value::errno::ESTALE,
};
use core::{convert::Infallible, ptr};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use trouble::Trouble;

/// The filesystem type.
pub(crate) struct Pass;

/// What is passed on to, and as whom.
pub(crate) struct Tree {
    mnt: PrivateMount,
    cred: Cred,
    trouble: Arc<Trouble>,
    is_remote: bool,
    _directory: Directory<Arc<Trouble>>,
}

/// What an inode stands for, until it is evicted.
type Node = Slot<ARef<Dentry>>;

#[vtable]
impl FileSystem for Pass {
    const NAME: &'static CStr = c"aufs2_pass";
    type SuperData = Tree;
    type INodeData = Node;

    // Never used: no two objects of one filesystem that are there have the same number.
    fn fresh_number(_: &SuperBlock<Pass>) -> u64 {
        static NEXT: Atomic<u64> = Atomic::new(1);
        // No two get the same one, in whatever order.
        !NEXT.fetch_add(1, Relaxed)
    }

    fn tables(_: &Self::INodeData, mode: Mode) -> InodeTables<Self> {
        match mode.file_type() {
            FileType::Directory => dir::tables(),
            FileType::Regular => file::tables(),
            FileType::Symlink => file::link_tables(),
            _ => InodeTables::new::<Without<Pass>>(),
        }
    }

    fn evict(inode: Glimpse<'_, OwnInode<Self>>) {
        drop(inode.data().replace(None));
    }

    fn statfs(root: &OwnDentry<Self>) -> Result<StatFs> {
        let tree = root.sb().data();
        tree.trouble.ask("statfs")?;
        let mut stat = StatFs::of(tree.mnt.at(tree.mnt.root()))?;
        stat.identify(root.sb(), 255);
        Ok(stat)
    }

    fn sync(sb: &SuperBlock<Self>, wait: bool) -> Result {
        let tree = sb.data();
        tree.trouble.ask("syncfs")?;
        match wait {
            true => tree.mnt.super_block().sync(),
            false => Ok(()),
        }
    }
}

impl Mountable for Pass {
    type Context = Request;
    type DentryOps = Names;
    type Attrs = attr::Attrs;
    type Xattrs = attr::Xattrs;
}

/// The names of a server's, which were looked at not long ago.
pub(crate) struct Names;

#[vtable]
impl dentry_ops::Operations for Names {
    type Fs = Pass;

    fn revalidate(_: Revalidate<'_, Pass>) -> Result<bool> {
        Ok(true)
    }
}

/// A mount being made.
pub(crate) struct Request {
    dir: Option<PathBuf>,
    control: Option<CString>,
    is_remote: bool,
}

#[vtable]
impl fs_context::Context for Request {
    type Fs = Pass;

    fn new(_log: &Log, _sb: Option<&SuperBlock<Pass>>, _type_name: &CStr) -> Result<Self> {
        Ok(Self {
            dir: None,
            control: None,
            is_remote: false,
        })
    }

    fn parse(
        &mut self,
        _log: &Log,
        _sb: Option<&SuperBlock<Pass>>,
        key: &CStr,
        value: Value<'_>,
    ) -> Result<bool> {
        match (key.to_bytes(), value) {
            (b"dir", Value::String(path)) => self.dir = Some(PathBuf::resolve(path.to_bytes())?),
            (b"dir", Value::Place(path)) => self.dir = Some(path),
            (b"control", Value::String(name)) => self.control = Some(name.try_into()?),
            (b"remote", Value::Flag) => self.is_remote = true,
            (b"dir" | b"control" | b"remote", _) => return Err(EINVAL),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn prepare(&mut self, log: &Log, readonly: bool) -> Result<(Params, Tree)> {
        let (Some(dir), Some(control)) = (self.dir.take(), self.control.take()) else {
            log.error(fmt!("both are needed: dir=PATH and control=NAME"));
            return Err(EINVAL);
        };
        let mnt = PrivateMount::clone_of(dir.as_ref(), true)?;
        let params = Params {
            readonly,
            revalidated: self.is_remote,
            ..Params::above(mnt.super_block(), 0x7061_7373)?
        };
        let trouble = Arc::pin_init(Trouble::new(), GFP_KERNEL)?;
        let directory = Directory::new(&control, trouble.clone())?;
        directory.add_writable::<trouble::Operations>();
        let tree = Tree {
            mnt,
            cred: Cred::current_within_limits()?,
            trouble,
            is_remote: self.is_remote,
            _directory: directory,
        };
        Ok((params, tree))
    }

    fn make_root(sb: &SuperBlock<Pass>) -> Result<ARef<OwnInode<Pass>>> {
        node(sb, sb.data().mnt.root())
    }
}

impl Tree {
    /// The operation `what` of that `number` has happened, which `update` makes known here: what it says. Where that
    /// is an error, nobody knows of it here: `forget` takes what is cached away, but of a server's, which is left as it was.
    fn answer(
        &self,
        number: usize,
        what: &'static str,
        update: impl FnOnce() -> Result,
        forget: impl FnOnce(),
    ) -> Result {
        if self.is_remote {
            self.trouble.answer(number, what)?;
            return update();
        }
        update()?;
        let answer = self.trouble.answer(number, what);
        answer.inspect_err(|_| forget())
    }
}

/// The inode that stands for `dentry`.
fn node(sb: &SuperBlock<Pass>, dentry: &Dentry) -> Result<ARef<OwnInode<Pass>>> {
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

/// What `inode` stands for.
fn real(inode: &OwnInode<Pass>) -> Result<RcuArc<ARef<Dentry>>> {
    inode.data().get().ok_or(ESTALE)
}

/// Repeats the attributes of what `inode` stands for, and its number of links, after a change.
fn update(inode: &OwnInode<Pass>) -> Result {
    let real = real(inode)?;
    let below = real.inode().ok_or(ESTALE)?;
    inode.copy_attr(below, inode.sb().data().mnt.idmap());
    if inode.nlink() != below.nlink() {
        inode.set_nlink(below.nlink());
    }
    Ok(())
}
