// SPDX-License-Identifier: GPL-2.0

//! What `mount.aufs2` is made of: the text of `-o` becomes a
//! [`Request`](options::Request), which [`kernel`] carries out.

pub mod branches;
pub mod error;
pub mod flags;
pub mod kernel;
pub mod options;
