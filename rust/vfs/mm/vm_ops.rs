// SPDX-License-Identifier: GPL-2.0

//! `struct vm_operations_struct`: mappings that have a front file.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! Each front file has a table of mapping operations and one of file operations of its own, both
//! inside one [`Map`]; that is how the state is found, from `vma->vm_ops` and `file->f_op`. It cannot
//! be found through `vma->vm_file`, which changes, nor be kept in the private data of mapping or
//! file, which belong to the filesystem below.

use super::{
    fault::{Behind, Entry, Fault, Served, Step},
    front_file::{self, FrontFile, FrontPath},
    vma::{self, NewMapping, Suited},
};
use crate::{
    bindings,
    vfs::{
        mount::{cred::Cred, file::KernelFile},
        value::errno::EOPNOTSUPP,
    },
};
use core::{marker::PhantomData, mem::MaybeUninit};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
};

/// Serves the faults of mappings with a front file.
pub(crate) trait FaultServer: Sized + 'static {
    /// What each front file holds until it goes.
    type Held: Send + Sync;

    /// Serves a fault.
    fn serve<'a>(map: &'a Map<Self>, fault: Fault<'a>) -> Served<'a>;
}

/// Who serves the faults of a mapping that has a front file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServedBy {
    /// The filesystem of the file behind, without a call of ours; it finds the front file.
    Filesystem,
    /// The [`FaultServer`] of its map.
    Server,
}

/// What belongs to one front file. It lives until the `->release` of that.
///
/// # Invariants
///
/// Both tables are those of [`Table<E>`] for `behind`, which is complete once its front file is in use.
#[repr(C)]
pub(crate) struct Map<E: FaultServer> {
    vops: bindings::vm_operations_struct,
    fops: bindings::file_operations,
    served_by: ServedBy,
    behind: Behind,
    /// Given up after the files.
    _held: E::Held,
}

impl<E: FaultServer> Map<E> {
    /// Asks for the turn of `fault`, one of this map's mappings, to be served by the file behind,
    /// and waits for it unless the fault must not.
    pub(crate) fn enter<'a>(&'a self, fault: Fault<'a>) -> Entry<'a> {
        self.behind.enter(fault)
    }

    /// # Safety
    ///
    /// `ops` is the table of a map of `E` that lives during `'a`.
    unsafe fn of_vops<'a>(ops: *const bindings::vm_operations_struct) -> &'a Self {
        // SAFETY: By the contract of this function.
        unsafe { &*kernel::container_of!(ops.cast_mut(), Self, vops) }
    }

    /// # Safety
    ///
    /// `file` is a front file of a map of `E` that is not released during `'a`.
    unsafe fn of_file<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: By the contract of this function.
        unsafe { &*kernel::container_of!((*file).f_op.cast_mut(), Self, fops) }
    }
}

/// What a front file needs, before there is anything behind it. Everything that can fail is done.
pub(crate) struct Prepared<E: FaultServer> {
    memory: KBox<MaybeUninit<Map<E>>>,
    front: FrontFile,
    held: E::Held,
}

impl<E: FaultServer> Prepared<E> {
    /// Prepares for a front file of the mapping `vma`, which is to hold `held`, and whose own path is
    /// to be what `shown` says. `ENOMEM`.
    pub(crate) fn new(
        vma: &NewMapping<'_>,
        cred: &Cred,
        held: E::Held,
        shown: FrontPath,
    ) -> Result<Self> {
        Ok(Self {
            memory: KBox::new_uninit(GFP_KERNEL_ACCOUNT)?,
            // SAFETY: The file of a mapping that is being set up is alive.
            front: unsafe { FrontFile::new(vma.user_file(), cred, shown)? },
            held,
        })
    }

    /// Puts the front file before the one that serves `mapping`.
    pub(crate) fn place(self, mapping: Suited<'_>, served_by: ServedBy) {
        let handed = mapping.into_handed();
        let behind = handed.file();
        let ops = handed.ops();
        let front = self.front.as_ptr();
        let memory = KBox::into_raw(self.memory);
        let map = memory.cast::<Map<E>>();
        // SAFETY: The memory is ours, and large enough. The operations of the mapping are those of
        // the file behind, of whose module its file holds a reference. `front` gets the map and
        // owns it from then on; it is in use only after that.
        unsafe {
            map.write(Map {
                vops: Table::<E>::vm_operations(ops),
                fops: Table::<E>::file_operations(&behind, served_by),
                served_by,
                behind: Behind::new(behind, ops, front),
                _held: self.held,
            });
            let front = self
                .front
                .place(&(*map).behind.file, &raw const (*map).fops);
            handed.set_file(front);
            if served_by == ServedBy::Server {
                handed.set_ops(&raw const (*map).vops);
            }
            // The mapping has its own reference now.
            bindings::fput(front);
        }
    }
}

/// `->get_unmapped_area`.
type GetUnmappedArea =
    unsafe extern "C" fn(*mut bindings::file, c_ulong, c_ulong, c_ulong, c_ulong) -> c_ulong;

struct Table<E: FaultServer>(PhantomData<E>);

impl<E: FaultServer> Table<E> {
    /// The mapping operations of a map before a file whose filesystem gave the mapping `ops`.
    ///
    /// # Safety
    ///
    /// `ops` is valid.
    unsafe fn vm_operations(
        ops: *const bindings::vm_operations_struct,
    ) -> bindings::vm_operations_struct {
        // SAFETY: By the contract of this function.
        let ops = unsafe { *ops };
        // What a kernel has more than these stops the build: whether it finds the file in `vma->vm_file`
        // has to be known.
        let bindings::vm_operations_struct {
            open,
            close,
            mapped: _,
            may_split,
            mremap,
            mprotect,
            fault,
            huge_fault: _,
            map_pages: _,
            pagesize,
            page_mkwrite,
            pfn_mkwrite,
            access,
            name,
            #[cfg(CONFIG_NUMA)]
            set_policy,
            #[cfg(CONFIG_NUMA)]
            get_policy,
            #[cfg(CONFIG_FIND_NORMAL_PAGE)]
            find_normal_page,
            uffd_ops: _,
        } = ops;
        bindings::vm_operations_struct {
            open: open.and(Some(Self::open)),
            close: close.and(Some(Self::close)),
            fault: fault.and(Some(Self::fault)),
            page_mkwrite: page_mkwrite.and(Some(Self::page_mkwrite)),
            pfn_mkwrite: pfn_mkwrite.and(Some(Self::pfn_mkwrite)),
            // Without this, the kernel never calls a handler with the lock of the mapping only.
            map_pages: None,
            // That is not true for this one.
            huge_fault: None,
            // Was called, when the mapping was handed over; only a filesystem without `->mmap` may
            // have it.
            mapped: None,
            // They find the file in `vma->vm_file`.
            uffd_ops: core::ptr::null(),
            // None of these looks at the file, on the filesystems that this is for.
            may_split,
            mremap,
            mprotect,
            pagesize,
            access,
            name,
            #[cfg(CONFIG_NUMA)]
            set_policy,
            #[cfg(CONFIG_NUMA)]
            get_policy,
            #[cfg(CONFIG_FIND_NORMAL_PAGE)]
            find_normal_page,
        }
    }

    /// The file operations of a front file before `behind`: what the kernel calls by the file of a
    /// mapping.
    fn file_operations(behind: &KernelFile, served_by: ServedBy) -> bindings::file_operations {
        // SAFETY: An open file has operations.
        let ops = unsafe { &*(*behind.as_ptr()).f_op };
        bindings::file_operations {
            owner: crate::THIS_MODULE.as_ptr(),
            release: Some(Self::release),
            mmap: Some(Self::mmap),
            get_unmapped_area: Self::placement(behind, served_by),
            read_iter: ops.read_iter.and(Some(Self::read_iter)),
            fsync: ops.fsync.and(Some(Self::fsync)),
            fallocate: ops.fallocate.and(Some(Self::fallocate)),
            fadvise: Some(Self::fadvise),
            ..pin_init::zeroed()
        }
    }

    /// `->get_unmapped_area` of a front file before `behind`, which `mremap(2)` calls. The kernel moves
    /// several mappings at once only if they have none, the one for large folios, or are of tmpfs, by
    /// which it means the operations of the mapping: where those are the server's, the one for large
    /// folios takes tmpfs's place. A filesystem's own is given the file behind: it may take the file
    /// that it gets for one of its own, as tmpfs's does.
    fn placement(behind: &KernelFile, served_by: ServedBy) -> Option<GetUnmappedArea> {
        let large_folios: GetUnmappedArea = bindings::thp_get_unmapped_area;
        // SAFETY: An open file has operations, and a page cache.
        let (own, is_shmem) = unsafe {
            (
                (*(*behind.as_ptr()).f_op).get_unmapped_area?,
                bindings::shmem_mapping((*behind.as_ptr()).f_mapping),
            )
        };
        let is_large_folios = core::ptr::fn_addr_eq(own, large_folios);
        if is_large_folios || is_shmem && served_by == ServedBy::Server {
            Some(large_folios)
        } else {
            Some(Self::get_unmapped_area)
        }
    }

    /// # Safety
    ///
    /// `->get_unmapped_area` of a front file with our table.
    unsafe extern "C" fn get_unmapped_area(
        file: *mut bindings::file,
        addr: c_ulong,
        len: c_ulong,
        pgoff: c_ulong,
        flags: c_ulong,
    ) -> c_ulong {
        // SAFETY: By the contract of this function.
        let map = unsafe { Map::<E>::of_file(file) };
        vma::unmapped_area(&map.behind.file, addr, len, pgoff, flags)
    }

    /// # Safety
    ///
    /// The handler for `step`: `vmf` is a fault in a mapping with our table, and the mmap lock is held for
    /// reading.
    unsafe fn serve(vmf: *mut bindings::vm_fault, step: Step) -> bindings::vm_fault_t {
        // SAFETY: The mapping holds its front file, and thus the map, while the lock is held: until the
        // server has ended.
        let map = unsafe { Map::<E>::of_vops((*(*vmf).__bindgen_anon_1.vma).vm_ops) };
        // SAFETY: By the contract of this function.
        let served = E::serve(map, unsafe { Fault::from_raw(vmf, step) });
        // SAFETY: The server got no other fault, of which it could have another answer.
        unsafe { served.into_raw() }
    }

    /// # Safety
    ///
    /// As for [`Self::serve`].
    unsafe extern "C" fn fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: By the contract of this function.
        unsafe { Self::serve(vmf, Step::Fault) }
    }

    /// # Safety
    ///
    /// As for [`Self::serve`].
    unsafe extern "C" fn page_mkwrite(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: By the contract of this function.
        unsafe { Self::serve(vmf, Step::PageMkwrite) }
    }

    /// # Safety
    ///
    /// As for [`Self::serve`].
    unsafe extern "C" fn pfn_mkwrite(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: By the contract of this function.
        unsafe { Self::serve(vmf, Step::PfnMkwrite) }
    }

    /// # Safety
    ///
    /// `vma` is a mapping with our table; its mmap lock is held for writing.
    unsafe fn with_file_behind(
        vma: *mut bindings::vm_area_struct,
        call: impl FnOnce(&bindings::vm_operations_struct),
    ) {
        // SAFETY: By the contract of this function. No fault is in progress, and nobody else
        // changes the mapping; the table of the file behind lives as long as that.
        unsafe {
            let map = Map::<E>::of_vops((*vma).vm_ops);
            map.behind.swap_in(vma);
            call(&*map.behind.ops);
            map.behind.swap_out(vma);
        }
    }

    /// # Safety
    ///
    /// As for [`Self::with_file_behind`].
    unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: By the contract of this function.
        unsafe {
            Self::with_file_behind(vma, |ops| {
                if let Some(open) = ops.open {
                    open(vma);
                }
            });
        }
    }

    /// # Safety
    ///
    /// As for [`Self::with_file_behind`].
    unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: By the contract of this function.
        unsafe {
            Self::with_file_behind(vma, |ops| {
                if let Some(close) = ops.close {
                    close(vma);
                }
            });
        }
    }

    /// `->mmap` of the front file: `remap_file_pages(2)` maps the file of a mapping again.
    ///
    /// # Safety
    ///
    /// `file` is a front file with our table; `vma` is not in the address space yet, whose mmap
    /// lock is held for writing, and its file is `file`.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        let map = unsafe { Map::<E>::of_file(file) };
        let behind = map.behind.file.as_ptr();
        from_result(|| {
            // SAFETY: The mapping is nobody else's yet. It takes a reference to each file that it
            // is given; `file` is held by who calls.
            unsafe {
                bindings::vma_set_file(vma, behind);
                to_result(bindings::vfs_mmap(behind, vma))?;
                // What the filesystem serves in another way now stays its own.
                if core::ptr::eq((*vma).vm_file, behind)
                    && core::ptr::eq((*vma).vm_ops, map.behind.ops)
                {
                    bindings::vma_set_file(vma, file);
                    if map.served_by == ServedBy::Server {
                        (*vma).vm_ops = &raw const map.vops;
                    }
                }
            }
            Ok(0)
        })
    }

    /// `->read_iter` of the front file: the kernel reads build identities.
    ///
    /// # Safety
    ///
    /// `iocb` is for a front file with our table; both are valid during the call.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the contract of this function. The kernel reads synchronously, so that the
        // control block is not looked at after the call.
        unsafe {
            let front = (*iocb).ki_filp;
            let map = Map::<E>::of_file(front);
            let behind = map.behind.file.as_ptr();
            match (*(*behind).f_op).read_iter {
                Some(read_iter) if (*iocb).ki_complete.is_none() => {
                    (*iocb).ki_filp = behind;
                    let ret = read_iter(iocb, iter);
                    (*iocb).ki_filp = front;
                    ret
                }
                _ => EINVAL.to_errno() as isize,
            }
        }
    }

    /// `->fsync` of the front file, for `msync(2)`.
    ///
    /// # Safety
    ///
    /// `file` is a front file with our table.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        start: i64,
        end: i64,
        data_only: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        let map = unsafe { Map::<E>::of_file(file) };
        from_result(|| {
            map.behind.file.sync_range(start, end, data_only != 0)?;
            Ok(0)
        })
    }

    /// `->fallocate` of the front file, for `madvise(MADV_REMOVE)`. The VFS has checked the request,
    /// and holds the filesystem of the file behind against freezing: the front file has its inode.
    ///
    /// # Safety
    ///
    /// `file` is a front file with our table, open for writing.
    unsafe extern "C" fn fallocate(
        file: *mut bindings::file,
        mode: c_int,
        offset: i64,
        len: i64,
    ) -> c_long {
        // SAFETY: By the contract of this function; the file behind is open in the same way.
        unsafe {
            let behind = Map::<E>::of_file(file).behind.file.as_ptr();
            match (*(*behind).f_op).fallocate {
                Some(fallocate) => fallocate(behind, mode, offset, len),
                None => EOPNOTSUPP.to_errno() as c_long,
            }
        }
    }

    /// `->fadvise` of the front file, for `madvise(MADV_WILLNEED)`.
    ///
    /// # Safety
    ///
    /// `file` is a front file with our table.
    unsafe extern "C" fn fadvise(
        file: *mut bindings::file,
        offset: i64,
        len: i64,
        advice: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        let map = unsafe { Map::<E>::of_file(file) };
        from_result(|| {
            // CAST: Passed through.
            map.behind.file.advise(offset, len, advice as u32)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->release` of a front file with our table.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The last use of the map, which `place` made as a box. `retire` replaces the table
        // in it, which the VFS still needs.
        unsafe {
            let map = kernel::container_of!((*file).f_op.cast_mut(), Map<E>, fops);
            front_file::retire(file, &(*map).behind.file);
            drop(KBox::from_raw(map));
        }
        0
    }
}
