// SPDX-License-Identifier: GPL-2.0

//! The filesystem type: which operations belong to what, and those of a super block.

use super::{
    attr::Attrs, context::Request, dentry::Revalidation, dir, regular, special, xattr::Xattrs,
};
use crate::{
    union::{
        branch::{branch::Branch, volatile},
        object::{
            instance::{Instance, Pins, Union, AUFS},
            node::Node,
        },
        text::escape::escape_option,
    },
    vfs::{
        admin::seq,
        attr::stat::StatFs,
        fs::mountable::Mountable,
        object::{glimpse::Glimpse, inode::Inode},
        own::{
            dentry::OwnDentry,
            file_system::{FileSystem, InodeTables},
            inode::OwnInode,
            shelves::Shelf,
            super_block::SuperBlock,
        },
        value::{
            errno::ESTALE,
            flags,
            mode::{FileType, Mode},
        },
    },
};
use kernel::{prelude::*, seq_file::SeqFile, seq_print, sync::Arc};

#[vtable]
impl FileSystem for Union {
    const NAME: &'static CStr = c"aufs2";
    const FLAGS: u32 = flags::FS_ALLOW_IDMAP | flags::FS_RENAME_DOES_D_MOVE;
    type SuperData = Pin<KBox<Instance>>;
    type INodeData = Node;

    fn tables(node: &Node, mode: Mode) -> InodeTables<Self> {
        let has_no_devices = || {
            let stack = node.stack();
            stack.is_ok_and(|stack| stack.top().branch.mnt().has_no_devices())
        };
        match mode.file_type() {
            FileType::Directory => dir::tables(),
            FileType::Regular => regular::tables(),
            FileType::Symlink => special::symlink_tables(),
            FileType::CharDevice | FileType::BlockDevice if has_no_devices() => {
                special::never_opened_tables()
            }
            _ => special::tables(),
        }
    }

    fn shelf(node: &Node) -> Shelf {
        Shelf::of(node.branches().groups())
    }

    fn is_known_as(node: &Node, key: usize) -> bool {
        node.has_earlier_key(key)
    }

    fn fresh_number(sb: &SuperBlock<Self>) -> u64 {
        sb.data().ranges.fresh()
    }

    // As on the branch's own mount.
    fn has_set_id(inode: &OwnInode<Self>, real: &Inode) -> Option<bool> {
        let stack = inode.data().stack().ok()?;
        let top = stack.top();
        let is_top = top.inode().is_ok_and(|inode| core::ptr::eq(inode, real));
        is_top.then(|| !top.branch.mnt().has_no_privileges())
    }

    fn evict(inode: Glimpse<'_, OwnInode<Self>>) {
        // A number that lives on as an exception is of no use once the object is gone.
        if inode.nlink() == 0 {
            if let Ok(stack) = inode.data().stack() {
                let top = stack.top();
                if let Ok(real) = top.inode() {
                    if real.nlink() == 0 || !top.branch.is_writable() {
                        top.branch.numbers.forget(top.path());
                    }
                }
            }
        }
        inode.sb().data().counters().inodes.down();
        inode.data().release_evicted();
    }

    fn shutdown(sb: &SuperBlock<Self>) {
        let instance = sb.data();
        let pinned = core::mem::replace(&mut *instance.pinned.lock(), Pins::new());
        drop(pinned);
        if let Ok(table) = instance.table() {
            instance.cred.scope(|| volatile::end_all(&table.branches));
            // When umount(2) has returned, and not when the last reader of a list has.
            table.branches.iter().for_each(|b| b.place().let_go());
        }
    }

    fn statfs(root: &OwnDentry<Self>) -> Result<StatFs> {
        let sb = root.sb();
        let instance = sb.data();
        let table = instance.table()?;
        let mut stat = instance.cred.scope(|| -> Result<StatFs> {
            let first = table.branches.first().ok_or(ESTALE)?;
            let mut stat = StatFs::of(first.at(first.root()))?;
            if instance.settings().sum() {
                for (index, branch) in table.branches.iter().enumerate().skip(1) {
                    let again = table.branches[..index].iter().any(|other| {
                        core::ptr::eq(other.mnt().super_block(), branch.mnt().super_block())
                    });
                    if !again {
                        stat.add(&StatFs::of(branch.at(branch.root()))?);
                    }
                }
            }
            Ok(stat)
        })?;
        stat.identify(sb, 255);
        Ok(stat)
    }

    fn may_freeze(sb: &SuperBlock<Self>) -> Result {
        let table = sb.data().table()?;
        let mut writable = table.branches.iter().filter(|b| b.is_writable());
        match writable.any(|branch| branch.mnt().super_block().is_frozen()) {
            true => Err(EBUSY),
            false => Ok(()),
        }
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) {
        let instance = sb.data();
        seq_print!(seq, ",si={:x}", instance.si);
        if *sb.type_name() == *AUFS {
            // To aufs's tools, which would take the pseudo-links of the branches for theirs.
            seq_print!(seq, ",noplink");
        }
        seq_print!(seq, "{}", instance.all_settings());
        if crate::BRS.get() == 0 {
            show_branches(instance, seq);
        }
    }

    fn sync(sb: &SuperBlock<Self>, wait: bool) -> Result {
        let instance = sb.data();
        if !wait {
            return Ok(());
        }
        let table = instance.table()?;
        let written = || table.branches.iter().filter(|b| b.may_have_written());
        if instance.is_volatile() {
            return written().try_for_each(|branch| branch.check_writes());
        }
        // One that fails does not keep the others from being written out.
        let mut result = Ok(());
        for (index, branch) in written().enumerate() {
            // Once for all of its branches.
            let fs = branch.mnt().super_block();
            let is_on = |other: &Arc<Branch>| core::ptr::eq(other.mnt().super_block(), fs);
            if !written().take(index).any(is_on) {
                let synced = fs.sync();
                // Where nothing is written to any more, what has failed was told of once, and may fail for ever.
                if written().any(|other| is_on(other) && other.is_writable()) {
                    result = result.and(synced);
                }
            }
            branch.tell_of_writes(sb);
        }
        result
    }
}

impl Mountable for Union {
    type Context = Request;
    type DentryOps = Revalidation;
    type Attrs = Attrs;
    type Xattrs = Xattrs;
}

/// Prints the branches as an option, as aufs does with its module parameter `brs=0`.
fn show_branches(instance: &Instance, seq: &SeqFile) {
    let Ok(table) = instance.table() else {
        return;
    };
    seq_print!(seq, ",br");
    for branch in &table.branches {
        seq_print!(seq, ":");
        // Neither may end the option, or the path, where there is none.
        let _ = branch.place().show(|piece| {
            escape_option(piece, |piece| {
                seq::write(seq, piece);
                Ok(())
            })
        });
        seq_print!(seq, "={}", branch.permission());
    }
}
