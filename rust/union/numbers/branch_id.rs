// SPDX-License-Identifier: GPL-2.0

//! Which branch something is of.

/// Identifies a branch for as long as anything refers to it. Indices change when branches come and
/// go, identities do not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct BranchId(pub(crate) u16);
