// SPDX-License-Identifier: GPL-2.0

//! Noticing that somebody else changes a directory.
//!
//! C header: [`include/linux/fsnotify_backend.h`](srctree/include/linux/fsnotify_backend.h)

use crate::{
    bindings,
    vfs::{
        object::inode::Inode,
        sync::{lockdep, nofs, watch::Watch},
    },
};
use core::ptr::NonNull;
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

/// What is noticed: names that come and go. Both directories of a rename are told of it by one event.
const EVENTS: u32 =
    bindings::FS_CREATE | bindings::FS_DELETE | bindings::FS_RENAME | bindings::FS_DELETE_SELF;

/// Those whom marks of this kind are made for.
///
/// # Invariants
///
/// The pointer is a group of which this owns a count.
pub(crate) struct Group(NonNull<bindings::fsnotify_group>);

// SAFETY: Groups synchronise themselves.
unsafe impl Send for Group {}
// SAFETY: As above.
unsafe impl Sync for Group {}

static MARKS: lockdep::Classes = lockdep::Classes::new();

impl Group {
    /// A group without marks. `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The operations are static; marks of one group may be on the same inode, as the
        // flag says.
        let group = from_err_ptr(unsafe {
            bindings::fsnotify_alloc_group(
                &raw const OPERATIONS.0,
                bindings::FSNOTIFY_GROUP_DUPS as c_int,
            )
        })?;
        // Other groups' locks are held while memory is waited for, which may take this one.
        // SAFETY: The group is new, and nobody has taken its lock.
        unsafe {
            lockdep::set_mutex_class(
                &raw mut (*group).mark_mutex,
                MARKS.at(1),
                c"aufs2_mark_mutex",
            );
        }
        // INVARIANT: The count is ours.
        // SAFETY: The call succeeded, so the pointer is not null.
        Ok(Self(unsafe { NonNull::new_unchecked(group) }))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: The count is ours, by the type invariant.
        unsafe { bindings::fsnotify_put_group(self.0.as_ptr()) };
    }
}

///
/// # Invariants
///
/// The mark is zeroed, or was initialised by [`Mark::new`], for a group with our operations.
#[repr(C)]
struct Inner {
    mark: Opaque<bindings::fsnotify_mark>,
    watch: Arc<Watch>,
}

/// A mark on a directory: what others change in it is counted. The mark keeps the directory's inode.
///
/// # Invariants
///
/// The pointer is an [`Inner`] whose mark is initialised, and of which this owns a count.
pub(crate) struct Mark {
    inner: NonNull<Inner>,
    /// The address of the inode, to compare with.
    on: usize,
}

// SAFETY: Marks synchronise themselves, and `Watch` may be shared.
unsafe impl Send for Mark {}
// SAFETY: As above.
unsafe impl Sync for Mark {}

impl Mark {
    /// Has the changes of `inode` counted by `watch`. `ENOMEM`; may sleep, but does not wait for
    /// memory that a filesystem has to free.
    pub(crate) fn new(group: &Group, inode: &Inode, watch: Arc<Watch>) -> Result<Self> {
        let inner = KBox::new(
            Inner {
                mark: Opaque::zeroed(),
                watch,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let inner = KBox::into_raw(inner);
        let mark = inner.cast::<bindings::fsnotify_mark>();
        // SAFETY: The mark is the start of `Inner`, zeroed and ours until it is added; the group is
        // alive. An inode that leaves the cache gives its marks up and takes the group's lock for
        // that: no inode must be made to leave under the lock, by waiting for memory.
        let added = nofs::scope(|| unsafe {
            bindings::fsnotify_init_mark(mark, group.0.as_ptr());
            (*mark).mask = EVENTS;
            bindings::fsnotify_add_inode_mark(mark, inode.as_ptr(), 0)
        });
        if let Err(e) = to_result(added) {
            // SAFETY: This gives up our count, which is the last: `free` drops the box.
            unsafe { bindings::fsnotify_put_mark(mark) };
            return Err(e);
        }
        // INVARIANT: The mark was initialised with one count, which is ours.
        Ok(Self {
            // SAFETY: `KBox::into_raw` never returns a null pointer.
            inner: unsafe { NonNull::new_unchecked(inner) },
            on: inode.as_ptr().addr(),
        })
    }

    /// Whether the mark is on `inode`.
    pub(crate) fn is_on(&self, inode: &Inode) -> bool {
        self.on == inode.as_ptr().addr()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mark = self.inner.as_ptr().cast::<bindings::fsnotify_mark>();
        // SAFETY: The mark is alive by the type invariant, and has its group.
        unsafe {
            bindings::fsnotify_destroy_mark(mark, (*mark).group);
            bindings::fsnotify_put_mark(mark);
        }
    }
}

struct Operations(bindings::fsnotify_ops);

// SAFETY: The table is constant.
unsafe impl Sync for Operations {}

static OPERATIONS: Operations = Operations(bindings::fsnotify_ops {
    handle_event: Some(handle),
    free_mark: Some(free),
    ..pin_init::zeroed()
});

/// # Safety
///
/// `->handle_event`: the marks of `iter` that are to be told are ours, and live during the call.
unsafe extern "C" fn handle(
    _group: *mut bindings::fsnotify_group,
    _mask: u32,
    _data: *const c_void,
    _data_type: c_int,
    _dir: *mut bindings::inode,
    _name: *const bindings::qstr,
    _cookie: u32,
    iter: *mut bindings::fsnotify_iter_info,
) -> c_int {
    // Our marks are on inodes. The second one is the directory that a rename moves to.
    for kind in [
        bindings::fsnotify_iter_type_FSNOTIFY_ITER_TYPE_INODE,
        bindings::fsnotify_iter_type_FSNOTIFY_ITER_TYPE_INODE2,
    ] {
        // SAFETY: By the contract of this function; `Inner` starts with its mark.
        let watch = unsafe {
            if (*iter).report_mask & 1 << kind == 0 {
                continue;
            }
            &(*(*iter).marks[kind as usize].cast::<Inner>()).watch
        };
        watch.notice();
    }
    0
}

/// # Safety
///
/// `->free_mark`: the last count of a mark of ours has gone, and nobody looks at it any more.
unsafe extern "C" fn free(mark: *mut bindings::fsnotify_mark) {
    // SAFETY: The box is the one that `Mark::new` made, and ours now.
    drop(unsafe { KBox::from_raw(mark.cast::<Inner>()) });
}

/// Waits until all marks that were given up are freed. Called at module unload.
pub(in crate::vfs) fn exit() {
    // SAFETY: No requirements; may sleep.
    unsafe { bindings::fsnotify_wait_marks_destroyed() };
}
