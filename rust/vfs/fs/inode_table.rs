// SPDX-License-Identifier: GPL-2.0

//! `struct inode_operations`, of the operations that a filesystem has in Rust.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{inode_ops::Operations, mountable::Mountable};
use crate::{
    bindings,
    vfs::{
        attr::{
            acl::{Acl, AclType},
            attr::Attr,
            fileattr::Request,
            stat::Stat,
        },
        below::extents::Extents,
        object::idmap::Idmap,
        ops::{
            attr_ops::{Operations as _, Walk},
            file_ops, page_ops,
            rename::Rename,
            vtable::{if_has, Without},
            xattr_ops::Handler as _,
        },
        own::{
            dentry::{InLookup, Negative, OwnDentry},
            file::NewFile,
            file_system::InodeTables,
            inode::{Locked, OwnInode},
        },
        value::mode::Mode,
    },
};
use core::marker::PhantomData;
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::aref::ARef,
};

/// The operations on the attributes of `O`'s inodes.
type Attrs<O> = <<O as Operations>::Fs as Mountable>::Attrs;
/// The operations on the extended attributes of `O`'s inodes.
type Xattrs<O> = <<O as Operations>::Fs as Mountable>::Xattrs;

/// As [`if_has`], but never for a symbolic link: it has no ACL.
macro_rules! if_acl {
    ($has:ident, $f:expr) => {
        if O::HAS_GET_LINK {
            None
        } else {
            if_has!(Attrs<O>: $has, $f)
        }
    };
}

/// The C table of `O`, for inodes that are opened as `F`.
///
/// # Invariants
///
/// A file that is open on an inode with this table was opened through the table of `F`, unless `F`
/// is `Without`.
pub(super) struct Table<O: Operations, F: file_ops::Operations<Fs = O::Fs>>(PhantomData<(O, F)>);

impl<T: Mountable> InodeTables<T> {
    /// The table of inodes that the filesystem itself does not open.
    pub(crate) const fn new<I: Operations<Fs = T>>() -> Self {
        // INVARIANT: There is no table of files.
        Self {
            inode: const { &Table::<I, Without<T>>::TABLE },
            file: None,
            pages: None,
            _fs: PhantomData,
        }
    }

    /// The tables of inodes that are opened as `F`.
    pub(crate) const fn with_file<I, F>() -> Self
    where
        I: Operations<Fs = T>,
        F: file_ops::Operations<Fs = T>,
    {
        // INVARIANT: Both are of `F`.
        Self {
            inode: const { &Table::<I, F>::TABLE },
            file: Some(file_ops::table::<F>()),
            pages: None,
            _fs: PhantomData,
        }
    }

    /// The tables of regular files that are opened as `F`, with pages of their own, which `P` reads and writes.
    pub(crate) const fn with_pages<I, F, P>() -> Self
    where
        I: Operations<Fs = T>,
        F: file_ops::Operations<Fs = T>,
        P: page_ops::Operations<Fs = T>,
    {
        const {
            assert!(
                !F::HAS_LOWER,
                "its page cache would be that of another file"
            )
        };
        // INVARIANT: As above; and what files show is their inode's.
        Self {
            pages: Some(page_ops::table::<P>()),
            ..Self::with_file::<I, F>()
        }
    }
}

// What the VFS guarantees is in `Documentation/filesystems/locking.rst` and `vfs.rst`.
impl<O: Operations, F: file_ops::Operations<Fs = O::Fs>> Table<O, F> {
    pub(super) const TABLE: bindings::inode_operations = bindings::inode_operations {
        lookup: if_has!(HAS_LOOKUP, Self::lookup),
        get_link: if_has!(HAS_GET_LINK, Self::get_link),
        permission: if_has!(Attrs<O>: HAS_PERMISSION, Self::permission),
        get_inode_acl: if_acl!(HAS_GET_INODE_ACL, Self::get_inode_acl),
        get_acl: if_acl!(HAS_GET_ACL, Self::get_acl),
        set_acl: if_acl!(HAS_SET_ACL, Self::set_acl),
        create: if_has!(HAS_CREATE, Self::create),
        link: if_has!(HAS_LINK, Self::link),
        unlink: if_has!(HAS_UNLINK, Self::unlink),
        symlink: if_has!(HAS_SYMLINK, Self::symlink),
        mkdir: if_has!(HAS_MKDIR, Self::mkdir),
        rmdir: if_has!(HAS_RMDIR, Self::rmdir),
        mknod: if_has!(HAS_MKNOD, Self::mknod),
        rename: if_has!(HAS_RENAME, Self::rename),
        setattr: if Attrs::<O>::HAS_SETATTR {
            Some(Self::setattr)
        } else {
            if_has!(Attrs<O>: HAS_RESIZE, Self::resize)
        },
        getattr: if_has!(Attrs<O>: HAS_GETATTR, Self::getattr),
        listxattr: if_has!(Xattrs<O>: HAS_LIST, Self::listxattr),
        update_time: if_has!(Attrs<O>: HAS_UPDATE_ATIME, Self::update_time),
        tmpfile: if_has!(HAS_TMPFILE, Self::tmpfile),
        fileattr_get: if_has!(Attrs<O>: HAS_FILEATTR_GET, Self::fileattr_get),
        fileattr_set: if_has!(Attrs<O>: HAS_FILEATTR_SET, Self::fileattr_set),
        fiemap: if_has!(Attrs<O>: HAS_FIEMAP, Self::fiemap),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `->lookup`: `dir` is an inode of `O::Fs` with its lock held, for reading at least; `dentry`
    /// is a counted child of it that is in lookup, by this task.
    unsafe extern "C" fn lookup(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        _flags: c_uint,
    ) -> *mut bindings::dentry {
        // SAFETY: `dir` is locked at least shared, and `dentry` is in lookup.
        let found = unsafe {
            O::lookup(
                OwnInode::from_raw(dir),
                InLookup::assume(OwnDentry::from_raw(dentry)),
            )
        };
        match found {
            Ok(spliced) => spliced.into_raw(),
            Err(e) => e.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// `->get_link`: `inode` is a symbolic link of `O::Fs`. `dentry` is counted, or null within an
    /// RCU walk. `done` is the caller's to run after its use of the target.
    unsafe extern "C" fn get_link(
        dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        done: *mut bindings::delayed_call,
    ) -> *const c_char {
        if dentry.is_null() {
            return ECHILD.to_ptr::<c_char>();
        }
        // SAFETY: The inode is a live symbolic link of ours.
        match O::get_link(unsafe { OwnInode::from_raw(inode) }) {
            // SAFETY: `done` is the caller's to set.
            Ok(target) => unsafe { target.into_c(done) },
            Err(e) => e.to_ptr::<c_char>(),
        }
    }

    /// # Safety
    ///
    /// `->permission`: `inode` is of `O::Fs`, and counted, or protected by RCU if `mask` has
    /// `MAY_NOT_BLOCK`. `idmap` is valid during the call.
    unsafe extern "C" fn permission(
        idmap: *mut bindings::mnt_idmap,
        inode: *mut bindings::inode,
        mask: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function, they are alive; under `MAY_NOT_BLOCK` they are protected
        // by RCU instead of counts.
        from_result(|| unsafe {
            let mask = mask as u32;
            let inode = OwnInode::from_raw(inode);
            let inode = match mask & bindings::MAY_NOT_BLOCK {
                0 => Walk::Ref(inode),
                _ => Walk::Rcu(inode.into()),
            };
            Attrs::<O>::permission(Idmap::from_raw(idmap), inode, mask)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->get_inode_acl`: `inode` is of `O::Fs`, and counted, or protected by RCU if `rcu`.
    unsafe extern "C" fn get_inode_acl(
        inode: *mut bindings::inode,
        acl_type: c_int,
        rcu: bool,
    ) -> *mut bindings::posix_acl {
        // SAFETY: By the contract of this function.
        let inode = unsafe { OwnInode::from_raw(inode) };
        let inode = match rcu {
            true => Walk::Rcu(inode.into()),
            false => Walk::Ref(inode),
        };
        Acl::into_c(
            match Attrs::<O>::get_inode_acl(inode, AclType::new(acl_type)) {
                // An RCU walk would not give the count back.
                Ok(Some(_)) if rcu => Err(ECHILD),
                other => other,
            },
        )
    }

    /// # Safety
    ///
    /// `->get_acl`: `dentry` is a counted, positive dentry of `O::Fs`; `idmap` is valid during the
    /// call.
    unsafe extern "C" fn get_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl_type: c_int,
    ) -> *mut bindings::posix_acl {
        // SAFETY: By the contract of this function, all are alive, and of `O::Fs`.
        Acl::into_c(unsafe {
            Attrs::<O>::get_acl(
                Idmap::from_raw(idmap),
                OwnDentry::from_raw(dentry),
                AclType::new(acl_type),
            )
        })
    }

    /// # Safety
    ///
    /// `->set_acl`: `dentry` is a counted, positive dentry of `O::Fs`, with its inode locked for
    /// writing; `acl` is null or valid during the call.
    unsafe extern "C" fn set_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        acl_type: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function, they are alive; the ACL may be null, and is the
        // caller's.
        from_result(|| unsafe {
            Attrs::<O>::set_acl(
                Idmap::from_raw(idmap),
                OwnDentry::from_raw(dentry),
                Acl::borrow(&acl),
                AclType::new(acl_type),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dir` is locked for writing and `dentry` is a negative child of it, during `'a`.
    unsafe fn negative<'a>(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> Negative<'a, O::Fs> {
        // SAFETY: By the contract of this function.
        unsafe {
            Negative::assume(
                Locked::assume(OwnInode::from_raw(dir)),
                OwnDentry::from_raw(dentry),
            )
        }
    }

    /// # Safety
    ///
    /// `->create`: `dir` is an inode of `O::Fs` with its lock held for writing, and `dentry` a
    /// counted, negative child of it.
    unsafe extern "C" fn create(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        #[cfg(not(kernel_7_3))] _exclusive: bool,
    ) -> c_int {
        // SAFETY: `dir` is locked, `dentry` a negative child.
        from_result(|| unsafe {
            O::create(
                Idmap::from_raw(idmap),
                Self::negative(dir, dentry),
                Mode(mode),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->link`: `dir` is an inode of `O::Fs` with its lock held for writing, and `dentry` a
    /// counted, negative child of it. `old` is a counted, positive dentry of the same super block,
    /// with its inode locked for writing.
    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: `dir` is locked, `dentry` a negative child.
        from_result(|| unsafe {
            O::link(OwnDentry::from_raw(old), Self::negative(dir, dentry))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->unlink`: `dir` is an inode of `O::Fs`, and `dentry` a counted, positive child of it; both
    /// inodes are locked for writing.
    unsafe extern "C" fn unlink(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: `dir` is locked.
        from_result(|| unsafe {
            O::unlink(
                &Locked::assume(OwnInode::from_raw(dir)),
                OwnDentry::from_raw(dentry),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->symlink`: `dir` is an inode of `O::Fs` with its lock held for writing, and `dentry` a
    /// counted, negative child of it. `target` is a C string.
    unsafe extern "C" fn symlink(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        // SAFETY: `dir` is locked, `dentry` a negative child, `target` a C string.
        from_result(|| unsafe {
            O::symlink(
                Idmap::from_raw(idmap),
                Self::negative(dir, dentry),
                CStr::from_char_ptr(target),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->mkdir`: `dir` is an inode of `O::Fs` with its lock held for writing, and `dentry` a
    /// counted, negative child of it.
    unsafe extern "C" fn mkdir(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: By the contract of this function.
        let (idmap, entry) = unsafe { (Idmap::from_raw(idmap), Self::negative(dir, dentry)) };
        match O::mkdir(idmap, entry, Mode(mode | 0o040000)) {
            Ok(()) => core::ptr::null_mut(),
            Err(e) => e.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// As for [`Self::unlink`].
    unsafe extern "C" fn rmdir(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: `dir` is locked.
        from_result(|| unsafe {
            O::rmdir(
                &Locked::assume(OwnInode::from_raw(dir)),
                OwnDentry::from_raw(dentry),
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->mknod`: `dir` is an inode of `O::Fs` with its lock held for writing, and `dentry` a
    /// counted, negative child of it.
    unsafe extern "C" fn mknod(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        dev: bindings::dev_t,
    ) -> c_int {
        // SAFETY: `dir` is locked, `dentry` a negative child.
        from_result(|| unsafe {
            O::mknod(
                Idmap::from_raw(idmap),
                Self::negative(dir, dentry),
                Mode(mode),
                dev,
            )?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->rename`: the directories are inodes of `O::Fs`, locked for writing; `old` is a counted,
    /// positive child of `old_dir`, and `new` a counted child of `new_dir`, of the same super
    /// block. The inodes that they have are locked for writing, but for directories that keep their
    /// parent.
    unsafe extern "C" fn rename(
        idmap: *mut bindings::mnt_idmap,
        old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: Both directories are locked.
        from_result(|| unsafe {
            let old_dir = Locked::assume(OwnInode::from_raw(old_dir));
            let new_dir = Locked::assume(OwnInode::from_raw(new_dir));
            let rename = Rename::new(
                (old_dir, OwnDentry::from_raw(old)),
                (new_dir, OwnDentry::from_raw(new)),
                flags,
            );
            O::rename(Idmap::from_raw(idmap), rename)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->setattr`: `dentry` is a counted, positive dentry of `O::Fs`, with its inode locked for
    /// writing; `attr` is valid during the call, and a file in it is one that was opened on the inode.
    unsafe extern "C" fn setattr(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: By the contract of this function, all are alive, and of `O::Fs`.
        from_result(|| unsafe {
            Attrs::<O>::setattr(
                Idmap::from_raw(idmap),
                OwnDentry::from_raw(dentry),
                Attr::from_raw(attr),
            )?;
            let of_open = bindings::ATTR_OPEN | bindings::ATTR_FILE;
            if (*attr).ia_valid & of_open == of_open {
                // The file was opened on this inode, through the table of `F` by the type invariant.
                file_ops::truncated::<F>((*attr).ia_file)?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe extern "C" fn resize(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: By the contract of this function, all are alive, and of `O::Fs`, and the inode is locked.
        from_result(|| unsafe {
            let inode = OwnDentry::<O::Fs>::from_raw(dentry).positive()?;
            to_result(bindings::setattr_prepare(idmap, dentry, attr))?;
            if (*attr).ia_valid & bindings::ATTR_SIZE != 0 {
                Attrs::<O>::resize(&Locked::assume(inode), (*attr).ia_size)?;
            }
            bindings::setattr_copy(idmap, inode.as_ptr(), attr);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->getattr`: `path` is counted, with a positive dentry of `O::Fs`; nothing is locked. `stat`
    /// is the caller's.
    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        mask: u32,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: By the contract of this function, all are alive, and of `O::Fs`.
        from_result(|| unsafe {
            let dentry = OwnDentry::from_raw((*path).dentry);
            let stat = Stat::from_raw(stat);
            Attrs::<O>::getattr(Idmap::from_raw(idmap), dentry, stat, mask, flags)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->listxattr`: `dentry` is a counted, positive dentry of `O::Fs`; `buf` has `size` bytes,
    /// and may be null if that is 0.
    unsafe extern "C" fn listxattr(
        dentry: *mut bindings::dentry,
        buf: *mut c_char,
        size: usize,
    ) -> isize {
        let names = match Xattrs::<O>::list(
            // SAFETY: By the contract of this function.
            unsafe { OwnDentry::from_raw(dentry) },
        ) {
            Ok(names) => names,
            Err(e) => return e.to_errno() as isize,
        };
        let bytes = names.as_bytes();
        if size != 0 {
            if bytes.len() > size {
                return ERANGE.to_errno() as isize;
            }
            // SAFETY: The caller's buffer has `size` bytes.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), buf.cast(), bytes.len()) };
        }
        bytes.len() as isize
    }

    /// # Safety
    ///
    /// `->update_time`: `inode` is of `O::Fs` and counted; nothing is locked, and nothing may sleep
    /// if `flags` has `IOCB_NOWAIT`.
    unsafe extern "C" fn update_time(
        inode: *mut bindings::inode,
        which: bindings::fs_update_time,
        flags: c_uint,
    ) -> c_int {
        if which == bindings::fs_update_time_FS_UPD_ATIME {
            if flags & bindings::IOCB_NOWAIT != 0 {
                return EAGAIN.to_errno();
            }
            // SAFETY: By the contract of this function.
            Attrs::<O>::update_atime(unsafe { OwnInode::from_raw(inode) });
        }
        0
    }

    /// # Safety
    ///
    /// `->tmpfile`: `dir` is a counted directory of `O::Fs`, not locked; `file` is being opened on
    /// a new, unhashed, negative dentry, and nobody else knows it.
    unsafe extern "C" fn tmpfile(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the contract of this function.
            unsafe {
                let dir = OwnInode::<O::Fs>::from_raw(dir);
                let inode = O::tmpfile(
                    Idmap::from_raw(idmap),
                    dir,
                    NewFile::from_raw(file),
                    Mode(mode),
                )?;
                // What the file is called by is on the super block of the directory.
                if !core::ptr::eq(inode.sb(), dir.sb()) || !inode.mode().is_regular() {
                    return Err(EIO);
                }
                let dentry = (*file).__bindgen_anon_1.f_path.dentry;
                bindings::d_mark_tmpfile(file, inode.as_ptr());
                bindings::d_instantiate(dentry, ARef::into_raw(inode).as_ptr().cast());
                // The inode's own open operation makes it an open file.
                kernel::error::to_result(bindings::finish_open(file, dentry, None))?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->fileattr_get`: `dentry` is a counted, positive dentry of `O::Fs`, not locked; `fa` is the
    /// caller's.
    unsafe extern "C" fn fileattr_get(
        dentry: *mut bindings::dentry,
        fa: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            Attrs::<O>::fileattr_get(OwnDentry::from_raw(dentry), &mut Request::from_raw(fa))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->fileattr_set`: `dentry` is a counted, positive dentry of `O::Fs`, with its inode locked
    /// for writing; `fa` is the caller's.
    unsafe extern "C" fn fileattr_set(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        fa: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            Attrs::<O>::fileattr_set(OwnDentry::from_raw(dentry), &mut Request::from_raw(fa))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->fiemap`: `inode` is of `O::Fs` and counted; `info` is valid during the call.
    unsafe extern "C" fn fiemap(
        inode: *mut bindings::inode,
        info: *mut bindings::fiemap_extent_info,
        start: u64,
        len: u64,
    ) -> c_int {
        // SAFETY: By the contract of this function.
        from_result(|| unsafe {
            Attrs::<O>::fiemap(
                OwnInode::from_raw(inode),
                Extents::from_raw(info, start, len),
            )?;
            Ok(0)
        })
    }
}
