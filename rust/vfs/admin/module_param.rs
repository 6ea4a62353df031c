// SPDX-License-Identifier: GPL-2.0

//! Parameters of the module that `/sys/module/*/parameters/` shows.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)
//!
//! The parameters of the `module!` macro are integers, and cannot be read back.

use crate::bindings;
use core::cell::UnsafeCell;
use kernel::prelude::*;

/// What a parameter can be.
pub(crate) trait Kind: Copy + Send + Sync + 'static {
    /// Parses and prints it.
    const OPS: *const bindings::kernel_param_ops;
}

impl Kind for bool {
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_bool;
}

/// The `int` of C, by the name that `modinfo` has for it.
#[expect(non_camel_case_types)]
pub(crate) type int = c_int;

impl Kind for int {
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_int;
}

/// A parameter that is set when the module is loaded, and only read from then on.
///
/// # Invariants
///
/// The value is only written by the kernel's parser, before the module's code runs.
#[repr(transparent)]
pub(crate) struct Parameter<T: Kind>(UnsafeCell<T>);

// SAFETY: By the type invariant nobody writes while anybody reads.
unsafe impl<T: Kind> Sync for Parameter<T> {}

impl<T: Kind> Parameter<T> {
    /// For [`module_parameter`] alone.
    pub(crate) const fn new(default: T) -> Self {
        Self(UnsafeCell::new(default))
    }

    /// The value.
    pub(crate) fn get(&self) -> T {
        // SAFETY: By the type invariant nobody writes any more; the kernel writes a valid value of
        // the type, as `Kind::OPS` are those of it.
        unsafe { self.0.get().read_volatile() }
    }

    /// For [`module_parameter`] alone.
    pub(crate) const fn describe(&'static self, name: &'static CStr) -> Description {
        Description(bindings::kernel_param {
            name: kernel::str::as_char_ptr_in_const_context(name),
            #[cfg(MODULE)]
            mod_: &raw mut bindings::__this_module,
            #[cfg(not(MODULE))]
            mod_: core::ptr::null_mut(),
            ops: T::OPS,
            // Everybody may read it, and nobody write.
            perm: 0o444,
            level: -1,
            flags: 0,
            // INVARIANT: The parser runs before the module's code does, and `perm` forbids it later.
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: self.0.get().cast(),
            },
        })
    }
}

/// What the kernel knows of a parameter.
#[repr(transparent)]
pub(crate) struct Description(bindings::kernel_param);

// SAFETY: Only the kernel looks at it, which does not change it.
unsafe impl Sync for Description {}

/// The bytes of a text, for a section of the module.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = text.as_bytes()[at];
        at += 1;
    }
    bytes
}

/// What is before the name of a parameter where that is built into the kernel, whose command line has those of all.
#[cfg(not(MODULE))]
macro_rules! module_prefix {
    () => {
        "aufs2."
    };
}
#[cfg(MODULE)]
macro_rules! module_prefix {
    () => {
        ""
    };
}
pub(crate) use module_prefix;

/// Declares a [`Parameter`]: `module_parameter!(NAME, name: type = default, "description")`.
macro_rules! module_parameter {
    ($(#[$doc:meta])* $static:ident, $name:ident: $type:ident = $default:expr, $text:literal) => {
        $(#[$doc])*
        pub(crate) static $static: $crate::vfs::admin::module_param::Parameter<$type> =
            $crate::vfs::admin::module_param::Parameter::new($default);

        const _: () = {
            use $crate::vfs::admin::module_param::{bytes, module_prefix, Description};

            const NAME: &core::ffi::CStr = {
                let text = concat!(module_prefix!(), stringify!($name), "\0");
                match core::ffi::CStr::from_bytes_with_nul(text.as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"",
                }
            };
            #[link_section = "__param"]
            #[used(compiler)]
            static DESCRIPTION: Description = $static.describe(NAME);

            const TEXT: &str = concat!(module_prefix!(), "parm=", stringify!($name), ":", $text, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static PARM: [u8; TEXT.len()] = bytes(TEXT);

            const TYPE: &str = concat!(module_prefix!(), "parmtype=", stringify!($name), ":", stringify!($type), "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static PARMTYPE: [u8; TYPE.len()] = bytes(TYPE);
        };
    };
}
pub(crate) use module_parameter;
