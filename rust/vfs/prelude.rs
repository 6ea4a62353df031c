// SPDX-License-Identifier: GPL-2.0

//! What a filesystem is usually written with.

pub(crate) use super::{
    attr_ops,
    backing::{self, Iocb, Iter},
    cred::Cred,
    dentry::{DEntry, Dentry, InLookup, Spliced},
    dentry_ops,
    file::{self, FsFile, KernelFile, Opening},
    file_ops, flags,
    fs_context::{self, Log, Value},
    glimpse::Glimpse,
    idmap::Idmap,
    inode::{INode, InodeTables},
    inode_cache::{Iget, Sought},
    inode_ops,
    mode::{FileType, Mode},
    mount::PrivateMount,
    namei,
    path::PathBuf,
    rcu::{RcuArc, Slot},
    readdir::Emitter,
    stat::{Stat, StatFs},
    super_block::{FileSystem, Params, Reconfigured, SuperBlock},
    symlink::Target,
    vma::NewMapping,
    vtable::Without,
};
