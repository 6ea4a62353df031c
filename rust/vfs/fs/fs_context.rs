// SPDX-License-Identifier: GPL-2.0

//! How a filesystem is mounted and reconfigured.
//!
//! C header: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! `Documentation/filesystems/mount_api.rst`

use super::{
    mountable::Mountable,
    super_ops::{self, Params},
};
use crate::{
    bindings,
    vfs::{
        admin::log::Log,
        mount::path::{Path, PathBuf},
        ops::vtable::if_has,
        own::{
            file_system::FileSystem,
            inode::OwnInode,
            super_block::{Reconfigured, SuperBlock},
        },
    },
};
use core::{marker::PhantomData, mem::MaybeUninit};
use kernel::{
    error::{from_result, to_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
    sync::aref::ARef,
};

/// What a mount, or a reconfiguration, is asked for: collected by parameters, then used once.
#[vtable]
pub(crate) trait Context: Sized + Send + 'static {
    type Fs: Mountable<Context = Self>;

    /// An empty context. `sb` is the super block to reconfigure, if that is the purpose; `type_name` is what
    /// the filesystem was asked for by, as it may be registered under several names.
    fn new(log: &Log, sb: Option<&SuperBlock<Self::Fs>>, type_name: &CStr) -> Result<Self>;

    /// One parameter. `Ok(false)` if it is unknown here: the VFS then knows it or refuses it. `sb` is
    /// as for [`Context::new`]; nothing of it is locked, and whoever asks may turn out not to be
    /// allowed to.
    fn parse(
        &mut self,
        log: &Log,
        sb: Option<&SuperBlock<Self::Fs>>,
        key: &CStr,
        value: Value<'_>,
    ) -> Result<bool>;

    /// The option string of `mount(2)`, whose pieces go to `param` one by one as key and value. The
    /// VFS splits it at commas without it.
    fn split_monolithic(_data: &[u8], _param: &mut Param<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// All parameters are known: prepares a super block.
    fn prepare(
        &mut self,
        log: &Log,
        readonly: bool,
    ) -> Result<(Params, <Self::Fs as FileSystem>::SuperData)>;

    /// Makes the root inode of the new super block.
    fn make_root(sb: &SuperBlock<Self::Fs>) -> Result<ARef<OwnInode<Self::Fs>>>;

    /// Applies the parameters to a mounted super block, all or nothing. `readonly` is what the
    /// super block is to become: anybody who asks may have it without this operation.
    fn reconfigure(
        &mut self,
        _log: &Log,
        _sb: &Reconfigured<'_, Self::Fs>,
        _readonly: bool,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Where [`Context::split_monolithic`] sends keys and values to.
pub(crate) type Param<'a> = dyn FnMut(&[u8], Option<&[u8]>) -> Result + 'a;

/// The value of a parameter.
pub(crate) enum Value<'a> {
    /// The key stands alone.
    Flag,
    /// `FSCONFIG_SET_STRING`, or from an option string.
    String(&'a CStr),
    /// `FSCONFIG_SET_PATH` and `FSCONFIG_SET_FD`: a place.
    Place(PathBuf),
}

/// The context's fields; the `kernel` crate has the type without them.
fn fields(fc: *mut bindings::fs_context) -> *mut bindings::fs_context_full {
    fc.cast()
}

/// Where messages for the owner of `fc` go.
///
/// # Safety
///
/// `fc` is a context that outlives what is returned.
unsafe fn log(fc: *mut bindings::fs_context) -> Log {
    // SAFETY: By the contract of this function.
    unsafe { Log::new(&raw const (*fields(fc)).log) }
}

/// `->init_fs_context`.
///
/// # Safety
///
/// Called by the VFS with a new context for the type `T`; when that is to reconfigure, its `root`
/// is a counted dentry of a super block of `T`, whose `s_active` it holds.
pub(super) unsafe extern "C" fn init<T: Mountable>(fc: *mut bindings::fs_context) -> c_int {
    from_result(|| {
        // SAFETY: The context is new; by the contract of this function.
        let sb = unsafe { reconfigured(fc) };
        // SAFETY: As above.
        unsafe { check_capable::<T>(fc, sb.is_some())? };
        // SAFETY: The type of a context is there as long as that, and has a name.
        let type_name = unsafe { CStr::from_char_ptr((*(*fields(fc)).fs_type).name) };
        // SAFETY: It is only lent.
        let log = unsafe { log(fc) };
        let context = KBox::new(T::Context::new(&log, sb, type_name)?, GFP_KERNEL)?;
        // SAFETY: The context is new and ours to set up.
        unsafe {
            (*fields(fc)).fs_private = KBox::into_raw(context).cast();
            (*fields(fc)).ops = const { &Table::<T::Context>::TABLE };
        }
        Ok(0)
    })
}

/// `EPERM` for whom the VFS would refuse in the end, when all parameters are there: each takes memory
/// and may pin a path, and anybody in a user namespace of theirs may open a context.
///
/// # Safety
///
/// As for [`init()`].
unsafe fn check_capable<T: FileSystem>(
    fc: *mut bindings::fs_context,
    reconfigures: bool,
) -> Result {
    let cap = bindings::CAP_SYS_ADMIN as c_int;
    // As `mount_capable` in the VFS, and what `FSCONFIG_CMD_RECONFIGURE` asks for.
    let anywhere = reconfigures || T::FLAGS & bindings::FS_USERNS_MOUNT != 0;
    // SAFETY: The context has a reference to its user namespace.
    let capable = unsafe {
        match anywhere {
            true => bindings::ns_capable((*fields(fc)).user_ns, cap),
            false => bindings::capable(cap),
        }
    };
    match capable {
        true => Ok(()),
        false => Err(EPERM),
    }
}

/// The super block that `fc` is to reconfigure, if that is its purpose.
///
/// # Safety
///
/// As for [`init()`], during `'a`.
unsafe fn reconfigured<'a, T: FileSystem>(
    fc: *mut bindings::fs_context,
) -> Option<&'a SuperBlock<T>> {
    // SAFETY: When the context reconfigures, `root` is one of ours.
    unsafe {
        ((*fields(fc)).purpose() == bindings::fs_context_purpose_FS_CONTEXT_FOR_RECONFIGURE)
            .then(|| SuperBlock::from_raw((*(*fields(fc)).root).d_sb))
    }
}

struct Table<O: Context>(PhantomData<O>);

impl<O: Context> Table<O> {
    const TABLE: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        parse_param: Some(Self::parse_param),
        parse_monolithic: if_has!(HAS_SPLIT_MONOLITHIC, Self::parse_monolithic),
        get_tree: Some(Self::get_tree),
        reconfigure: if_has!(HAS_RECONFIGURE, Self::reconfigure),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `fc` is a context that `init` has set up, not used by anybody else during `'a`.
    unsafe fn context<'a>(fc: *mut bindings::fs_context) -> &'a mut O {
        // SAFETY: By the contract of this function; `uapi_mutex` serialises users of a context.
        unsafe { &mut *(*fields(fc)).fs_private.cast() }
    }

    /// # Safety
    ///
    /// `->free`: called once, at the end of a context that `init` has set up.
    unsafe extern "C" fn free(fc: *mut bindings::fs_context) {
        // SAFETY: The context is ours, and this is its end; the box is the one that `init` left.
        unsafe {
            drop(KBox::from_raw((*fields(fc)).fs_private.cast::<O>()));
        }
    }

    /// # Safety
    ///
    /// `->parse_param`: `uapi_mutex` is held, or nobody else knows the context; `param` is valid
    /// during the call, its key a C string.
    unsafe extern "C" fn parse_param(
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls with a valid parameter, whose key is a C string.
            let (key, value) = unsafe {
                (
                    CStr::from_char_ptr((*param.cast::<bindings::fs_parameter_full>()).key),
                    value(fc, param)?,
                )
            };
            // SAFETY: The context is ours, and keeps the super block that it may reconfigure until it
            // is freed. Its log is only lent.
            let (context, sb, log) = unsafe { (Self::context(fc), reconfigured(fc), log(fc)) };
            if context.parse(&log, sb, key, value)? {
                Ok(0)
            } else {
                Err(Error::from_errno(-(bindings::ENOPARAM as c_int)))
            }
        })
    }

    /// # Safety
    ///
    /// `->parse_monolithic`: as for [`Self::parse_param`]; `data` is null or a C string, as the
    /// type does not have `FS_BINARY_MOUNTDATA`.
    unsafe extern "C" fn parse_monolithic(
        fc: *mut bindings::fs_context,
        data: *mut c_void,
    ) -> c_int {
        from_result(|| {
            if data.is_null() {
                return Ok(0);
            }
            // Security modules take out what is theirs, which may be in quotes; as they do where the
            // VFS splits the string.
            // SAFETY: The VFS calls with a C string that is ours to change; `security` is a place for
            // what the modules find.
            to_result(unsafe {
                bindings::security_sb_eat_lsm_opts(data.cast(), &raw mut (*fields(fc)).security)
            })?;
            // SAFETY: It is a C string still.
            let data = unsafe { CStr::from_char_ptr(data.cast::<c_char>()) };
            O::split_monolithic(data.to_bytes(), &mut |key, value| {
                let key = CStringBuf::new(key)?;
                let Some(value) = value else {
                    // SAFETY: The context is valid, the key is a C string.
                    return to_result(unsafe {
                        bindings::vfs_parse_fs_qstr(fc, key.as_ptr(), core::ptr::null())
                    });
                };
                let mut qstr = bindings::qstr {
                    name: value.as_ptr(),
                    ..Default::default()
                };
                qstr.__bindgen_anon_1.__bindgen_anon_1.len = value.len() as u32;
                // SAFETY: The context is valid, the key a C string, the value as long as it says.
                to_result(unsafe { bindings::vfs_parse_fs_qstr(fc, key.as_ptr(), &qstr) })
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->get_tree`: as for [`Self::parse_param`].
    unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: The context is valid.
        unsafe { bindings::get_tree_nodev(fc, Some(Self::fill_super)) }
    }

    /// # Safety
    ///
    /// Called by [`Self::get_tree`] with its own context, and a new super block that is locked and
    /// that nobody else uses.
    unsafe extern "C" fn fill_super(
        sb: *mut bindings::super_block,
        fc: *mut bindings::fs_context,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The context is ours, and the super block new. The log is only lent.
            unsafe {
                let readonly = (*fields(fc)).sb_flags & bindings::SB_RDONLY != 0;
                let (params, data) = Self::context(fc).prepare(&log(fc), readonly)?;
                super_ops::fill::<O::Fs>(sb, &params, data, O::make_root)?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `->reconfigure`: as for [`Self::parse_param`]; `root` is a dentry of a super block of ours,
    /// whose `s_umount` is held for writing.
    unsafe extern "C" fn reconfigure(fc: *mut bindings::fs_context) -> c_int {
        from_result(|| {
            // SAFETY: The context is ours, and its root one of our super blocks. The log is only lent.
            unsafe {
                let sb = SuperBlock::from_raw((*(*fields(fc)).root).d_sb);
                let sb = Reconfigured::assume(sb);
                let readonly = if (*fields(fc)).sb_flags_mask & bindings::SB_RDONLY != 0 {
                    (*fields(fc)).sb_flags & bindings::SB_RDONLY != 0
                } else {
                    sb.is_readonly()
                };
                Self::context(fc).reconfigure(&log(fc), &sb, readonly)?;
            }
            Ok(0)
        })
    }
}

/// # Safety
///
/// Both pointers are valid, and `param` is what `fc` is being given.
unsafe fn value<'a>(
    fc: *mut bindings::fs_context,
    param: *mut bindings::fs_parameter,
) -> Result<Value<'a>> {
    let raw = param.cast::<bindings::fs_parameter_full>();
    // SAFETY: By the contract of this function; the type says which member of the union is there.
    unsafe {
        match (*raw).type_() {
            bindings::fs_value_type_fs_value_is_flag => Ok(Value::Flag),
            bindings::fs_value_type_fs_value_is_string => Ok(Value::String(CStr::from_char_ptr(
                (*raw).__bindgen_anon_1.string,
            ))),
            bindings::fs_value_type_fs_value_is_file => {
                let file = (*raw).__bindgen_anon_1.file;
                let path = Path::from_raw(&raw const (*file).__bindgen_anon_1.f_path);
                Ok(Value::Place(path.to_owned()))
            }
            bindings::fs_value_type_fs_value_is_filename => {
                let mut path = MaybeUninit::<bindings::path>::uninit();
                to_result(bindings::fs_lookup_param(
                    fc,
                    param,
                    false,
                    bindings::LOOKUP_FOLLOW,
                    path.as_mut_ptr(),
                ))?;
                Ok(Value::Place(PathBuf::from_raw_owned(path.assume_init())))
            }
            _ => {
                let key = CStr::from_char_ptr((*raw).key);
                log(fc).error(fmt!("'{key}': no option takes such a value"));
                Err(EINVAL)
            }
        }
    }
}

/// A copy of a key, ended by a NUL.
struct CStringBuf(KVec<u8>);

impl CStringBuf {
    fn new(bytes: &[u8]) -> Result<Self> {
        let mut buf = KVec::with_capacity(bytes.len() + 1, GFP_KERNEL)?;
        buf.extend_from_slice(bytes, GFP_KERNEL)?;
        buf.push(0, GFP_KERNEL)?;
        Ok(Self(buf))
    }

    fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}
