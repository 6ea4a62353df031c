// SPDX-License-Identifier: GPL-2.0

//! `struct file_operations`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    backing::{Iocb, Iter, LockedPipe, Pipe},
    emitter::Emitter,
    vtable::{if_has, Without},
};
use crate::{
    bindings,
    vfs::{
        admin::ioctl::Command,
        below::copy::{CopyRange, RangeOp},
        mm::vma::{self, NewMapping},
        mount::file::KernelFile,
        object::super_block::AnySuperBlock,
        own::{
            file::{FsFile, Opening},
            file_system::FileSystem,
            inode::OwnInode,
        },
    },
};
use core::marker::PhantomData;
use kernel::{
    error::{from_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
};

/// A file being closed: the owner of the locks that go with the descriptor.
///
/// # Invariants
///
/// The pointer is what the VFS calls `->flush` with, during that call; it is nothing but compared.
pub(crate) struct Owner(*mut c_void);

impl Owner {
    /// Passes the flush on to the file below.
    pub(crate) fn flush(&self, lower: &KernelFile) -> Result {
        lower.flush(self.0)
    }
}

/// The operations on open files of one kind. What is not implemented is what the VFS makes of a null
/// pointer; but files can be sought in up to their inode's size, and leases are the VFS's.
#[vtable]
pub(crate) trait Operations: Sized + 'static {
    type Fs: FileSystem;
    /// What each open file holds.
    type Data: Send + Sync;

    /// Opens.
    fn open(
        inode: &OwnInode<Self::Fs>,
        file: Opening<'_, Self::Fs>,
    ) -> Result<Pin<KBox<Self::Data>>>;
    /// The truncation that the open of `file` asked for (`O_TRUNC`) is done. The VFS asks for it after
    /// [`Operations::open`], when security modules have agreed; the open fails if this does.
    fn truncated(_data: &Self::Data, _file: &FsFile<Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Reads.
    fn read(_data: &Self::Data, _iocb: Iocb<'_, Self::Fs>, _iter: &mut Iter<'_>) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Writes.
    fn write(_data: &Self::Data, _iocb: Iocb<'_, Self::Fs>, _iter: &mut Iter<'_>) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `lseek(2)`.
    fn seek(
        _data: &Self::Data,
        _file: &FsFile<Self::Fs>,
        _offset: i64,
        _whence: u32,
    ) -> Result<i64> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `getdents(2)`.
    fn iterate(_data: &Self::Data, _file: &FsFile<Self::Fs>, _out: &mut Emitter<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `mmap(2)`.
    fn mmap(_data: &Self::Data, _file: &FsFile<Self::Fs>, _vma: NewMapping<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// The file below that serves this one now: its page cache is what this one reports about, and
    /// its `->get_unmapped_area` places mappings. See [`share_mapping`].
    fn lower(_data: &Self::Data) -> Result<&KernelFile> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `ioctl(2)`; returns what user space gets. `ENOTTY` for a command that there is not.
    fn ioctl(_data: &Self::Data, _file: &FsFile<Self::Fs>, _command: Command) -> Result<u32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// A descriptor is being closed.
    fn flush(_data: &Self::Data, _owner: Owner) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `fsync(2)`.
    fn sync(
        _data: &Self::Data,
        _file: &FsFile<Self::Fs>,
        _start: i64,
        _end: i64,
        _data_only: bool,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `splice(2)` from the file.
    fn splice_read(
        _data: &Self::Data,
        _file: &FsFile<Self::Fs>,
        _pos: &mut i64,
        _pipe: LockedPipe<'_>,
        _len: usize,
        _flags: u32,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `splice(2)` to the file.
    fn splice_write(
        _data: &Self::Data,
        _file: &FsFile<Self::Fs>,
        _pos: &mut i64,
        _pipe: Pipe<'_>,
        _len: usize,
        _flags: u32,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `fallocate(2)`.
    fn allocate(
        _data: &Self::Data,
        _file: &FsFile<Self::Fs>,
        _mode: u32,
        _offset: i64,
        _len: i64,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// `posix_fadvise(2)`.
    fn advise(_data: &Self::Data, _offset: i64, _len: i64, _advice: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
    /// Copies, clones or deduplicates between two files of the filesystem with these operations.
    fn copy_range(
        _source: (&Self::Data, &FsFile<Self::Fs>),
        _target: (&Self::Data, &FsFile<Self::Fs>),
        _range: CopyRange,
        _op: RangeOp,
    ) -> Result<i64> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: FileSystem> Operations for Without<T> {
    type Fs = T;
    type Data = ();

    fn open(_inode: &OwnInode<T>, _file: Opening<'_, T>) -> Result<Pin<KBox<()>>> {
        Err(ENXIO)
    }
}

/// The table of `O`. The VFS keeps the module from being unloaded while a file is open.
pub(in crate::vfs) const fn table<O: Operations>() -> &'static bindings::file_operations {
    const { &Table::<O>::TABLE }
}

struct Table<O: Operations>(PhantomData<O>);

impl<O: Operations> Table<O> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: crate::THIS_MODULE.as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        // Without this, reading a directory would be refused with another errno than anywhere else.
        read: if_has!(HAS_ITERATE, bindings::generic_read_dir),
        read_iter: if_has!(HAS_READ, Self::read_iter),
        write_iter: if_has!(HAS_WRITE, Self::write_iter),
        llseek: if O::HAS_SEEK {
            Some(Self::llseek)
        } else {
            Some(bindings::generic_file_llseek)
        },
        iterate_shared: if_has!(HAS_ITERATE, Self::iterate_shared),
        mmap: if_has!(HAS_MMAP, Self::mmap),
        get_unmapped_area: if_has!(HAS_LOWER, Self::get_unmapped_area),
        unlocked_ioctl: if_has!(HAS_IOCTL, Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if_has!(HAS_IOCTL, bindings::compat_ptr_ioctl),
        flush: if_has!(HAS_FLUSH, Self::flush),
        fsync: if_has!(HAS_SYNC, Self::fsync),
        splice_read: if_has!(HAS_SPLICE_READ, Self::splice_read),
        splice_write: if_has!(HAS_SPLICE_WRITE, Self::splice_write),
        fallocate: if_has!(HAS_ALLOCATE, Self::fallocate),
        fadvise: if_has!(HAS_ADVISE, Self::fadvise),
        copy_file_range: if_has!(HAS_COPY_RANGE, Self::copy_file_range),
        remap_file_range: if_has!(HAS_COPY_RANGE, Self::remap_file_range),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` was opened through this table and is not released during `'a`.
    unsafe fn data<'a>(file: *mut bindings::file) -> &'a O::Data {
        // SAFETY: By the contract of this function.
        unsafe { &*(*file).private_data.cast() }
    }

    /// # Safety
    ///
    /// `->open`: `file` is being opened on `inode`, of `O::Fs`, and nobody else knows it yet.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The file is being opened.
        from_result(|| unsafe {
            let user = FsFile::from_raw(file);
            let flags = user.flags();
            let data = O::open(OwnInode::from_raw(inode), Opening::assume(user))?;
            // What is pinned stays where it is until `release`.
            let data = KBox::into_raw(Pin::into_inner_unchecked(data));
            (*file).private_data = data.cast();
            if O::HAS_LOWER {
                let exclusive = flags & (bindings::O_EXCL | bindings::O_CREAT);
                show_mapping::<O>(user, &*data, exclusive != bindings::O_EXCL);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->release`: called once for a `file` whose `->open` succeeded, when its last count has
    /// gone.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The last use of the file; the box is the one that `open` left, if it did.
        unsafe {
            let data = (*file).private_data.cast::<O::Data>();
            if !data.is_null() {
                drop(Pin::new_unchecked(KBox::from_raw(data)));
            }
        }
        0
    }

    /// # Safety
    ///
    /// `->read_iter`: both are valid during the call; the file was opened through this table, and
    /// is counted until the I/O has ended.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the contract of this function.
        let ret = unsafe {
            O::read(
                Self::data((*iocb).ki_filp),
                Iocb::from_raw(iocb),
                &mut Iter::from_raw(iter),
            )
        };
        ret.unwrap_or_else(|e| e.to_errno() as isize)
    }

    /// # Safety
    ///
    /// As for [`Self::read_iter`].
    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the contract of this function.
        let ret = unsafe {
            O::write(
                Self::data((*iocb).ki_filp),
                Iocb::from_raw(iocb),
                &mut Iter::from_raw(iter),
            )
        };
        ret.unwrap_or_else(|e| e.to_errno() as isize)
    }

    /// # Safety
    ///
    /// `->llseek`: `file` is counted and was opened through this table. Its `f_pos_lock` is held
    /// where the file can be shared.
    unsafe extern "C" fn llseek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
        // SAFETY: By the contract of this function.
        let ret = unsafe {
            O::seek(
                Self::data(file),
                FsFile::from_raw(file),
                offset,
                whence as u32,
            )
        };
        ret.unwrap_or_else(|e| e.to_errno().into())
    }

    /// # Safety
    ///
    /// `->iterate_shared`: `file` is a counted directory that was opened through this table; its
    /// `i_rwsem` is held for reading, and `f_pos_lock`. `ctx` is the caller's, for the call.
    unsafe extern "C" fn iterate_shared(
        file: *mut bindings::file,
        ctx: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: By the contract of this function; the context is the caller's, for this call.
        from_result(|| unsafe {
            O::iterate(
                Self::data(file),
                FsFile::from_raw(file),
                &mut Emitter::from_raw(ctx),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->mmap`: `file` is counted and was opened through this table; `vma` is not in the address
    /// space yet, whose mmap lock is held for writing.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: By the contract of this function; the mapping is being set up under the mmap write lock.
        from_result(|| unsafe {
            O::mmap(
                Self::data(file),
                FsFile::from_raw(file),
                NewMapping::from_raw(vma),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->get_unmapped_area`: `file` is counted and was opened through this table; the mmap lock is
    /// held for writing.
    unsafe extern "C" fn get_unmapped_area(
        file: *mut bindings::file,
        addr: c_ulong,
        len: c_ulong,
        pgoff: c_ulong,
        flags: c_ulong,
    ) -> c_ulong {
        // SAFETY: By the contract of this function.
        match O::lower(unsafe { Self::data(file) }) {
            Ok(lower) => vma::unmapped_area(lower, addr, len, pgoff, flags),
            Err(e) => e.to_errno() as c_ulong,
        }
    }

    /// # Safety
    ///
    /// Called by the VFS with a counted file that was opened through this table.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        number: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: By the contract of this function.
        let ret = unsafe {
            O::ioctl(
                Self::data(file),
                FsFile::from_raw(file),
                Command::new(number, argument),
            )
        };
        ret.map_or_else(|e| e.to_errno() as c_long, |n| n as c_long)
    }

    /// # Safety
    ///
    /// `->flush`: `file` is counted and was opened through this table; nothing is locked.
    unsafe extern "C" fn flush(file: *mut bindings::file, owner: bindings::fl_owner_t) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            O::flush(Self::data(file), Owner(owner))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->fsync`: `file` is counted and was opened through this table; nothing is locked.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        start: i64,
        end: i64,
        data_only: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            O::sync(
                Self::data(file),
                FsFile::from_raw(file),
                start,
                end,
                data_only != 0,
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->splice_read`: `file` is counted and was opened through this table; `pipe` is locked, and
    /// `pos` the caller's, for the call.
    unsafe extern "C" fn splice_read(
        file: *mut bindings::file,
        pos: *mut i64,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: By the contract of this function; `pos` is the caller's.
        let ret = unsafe {
            O::splice_read(
                Self::data(file),
                FsFile::from_raw(file),
                &mut *pos,
                LockedPipe::from_raw(pipe),
                len,
                flags,
            )
        };
        ret.unwrap_or_else(|e| e.to_errno() as isize)
    }

    /// # Safety
    ///
    /// `->splice_write`: `file` is counted and was opened through this table; `pipe` is not locked,
    /// and `pos` is the caller's, for the call.
    unsafe extern "C" fn splice_write(
        pipe: *mut bindings::pipe_inode_info,
        file: *mut bindings::file,
        pos: *mut i64,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: By the contract of this function; `pos` is the caller's.
        let ret = unsafe {
            O::splice_write(
                Self::data(file),
                FsFile::from_raw(file),
                &mut *pos,
                Pipe::from_raw(pipe),
                len,
                flags,
            )
        };
        ret.unwrap_or_else(|e| e.to_errno() as isize)
    }

    /// # Safety
    ///
    /// `->fallocate`: `file` is counted, open for writing, and was opened through this table.
    unsafe extern "C" fn fallocate(
        file: *mut bindings::file,
        mode: c_int,
        offset: i64,
        len: i64,
    ) -> c_long {
        // SAFETY: By the contract of this function.
        let ret = unsafe {
            O::allocate(
                Self::data(file),
                FsFile::from_raw(file),
                mode as u32,
                offset,
                len,
            )
        };
        ret.map_or_else(|e| e.to_errno() as c_long, |()| 0)
    }

    /// # Safety
    ///
    /// `->fadvise`: `file` is counted and was opened through this table.
    unsafe extern "C" fn fadvise(
        file: *mut bindings::file,
        offset: i64,
        len: i64,
        advice: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            O::advise(Self::data(file), offset, len, advice as u32)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `source` is valid, and `target` was opened through this table.
    unsafe fn range(
        source: *mut bindings::file,
        target: *mut bindings::file,
        range: CopyRange,
        op: RangeOp,
    ) -> Result<i64> {
        // A source on another filesystem, or of another kind, is not ours to look into. What was
        // opened by the same table as `target` is; the address of a constant says less.
        // SAFETY: Both files are alive.
        if unsafe { !core::ptr::eq((*source).f_op, (*target).f_op) } {
            return Err(EXDEV);
        }
        // SAFETY: Both files were opened through this table.
        unsafe {
            O::copy_range(
                (Self::data(source), FsFile::from_raw(source)),
                (Self::data(target), FsFile::from_raw(target)),
                range,
                op,
            )
        }
    }

    /// # Safety
    ///
    /// `->copy_file_range`: both files are counted, and `target` was opened through this table;
    /// `source` is any regular file.
    unsafe extern "C" fn copy_file_range(
        source: *mut bindings::file,
        from: i64,
        target: *mut bindings::file,
        to: i64,
        len: usize,
        flags: c_uint,
    ) -> isize {
        let range = CopyRange {
            from,
            to,
            // CAST: The VFS limits a copy to `MAX_RW_COUNT`.
            len: len as i64,
        };
        // SAFETY: By the contract of this function.
        let ret = unsafe { Self::range(source, target, range, RangeOp::Copy(flags)) };
        ret.map_or_else(|e| e.to_errno() as isize, |n| n as isize)
    }

    /// # Safety
    ///
    /// As for [`Self::copy_file_range`].
    unsafe extern "C" fn remap_file_range(
        source: *mut bindings::file,
        from: i64,
        target: *mut bindings::file,
        to: i64,
        len: i64,
        flags: c_uint,
    ) -> i64 {
        let op = if flags & !(bindings::REMAP_FILE_DEDUP | bindings::REMAP_FILE_ADVISORY) != 0 {
            return EINVAL.to_errno().into();
        } else if flags & bindings::REMAP_FILE_DEDUP != 0 {
            RangeOp::Dedupe(flags)
        } else {
            RangeOp::Clone(flags)
        };
        // SAFETY: By the contract of this function.
        let ret = unsafe { Self::range(source, target, CopyRange { from, to, len }, op) };
        ret.unwrap_or_else(|e| e.to_errno().into())
    }
}

/// Calls [`Operations::truncated`].
///
/// # Safety
///
/// `file` was opened through the table of `O`, and is alive.
pub(in crate::vfs) unsafe fn truncated<O: Operations>(file: *mut bindings::file) -> Result {
    if O::HAS_TRUNCATED {
        // SAFETY: By the contract of this function.
        unsafe { O::truncated(Table::<O>::data(file), FsFile::from_raw(file))? };
    }
    Ok(())
}

/// Filesystems whose `->read_folio` looks at the page cache only, and never at the file that it is
/// given: some take the inode or the private data of that for their own (FUSE, network filesystems,
/// udf, compressed iso9660). Checked in the source of each; every open looks here, so those that are
/// met most come first.
const READ_WITHOUT_FILE: &[&[u8]] = &[
    b"ext4",
    b"xfs",
    b"btrfs",
    b"squashfs",
    b"erofs",
    b"f2fs",
    b"vfat",
    b"exfat",
    b"ext2",
    b"ext3",
    b"msdos",
];

/// Makes the page cache of [`Operations::lower`] the one that `file` reports about, as `->open` does
/// by itself, where a file with another inode may have it. Does nothing unless `data` is that of
/// `file`.
pub(crate) fn share_mapping<O: Operations>(file: &FsFile<O::Fs>, data: &O::Data) {
    // SAFETY: The file is alive; what it holds is constant once it is open.
    let held = unsafe { (*file.as_ptr()).private_data };
    if core::ptr::eq(held.cast(), data) {
        // SAFETY: The file is alive, and so is its inode; the field is read once.
        let has_own = unsafe {
            let mapping = (&raw const (*file.as_ptr()).f_mapping).read_volatile();
            core::ptr::eq(mapping, (*(*file.as_ptr()).f_inode).i_mapping)
        };
        // What was refused when it was opened stays so.
        show_mapping::<O>(file, data, !(has_own && file.is_writable()));
        // It was there before those errors.
        // SAFETY: The file is alive.
        unsafe { (&raw mut (*file.as_ptr()).f_wb_err).write_volatile(0) };
    }
}

/// Makes the page cache of [`Operations::lower`] the one of `file`, which holds `data`; its own, which
/// is empty, unless `may_share`, or where somebody could take the file for one of the filesystem of
/// that page cache.
///
/// Almost everybody looks at `f_mapping` alone. `swapon(2)` reads through it, and calls
/// `->swap_activate` with the file, which most filesystems take for one of their own; it is the one who
/// opens with `O_EXCL` and without `O_CREAT`, may not share, and is refused (`EINVAL`) for want of a
/// `->read_folio`. An image that is mounted from a file (`fs/erofs/data.c`) is read by `->read_folio`
/// with the file, which was opened as by anybody; erofs refuses stacked filesystems for a reason of
/// its own, and [`READ_WITHOUT_FILE`] does not depend on that. `mm/memfd.c` takes the inode of a file
/// with the page cache of tmpfs for one of tmpfs, which is not among those filesystems either.
fn show_mapping<O: Operations>(file: &FsFile<O::Fs>, data: &O::Data, may_share: bool) {
    let Ok(lower) = O::lower(data) else {
        return;
    };
    let file = file.as_ptr();
    // SAFETY: Both files are alive, and so are the inodes and super blocks of their page caches.
    // `data` is borrowed from the file until its release, for no more than which `f_mapping` is used,
    // and so is what `lower` borrows from it for as long. The fields are only read, once per use.
    unsafe {
        let mut mapping = (*lower.as_ptr()).f_mapping;
        let reads_without_file = || {
            let fs = AnySuperBlock::from_raw((*(*mapping).host).i_sb).type_name();
            READ_WITHOUT_FILE.contains(&fs.to_bytes())
        };
        if !may_share || bindings::shmem_mapping(mapping) || !reads_without_file() {
            mapping = (*(*file).f_inode).i_mapping;
        }
        (&raw mut (*file).f_mapping).write_volatile(mapping);
        // Errors of before are not this file's to report.
        let errors = bindings::filemap_sample_wb_err(mapping);
        (&raw mut (*file).f_wb_err).write_volatile(errors);
    }
}
