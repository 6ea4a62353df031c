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
    sync::{
        lockdep,
        rcu::{RcuArc, Shared, Slot},
    },
    value::flags,
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    sync::{Arc, Mutex},
};

/// What a union has whose private mappings are snapshots.
#[pin_data]
pub(crate) struct Snapshots {
    /// Where views have their inodes.
    views: PrivateMount,
    /// Held to make a [`Past`], so that a file has one. Inside are what another one's lock is held for, and memory: it
    /// is taken below `mmap_lock`.
    #[pin]
    making: Mutex<()>,
    depth: usize,
    counts: Arc<Counts>,
}

static MAKING: lockdep::Classes = lockdep::Classes::new();

/// A [`Past`], and the address of the inode on the branch that it is of.
struct Known {
    real: usize,
    past: Arc<Past>,
    /// What the inode of the union stood for before, if there are views of that: a move may be taken back.
    before: Option<RcuArc<Known>>,
}

// There is no view without somebody who holds the past: what is dropped is memory.
impl Shared for Known {
    const DROP_SLEEPS: bool = false;
}

/// Where an inode of a union has the past of the file on a branch that it stands for.
pub(crate) struct PastSlot(Slot<Known>);

impl PastSlot {
    /// Nobody has asked for it.
    pub(crate) const fn new() -> Self {
        Self(Slot::empty())
    }

    /// The past of `real`, whom the caller holds, if anybody has asked for it. One who finds that of an inode that was
    /// at the same address finds one of which nothing is kept.
    fn find(&self, real: &Inode) -> Option<Arc<Past>> {
        let (mut known, real) = (self.0.get()?, core::ptr::from_ref(real).addr());
        while known.real != real {
            known = known.before.clone()?;
        }
        Some(known.past.clone())
    }

    /// Forgets the past, as the inode goes. Whoever has a view keeps it. Waits for nobody.
    pub(crate) fn forget(&self) {
        drop(self.0.replace(None));
    }
}

impl Snapshots {
    /// Of a union at stacking level `depth`, which shows `counts`. `ENOMEM`, or why nothing can be mounted.
    pub(crate) fn new(depth: usize, counts: Arc<Counts>) -> Result<Pin<KBox<Self>>> {
        let snapshots = try_pin_init!(Self {
            views: views::mount()?,
            making <- Mutex::new((), c"Snapshots::making", MAKING.at(depth)),
            depth,
            counts,
        }? Error);
        KBox::pin_init(snapshots, GFP_KERNEL)
    }

    /// The past of `real`, which `pasts` is to know. `ENOMEM`.
    pub(crate) fn past_of(&self, pasts: &PastSlot, real: &Inode) -> Result<Arc<Past>> {
        match pasts.find(real) {
            Some(past) => Ok(past),
            None => self.make(pasts, real),
        }
    }

    #[cold]
    fn make(&self, pasts: &PastSlot, real: &Inode) -> Result<Arc<Past>> {
        let _making = self.making.lock();
        if let Some(past) = pasts.find(real) {
            return Ok(past);
        }
        let past = Past::new(self.depth, self.counts.clone())?;
        let known = Known {
            real: core::ptr::from_ref(real).addr(),
            past: past.clone(),
            before: pasts.0.get().filter(|before| before.past.is_viewed()),
        };
        let known = RcuArc::new(known, GFP_KERNEL_ACCOUNT)?;
        drop(pasts.0.replace(Some(known)));
        Ok(past)
    }

    /// Maps `real`, which `user` is served by, as it is now. `EINVAL` for a file without a page cache.
    pub(super) fn map<T: FileSystem>(
        &self,
        user: &FsFile<T>,
        real: &KernelFile,
        past: &Arc<Past>,
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
            // What is open for writing would keep others from running it.
            let file = match user.is_writable() {
                true => backing::open_unseen(
                    user,
                    flags::O_RDONLY | flags::O_LARGEFILE | flags::O_NOATIME,
                    real.path(),
                    cred,
                )?,
                false => real.share(),
            };
            let inode = views::inode(sb, past.view(|| file)?)?;
            backing::open_nameless(user, mnt, inode, cred)
        })?;
        vma.hand_to(&view, cred)?;
        Ok(())
    }
}
