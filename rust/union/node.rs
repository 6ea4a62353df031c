// SPDX-License-Identifier: GPL-2.0

//! What an inode of the union stands for.

use super::{branch::Branch, instance::Union, merge::Listing};
use crate::vfs::{
    dentry::{Dentry, Published, RcuDentry},
    errno::ESTALE,
    inode::{INode, Inode},
    lockdep,
    path::Path,
    rcu::{RcuArc, Slot},
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Release},
        lock::mutex::MutexGuard,
        rcu, Arc, Mutex,
    },
};

/// An object on a branch.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) branch: Arc<Branch>,
    pub(crate) dentry: ARef<Dentry>,
}

impl Layer {
    /// Where the object is.
    pub(crate) fn path(&self) -> Path<'_> {
        self.branch.at(&self.dentry)
    }

    /// The inode. `ESTALE` if the object went behind our back.
    pub(crate) fn inode(&self) -> Result<&Inode> {
        self.dentry.inode().ok_or(ESTALE)
    }

    /// The number in the union of an object that is first seen here.
    pub(crate) fn number(&self) -> Result<u64> {
        let inode = self.inode()?;
        self.branch.numbers.get(inode.ino(), Some(inode))
    }
}

/// The objects that an inode stands for, topmost first: the directories that are merged, or the one
/// object that is seen. Never empty, and never changed: a change publishes another stack.
pub(crate) struct Stack {
    /// The generation of the table that this was made from.
    pub(crate) generation: usize,
    pub(crate) layers: KVec<Layer>,
}

impl Stack {
    /// The object that attributes come from.
    pub(crate) fn top(&self) -> &Layer {
        &self.layers[0]
    }

    /// The layer on `branch`.
    pub(crate) fn on(&self, branch: &Branch) -> Option<&Layer> {
        let found = |layer: &&Layer| layer.branch.id() == branch.id();
        self.layers.iter().find(found)
    }
}

/// The data of an inode of the union.
#[pin_data]
pub(crate) struct Node {
    stack: Slot<Stack>,
    /// The top object, for RCU walks.
    top: Published,
    /// See [`Node::is_linked_below`].
    linked_below: Atomic<bool>,
    /// Held while the stack is replaced, and during a copy-up.
    #[pin]
    state: Mutex<State>,
}

/// What [`Node`]'s lock protects.
pub(crate) struct State {
    /// The merged entries of a directory, as last read.
    pub(crate) listing: Option<Arc<Listing>>,
    /// Earlier stacks of a file: `d_real` hands their dentries out without a reference.
    earlier: KVec<RcuArc<Stack>>,
}

impl Node {
    /// The data of an inode at stacking level `depth`.
    pub(crate) fn new(stack: RcuArc<Stack>, depth: usize) -> impl PinInit<Self> {
        let top = Published::new(stack.top().dentry.clone());
        let state = State {
            listing: None,
            earlier: KVec::new(),
        };
        pin_init!(Self {
            stack: Slot::new(Some(stack)),
            top,
            linked_below: Atomic::new(false),
            state <- Mutex::new(state, c"Node::state", lockdep::node_key(depth)),
        })
    }

    /// The stack as it is now. `ESTALE` once the inode is being evicted.
    pub(crate) fn stack(&self) -> Result<RcuArc<Stack>> {
        self.stack.get().ok_or(ESTALE)
    }

    /// The top object as an RCU walk sees it.
    pub(crate) fn top_rcu<'a>(&'a self, guard: &'a rcu::Guard) -> Option<RcuDentry<'a>> {
        self.top.read(guard)
    }

    /// Takes the lock. May sleep for as long as a copy-up takes.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Publishes another stack of `inode`, whose data this is.
    pub(crate) fn publish(
        &self,
        inode: &INode<Union>,
        locked: &mut State,
        stack: RcuArc<Stack>,
    ) -> Result {
        if inode.mode().is_regular() {
            locked.earlier.reserve(1, GFP_KERNEL)?;
        }
        let top = stack.top().dentry.clone();
        let old = self.stack.replace(Some(stack));
        self.top.replace(Some(top));
        if let Some(old) = old {
            if inode.mode().is_regular() {
                locked.earlier.push(old, GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Whether the object was copied up while it had other names below: those mean this inode, too,
    /// and the number of links is kept here.
    pub(crate) fn is_linked_below(&self) -> bool {
        self.linked_below.load(Acquire)
    }

    /// See [`Node::is_linked_below`].
    pub(crate) fn set_linked_below(&self) {
        self.linked_below.store(true, Release);
    }

    /// Gives the stack up, as the inode leaves the cache.
    pub(crate) fn release(&self) {
        self.top.replace(None);
        drop(self.stack.replace(None));
        let mut state = self.state.lock();
        drop(state.listing.take());
        state.earlier.clear();
    }
}

/// A stack of one layer or more.
pub(crate) fn new_stack(generation: usize, layers: KVec<Layer>) -> Result<RcuArc<Stack>> {
    if layers.is_empty() {
        return Err(ESTALE);
    }
    RcuArc::new(Stack { generation, layers }, GFP_KERNEL)
}

/// Repeats the attributes of the top object in the inode of the union.
pub(crate) fn copy_attr(inode: &INode<Union>) -> Result {
    let stack = inode.data().stack()?;
    inode.copy_attr(stack.top().inode()?, stack.top().path().idmap());
    Ok(())
}
