// SPDX-License-Identifier: GPL-2.0

//! Three filesystems on [`crate::vfs`] that are only in test builds (`AUFS2_SAMPLE=1`): they show what it takes to
//! write one, and that the layer knows nothing of unions; one has a page cache of its own, and tests hold and
//! fail the operations of the last.

pub(crate) mod memory;
pub(crate) mod pass;
pub(crate) mod sample;
