// SPDX-License-Identifier: GPL-2.0

//! The objects on the branches that an inode of the union stands for.

use super::index::IndexSlot;
use crate::{
    union::{
        branch::branch::Branch,
        numbers::{branch_id::BranchId, number::Number},
    },
    vfs::{
        below::namei::{self, Search},
        mount::{file::KernelFile, path::Path},
        object::{dentry::Dentry, inode::Inode},
        sync::rcu::{RcuArc, Shared},
        value::{errno::ESTALE, few::Few, flags, name::Name},
    },
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
};

/// An object on a branch.
#[derive(Clone)]
pub(crate) struct Layer {
    // Dropped first: a dentry must not outlive the mount, and whoever waits for the end of the branch
    // may unmount its filesystem as soon as that has gone.
    pub(crate) dentry: ARef<Dentry>,
    pub(crate) branch: Arc<Branch>,
}

impl Layer {
    /// Where the object is.
    pub(crate) fn path(&self) -> Path<'_> {
        self.branch.at(&self.dentry)
    }

    /// The directory, to look names up in: see [`Search`].
    pub(crate) fn search(&self) -> Result<Search<'_>> {
        Search::start(self.branch.mnt(), &self.dentry)
    }

    /// Whether `name` means something in the directory, on this branch.
    pub(crate) fn has(&self, name: &Name) -> Result<bool> {
        Ok(namei::lookup(self.branch.mnt(), &self.dentry, name)?.is_some())
    }

    /// Whether `name` may have gone from the directory, though what should have taken it has failed by `error`: that is
    /// not said, nor can be asked.
    pub(crate) fn may_have_lost(&self, name: &Name, error: Error) -> bool {
        error != ENOENT && error != ESTALE && self.has(name) != Ok(true)
    }

    /// Has what was done to names in the directory on the disk, unless nothing is written out there.
    pub(crate) fn write_out_names(&self) -> Result {
        match self.branch.is_volatile() {
            true => Ok(()),
            false => KernelFile::open(self.path(), flags::READ_DIR)?.sync_names(),
        }
    }

    /// The inode. `ESTALE` if the object went behind our back.
    pub(crate) fn inode(&self) -> Result<&Inode> {
        self.dentry.inode().ok_or(ESTALE)
    }

    /// The number in the union of an object that is first seen here.
    pub(crate) fn number(&self) -> Result<Number> {
        self.branch.numbers.of(self.path())
    }

    /// What an inode of the union that stands for the object is found by in the cache: the inode on
    /// the branch, as an address, and the branch, for one inode may be on two. Addresses of the
    /// kernel leave no room for a branch, but differ in less than their upper bits: that two objects
    /// have one key is next to impossible, and seen by whoever finds the wrong one.
    ///
    /// Nobody else has the address for as long as the layer is there.
    pub(crate) fn key(&self) -> Result<usize> {
        let address = core::ptr::from_ref(self.inode()?).addr();
        Ok(address ^ usize::from(self.branch.id().0) << 48)
    }

    /// Whether both are the same object of the same branch, under whatever name.
    pub(crate) fn is_same_object(&self, other: &Self) -> bool {
        let inode = |layer: &Self| layer.dentry.inode().map(core::ptr::from_ref);
        self.branch.id() == other.branch.id() && inode(self) == inode(other)
    }
}

/// Layers, topmost first: most objects are on one branch.
pub(crate) type Layers = Few<Layer>;

/// The objects that an inode stands for, topmost first: the directories that are merged, or the one
/// object that is seen. Never empty, and never changed: a change publishes another stack.
pub(crate) struct Stack {
    /// The generation of the table that this was made from.
    pub(crate) generation: usize,
    pub(crate) layers: Layers,
    /// Whether something may change without this kernel being told: see [`Branch::is_remote`].
    pub(crate) is_remote: bool,
    /// Where names in the directories are, if that is known.
    pub(crate) index: IndexSlot,
}

impl Shared for Stack {}

impl Stack {
    /// The object that attributes come from.
    pub(crate) fn top(&self) -> &Layer {
        &self.layers[0]
    }

    /// The layer on `branch`.
    pub(crate) fn on(&self, branch: &Branch) -> Option<&Layer> {
        self.on_id(branch.id())
    }

    /// The index of the layer on `branch`.
    pub(crate) fn position(&self, branch: &Branch) -> Option<usize> {
        let id = branch.id();
        self.layers.iter().position(|layer| layer.branch.id() == id)
    }

    /// The layer on the branch with identity `id`.
    pub(crate) fn on_id(&self, id: BranchId) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.branch.id() == id)
    }

    /// Whether both are the same objects.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&Layer, &Layer)| core::ptr::eq::<Dentry>(&*a.dentry, &*b.dentry);
        self.layers.len() == other.layers.len() && self.layers.iter().zip(&other.layers).all(same)
    }

    pub(super) fn branches(&self) -> BranchSet {
        let ids = self.layers.iter().map(|layer| layer.branch.id());
        BranchSet(ids.fold(0, |set, id| set | BranchSet::of(id).0))
    }
}

/// A layer of a stack, which is kept with it.
///
/// # Invariants
///
/// `at` is the index of a layer.
pub(crate) struct HeldLayer {
    stack: RcuArc<Stack>,
    at: usize,
}

impl HeldLayer {
    /// The object that attributes come from.
    pub(crate) fn top(stack: RcuArc<Stack>) -> Self {
        // INVARIANT: A stack is never empty.
        Self { stack, at: 0 }
    }

    /// The layer of `stack` on `branch`, if it has one.
    pub(crate) fn on(stack: RcuArc<Stack>, branch: &Branch) -> Option<Self> {
        let at = stack.position(branch)?;
        // INVARIANT: Just found.
        Some(Self { stack, at })
    }

    /// All the layers.
    pub(crate) fn into_stack(self) -> RcuArc<Stack> {
        self.stack
    }

    /// The generation of the table that the stack was made from.
    pub(crate) fn generation(&self) -> usize {
        self.stack.generation
    }

    /// All the layers, and which one is the first below this.
    pub(crate) fn stack_and_next(&self) -> (&Stack, usize) {
        (&self.stack, self.at + 1)
    }
}

impl Deref for HeldLayer {
    type Target = Layer;

    fn deref(&self) -> &Layer {
        &self.stack.layers[self.at]
    }
}

/// A set of branches that may have too many in it, never too few.
#[derive(Clone, Copy)]
pub(crate) struct BranchSet(pub(super) u64);

impl BranchSet {
    /// The set of one.
    pub(crate) fn of(id: BranchId) -> Self {
        Self(1 << (id.0 % 64))
    }

    /// The set with one more.
    pub(crate) fn with(self, id: BranchId) -> Self {
        Self(self.0 | Self::of(id).0)
    }

    /// A bit for each branch, or for each of those that cannot be told apart.
    pub(crate) fn groups(self) -> u64 {
        self.0
    }

    pub(super) fn is_several(self) -> bool {
        self.0.count_ones() > 1
    }

    /// Whether the two may have a branch in common.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A stack of one layer or more.
pub(crate) fn new_stack(generation: usize, layers: Layers) -> Result<RcuArc<Stack>> {
    if layers.is_empty() {
        return Err(ESTALE);
    }
    let index = IndexSlot::new();
    let is_remote = layers.iter().any(|layer| layer.branch.is_remote());
    RcuArc::new(
        Stack {
            generation,
            layers,
            is_remote,
            index,
        },
        GFP_KERNEL_ACCOUNT,
    )
}
