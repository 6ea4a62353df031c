// SPDX-License-Identifier: GPL-2.0

//! Private mappings of a union that are snapshots: where the pasts of its files are, and how a view is mapped.

use super::{
    snapshot::{Counts, Past},
    views::{self, Views},
};
use crate::vfs::{
    mm::vma::NewMapping,
    mount::{cred::Cred, file::KernelFile, private_mount::PrivateMount},
    object::inode::Inode,
    ops::backing,
    own::{file::FsFile, file_system::FileSystem, super_block::SuperBlock},
    sync::rcu::{RcuArc, Shared, Slot},
    value::flags,
};
use core::ops::Deref;
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    new_spinlock,
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
    sync::{Arc, SpinLock},
};

/// What a union has whose private mappings are snapshots.
pub(crate) struct Snapshots {
    /// Where views have their inodes.
    views: PrivateMount,
    pasts: Arc<Pasts>,
    depth: usize,
    counts: Arc<Counts>,
}

/// The pasts of all files that somebody changes or looks at, by the addresses of their inodes on the branches. Several
/// inodes of the union may stand for one of these: names on two branches, or one that is written to while a branch
/// above has been there and gone. What is written by one of them is kept for who looks by another.
#[pin_data]
struct Pasts {
    #[pin]
    all: SpinLock<RBTree<usize, Entry>>,
}

struct Entry {
    past: Arc<Past>,
    /// How many [`Known`] there are of it.
    by: usize,
}

/// The past of a file on a branch, for who changes it or looks at it.
///
/// # Invariants
///
/// It is counted in the entry for `real`, which has this past.
pub(crate) struct Known {
    /// The address of the inode on the branch. Who has a view holds that; without one, what has come to be at the same
    /// address may go on with a past of which nothing is kept.
    real: usize,
    past: Arc<Past>,
    pasts: Arc<Pasts>,
}

// A view holds this until it has ended: what is dropped is memory.
impl Shared for Known {
    const DROP_SLEEPS: bool = false;
}

impl Deref for Known {
    type Target = Arc<Past>;

    fn deref(&self) -> &Arc<Past> {
        &self.past
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let mut all = self.pasts.all.lock();
        let Some(mut entry) = all.find_mut(&self.real) else {
            return;
        };
        let entry_of = entry.get_mut();
        entry_of.by -= 1;
        let unused = (entry_of.by == 0).then(|| entry.remove_node());
        drop(all);
        drop(unused);
    }
}

/// Where an inode has the past of the file on a branch that it stands for, or is a view of.
pub(crate) struct PastSlot(Slot<Known>);

impl PastSlot {
    /// Nobody has asked for it.
    pub(crate) const fn new() -> Self {
        Self(Slot::empty())
    }

    /// That of a view.
    fn with(known: RcuArc<Known>) -> Self {
        Self(Slot::new(Some(known)))
    }

    /// Forgets the past, as the inode goes. Waits for nobody.
    pub(crate) fn forget(&self) {
        drop(self.0.replace(None));
    }
}

impl Snapshots {
    /// Of a union at stacking level `depth`, which shows `counts`. `ENOMEM`, or why nothing can be mounted.
    pub(crate) fn new(depth: usize, counts: Arc<Counts>) -> Result<Pin<KBox<Self>>> {
        let pasts = pin_init!(Pasts {
            all <- new_spinlock!(RBTree::new(), "Pasts::all"),
        });
        let snapshots = Self {
            views: views::mount()?,
            pasts: Arc::pin_init(pasts, GFP_KERNEL)?,
            depth,
            counts,
        };
        Ok(KBox::pin(snapshots, GFP_KERNEL)?)
    }

    /// The past of `real`, whom the caller holds, and which `pasts` is to know. `ENOMEM`.
    pub(crate) fn past_of(&self, pasts: &PastSlot, real: &Inode) -> Result<RcuArc<Known>> {
        match pasts.0.get() {
            Some(known) if known.real == core::ptr::from_ref(real).addr() => Ok(known),
            _ => self.find(pasts, core::ptr::from_ref(real).addr()),
        }
    }

    #[cold]
    fn find(&self, pasts: &PastSlot, real: usize) -> Result<RcuArc<Known>> {
        // No memory is asked for with the lock.
        let new = Past::new(self.depth, self.counts.clone())?;
        let room = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let past = {
            let mut all = self.pasts.all.lock();
            if let Some(entry) = all.get_mut(&real) {
                entry.by += 1;
                entry.past.clone()
            } else {
                let past = new.clone();
                all.insert(room.into_node(real, Entry { past, by: 1 }));
                new
            }
        };
        // INVARIANT: It was counted just now.
        let known = Known {
            real,
            past,
            pasts: self.pasts.clone(),
        };
        let known = RcuArc::new(known, GFP_KERNEL_ACCOUNT)?;
        drop(pasts.0.replace(Some(known.clone())));
        Ok(known)
    }

    /// Maps `real`, which `user` is served by, as it is now. `EINVAL` for a file without a page cache.
    pub(super) fn map<T: FileSystem>(
        &self,
        user: &FsFile<T>,
        real: &KernelFile,
        known: RcuArc<Known>,
        vma: NewMapping<'_>,
        cred: &Cred,
    ) -> Result {
        let mnt = &*self.views;
        let sb = SuperBlock::<Views>::of(mnt.super_block()).ok_or(EIO)?;
        if !real.keeps_pages() {
            return Err(EINVAL);
        }
        // Who mounted is asked whether the file on the branch may be mapped; of views no security module knows.
        vma.check(real, cred)?;
        let view = cred.scope(|| {
            // What the views of a file are read from lives as long as the last of them: what is open for writing would
            // keep others from running it, and what somebody has opened keeps the mount that they opened it by.
            let file = match user.is_writable() || !known.may_be_viewed() {
                true => backing::open_unseen(
                    user,
                    flags::O_RDONLY | flags::O_LARGEFILE | flags::O_NOATIME,
                    real.path(),
                    cred,
                )?,
                false => real.share(),
            };
            let view = known.view(|| file)?;
            let inode = views::inode(sb, view, PastSlot::with(known))?;
            backing::open_nameless(user, mnt, inode, cred)
        })?;
        vma.hand_to(&view, cred)?;
        Ok(())
    }
}
