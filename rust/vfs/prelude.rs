// SPDX-License-Identifier: GPL-2.0

//! What a filesystem is usually written with.

pub(crate) use super::{
    call::{
        namei,
        readdir::Emitter,
        stat::{Stat, StatFs},
        symlink::Target,
    },
    mm::vma::NewMapping,
    object::{
        cred::Cred,
        dentry::{DEntry, Dentry, InLookup, Spliced},
        file::{self, FsFile, KernelFile, Opening},
        glimpse::Glimpse,
        idmap::Idmap,
        mount::PrivateMount,
        path::PathBuf,
    },
    own::{
        inode::INode,
        inode_cache::{Iget, Sought},
        new_inode::InodeTables,
        super_block::{FileSystem, Params, Reconfigured, SuperBlock},
    },
    sync::rcu::{RcuArc, Slot},
    table::{
        attr_ops,
        backing::{self, Iocb, Iter},
        dentry_ops, file_ops,
        fs_context::{self, Log, Value},
        inode_ops,
        vtable::Without,
    },
    value::{
        flags,
        mode::{FileType, Mode},
    },
};
