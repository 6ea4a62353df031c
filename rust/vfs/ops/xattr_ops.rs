// SPDX-License-Identifier: GPL-2.0

//! The extended attributes of a filesystem, that it implements.
//!
//! C header: [`include/linux/xattr.h`](srctree/include/linux/xattr.h)

use super::vtable::{if_has, Without};
use crate::{
    bindings,
    vfs::{
        attr::xattr::NameList,
        object::idmap::Idmap,
        own::{dentry::OwnDentry, file_system::FileSystem, inode::OwnInode},
    },
};
use core::marker::PhantomData;
use kernel::{
    error::{from_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
};

/// The extended attributes of a filesystem, whatever their names. What is not implemented is
/// `EOPNOTSUPP`.
#[vtable]
pub(crate) trait Handler: Sized + 'static {
    type Fs: FileSystem;

    /// Reads `name` into `buf`; returns the length of the value. With an empty `buf` only the
    /// length is wanted. `ENODATA`, `ERANGE`, `EOPNOTSUPP`.
    ///
    /// There need not be a dentry of the inode yet: a security module asks for its label while it is
    /// being given one.
    fn get(_inode: &OwnInode<Self::Fs>, _name: &CStr, _buf: &mut [u8]) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets `name`, or removes it if there is no value. `flags` are `XATTR_CREATE` and
    /// `XATTR_REPLACE`. The VFS has checked who asks, but for `system.` attributes: those are the
    /// filesystem's business.
    fn set(
        _idmap: &Idmap,
        _dentry: &OwnDentry<Self::Fs>,
        _name: &CStr,
        _value: Option<&[u8]>,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lists the names.
    fn list(_dentry: &OwnDentry<Self::Fs>) -> Result<NameList> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

#[vtable]
impl<T: FileSystem> Handler for Without<T> {
    type Fs = T;
}

/// The handlers of a super block: one that takes all names, or none.
pub(in crate::vfs) fn table<O: Handler>() -> *const *const bindings::xattr_handler {
    if O::HAS_GET || O::HAS_SET {
        const { Table::<O>::LIST.0.as_ptr() }
    } else {
        core::ptr::null()
    }
}

///
/// # Invariants
///
/// A handler, and null. Both are constants.
#[repr(transparent)]
struct List([*const bindings::xattr_handler; 2]);
// SAFETY: The pointers are to constants.
unsafe impl Sync for List {}

struct Table<O: Handler>(PhantomData<O>);

impl<O: Handler> Table<O> {
    const LIST: &'static List = &List([&Self::HANDLER, core::ptr::null()]);
    const HANDLER: bindings::xattr_handler = bindings::xattr_handler {
        prefix: c"".to_bytes_with_nul().as_ptr(),
        get: if_has!(HAS_GET, Self::get),
        set: if_has!(HAS_SET, Self::set),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `->get`: `inode` is a counted inode of `O::Fs`, `name` a C string; `buf` has `size` bytes, or
    /// is null to ask for the length. The dentry may be negative: `d_instantiate` and `d_splice_alias`
    /// have security modules initialise the inode before the dentry has it.
    unsafe extern "C" fn get(
        _handler: *const bindings::xattr_handler,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buf: *mut c_void,
        size: usize,
    ) -> c_int {
        // SAFETY: The VFS calls with a live inode of ours, a C string, and a buffer of `size`
        // bytes, which is null if `size` is 0.
        from_result(|| unsafe {
            let buf = if buf.is_null() {
                &mut []
            } else {
                core::ptr::write_bytes(buf.cast::<u8>(), 0, size);
                core::slice::from_raw_parts_mut(buf.cast::<u8>(), size)
            };
            let room = buf.len();
            let len = O::get(OwnInode::from_raw(inode), CStr::from_char_ptr(name), buf)?;
            // The VFS copies as much of its buffer as this says.
            if room != 0 && len > room {
                return Err(ERANGE);
            }
            Ok(len as c_int)
        })
    }

    /// # Safety
    ///
    /// `->set`: `dentry` is a counted, positive dentry of `O::Fs`, with its inode locked for
    /// writing; `name` is a C string; `value` has `size` bytes, or is null to remove the attribute;
    /// `idmap` is valid during the call.
    unsafe extern "C" fn set(
        _handler: *const bindings::xattr_handler,
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        _inode: *mut bindings::inode,
        name: *const c_char,
        value: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int {
        // SAFETY: By the contract of this function; a null `value` asks for removal.
        from_result(|| unsafe {
            let value =
                (!value.is_null()).then(|| core::slice::from_raw_parts(value.cast::<u8>(), size));
            O::set(
                Idmap::from_raw(idmap),
                OwnDentry::from_raw(dentry),
                CStr::from_char_ptr(name),
                value,
                flags as u32,
            )?;
            Ok(0)
        })
    }
}
