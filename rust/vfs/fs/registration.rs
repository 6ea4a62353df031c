// SPDX-License-Identifier: GPL-2.0

//! The type of a filesystem, as the kernel knows it by name.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{fs_context, mountable::Mountable, super_ops::kill};
use crate::{
    bindings,
    vfs::{below::notice, own::inode::Cache, sync::rcu},
};
use core::marker::PhantomData;
use kernel::{prelude::*, sync::Arc, types::Opaque};

/// A filesystem type, and whether it is registered. Dropping it unregisters the type.
///
/// It is part of a static of the module that owns it: whoever has a super block or a context of the type
/// keeps that module, and with it this. And lockdep keeps the classes of a type's locks in the type.
///
/// # Invariants
///
/// If `is_registered`, the type is registered, and in the memory of the module that is its owner.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Registration<T: Mountable> {
    /// The first, for [`cache_of`].
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    cache: Arc<Cache>,
    is_registered: bool,
    _fs: PhantomData<T>,
}

// SAFETY: The registration is only touched when it is made and dropped.
unsafe impl<T: Mountable> Send for Registration<T> {}
// SAFETY: As above.
unsafe impl<T: Mountable> Sync for Registration<T> {}

/// # Safety
///
/// `fs_type` is that of a [`Registration`] of `T`, which lives for `'a`.
pub(super) unsafe fn cache_of<'a, T: Mountable>(
    fs_type: *mut bindings::file_system_type,
) -> &'a Arc<Cache> {
    // SAFETY: By the contract of this function; the type is the first field.
    unsafe { &(*fs_type.cast::<Registration<T>>()).cache }
}

impl<T: Mountable> Registration<T> {
    /// Registers the type. `EBUSY` if the name is taken; `EINVAL` outside of a static of `module`.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            fs_type <- Self::describe(module, T::NAME),
            cache: match Self::is_part_of(module, &fs_type) {
                true => Arc::new(Cache::new::<T>(T::NAME)?, GFP_KERNEL)?,
                false => return Err(EINVAL),
            },
            // INVARIANT: Just found out; and the type is registered if this goes on.
            is_registered: Self::register(fs_type).then_some(true).ok_or(EBUSY)?,
            _fs: PhantomData,
        }? Error)
    }

    /// Registers the type once more, under another name, if that is `wanted` and nobody has it; not outside
    /// of a static of `module`.
    pub(crate) fn alias<'a>(
        &'a self,
        module: &'static ThisModule,
        name: &'static CStr,
        wanted: bool,
    ) -> impl PinInit<Self> + use<'a, T> {
        pin_init!(Self {
            fs_type <- Self::describe(module, name),
            cache: self.cache.clone(),
            // INVARIANT: Just found out.
            is_registered: wanted && Self::is_part_of(module, &fs_type) && Self::register(fs_type),
            _fs: PhantomData,
        })
    }

    /// Whether the type has its name: that of an alias may be somebody else's.
    pub(crate) fn is_registered(&self) -> bool {
        self.is_registered
    }

    fn describe(
        module: &'static ThisModule,
        name: &'static CStr,
    ) -> Opaque<bindings::file_system_type> {
        Opaque::new(bindings::file_system_type {
            name: name.as_char_ptr(),
            fs_flags: T::FLAGS as c_int,
            init_fs_context: Some(fs_context::init::<T>),
            kill_sb: Some(kill::<T>),
            owner: module.as_ptr(),
            ..pin_init::zeroed()
        })
    }

    /// Whether the type is in the memory of `module`, or of the kernel, when that is built into it.
    fn is_part_of(module: &ThisModule, fs_type: &Opaque<bindings::file_system_type>) -> bool {
        // SAFETY: The module is there, as its code runs; what is built in has none, and the helper does
        // not look at it.
        unsafe { bindings::within_module(fs_type.get().addr(), module.as_ptr()) }
    }

    /// Whether the name was free. Somebody may mount from then on, so what may fail in the
    /// initialisation of a module comes before.
    fn register(fs_type: Pin<&mut Opaque<bindings::file_system_type>>) -> bool {
        // SAFETY: The type is complete, and pinned until its registration is dropped, which
        // unregisters it.
        (unsafe { bindings::register_filesystem(fs_type.get()) }) == 0
    }
}

#[pinned_drop]
impl<T: Mountable> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        if !self.is_registered {
            return;
        }
        // SAFETY: The type was registered. It goes with its module, by the type invariant, which a super
        // block keeps, so that none is left; and nothing that fails the initialisation of a module
        // comes after a registration.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
        notice::exit();
        // After this no inode is left either, so the cache may go.
        rcu::exit();
    }
}
