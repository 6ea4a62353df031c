// SPDX-License-Identifier: GPL-2.0

//! Where branches are, for people and tools.

use crate::{
    union::text::options,
    vfs::mount::path::{Path, PathBuf},
};
use kernel::{
    prelude::*,
    sync::{Arc, Mutex},
};

/// What is said of a directory that the reader cannot come to, as getcwd(2) says it.
const UNREACHABLE: &[u8] = b"(unreachable)";

/// Where a branch is.
#[pin_data]
pub(crate) struct Place {
    /// The absolute path when it became a branch; `mem` for a branch in memory.
    first: KVec<u8>,
    /// The directory on the mount that it was named on: as long as it is held, that cannot be unmounted,
    /// and where it is moved to is known. Taken with nothing else, and inside everything.
    #[pin]
    held: Mutex<Option<PathBuf>>,
}

impl Place {
    /// That of the directory at `path`, which was named `name`, and whose mount is not held.
    pub(crate) fn new(path: Path<'_>, name: &[u8]) -> Result<Arc<Self>> {
        // A path that is too long to be told is known as it was given.
        let first = match path.absolute() {
            Ok(path) => path,
            Err(_) => {
                let mut path = KVec::new();
                path.extend_from_slice(name, GFP_KERNEL)?;
                path
            }
        };
        Self::with(first)
    }

    /// That of a branch in memory.
    pub(crate) fn memory() -> Result<Arc<Self>> {
        let mut first = KVec::new();
        first.extend_from_slice(options::MEMORY, GFP_KERNEL)?;
        Self::with(first)
    }

    fn with(first: KVec<u8>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                first,
                held <- kernel::new_mutex!(None, "Place::held"),
            }),
            GFP_KERNEL,
        )
    }

    /// Holds the mount of the directory at `path`, which is this place.
    pub(crate) fn hold(&self, path: PathBuf) {
        *self.held.lock() = Some(path);
    }

    /// Lets the mount be unmounted.
    pub(crate) fn let_go(&self) {
        let held = self.held.lock().take();
        drop(held);
    }

    /// Whether that was the path when it became a branch.
    pub(crate) fn was_at(&self, path: &[u8]) -> bool {
        self.first[..] == *path
    }

    /// Calls `put` with the path, in pieces: as the current task sees the directory now, if its mount is
    /// held and that can be told, and else what it was at first.
    pub(crate) fn show(&self, mut put: impl FnMut(&[u8]) -> Result) -> Result {
        let held = self.held.lock();
        if let Some(path) = &*held {
            // One of another namespace is shown as it is there.
            if !path.as_ref().is_reachable() && !path.as_ref().is_mounted() {
                put(UNREACHABLE)?;
            } else if let Ok(now) = path.as_ref().absolute() {
                return put(&now);
            }
        }
        put(&self.first)
    }
}
