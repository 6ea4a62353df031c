// SPDX-License-Identifier: GPL-2.0

//! Error codes that filesystems use and the `kernel` crate has not declared.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use crate::bindings;
use kernel::{error::to_result, prelude::*};

const fn declare(errno: u32) -> Error {
    // The crate only makes errors from numbers at run time; this makes a constant of one.
    // SAFETY: `Error` is a `NonZeroI32` in the range of error codes and nothing else, which the
    // assertions below hold it to; every number that comes here is such a code.
    unsafe { core::mem::transmute::<i32, Error>(-(errno as i32)) }
}

const _: () = {
    assert!(size_of::<Error>() == size_of::<i32>());
    // SAFETY: Every byte of an `Error` is initialised, as there is no padding in four bytes.
    assert!(unsafe { core::mem::transmute::<Error, i32>(EINVAL) } == -(bindings::EINVAL as i32));
};

/// As `to_result` of the `kernel` crate, which is called even where nothing has failed.
#[inline(always)]
pub(in crate::vfs) fn succeeded(ret: c_int) -> Result {
    if ret == 0 {
        Ok(())
    } else {
        to_result(ret)
    }
}

macro_rules! errno {
    ($($name:ident, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $name: Error = declare(bindings::$name);
        )*
    };
}

errno! {
    ENAMETOOLONG, "File name too long.";
    ENOTEMPTY, "Directory not empty.";
    ENODATA, "No data available.";
    EOPNOTSUPP, "Operation not supported on transport endpoint.";
    EDQUOT, "Quota exceeded.";
    ECANCELED, "Operation cancelled.";
    ESTALE, "Stale file handle.";
    EREMOTE, "Object is remote.";
    ETIMEDOUT, "Connection timed out.";
    ENOTCONN, "Transport endpoint is not connected.";
    ECONNABORTED, "Software caused connection abort.";
}

/// Whether `ret`, an errno or a count from C, is an error.
pub(in crate::vfs) fn checked(ret: i64) -> Result<i64> {
    to_result(ret.min(0) as c_int)?;
    Ok(ret)
}
