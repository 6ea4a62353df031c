// SPDX-License-Identifier: GPL-2.0

//! Where views have their inodes: a filesystem that has nothing else, and no names for them.
//!
//! Each union whose private mappings are snapshots mounts one, as a mount that only the kernel sees. Whoever mounts
//! one by hand finds an empty directory.

use super::{pasts::PastSlot, snapshot::View};
use crate::vfs::{
    admin::log::Log,
    fs::{
        fs_context::{self, Value},
        mountable::Mountable,
        super_ops::Params,
    },
    mm::{
        folio::{EmptyPage, FilledPage},
        shmem::ShmemFile,
        vma::NewMapping,
    },
    mount::private_mount::PrivateMount,
    object::glimpse::Glimpse,
    ops::{
        attr_ops,
        backing::{Iocb, Iter},
        file_ops, page_ops,
        vtable::Without,
    },
    own::{
        file::{FsFile, Opening},
        file_system::{FileSystem, InodeTables},
        inode::OwnInode,
        inode_cache::{Iget, Sought},
        super_block::SuperBlock,
    },
    value::mode::Mode,
};
use core::convert::Infallible;
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
};

/// The filesystem type.
pub(crate) struct Views;

/// What is kept in an inode.
pub(crate) enum Node {
    Root,
    /// With the past that it is a view of, until it has ended.
    View(View, PastSlot),
}

/// A number for an inode, which nobody is told of.
fn next_number() -> u64 {
    static NEXT: Atomic<u64> = Atomic::new(2);
    // No two get the same one, in whatever order.
    NEXT.fetch_add(1, Relaxed)
}

#[vtable]
impl FileSystem for Views {
    const NAME: &'static CStr = c"aufs2_views";
    type SuperData = ();
    type INodeData = Node;

    fn fresh_number(_: &SuperBlock<Self>) -> u64 {
        next_number()
    }

    fn tables(node: &Node, _: Mode) -> InodeTables<Self> {
        match node {
            Node::Root => InodeTables::with_file::<Without<Self>, Without<Self>>(),
            Node::View(..) => InodeTables::with_pages::<Without<Self>, ViewFile, ViewPages>(),
        }
    }

    fn evict(inode: Glimpse<'_, OwnInode<Self>>) {
        if let Node::View(view, past) = inode.data() {
            view.end();
            past.forget();
        }
    }
}

impl Mountable for Views {
    type Context = Request;
    type DentryOps = Without<Self>;
    type Attrs = Attrs;
    type Xattrs = Without<Self>;
}

/// Attributes are kept in the inode.
pub(crate) struct Attrs;

#[vtable]
impl attr_ops::Operations for Attrs {
    type Fs = Views;
}

/// A mount being made, of which nothing can be chosen.
pub(crate) struct Request;

#[vtable]
impl fs_context::Context for Request {
    type Fs = Views;

    fn new(_: &Log, _: Option<&SuperBlock<Views>>, _: &CStr) -> Result<Self> {
        Ok(Self)
    }

    fn parse(
        &mut self,
        _: &Log,
        _: Option<&SuperBlock<Views>>,
        _: &CStr,
        _: Value<'_>,
    ) -> Result<bool> {
        Ok(false)
    }

    fn prepare(&mut self, _: &Log, _: bool) -> Result<(Params, ())> {
        Ok((Params::own_pages(0x7669_6577, ShmemFile::SIZE), ()))
    }

    fn make_root(sb: &SuperBlock<Views>) -> Result<ARef<OwnInode<Views>>> {
        match sb.iget(&sought(0))? {
            Iget::New(new) => new.fill_own(Mode(0o040500), 2, 0, Ok::<_, Infallible>(Node::Root)),
            Iget::Cached(_) => Err(EEXIST),
        }
    }
}

/// An inode that is found by `key`.
fn sought(key: usize) -> Sought {
    Sought {
        hash: key as u64,
        number: next_number(),
        key,
        by_number: false,
    }
}

/// Mounts a filesystem of views.
pub(super) fn mount() -> Result<PrivateMount> {
    PrivateMount::new_instance(Views::NAME, &[], |_, _| ())
}

/// The inode of `view` on `sb`, of the current task, which all that are of the same moment have. It goes when
/// nobody has it open or mapped. `ENOMEM`.
pub(super) fn inode(
    sb: &SuperBlock<Views>,
    view: View,
    past: PastSlot,
) -> Result<ARef<OwnInode<Views>>> {
    // The root has 0.
    let mut key = view.hash().max(1);
    loop {
        match sb.iget(&sought(key)) {
            Ok(Iget::New(new)) => {
                let (mode, size) = (Mode(0o100400), view.size());
                return new.fill_own(mode, 0, size, Ok::<_, Infallible>(Node::View(view, past)));
            }
            Ok(Iget::Cached(inode)) => match inode.data() {
                Node::View(other, _) if other.is_of(&view) => {
                    // That one keeps the moment.
                    view.end();
                    return Ok(inode);
                }
                // It happens to have the key.
                _ => key = key.wrapping_add(1).max(1),
            },
            Err(e) => {
                view.end();
                return Err(e);
            }
        }
    }
}

struct ViewFile;

#[vtable]
impl file_ops::Operations for ViewFile {
    type Fs = Views;
    type Data = ();

    fn open(_: &OwnInode<Views>, _: Opening<'_, Views>) -> Result<Pin<KBox<()>>> {
        Ok(KBox::pin((), GFP_KERNEL)?)
    }

    // The kernel reads what is mapped to find the build identity of a program.
    fn read((): &(), iocb: Iocb<'_, Views>, iter: &mut Iter<'_>) -> Result<isize> {
        page_ops::read(iocb, iter)
    }

    fn mmap((): &(), file: &FsFile<Views>, vma: NewMapping<'_>) -> Result {
        page_ops::map(file, vma)
    }
}

struct ViewPages;

#[vtable]
impl page_ops::Operations for ViewPages {
    type Fs = Views;

    fn read<'a>(inode: &OwnInode<Views>, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        match inode.data() {
            Node::View(view, _) => view.read(page),
            Node::Root => Err(EIO),
        }
    }
}
