// SPDX-License-Identifier: GPL-2.0

//! `struct address_space_operations`: files with pages of their own.
//!
//! Pages come into the page cache from where the filesystem keeps them, and go back there when they have been
//! written to; `read(2)`, `write(2)` and mappings have the same ones. What the filesystem is asked for is the
//! page, and nothing of locks, dirty bits or the end of the file.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h), `Documentation/filesystems/locking.rst`

use super::{
    backing::{count, Iocb, Iter},
    vtable::if_has,
};
use crate::{
    bindings,
    vfs::{
        mm::{
            folio::{DirtyPage, EmptyPage, FilledPage, Folio, LockedFolio},
            vma::NewMapping,
        },
        own::{
            file::{FsFile, LockedFile},
            file_system::FileSystem,
            inode::{Locked, OwnInode},
        },
        sync::nofs,
    },
};
use core::{marker::PhantomData, ops::Range, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, from_result, to_result, VTABLE_DEFAULT_ERROR},
    page::PAGE_SIZE,
    prelude::*,
};

/// How the pages of regular files of one kind are kept. Both are called with a folio locked, in a scope in
/// which memory that is asked for makes no filesystem free some.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;

    /// Fills a page. What is behind the end of the file is zeroes.
    fn read<'a>(inode: &OwnInode<Self::Fs>, page: EmptyPage<'a>) -> Result<FilledPage<'a>>;
    /// Keeps a page, which is before the end of the file; what is behind that is zeroes. It may be written to
    /// meanwhile: then this is called again. When it fails, whoever waits is told, and it is tried later. Files
    /// without this cannot be written to.
    fn write(_inode: &OwnInode<Self::Fs>, _page: &DirtyPage<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The table of `O`.
pub(in crate::vfs) const fn table<O: Operations>() -> &'static bindings::address_space_operations {
    const { &Table::<O>::TABLE }
}

struct Table<O: Operations>(PhantomData<O>);

// What mm guarantees is in `Documentation/filesystems/locking.rst` and `vfs.rst`.
impl<O: Operations> Table<O> {
    const TABLE: bindings::address_space_operations = bindings::address_space_operations {
        read_folio: Some(Self::read_folio),
        writepages: if_has!(HAS_WRITE, Self::writepages),
        dirty_folio: if O::HAS_WRITE {
            Some(bindings::filemap_dirty_folio)
        } else {
            Some(bindings::noop_dirty_folio)
        },
        write_begin: if_has!(HAS_WRITE, Self::write_begin),
        write_end: if_has!(HAS_WRITE, Self::write_end),
        #[cfg(CONFIG_MIGRATION)]
        migrate_folio: Some(bindings::filemap_migrate_folio),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `mapping` is that of an inode of `O::Fs` with our table, which is not freed during `'a`.
    unsafe fn inode<'a>(mapping: *mut bindings::address_space) -> &'a OwnInode<O::Fs> {
        // SAFETY: By the contract of this function; pages are asked for when the inode is there.
        unsafe { OwnInode::from_raw((*mapping).host) }
    }

    /// # Safety
    ///
    /// `folio` is one of `inode`'s, locked by the current task, and not up to date.
    unsafe fn fill(inode: &OwnInode<O::Fs>, folio: &Folio) -> Result {
        nofs::scope(|| {
            // SAFETY: By the contract of this function.
            for page in unsafe { EmptyPage::all_of(folio) } {
                let _: FilledPage<'_> = O::read(inode, page)?;
            }
            Ok(())
        })
    }

    /// # Safety
    ///
    /// `->read_folio`: `folio` is one of a file with our table, in its page cache, counted, not up to date, and
    /// locked, which this ends.
    unsafe extern "C" fn read_folio(
        _file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: By the contract of this function. A folio that is locked stays in its page cache.
        let filled = unsafe {
            let inode = Self::inode(bindings::folio_mapping(folio));
            Self::fill(inode, Folio::from_raw(folio))
        };
        // SAFETY: The folio is locked, and nothing was done to it but that.
        unsafe { bindings::folio_end_read(folio, filled.is_ok()) };
        from_result(|| filled.map(|()| 0))
    }

    /// # Safety
    ///
    /// `->writepages`: `mapping` is that of an inode with our table, which is not freed during the call; `wbc`
    /// is the caller's.
    unsafe extern "C" fn writepages(
        mapping: *mut bindings::address_space,
        wbc: *mut bindings::writeback_control,
    ) -> c_int {
        nofs::scope(|| {
            let (mut folio, mut error) = (core::ptr::null_mut(), 0);
            loop {
                // SAFETY: By the contract of this function; called as it wants to be, with what it returned.
                folio = unsafe { bindings::writeback_iter(mapping, wbc, folio, &mut error) };
                let Some(folio) = NonNull::new(folio) else {
                    return error;
                };
                // SAFETY: The folio is locked, for us, up to date, and about to be written out; it is counted
                // until the next round.
                let written = unsafe {
                    bindings::folio_get(folio.as_ptr());
                    Self::write_out(mapping, wbc, LockedFolio::assume(folio))
                };
                error = written.map_or_else(Error::to_errno, |()| 0);
            }
        })
    }

    /// # Safety
    ///
    /// As for [`Self::writepages`], which `folio` is to be written out by.
    unsafe fn write_out(
        mapping: *mut bindings::address_space,
        wbc: *mut bindings::writeback_control,
        folio: LockedFolio,
    ) -> Result {
        // SAFETY: By the contract of this function.
        let inode = unsafe { Self::inode(mapping) };
        // Who makes the file shorter does so before waiting for the lock of the folio.
        let end = inode.size() - folio.position();
        let end = usize::try_from(end).unwrap_or(0).min(folio.size());
        if end == 0 {
            return Ok(());
        }
        // What was stored behind the end, by a mapping, is not of the file.
        folio.zero(end, folio.size());
        // SAFETY: The folio is locked.
        unsafe { bindings::folio_start_writeback(folio.as_ptr()) };
        // SAFETY: The folio is up to date, and locked.
        let pages = unsafe { DirtyPage::all_of(&folio) }.take(end.div_ceil(PAGE_SIZE));
        let written = { pages }.try_for_each(|page| O::write(inode, &page));
        if let Err(e) = written {
            // SAFETY: All are valid. The folio is locked: it is still one of `mapping`.
            unsafe {
                bindings::mapping_set_error(mapping, e.to_errno());
                bindings::folio_redirty_for_writepage(wbc, folio.as_ptr());
            }
        }
        let raw = folio.as_ptr();
        drop(folio);
        // SAFETY: This was begun above. Until it has ended the page cache keeps the folio.
        unsafe { bindings::folio_end_writeback(raw) };
        written
    }

    /// # Safety
    ///
    /// `->write_begin`: `mapping` is that of an inode with our table, which is locked; `foliop` is the caller's.
    unsafe extern "C" fn write_begin(
        _iocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: i64,
        len: c_uint,
        foliop: *mut *mut bindings::folio,
        _fsdata: *mut *mut c_void,
    ) -> c_int {
        from_result(|| {
            // CAST: The VFS writes to no place before the beginning.
            let index = pos as usize / PAGE_SIZE;
            // SAFETY: The mapping is alive.
            let folio = from_err_ptr(unsafe {
                bindings::__filemap_get_folio(
                    mapping,
                    index,
                    bindings::FGP_WRITEBEGIN_FLAGS,
                    bindings::mapping_gfp_mask(mapping),
                )
            })?;
            // SAFETY: What is asked for so is counted and locked, for us.
            let folio = unsafe { LockedFolio::assume(NonNull::new(folio).ok_or(EIO)?) };
            let is_whole = folio.position() == pos && len as usize >= folio.size();
            if !folio.is_uptodate() && !is_whole {
                // SAFETY: The folio is locked, one of the mapping's, and not up to date.
                unsafe {
                    Self::fill(Self::inode(mapping), &folio)?;
                    bindings::folio_mark_uptodate(folio.as_ptr());
                }
            }
            // SAFETY: The place is the caller's.
            unsafe { *foliop = folio.into_raw() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->write_end`: as for [`Self::write_begin`], which has given `folio` out; `copied` bytes of it are new.
    unsafe extern "C" fn write_end(
        _iocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: i64,
        _len: c_uint,
        copied: c_uint,
        folio: *mut bindings::folio,
        _fsdata: *mut c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the contract of this function, both are left to us.
            let folio = unsafe { LockedFolio::assume(NonNull::new(folio).ok_or(EIO)?) };
            let was_empty = !folio.is_uptodate();
            if copied == 0 || was_empty && (copied as usize) < folio.size() {
                // There is nothing of the rest in it: as if nothing was copied.
                return Ok(0);
            }
            // SAFETY: The folio is locked, and all of it is what the file has from now on. The inode is
            // locked, so that nobody else changes its size.
            let old = unsafe {
                if was_empty {
                    bindings::folio_mark_uptodate(folio.as_ptr());
                }
                bindings::folio_mark_dirty(folio.as_ptr());
                let inode = Self::inode(mapping);
                let (old, end) = (inode.size(), pos + i64::from(copied));
                if end > old {
                    bindings::i_size_write(inode.as_ptr(), end);
                }
                old
            };
            drop(folio);
            // SAFETY: The mapping is alive.
            unsafe { zero_behind(mapping, old, pos) };
            // CAST: No more than what fits into a folio.
            Ok(copied as c_int)
        })
    }
}

/// The file ended at `from`, and now ends at `to` or later: makes zeroes of what was stored in between by a
/// mapping, of which only the page that the file ended in has any. What is not cached has none, by
/// `Table::write_out`.
///
/// # Safety
///
/// `mapping` is that of an inode that is locked.
unsafe fn zero_behind(mapping: *mut bindings::address_space, from: i64, to: i64) {
    // CAST: Sizes are not negative.
    let (index, start) = (from as usize / PAGE_SIZE, from % PAGE_SIZE as i64);
    if from >= to || start == 0 {
        return;
    }
    // SAFETY: The mapping is alive. It is not asked to make a folio.
    let folio =
        unsafe { bindings::__filemap_get_folio(mapping, index, bindings::FGP_LOCK_FLAG, 0) };
    let Some(folio) = from_err_ptr(folio).ok().and_then(NonNull::new) else {
        return;
    };
    // SAFETY: What is asked for so is counted and locked, for us.
    let folio = unsafe { LockedFolio::assume(folio) };
    let offset = |at: i64| usize::try_from(at - folio.position()).unwrap_or(0);
    folio.zero(offset(from), offset(to));
}

/// The page cache of `inode`, if it has pages of its own; `EINVAL`.
fn own<T: FileSystem>(inode: &OwnInode<T>) -> Result<NonNull<bindings::address_space>> {
    // SAFETY: The inode is alive; its page cache, and the table of that, never change.
    unsafe {
        let mapping = (*inode.as_ptr()).i_mapping;
        match (*(*mapping).a_ops).read_folio {
            Some(_) => NonNull::new(mapping).ok_or(EINVAL),
            None => Err(EINVAL),
        }
    }
}

/// As [`own`], if files with that inode can be written to, too.
fn own_writable<T: FileSystem>(inode: &OwnInode<T>) -> Result<NonNull<bindings::address_space>> {
    let mapping = own(inode)?;
    // SAFETY: As in `own`. The table is one of ours, which has all that writing takes, or nothing.
    match unsafe { (*(*mapping.as_ptr()).a_ops).write_begin } {
        Some(_) => Ok(mapping),
        None => Err(EINVAL),
    }
}

/// `EINVAL` for direct I/O: these files have none.
fn check<T: FileSystem>(iocb: &Iocb<'_, T>) -> Result {
    // SAFETY: The control block is valid.
    match unsafe { (*iocb.0).ki_flags as u32 } & bindings::IOCB_DIRECT == 0 {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// Reads from the pages of a file that has its own; `EINVAL` for another.
pub(crate) fn read<T: FileSystem>(iocb: Iocb<'_, T>, iter: &mut Iter<'_>) -> Result<isize> {
    own(iocb.file().own_inode())?;
    check(&iocb)?;
    // SAFETY: Both are valid during the call. The page cache of the file is its inode's, by the invariant of
    // `InodeTables`, and has what this takes.
    count(unsafe { bindings::generic_file_read_iter(iocb.0, iter.0) })
}

/// Writes to the pages of a file that has its own; `EINVAL` for another, or one that cannot be written to. With
/// the inode locked, `before` is called with the bytes that are about to be written, unless the write is refused;
/// what it returns is held until they are. It may fail, and then the write does.
#[cfg_attr(not(aufs2_sample), expect(dead_code))]
pub(crate) fn write<T: FileSystem, G>(
    iocb: Iocb<'_, T>,
    iter: &mut Iter<'_>,
    before: impl FnOnce(Range<i64>) -> Result<G>,
) -> Result<isize> {
    own_writable(iocb.file().own_inode())?;
    check(&iocb)?;
    let locked = iocb.file().lock();
    // SAFETY: Both are valid during the call, and the inode is locked.
    let len = count(unsafe { bindings::generic_write_checks(iocb.0, iter.0) })?;
    if len == 0 {
        return Ok(0);
    }
    // SAFETY: The control block is valid.
    let at = unsafe { (*iocb.0).ki_pos };
    let guard = before(at..at.saturating_add(len as i64))?;
    // SAFETY: As in `read`, and the inode is locked.
    let written = count(unsafe { bindings::__generic_file_write_iter(iocb.0, iter.0) });
    drop((guard, locked));
    match written? {
        0 => Ok(0),
        // SAFETY: So much was written.
        written => count(unsafe { bindings::generic_write_sync(iocb.0, written) }),
    }
}

/// Maps the pages of a file that has its own. `EINVAL` for another, and for a mapping that is to be written to
/// of one that cannot be.
pub(crate) fn map<T: FileSystem>(file: &FsFile<T>, vma: NewMapping<'_>) -> Result {
    own(file.own_inode())?;
    let is_writable = own_writable(file.own_inode()).is_ok();
    let (file, vma, mapped) = (file.as_ptr(), vma.as_ptr(), vma.user_file());
    if !core::ptr::eq(mapped, file) {
        return Err(EINVAL);
    }
    // SAFETY: The mapping is being set up, of this file, whose page cache is its inode's, by the invariant of
    // `InodeTables`, and has what this takes.
    to_result(unsafe {
        match is_writable {
            true => bindings::generic_file_mmap(file, vma),
            false => bindings::generic_file_readonly_mmap(file, vma),
        }
    })
}

/// Has what was written to the pages of `file` kept by its filesystem. Whatever failed with any of them since the
/// file was opened.
#[cfg_attr(not(aufs2_sample), expect(dead_code))]
pub(crate) fn sync<T: FileSystem>(file: &FsFile<T>, start: i64, end: i64) -> Result {
    own(file.own_inode())?;
    // SAFETY: The file is alive, and its page cache its inode's, by the invariant of `InodeTables`.
    to_result(unsafe { bindings::file_write_and_wait_range(file.as_ptr(), start, end) })
}

/// Calls `act` while nobody brings a page into `mapping` to read or map it.
///
/// # Safety
///
/// `mapping` is alive.
unsafe fn with_none_coming(mapping: NonNull<bindings::address_space>, act: impl FnOnce()) {
    // SAFETY: By the contract of this function.
    unsafe { bindings::filemap_invalidate_lock(mapping.as_ptr()) };
    act();
    // SAFETY: Taken above.
    unsafe { bindings::filemap_invalidate_unlock(mapping.as_ptr()) };
}

/// Makes a file with pages of its own `size` bytes long. `cut` forgets what the filesystem keeps of it from
/// there on. Pages are unmapped that go; what comes is zeroes. `EINVAL` for another file.
#[cfg_attr(not(aufs2_sample), expect(dead_code))]
pub(crate) fn resize<T: FileSystem>(
    inode: &Locked<'_, T>,
    size: i64,
    cut: impl FnOnce(),
) -> Result {
    let mapping = own_writable(inode)?;
    let old = inode.size();
    if size < 0 {
        return Err(EINVAL);
    }
    // SAFETY: The inode is alive, and locked, which keeps all others from changing its size.
    unsafe {
        with_none_coming(mapping, || {
            bindings::truncate_setsize(inode.as_ptr(), size);
            zero_behind(mapping.as_ptr(), old, size);
            cut();
        });
    }
    Ok(())
}

/// Makes zeroes of `bytes` of a file with pages of its own. `cut` forgets what the filesystem keeps of them.
/// Pages are unmapped that go as a whole. `EINVAL` for another file.
#[cfg_attr(not(aufs2_sample), expect(dead_code))]
pub(crate) fn punch<T: FileSystem>(
    file: &LockedFile<'_, T>,
    bytes: Range<i64>,
    cut: impl FnOnce(),
) -> Result {
    let mapping = own_writable(file.own_inode())?;
    if bytes.start < 0 || bytes.start >= bytes.end {
        return Err(EINVAL);
    }
    file.remove_privileges()?;
    let inode = file.own_inode().as_ptr();
    // SAFETY: The inode is alive, and locked.
    unsafe {
        with_none_coming(mapping, || {
            bindings::truncate_pagecache_range(inode, bytes.start, bytes.end - 1);
            cut();
        });
    }
    Ok(())
}
