// SPDX-License-Identifier: GPL-2.0

//! Kernel errors.

use crate::alloc::AllocError;
use core::num::{NonZeroI32, TryFromIntError};
use core::str::Utf8Error;
use std::fmt;

/// The largest error number.
const MAX_ERRNO: i32 = 4095;

/// A kernel error code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroI32);

impl Error {
    /// Creates an error from a negative error code; `EINVAL` if it is not one.
    pub fn from_errno(errno: i32) -> Self {
        match NonZeroI32::new(errno) {
            Some(code) if (-MAX_ERRNO..0).contains(&errno) => Self(code),
            _ => code::EINVAL,
        }
    }

    /// The negative error code.
    pub fn to_errno(self) -> i32 {
        self.0.get()
    }

    const fn new(number: i32) -> Self {
        match NonZeroI32::new(-number) {
            Some(code) => Self(code),
            None => panic!("an error number is not 0"),
        }
    }
}

/// Defines the codes, and their names for messages.
macro_rules! codes {
    ($($name:ident = $number:literal,)*) => {
        /// The error codes.
        pub mod code {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: super::Error = super::Error::new($number);
            )*
        }

        impl fmt::Debug for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match -self.to_errno() {
                    $($number => f.write_str(stringify!($name)),)*
                    number => write!(f, "Error({number})"),
                }
            }
        }
    };
}

codes! {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ENOTTY = 25,
    ETXTBSY = 26,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    ERANGE = 34,
    EOVERFLOW = 75,
    ERESTARTSYS = 512,
    EOPENSTALE = 518,
    ENOPARAM = 519,
    ENOTSUPP = 524,
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl From<TryFromIntError> for Error {
    fn from(_: TryFromIntError) -> Self {
        code::EINVAL
    }
}

impl From<Utf8Error> for Error {
    fn from(_: Utf8Error) -> Self {
        code::EINVAL
    }
}

impl From<fmt::Error> for Error {
    fn from(_: fmt::Error) -> Self {
        code::EINVAL
    }
}

impl From<core::convert::Infallible> for Error {
    fn from(error: core::convert::Infallible) -> Self {
        match error {}
    }
}

/// A result with a kernel error.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;
