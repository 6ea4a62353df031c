// SPDX-License-Identifier: GPL-2.0

//! What a filesystem is usually written with.

pub(crate) use super::{
    admin::log::Log,
    attr::stat::{Stat, StatFs},
    below::{namei, symlink::Target},
    fs::{
        fs_context::{self, Value},
        inode_ops,
        mountable::Mountable,
        super_ops::Params,
    },
    mm::{
        folio::{DirtyPage, EmptyPage, FilledPage},
        shmem::ShmemFile,
        vma::NewMapping,
    },
    mount::{cred::Cred, file::KernelFile, path::PathBuf, private_mount::PrivateMount},
    object::{dentry::Dentry, glimpse::Glimpse, idmap::Idmap},
    ops::{
        attr_ops,
        backing::{self, Iocb, Iter},
        dentry_ops,
        emitter::Emitter,
        file_ops, page_ops,
        vtable::Without,
    },
    own::{
        dentry::{InLookup, OwnDentry, Spliced},
        file::{FsFile, Opening},
        file_system::{FileSystem, InodeTables},
        inode::{Locked, OwnInode},
        inode_cache::{Iget, Sought},
        super_block::{Reconfigured, SuperBlock},
    },
    sync::rcu::{RcuArc, Slot},
    value::{
        flags,
        mode::{FileType, Mode},
    },
};
