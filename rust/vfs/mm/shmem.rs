// SPDX-License-Identifier: GPL-2.0

//! Files in memory, which goes to swap when it is short.
//!
//! C header: [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h)

use super::folio::{copy_page, DirtyPage, EmptyPage, FilledPage, Folio, LockedFolio};
use crate::{
    bindings,
    vfs::{mount::file::KernelFile, sync::nofs},
};
use core::{ops::Range, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
};

/// A file without a name, in memory, of which pages are kept that are wanted. It is as long as can be; what was
/// never kept is zeroes, and takes no memory.
///
/// # Invariants
///
/// It is a file of shmem's, that nobody else has.
pub(crate) struct ShmemFile(KernelFile);

impl ShmemFile {
    /// How long every such file is, in bytes.
    pub(crate) const SIZE: i64 = i64::MAX & !(PAGE_SIZE as i64 - 1);

    /// An empty one. `name` is shown by nobody but who debugs the kernel. `ENOMEM`, `ENFILE`.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        // SAFETY: The name is a C string, which is copied. Its memory is accounted page by page.
        let file = from_err_ptr(unsafe {
            bindings::shmem_kernel_file_setup(
                name.as_char_ptr(),
                Self::SIZE,
                bindings::vma_flags_noreserve(),
            )
        })?;
        // INVARIANT: Just made.
        // SAFETY: The count is ours.
        Ok(Self(unsafe { KernelFile::from_raw(file) }))
    }

    /// The folio with the page `index`, locked, which is made if there is none and `sgp` says so.
    fn folio(&self, index: u64, sgp: bindings::sgp_type) -> Result<Option<LockedFolio>> {
        // SAFETY: The inode is one of shmem's, by the type invariant.
        unsafe { folio(self.0.inode().as_ptr(), usize::try_from(index)?, sgp) }
    }

    /// Fills `page` with what was kept as `index`, from swap if it is there. `ENOMEM`, `EIO`. May sleep.
    pub(crate) fn read<'a>(&self, index: u64, page: EmptyPage<'a>) -> Result<FilledPage<'a>> {
        match self.folio(index, bindings::sgp_type_SGP_READ)? {
            Some(folio) => page.copy(&folio, index),
            None => Ok(page.zero()),
        }
    }

    /// Keeps `page` as `index`. `ENOMEM`, `ENOSPC`, and `EINVAL` beyond the end. May sleep.
    #[cfg_attr(not(aufs2_sample), expect(dead_code))]
    pub(crate) fn write(&self, index: u64, page: &DirtyPage<'_>) -> Result {
        let folio = self.folio(index, bindings::sgp_type_SGP_CACHE)?;
        let folio = folio.ok_or(EIO)?;
        page.copy(&folio, index)?;
        // SAFETY: The folio is locked.
        unsafe { bindings::folio_mark_dirty(folio.as_ptr()) };
        Ok(())
    }

    /// Keeps as `slot` what `file` has as page `index`. Whether there is anything: there is nothing kept of a
    /// hole. `ENOMEM`, `ENOSPC`, and what reading `file` fails with. May sleep.
    pub(crate) fn keep(&self, slot: u64, file: &KernelFile, index: u64) -> Result<bool> {
        let Some(from) = file.page(index)? else {
            return Ok(false);
        };
        let folio = self.folio(slot, bindings::sgp_type_SGP_CACHE)?;
        let folio = folio.ok_or(EIO)?;
        copy_page(&from, index, &folio, slot)?;
        // SAFETY: The folio is locked.
        unsafe { bindings::folio_mark_dirty(folio.as_ptr()) };
        Ok(true)
    }

    /// Forgets what was kept of `bytes`: they are zeroes from now on. May sleep.
    pub(crate) fn punch(&self, bytes: Range<i64>) {
        let (start, end) = (bytes.start.max(0), bytes.end.min(Self::SIZE));
        if start < end {
            // SAFETY: The inode is one of shmem's, by the type invariant.
            unsafe {
                bindings::shmem_truncate_range(
                    self.0.inode().as_ptr(),
                    start,
                    // CAST: Behind the start, which is not negative.
                    (end - 1) as u64,
                );
            }
        }
    }
}

/// As [`ShmemFile::folio`], of any inode. `EIO` also for a page that the memory has lost.
///
/// # Safety
///
/// `inode` is one of shmem's, which is alive.
unsafe fn folio(
    inode: *mut bindings::inode,
    index: usize,
    sgp: bindings::sgp_type,
) -> Result<Option<LockedFolio>> {
    let mut folio = core::ptr::null_mut();
    // What asks here may have folios locked, and be waited for by who writes them out.
    // SAFETY: By the contract of this function.
    to_result(nofs::scope(|| unsafe {
        bindings::shmem_get_folio(inode, index, 0, &mut folio, sgp)
    }))?;
    // SAFETY: What the call has put there is locked and counted, for us.
    let folio = NonNull::new(folio).map(|folio| unsafe { LockedFolio::assume(folio) });
    // What the memory has lost stays in the page cache, for who asks to be told.
    match folio {
        Some(folio) if folio.is_poisoned(index) => Err(EIO),
        found => Ok(found),
    }
}

/// The folio with the page `index` of a file on tmpfs; none where nothing is, or behind the end.
///
/// # Safety
///
/// `inode` is one of shmem's, which is alive.
pub(super) unsafe fn page(
    inode: *mut bindings::inode,
    index: usize,
) -> Result<Option<ARef<Folio>>> {
    // SAFETY: By the contract of this function.
    match unsafe { folio(inode, index, bindings::sgp_type_SGP_READ) } {
        Err(EINVAL) => Ok(None),
        found => Ok(found?.map(LockedFolio::unlock)),
    }
}
