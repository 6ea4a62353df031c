// SPDX-License-Identifier: GPL-2.0

//! What is checked of the union.

pub(crate) mod branch;
pub(crate) mod object;
