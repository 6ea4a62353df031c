// SPDX-License-Identifier: GPL-2.0

//! The union: what is made of several directory trees.
//!
//! Its files are on floors. A file uses its own folder, the floors below and [`crate::vfs`]; the top one also
//! [`crate::mmap`] and the module's parameters. What [`crate::mmap`] keeps of a file and of a mount is
//! in their objects (`object`), and what of it is counted is shown by `branches`.
//! `scripts/house-rules` refuses anything else. From the ground up:
//!
//! - [`text`]: grammar and decisions, and nothing else;
//! - [`numbers`]: which object is which;
//! - [`mod@branch`]: one of the trees that the union is made of;
//! - [`branches`]: all of them, and their order;
//! - [`object`]: what an inode and a super block of the union are;
//! - [`find`]: reading the union: lookup, merging, whiteouts, bringing up to date;
//! - [`groundwork`]: what it takes to make anything on a branch;
//! - [`copy`]: bringing an object to a branch that can be written to;
//! - [`entries`]: changing the union: making, removing and renaming entries, moving files down;
//! - [`change`]: branches that come and go;
//! - [`serve`]: what the VFS and tools call.
//!
//! The order of locks is in `Documentation/locking.md`. Words that have a meaning of their own here:
//!
//! - *stack*, *layer*: what an inode stands for, topmost first, and one object of that, on one branch;
//! - *node*: what an inode of the union has of its own; *the real* one: the object on a branch that it stands for;
//! - *generation*: how often the branches have changed; *stamp*: a generation, with a count of what others did;
//! - *watch*: what is told of changes to an object of a branch, by a *mark* on it;
//! - *gate*: what whoever opens a file on a branch goes through, and is closed while the branch goes;
//! - *origin*, *record*: what a copy was copied from, and that as it is written to the branch for the next mount;
//! - *over mounts*: also after the union was unmounted and mounted again;
//! - *names below*: of a copy, those of its hard links that are still on a lower branch only, and mean it;
//! - *pseudo-link*, *plink*: aufs's name for a copy of what has such names, in `.wh..wh.plnk`;
//! - *settled*: known to be right with the branches as they are;
//! - *sealed*: not to be copied to another branch, as it is being renamed;
//! - *lifted*: without its `+i` or `+a` for the moment in which the union changes it;
//! - *place*: where a branch is for tools, which may have been mounted elsewhere since;
//! - *udba*: aufs's option, the user's direct access to a branch: what is done to it past the union.
#![forbid(unsafe_code)]

pub(crate) mod branch;
pub(crate) mod branches;
pub(crate) mod change;
pub(crate) mod copy;
pub(crate) mod entries;
pub(crate) mod find;
pub(crate) mod groundwork;
pub(crate) mod numbers;
pub(crate) mod object;
pub(crate) mod serve;
pub(crate) mod text;
