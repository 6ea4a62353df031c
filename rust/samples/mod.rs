// SPDX-License-Identifier: GPL-2.0

//! Two filesystems on [`crate::vfs`] that are only in test builds (`AUFS2_SAMPLE=1`): they show what it takes to
//! write one, and that the layer knows nothing of unions; tests hold and fail the operations of the second.

pub(crate) mod pass;
pub(crate) mod sample;
