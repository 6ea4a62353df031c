// SPDX-License-Identifier: GPL-2.0

//! Folios of page caches, and the pages in them.
//!
//! C headers: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h),
//! [`include/linux/highmem.h`](srctree/include/linux/highmem.h)

use super::shmem;
use crate::{
    bindings,
    vfs::{mount::file::KernelFile, object::super_block::AnySuperBlock},
};
use core::{ops::Deref, ptr::NonNull};
use kernel::{
    error::from_err_ptr,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{NotThreadSafe, Opaque},
};

/// A folio of a page cache.
///
/// # Invariants
///
/// It is a folio for as long as there is a reference, and is or was one of a page cache: its size does not
/// change while it is counted.
#[repr(transparent)]
pub(in crate::vfs) struct Folio(Opaque<bindings::folio>);

// SAFETY: `folio_get` and `folio_put` count references, and a counted folio is not freed.
unsafe impl AlwaysRefCounted for Folio {
    fn inc_ref(&self) {
        // SAFETY: There is a reference to the folio.
        unsafe { bindings::folio_get(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a count that it owns.
        unsafe { bindings::folio_put(obj.as_ptr().cast()) };
    }
}

impl Folio {
    /// # Safety
    ///
    /// `ptr` is a folio of a page cache, counted during `'a`.
    pub(in crate::vfs) unsafe fn from_raw<'a>(ptr: *mut bindings::folio) -> &'a Self {
        // SAFETY: By the contract of this function, and as the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(in crate::vfs) fn as_ptr(&self) -> *mut bindings::folio {
        self.0.get()
    }

    /// Where in its file it begins. Constant for who has locked it, and while it is written out.
    pub(in crate::vfs) fn position(&self) -> i64 {
        // SAFETY: The folio is alive.
        unsafe { bindings::folio_pos(self.as_ptr()) }
    }

    /// How many bytes it has.
    pub(in crate::vfs) fn size(&self) -> usize {
        // SAFETY: The folio is alive.
        unsafe { bindings::folio_size(self.as_ptr()) }
    }

    /// Whether what is in it is what is in the file.
    pub(in crate::vfs) fn is_uptodate(&self) -> bool {
        // SAFETY: The folio is alive.
        unsafe { bindings::folio_test_uptodate(self.as_ptr()) }
    }

    /// Whether the memory of the page `index` of the file, which is in this, cannot be read any more.
    pub(super) fn is_poisoned(&self, index: usize) -> bool {
        // SAFETY: The folio is alive, and so are all of its pages: a page of it is found by any number.
        unsafe { bindings::folio_page_is_poisoned(self.as_ptr(), index) }
    }

    /// Makes zeroes of the bytes of it from `start` on, but for those of it before `end` alone. Whoever has it
    /// mapped, or reads it, sees them come.
    pub(in crate::vfs) fn zero(&self, start: usize, end: usize) {
        let end = end.min(self.size());
        if start < end {
            // SAFETY: The folio is alive, and both are in it; nobody has a reference to its bytes.
            unsafe { bindings::folio_zero_segment(self.as_ptr(), start, end) };
        }
    }
}

/// A folio that the current task has locked; dropping this unlocks it.
///
/// # Invariants
///
/// The current task has locked the folio, by this.
pub(in crate::vfs) struct LockedFolio(ARef<Folio>, NotThreadSafe);

impl LockedFolio {
    /// # Safety
    ///
    /// The current task has locked `folio`, and leaves the lock and a count of it to this.
    pub(in crate::vfs) unsafe fn assume(folio: NonNull<bindings::folio>) -> Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: As above.
        Self(unsafe { ARef::from_raw(folio.cast()) }, NotThreadSafe)
    }

    /// Unlocks the folio, and keeps the count.
    pub(super) fn unlock(self) -> ARef<Folio> {
        ARef::from(&*self)
    }

    /// Leaves the lock and the count to whoever unlocks the folio.
    pub(in crate::vfs) fn into_raw(self) -> *mut bindings::folio {
        core::mem::ManuallyDrop::new(self).as_ptr()
    }
}

impl Deref for LockedFolio {
    type Target = Folio;

    fn deref(&self) -> &Folio {
        &self.0
    }
}

impl Drop for LockedFolio {
    fn drop(&mut self) {
        // SAFETY: The lock is ours, by the type invariant.
        unsafe { bindings::folio_unlock(self.as_ptr()) };
    }
}

/// The page of `folio` with the number `index` in its file, as an offset.
fn offset_in(folio: &Folio, index: u64) -> Result<usize> {
    let first = (folio.position() as u64) / PAGE_SIZE as u64;
    let offset = (index.checked_sub(first).ok_or(EIO)? as usize).saturating_mul(PAGE_SIZE);
    (offset < folio.size()).then_some(offset).ok_or(EIO)
}

/// A page of a folio into which nothing has been read yet, and which is to become what is in the file.
///
/// # Invariants
///
/// `offset` is that of a page of the folio. The folio is locked, and not up to date, during `'a`: nobody looks
/// at what is in it.
pub(crate) struct EmptyPage<'a> {
    folio: &'a Folio,
    offset: usize,
}

/// An [`EmptyPage`] that has become what is in the file.
pub(crate) struct FilledPage<'a>(EmptyPage<'a>);

impl FilledPage<'_> {
    /// The file ends at `end`: what of the page is behind that is zeroes.
    pub(crate) fn up_to(self, end: i64) -> Self {
        let EmptyPage { folio, offset } = self.0;
        let kept = end - folio.position() - offset as i64;
        let kept = usize::try_from(kept).unwrap_or(0).min(PAGE_SIZE);
        folio.zero(offset + kept, offset + PAGE_SIZE);
        self
    }
}

impl<'a> EmptyPage<'a> {
    /// All pages of a folio, one after the other.
    ///
    /// # Safety
    ///
    /// The folio is locked, and not up to date, during `'a`.
    pub(in crate::vfs) unsafe fn all_of(folio: &'a Folio) -> impl Iterator<Item = Self> {
        let offsets = (0..folio.size()).step_by(PAGE_SIZE);
        // INVARIANT: By the contract of this function.
        offsets.map(move |offset| Self { folio, offset })
    }

    /// The number of the page in its file.
    pub(crate) fn index(&self) -> u64 {
        // CAST: No folio is before the beginning of its file.
        (self.folio.position() as u64 + self.offset as u64) / PAGE_SIZE as u64
    }

    /// There is nothing in the file.
    pub(crate) fn zero(self) -> FilledPage<'a> {
        self.folio.zero(self.offset, self.offset + PAGE_SIZE);
        FilledPage(self)
    }

    /// It is what `file` has as page `index`, which a mapping may be writing to. Zeroes behind the end. `EINVAL`
    /// for a file without a page cache; `EIO`, `ENOMEM`. May sleep.
    pub(crate) fn copy_of(self, file: &KernelFile, index: u64) -> Result<FilledPage<'a>> {
        match file.page(index)? {
            Some(from) => self.copy(&from, index),
            None => Ok(self.zero()),
        }
    }

    /// It is the page with the number `index` of the file of `from`, which is in that. `EIO` if it is not.
    pub(super) fn copy(self, from: &Folio, index: u64) -> Result<FilledPage<'a>> {
        copy(from, offset_in(from, index)?, self.folio, self.offset);
        Ok(FilledPage(self))
    }
}

/// A page of a folio that is being written out.
///
/// # Invariants
///
/// `offset` is that of a page of the folio, which is up to date.
pub(crate) struct DirtyPage<'a> {
    folio: &'a Folio,
    offset: usize,
}

impl<'a> DirtyPage<'a> {
    /// All pages of a folio, one after the other.
    ///
    /// # Safety
    ///
    /// The folio is up to date, and not taken from its page cache during `'a`.
    pub(in crate::vfs) unsafe fn all_of(folio: &'a Folio) -> impl Iterator<Item = Self> {
        let offsets = (0..folio.size()).step_by(PAGE_SIZE);
        // INVARIANT: By the contract of this function.
        offsets.map(move |offset| Self { folio, offset })
    }

    /// The number of the page in its file.
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn index(&self) -> u64 {
        // CAST: No folio is before the beginning of its file.
        (self.folio.position() as u64 + self.offset as u64) / PAGE_SIZE as u64
    }

    /// Copies it to the page with the number `index` of the file of `to`, which is in that. `EIO` if it is not.
    pub(super) fn copy(&self, to: &LockedFolio, index: u64) -> Result {
        copy(self.folio, self.offset, to, offset_in(to, index)?);
        Ok(())
    }
}

/// Copies the page with the number `index` of the file of `from` to the one with the number `to_index` of that of
/// `to`. `EIO` if it is not in there.
pub(super) fn copy_page(from: &Folio, index: u64, to: &LockedFolio, to_index: u64) -> Result {
    copy(from, offset_in(from, index)?, to, offset_in(to, to_index)?);
    Ok(())
}

/// Filesystems whose files have each a page cache, which needs no file to be read, and is all that there is of what
/// the file has: no other kernel, and no process, knows more of it. Those that can be written to; checked in the
/// source of each.
const PAGES_KNOW_ALL: &[&[u8]] = &[
    b"tmpfs", b"ext4", b"xfs", b"btrfs", b"f2fs", b"vfat", b"exfat", b"ext2", b"ext3", b"msdos",
    b"ramfs",
];

impl AnySuperBlock {
    /// Whether what is in files can be had by their page cache, and be kept by copying that before it changes.
    pub(crate) fn keeps_pages(&self) -> bool {
        PAGES_KNOW_ALL.contains(&self.type_name().to_bytes())
    }
}

impl KernelFile {
    /// Whether what is in the file can be had by its page cache, as [`AnySuperBlock::keeps_pages`] says of the others:
    /// not with DAX.
    pub(crate) fn keeps_pages(&self) -> bool {
        // SAFETY: The file is alive, and so are the inode and the table of its page cache.
        unsafe {
            let mapping = (*self.as_ptr()).f_mapping;
            let has_pages =
                bindings::shmem_mapping(mapping) || (*(*mapping).a_ops).read_folio.is_some();
            has_pages && !bindings::file_is_dax(self.as_ptr())
        }
    }

    /// The folio with the page `index` of the file, as it is in the page cache of that; none where nothing is
    /// kept; `EINVAL` if the file has none. It may go from the page cache at any time. Its filesystem is given this file to read it by, or
    /// needs none.
    pub(super) fn page(&self, index: u64) -> Result<Option<ARef<Folio>>> {
        let (file, index) = (self.as_ptr(), usize::try_from(index)?);
        if !self.keeps_pages() {
            return Err(EINVAL);
        }
        // SAFETY: The file is alive, and so are the inode and the table of its page cache.
        unsafe {
            let mapping = (*file).f_mapping;
            if bindings::shmem_mapping(mapping) {
                return shmem::page((*mapping).host, index);
            }
            bindings::filemap_invalidate_lock_shared(mapping);
            let folio = bindings::read_cache_folio(mapping, index, None, file);
            bindings::filemap_invalidate_unlock_shared(mapping);
            let folio = NonNull::new(from_err_ptr(folio)?);
            // The count that comes with it is ours.
            let folio: Option<ARef<Folio>> = folio.map(|folio| ARef::from_raw(folio.cast()));
            // What the memory has lost, and could not be taken out of the page cache, stays there.
            match folio {
                Some(folio) if folio.is_poisoned(index) => Err(EIO),
                found => Ok(found),
            }
        }
    }
}

/// Copies a page that begins at `at` in `from` to where one begins in `to`. What is in pages may change at any
/// time: bytes are copied, and nobody refers to them.
fn copy(from: &Folio, at: usize, to: &Folio, to_at: usize) {
    // SAFETY: Both folios are alive, and have a page there: callers have found out.
    unsafe { bindings::memcpy_folio(to.as_ptr(), to_at, from.as_ptr(), at, PAGE_SIZE) };
}
