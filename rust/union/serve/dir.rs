// SPDX-License-Identifier: GPL-2.0

//! Directories.

use super::{
    control,
    regular::{self, Opened},
};
use crate::{
    union::{
        entries::{entry, rename},
        find::{lookup, merge, refresh},
        object::{instance::Union, listing::Listing, stack::Stack},
        text::options::Attributes,
    },
    vfs::{
        admin::ioctl::Command,
        fs::inode_ops::Operations,
        mount::file::KernelFile,
        object::idmap::Idmap,
        ops::{emitter::Emitter, file_ops, rename::Rename},
        own::{
            dentry::{InLookup, Negative, OwnDentry, Spliced},
            file::{FsFile, NewFile, Opening},
            file_system::InodeTables,
            inode::{Locked, OwnInode},
        },
        sync::lockdep,
        value::{flags, mode::Mode},
    },
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc, Mutex},
};

/// The tables of directories.
pub(crate) fn tables() -> InodeTables<Union> {
    InodeTables::with_file::<DirInode, DirFile>()
}

struct DirInode;

#[vtable]
impl Operations for DirInode {
    type Fs = Union;

    fn lookup(dir: &OwnInode<Union>, dentry: InLookup<'_, Union>) -> Result<Spliced<Union>> {
        lookup::lookup(dir, dentry)
    }

    fn create(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode) -> Result {
        entry::create(idmap, entry, mode)
    }

    fn mkdir(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode) -> Result {
        entry::mkdir(idmap, entry, mode)
    }

    fn mknod(idmap: &Idmap, entry: Negative<'_, Union>, mode: Mode, dev: u32) -> Result {
        entry::mknod(idmap, entry, mode, dev)
    }

    fn symlink(idmap: &Idmap, entry: Negative<'_, Union>, target: &CStr) -> Result {
        entry::symlink(idmap, entry, target)
    }

    fn link(old: &OwnDentry<Union>, entry: Negative<'_, Union>) -> Result {
        entry::link(old, entry)
    }

    fn unlink(dir: &Locked<'_, Union>, dentry: &OwnDentry<Union>) -> Result {
        entry::unlink(dir, dentry)
    }

    fn rmdir(dir: &Locked<'_, Union>, dentry: &OwnDentry<Union>) -> Result {
        entry::rmdir(dir, dentry)
    }

    fn rename(idmap: &Idmap, rename: Rename<'_, Union>) -> Result {
        rename::rename(idmap, rename)
    }

    fn tmpfile(
        idmap: &Idmap,
        dir: &OwnInode<Union>,
        file: NewFile<'_, Union>,
        mode: Mode,
    ) -> Result<ARef<OwnInode<Union>>> {
        entry::tmpfile(idmap, dir, file, mode)
    }
}

/// The positions of `.` and `..`; entries of a listing come after them.
const FIRST: i64 = 2;

/// An open directory: it shows the entries that were there when it was opened or rewound, so that
/// positions stay what they are.
#[pin_data]
struct OpenDir {
    _opened: Opened,
    #[pin]
    listing: Mutex<Option<Arc<Listing>>>,
}

impl OpenDir {
    /// What `file`, which this is the data of, shows. The caller holds the directory's lock.
    fn shown(&self, file: &FsFile<Union>, rewound: bool) -> Result<Arc<Listing>> {
        let mut kept = self.listing.lock();
        if let Some(listing) = kept.as_ref().filter(|_| !rewound) {
            return Ok(listing.clone());
        }
        let read = listing(file.dentry())?;
        let old = kept.replace(read.clone());
        drop(kept);
        drop(old);
        Ok(read)
    }
}

struct DirFile;

/// The merged entries of a directory, read now or kept from the last time.
fn listing(dentry: &OwnDentry<Union>) -> Result<Arc<Listing>> {
    let stack = refresh::stack(dentry)?;
    let inode = dentry.positive()?;
    let node = inode.data();
    let changes = node.changes();
    if let Some(kept) = node.lock_state_killable()?.listing.as_ref() {
        if kept.is_current(&stack, changes) {
            return Ok(kept.clone());
        }
    }
    // No change through the union can come in between: the caller holds the directory's lock.
    let instance = inode.sb().data();
    let shows = instance.settings().show_whiteouts();
    let read = instance
        .cred
        .scope(|| merge::read(&stack, shows, changes))?;
    let old = node.lock_state_killable()?.listing.replace(read.clone());
    drop(old);
    Ok(read)
}

static LISTING: lockdep::Classes = lockdep::Classes::new();

#[vtable]
impl file_ops::Operations for DirFile {
    type Fs = Union;
    type Data = OpenDir;

    fn open(inode: &OwnInode<Union>, file: Opening<'_, Union>) -> Result<Pin<KBox<OpenDir>>> {
        let stack = inode.data().stack()?;
        regular::copy_on_open(&file, stack.top(), Attributes::COPY_ALL_ON_OPEN);
        let key = LISTING.at(inode.sb().data().depth);
        KBox::pin_init(
            pin_init!(OpenDir {
                _opened: Opened::new(inode),
                listing <- Mutex::new(None, c"OpenDir::listing", key),
            }),
            GFP_KERNEL,
        )
    }

    fn seek(_data: &Self::Data, file: &FsFile<Union>, offset: i64, whence: u32) -> Result<i64> {
        let target = match whence {
            flags::SEEK_SET => offset,
            flags::SEEK_CUR => file.position().checked_add(offset).ok_or(EOVERFLOW)?,
            _ => return Err(EINVAL),
        };
        file.set_position(target)
    }

    fn iterate(data: &Self::Data, file: &FsFile<Union>, out: &mut Emitter<'_>) -> Result {
        let rewound = out.position() == 0;
        if !out.emit_dots(file) {
            return Ok(());
        }
        let shown = data.shown(file, rewound)?;
        let start = usize::try_from(out.position() - FIRST).map_err(|_| EINVAL)?;
        shown.emit(start, out);
        Ok(())
    }

    fn ioctl(data: &Self::Data, file: &FsFile<Union>, command: Command) -> Result<u32> {
        control::dir_ioctl(file, command, |rewound| data.shown(file, rewound))
    }

    fn sync(
        _data: &Self::Data,
        file: &FsFile<Union>,
        _start: i64,
        _end: i64,
        data_only: bool,
    ) -> Result {
        let instance = file.own_inode().sb().data();
        let stack = refresh::stack(file.dentry())?;
        if instance.is_volatile() {
            let mut written = stack.layers.iter().filter(|l| l.branch.is_writable());
            return written.try_for_each(|layer| layer.branch.check_writes());
        }
        instance.cred.scope(|| sync_layers(&stack, data_only))
    }
}

fn sync_layers(stack: &Stack, data_only: bool) -> Result {
    // Also where something was written before the branch became read-only.
    for layer in stack.layers.iter().filter(|l| l.branch.was_written()) {
        let flags = flags::O_RDONLY | flags::O_DIRECTORY;
        KernelFile::open(layer.path(), flags)?.sync_range(0, i64::MAX, data_only)?;
    }
    Ok(())
}
