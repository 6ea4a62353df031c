// SPDX-License-Identifier: GPL-2.0

//! Mappings of files.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use crate::{
    bindings,
    vfs::{
        mount::{cred::Cred, file::KernelFile},
        object::{inode::Inode, super_block::AnySuperBlock},
        value::errno::succeeded,
    },
};
use core::marker::PhantomData;
use kernel::{
    mm::virt::{flags, VmaRef},
    prelude::*,
};

/// A mapping that `mmap(2)` is setting up, with the mmap lock held for writing.
///
/// # Invariants
///
/// The pointer is valid, and the mapping the caller's alone, during `'a`. Its file is the one that
/// was mapped.
pub(crate) struct NewMapping<'a>(*mut bindings::vm_area_struct, PhantomData<&'a ()>);

impl<'a> NewMapping<'a> {
    /// # Safety
    ///
    /// `ptr` is a mapping being set up, the caller's alone during `'a`, with its first file.
    pub(in crate::vfs) unsafe fn from_raw(ptr: *mut bindings::vm_area_struct) -> Self {
        // INVARIANT: By the contract of this function.
        Self(ptr, PhantomData)
    }

    pub(in crate::vfs) fn as_ptr(&self) -> *mut bindings::vm_area_struct {
        self.0
    }

    /// Whether what is written to the mapping is, or may come to be, written to the file.
    #[inline]
    pub(crate) fn writes_to_file(&self) -> bool {
        let both = flags::SHARED | flags::MAYWRITE;
        // SAFETY: The mapping is ours, by the type invariant.
        unsafe { VmaRef::from_raw(self.0).flags() & both == both }
    }

    /// Whether what is written to the mapping is nobody else's. This is asked of the kernel's headers: what
    /// the `kernel` crate of Linux 7.2 has for it is another flag.
    pub(crate) fn is_private(&self) -> bool {
        // SAFETY: The mapping is ours, by the type invariant.
        let flags = unsafe { VmaRef::from_raw(self.0).flags() };
        flags & bindings::VMA_MAYSHARE_FLAG == 0
    }

    /// Keeps what is mapped from being executed, now and later. `EPERM` if that is what is asked for.
    pub(crate) fn deny_execution(&self) -> Result {
        // SAFETY: The mapping is ours, by the type invariant.
        if unsafe { VmaRef::from_raw(self.0).flags() } & flags::EXEC != 0 {
            return Err(EPERM);
        }
        // SAFETY: As above: it is not in the address space yet, so nothing else changes its flags.
        unsafe { bindings::vm_flags_clear(self.0, flags::MAYEXEC as c_ulong) };
        Ok(())
    }

    /// Asks security modules as [`NewMapping::hand_to`] does for `lower`, to which the mapping is not handed.
    pub(crate) fn check(&self, lower: &KernelFile, cred: &Cred) -> Result {
        // SAFETY: All are valid during the call.
        let ask = || unsafe {
            bindings::security_mmap_backing_file(self.0, lower.as_ptr(), self.user_file())
        };
        succeeded(cred.scope(ask))
    }

    /// The file that user space mapped, or who stands for it.
    pub(in crate::vfs) fn user_file(&self) -> *mut bindings::file {
        // SAFETY: The mapping is ours, by the type invariant.
        unsafe { (*self.0).vm_file }
    }

    /// Hands the mapping to `lower`, a file made by [`open_backing`](crate::vfs::ops::backing::open_backing): it
    /// becomes the mapping's file, and its filesystem serves the faults. procfs goes on showing the
    /// file that user space mapped. `ENODEV` if `lower` cannot be mapped, `EACCES` if it is append-only
    /// and the mapping could be written to.
    ///
    /// After that nothing may fail: the kernel would not undo what the filesystem did.
    pub(crate) fn hand_to(self, lower: &KernelFile, cred: &Cred) -> Result<Handed<'a>> {
        // Of the inode that was mapped, which need not know yet, the VFS has asked that.
        // SAFETY: The mapping is ours, by the type invariant.
        let is_shared = unsafe { VmaRef::from_raw(self.0).flags() & flags::SHARED != 0 };
        if is_shared && lower.inode().is_append_only() {
            return Err(EACCES);
        }
        let mut ctx = bindings::backing_file_ctx {
            cred: cred.as_ptr(),
            ..pin_init::zeroed()
        };
        // SAFETY: All are valid during the call.
        succeeded(unsafe { bindings::backing_file_mmap(lower.as_ptr(), self.0, &mut ctx) })?;
        // INVARIANT: As for `self`, and it was handed over.
        Ok(Handed(self.0, PhantomData))
    }
}

/// Filesystems whose files another file can stand in front of: their handlers for faults find everything
/// by the inode, the page cache and the private data of the file. They are known to do without dropping
/// the mmap lock, and to ask nobody outside of this kernel: while one of them runs, others wait for it.
const SUITED: &[&[u8]] = &[
    b"tmpfs",
    b"ramfs",
    b"ext2",
    b"ext3",
    b"ext4",
    b"xfs",
    b"btrfs",
    b"f2fs",
    b"squashfs",
    b"erofs",
    b"iso9660",
    b"udf",
    b"vfat",
    b"msdos",
];

/// A mapping that a filesystem below has taken. It may have handed it on itself.
///
/// # Invariants
///
/// As for [`NewMapping`], but that its file is the one that serves it, with operations that are set
/// up for that file.
pub(crate) struct Handed<'a>(*mut bindings::vm_area_struct, PhantomData<&'a ()>);

impl<'a> Handed<'a> {
    /// The mapping as one that can have a front file; as it is, if it cannot, or has one.
    pub(crate) fn suited(self) -> Result<Suited<'a>, Self> {
        let fs = self.super_block().type_name().to_bytes();
        match SUITED.contains(&fs) && !self.is_special() && !self.has_front() {
            // INVARIANT: So it is.
            true => Ok(Suited(self)),
            false => Err(self),
        }
    }
}

/// A mapping whose file another one can stand in front of.
///
/// # Invariants
///
/// The file is of one of the filesystems that are [`SUITED`], and maps its page cache.
pub(crate) struct Suited<'a>(Handed<'a>);

impl<'a> Suited<'a> {
    /// For who puts a front file there.
    pub(super) fn into_handed(self) -> Handed<'a> {
        self.0
    }
}

impl Handed<'_> {
    /// The super block of the file that serves the mapping.
    pub(crate) fn super_block(&self) -> &AnySuperBlock {
        // SAFETY: The mapping holds its file, and that its inode, which holds its super block.
        unsafe { AnySuperBlock::from_raw((*Inode::as_ptr(self.inode())).i_sb) }
    }

    fn inode(&self) -> &Inode {
        // SAFETY: The mapping holds its file, and that its inode.
        unsafe { Inode::from_raw((*(*self.0).vm_file).f_inode) }
    }

    /// Whether the mapping has a front file of this module already, by a union below.
    pub(crate) fn has_front(&self) -> bool {
        // SAFETY: The mapping holds its file, which has operations.
        unsafe {
            core::ptr::eq(
                (*(*(*self.0).vm_file).f_op).owner,
                crate::THIS_MODULE.as_ptr(),
            )
        }
    }

    /// Whether the mapping is of something else than the pages of a page cache, or has no fault
    /// handler: device memory, `hugetlbfs`, DAX.
    fn is_special(&self) -> bool {
        let special = flags::PFNMAP | flags::MIXEDMAP | flags::HUGETLB | flags::IO;
        // SAFETY: The mapping is ours, by the type invariant; the operations of a mapping are null
        // or valid.
        unsafe {
            VmaRef::from_raw(self.0).flags() & special != 0
                || bindings::vma_is_dax(self.0)
                || (*self.0)
                    .vm_ops
                    .as_ref()
                    .is_none_or(|ops| ops.fault.is_none())
        }
    }

    /// The file that serves the mapping.
    pub(super) fn file(&self) -> KernelFile {
        // SAFETY: The mapping holds its file; the count is taken here.
        unsafe { KernelFile::from_raw(bindings::get_file((*self.0).vm_file)) }
    }

    /// How the file serves the mapping.
    pub(super) fn ops(&self) -> *const bindings::vm_operations_struct {
        // SAFETY: The mapping is ours, by the type invariant.
        unsafe { (*self.0).vm_ops }
    }

    /// Makes `file` the mapping's.
    ///
    /// # Safety
    ///
    /// `file` is alive, and can stand for the file that serves the mapping.
    pub(super) unsafe fn set_file(&self, file: *mut bindings::file) {
        // SAFETY: The mapping is ours; it takes a reference to the file.
        unsafe { bindings::vma_set_file(self.0, file) };
    }

    /// Makes `ops` the mapping's.
    ///
    /// # Safety
    ///
    /// `ops` lives as long as the mapping's file.
    pub(super) unsafe fn set_ops(&self, ops: *const bindings::vm_operations_struct) {
        // SAFETY: The mapping is ours.
        unsafe { (*self.0).vm_ops = ops };
    }
}

/// Where a mapping of `lower` should go: what its filesystem says, or what the architecture says
/// for files without an opinion.
pub(in crate::vfs) fn unmapped_area(
    lower: &KernelFile,
    addr: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    // SAFETY: The file is alive, and so are its operations.
    unsafe {
        match (*(*lower.as_ptr()).f_op).get_unmapped_area {
            Some(place) => place(lower.as_ptr(), addr, len, pgoff, flags),
            None => bindings::mm_get_unmapped_area(lower.as_ptr(), addr, len, pgoff, flags),
        }
    }
}
