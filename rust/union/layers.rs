// SPDX-License-Identifier: GPL-2.0

//! Lists of layers.

use super::node::Layer;
use core::ops::Deref;
use kernel::prelude::*;

/// Layers, topmost first. One needs no memory of its own: most objects are on one branch.
pub(crate) enum Layers {
    /// None.
    None,
    /// One.
    One(Layer),
    /// Any number.
    Many(KVec<Layer>),
}

impl Layers {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self::None
    }

    /// None so far, with room for `count`. `ENOMEM`.
    pub(crate) fn with_capacity(count: usize) -> Result<Self> {
        Ok(match count {
            0 | 1 => Self::None,
            _ => Self::Many(KVec::with_capacity(count, GFP_KERNEL)?),
        })
    }

    /// Adds a layer below the others. `ENOMEM`.
    pub(crate) fn push(&mut self, layer: Layer) -> Result {
        match self {
            Self::None => *self = Self::One(layer),
            Self::One(first) => {
                let mut layers = KVec::with_capacity(4, GFP_KERNEL)?;
                layers.push(first.clone(), GFP_KERNEL)?;
                layers.push(layer, GFP_KERNEL)?;
                *self = Self::Many(layers);
            }
            Self::Many(layers) => layers.push(layer, GFP_KERNEL)?,
        }
        Ok(())
    }
}

impl Deref for Layers {
    type Target = [Layer];

    fn deref(&self) -> &[Layer] {
        match self {
            Self::None => &[],
            Self::One(layer) => core::slice::from_ref(layer),
            Self::Many(layers) => layers,
        }
    }
}

impl<'a> IntoIterator for &'a Layers {
    type Item = &'a Layer;
    type IntoIter = core::slice::Iter<'a, Layer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
