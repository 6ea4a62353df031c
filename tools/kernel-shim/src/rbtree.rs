// SPDX-License-Identifier: GPL-2.0

//! Ordered maps whose nodes are allocated one by one.

use crate::alloc::{AllocError, Flags};
use crate::error::Result;
use crate::testing::allocate;
use core::marker::PhantomData;
use std::collections::BTreeMap;

/// A map from keys to values.
#[derive(Default)]
pub struct RBTree<K, V>(BTreeMap<K, V>);

impl<K, V> RBTree<K, V> {
    /// An empty one, which takes no memory.
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter()
    }
}

impl<K: Ord, V> RBTree<K, V> {
    /// Puts a value in, and takes out what had the key.
    pub fn try_create_and_insert(
        &mut self,
        key: K,
        value: V,
        flags: Flags,
    ) -> Result<Option<RBTreeNode<K, V>>>
    where
        K: Clone,
    {
        Ok(self.insert(RBTreeNodeReservation::new(flags)?.into_node(key, value)))
    }

    /// Puts a node in, and takes out what had its key.
    pub fn insert(&mut self, node: RBTreeNode<K, V>) -> Option<RBTreeNode<K, V>>
    where
        K: Clone,
    {
        let RBTreeNode(key, value) = node;
        let old = self.0.insert(key.clone(), value);
        old.map(|old| RBTreeNode(key, old))
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Takes the node of `key` out.
    pub fn remove_node(&mut self, key: &K) -> Option<RBTreeNode<K, V>> {
        let (key, value) = self.0.remove_entry(key)?;
        Some(RBTreeNode(key, value))
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// The first one.
    pub fn cursor_front(&self) -> Option<Cursor<'_, K, V>> {
        self.0
            .first_key_value()
            .map(|(key, value)| Cursor(key, value))
    }

    /// The first one whose key is not below `key`.
    pub fn cursor_lower_bound(&self, key: &K) -> Option<Cursor<'_, K, V>> {
        self.0
            .range(key..)
            .next()
            .map(|(key, value)| Cursor(key, value))
    }
}

/// A place in a map.
pub struct Cursor<'a, K, V>(&'a K, &'a V);

impl<'a, K, V> Cursor<'a, K, V> {
    /// What is there.
    pub fn current(&self) -> (&'a K, &'a V) {
        (self.0, self.1)
    }
}

/// What a map is made of.
pub struct RBTreeNode<K, V>(K, V);

impl<K, V> RBTreeNode<K, V> {
    /// Keeps the memory alone.
    pub fn into_reservation(self) -> RBTreeNodeReservation<K, V> {
        RBTreeNodeReservation(PhantomData)
    }
}

/// The memory of a node.
pub struct RBTreeNodeReservation<K, V>(PhantomData<(K, V)>);

impl<K, V> RBTreeNodeReservation<K, V> {
    /// Allocates it.
    pub fn new(_flags: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(PhantomData))
    }

    /// Makes a node of it.
    pub fn into_node(self, key: K, value: V) -> RBTreeNode<K, V> {
        RBTreeNode(key, value)
    }
}
