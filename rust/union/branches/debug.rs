// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/aufs2/si_<id>/`: what goes on in a union.
//!
//! The files say what somebody who looks for a mistake wants to know, and nothing that a program
//! should rely on.

use super::{counters::Counters, table::Table};
use crate::{
    mmap::snapshot::Counts,
    union::text::escape::escape,
    vfs::{
        admin::{
            debugfs::{Directory, File},
            seq,
        },
        sync::rcu::{RcuArc, Slot},
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{atomic::Relaxed, Arc},
};

/// The directory that the unions have theirs in.
static ROOT: Slot<Directory<()>> = Slot::empty();

/// Keeps the directory of all unions.
pub(crate) struct Root(());

impl Root {
    /// Makes `/sys/kernel/debug/NAME`. Unions that are mounted before have nothing there.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        let directory = Directory::new(name, ())?;
        ROOT.replace(Some(RcuArc::new(directory, GFP_KERNEL)?));
        Ok(Self(()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(ROOT.replace(None));
    }
}

/// What the files are about. It does not know the union, which may go while somebody has a file open.
pub(crate) struct DebugData {
    pub(crate) counters: Counters,
    /// What there is for private mappings that are snapshots.
    snapshots: Option<Arc<Counts>>,
    /// The branches, published with those of the union: a reader keeps one for a moment at most.
    table: Slot<Table>,
}

impl DebugData {
    /// That of a union with the branches in `table`. `ENOMEM`.
    pub(crate) fn new(table: &RcuArc<Table>, snapshots: Option<Arc<Counts>>) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                counters: Counters::new(),
                snapshots,
                table: Slot::new(Some(table.clone())),
            },
            GFP_KERNEL,
        )?)
    }

    /// There are other branches.
    pub(crate) fn publish(&self, table: &RcuArc<Table>) {
        drop(self.table.replace(Some(table.clone())));
    }
}

/// `branches`: a line each, topmost first.
struct BranchesFile;

impl File<Arc<DebugData>> for BranchesFile {
    const NAME: &'static CStr = c"branches";

    fn show(data: &Arc<DebugData>, seq: &SeqFile) {
        let Some(table) = data.table.get() else {
            return;
        };
        seq_print!(seq, "index id gate held writable numbers path\n");
        for (index, branch) in table.branches.iter().enumerate() {
            let yes = |is: bool| if is { "yes" } else { "no" };
            let gate = match branch.gate.is_open() {
                true => "open",
                false => "closed",
            };
            let numbers = match branch.numbers.any_departed() {
                true => "left",
                false => "own",
            };
            let (held, writable) = (yes(branch.is_held()), yes(branch.is_writable()));
            let id = branch.id().0;
            seq_print!(seq, "{index} {id} {gate} {held} {writable} {numbers} ");
            // Paths with blanks stay one word.
            let _ = branch.place().show(|piece| {
                escape(piece, |piece| {
                    seq::write(seq, piece);
                    Ok(())
                })
            });
            seq_print!(seq, "\n");
        }
    }
}

/// `counters`: names and numbers.
struct CountersFile;

impl File<Arc<DebugData>> for CountersFile {
    const NAME: &'static CStr = c"counters";

    fn show(data: &Arc<DebugData>, seq: &SeqFile) {
        let generation = data.table.get().map_or(0, |table| table.generation);
        seq_print!(seq, "generation {generation}\n");
        let counters = &data.counters;
        for (name, counter) in [
            ("inodes", &counters.inodes),
            ("refreshes", &counters.refreshes),
            ("copies-up", &counters.copies_up),
            ("moves-down", &counters.moves_down),
            ("marks", &counters.marks),
            ("waits", &counters.waits),
        ] {
            seq_print!(seq, "{name} {}\n", counter.get());
        }
        if let Some(counts) = &data.snapshots {
            seq_print!(seq, "views {}\n", counts.views.load(Relaxed));
            seq_print!(seq, "kept-pages {}\n", counts.pages.load(Relaxed));
        }
    }
}

/// The directory of one union. Dropping it waits for readers, and lets go of the branches.
pub(crate) struct DebugDirectory {
    directory: Option<Directory<Arc<DebugData>, RcuArc<Directory<()>>>>,
    data: Arc<DebugData>,
}

impl DebugDirectory {
    /// Makes the directory of the union `si`; there is none if there is none for all.
    pub(crate) fn new(si: u64, data: &Arc<DebugData>) -> Result<Self> {
        let directory = match ROOT.get() {
            Some(root) => {
                let name = kernel::str::CString::try_from_fmt(fmt!("si_{si:x}"))?;
                let directory = Directory::below(root, &name, data.clone())?;
                directory.add::<BranchesFile>();
                directory.add::<CountersFile>();
                Some(directory)
            }
            None => None,
        };
        Ok(Self {
            directory,
            data: data.clone(),
        })
    }
}

impl Drop for DebugDirectory {
    fn drop(&mut self) {
        drop(self.directory.take());
        drop(self.data.table.replace(None));
    }
}
