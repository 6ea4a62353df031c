// SPDX-License-Identifier: GPL-2.0

//! Directories below `/sys/fs/`, with files that are computed when they are read.
//!
//! C headers: [`include/linux/kobject.h`](srctree/include/linux/kobject.h),
//! [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)
//!
//! Removing a file, or the directory, waits for those who are reading it just then; whoever has it
//! open finds `ENODEV` afterwards. So [`Show::show`] must not wait for anything that is held by who
//! removes files.

use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    fmt,
    prelude::*,
    sync::{Completion, Mutex},
    types::Opaque,
};

/// What a directory's files show.
pub(crate) trait Show: Send + Sync + 'static {
    /// Tells the files of the directory apart.
    type File: Copy + Send + Sync;

    /// Writes what is in `file`. It may sleep.
    fn show(&self, file: Self::File, text: &mut Text<'_>) -> Result;
}

/// A directory of directories only.
pub(crate) struct NoFiles;

impl Show for NoFiles {
    type File = core::convert::Infallible;

    fn show(&self, file: Self::File, _text: &mut Text<'_>) -> Result {
        match file {}
    }
}

/// A page for what a file shows.
pub(crate) struct Text<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    /// Adds bytes. `E2BIG` if there is no room.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result {
        let room = self.buf.get_mut(self.len..self.len + bytes.len());
        room.ok_or(E2BIG)?.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    /// Adds formatted text. `E2BIG` if there is no room.
    pub(crate) fn print(&mut self, args: fmt::Arguments<'_>) -> Result {
        fmt::Write::write_fmt(self, args).map_err(|_| E2BIG)
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// How long the name of a file may be, with its NUL.
const NAME_SIZE: usize = 24;

/// A file.
///
/// # Invariants
///
/// While the file is in the directory, this does not move, and `raw.name` is `name`.
#[repr(C)]
struct Attribute<F> {
    raw: bindings::attribute,
    file: F,
    name: [u8; NAME_SIZE],
}

// SAFETY: The pointers of `raw` are to what is inside, or to what is static.
unsafe impl<F: Send> Send for Attribute<F> {}

/// A directory below `/sys/fs/`. Dropping it removes it.
///
/// # Invariants
///
/// `kobj` is initialised, with one count that is ours; nobody else keeps one, but for directories
/// inside until they are gone.
#[pin_data(PinnedDrop)]
pub(crate) struct Directory<T: Show> {
    #[pin]
    kobj: Opaque<bindings::kobject>,
    /// The last count of `kobj` has gone.
    #[pin]
    released: Completion,
    #[pin]
    files: Mutex<KVVec<KBox<Attribute<T::File>>>>,
    data: T,
}

// SAFETY: A kobject may be used from any thread; the rest may be, too.
unsafe impl<T: Show> Send for Directory<T> {}
// SAFETY: As above.
unsafe impl<T: Show> Sync for Directory<T> {}

impl Directory<NoFiles> {
    /// Makes the directory `/sys/fs/NAME`. `EEXIST` with a line in the kernel's log if it is there.
    pub(crate) fn new_in_fs(name: &CStr) -> Result<Pin<KBox<Self>>> {
        // SAFETY: The kernel sets it early on, and never changes it.
        let parent = unsafe { bindings::fs_kobj };
        // SAFETY: `/sys/fs` is there for good.
        unsafe { Self::with_parent(parent, name, NoFiles) }
    }
}

impl<T: Show> Directory<T> {
    /// Makes a directory inside `parent`, which it must not outlive: the parent's end waits for it.
    pub(crate) fn new<P: Show>(
        parent: &Directory<P>,
        name: &CStr,
        data: T,
    ) -> Result<Pin<KBox<Self>>> {
        // SAFETY: The parent is alive.
        unsafe { Self::with_parent(parent.kobj.get(), name, data) }
    }

    /// # Safety
    ///
    /// `parent` is a valid kobject during the call.
    unsafe fn with_parent(
        parent: *mut bindings::kobject,
        name: &CStr,
        data: T,
    ) -> Result<Pin<KBox<Self>>> {
        let directory = KBox::pin_init(
            pin_init!(Self {
                // INVARIANT: The count starts at one, which is ours.
                kobj <- Opaque::ffi_init(|kobj: *mut bindings::kobject| {
                    // SAFETY: `kobj` is valid for writes, and pinned.
                    unsafe {
                        kobj.write(bindings::kobject::default());
                        bindings::kobject_init(kobj, const { &Table::<T>::TYPE });
                    }
                }),
                released <- Completion::new(),
                files <- kernel::new_mutex!(KVVec::new(), "Directory::files"),
                data,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The kobject is initialised, the parent valid, and both strings are C strings. If
        // it fails, the directory's drop does all that there is to do.
        to_result(unsafe {
            bindings::kobject_add(
                directory.kobj.get(),
                parent,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;
        Ok(directory)
    }

    /// What the files show.
    pub(crate) fn data(&self) -> &T {
        &self.data
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.lock().len()
    }

    /// Adds a file that everybody may read. `EEXIST`; `ENAMETOOLONG`, which is `EINVAL` here.
    pub(crate) fn add(&self, file: T::File, name: fmt::Arguments<'_>) -> Result {
        let mut bytes = [0; NAME_SIZE];
        let mut text = Text {
            // The last one stays a NUL.
            buf: &mut bytes[..NAME_SIZE - 1],
            len: 0,
        };
        text.print(name).map_err(|_| EINVAL)?;
        let raw = bindings::attribute {
            mode: 0o444,
            ..Default::default()
        };
        let attribute = Attribute {
            raw,
            file,
            name: bytes,
        };
        let mut attribute = KBox::new(attribute, GFP_KERNEL)?;
        attribute.raw.name = attribute.name.as_ptr().cast();
        let mut files = self.files.lock();
        files.reserve(1, GFP_KERNEL)?;
        // SAFETY: The kobject is in sysfs. The attribute stays where it is until it is removed.
        to_result(unsafe {
            bindings::sysfs_attr_init(&raw mut attribute.raw);
            bindings::sysfs_create_file_ns(
                self.kobj.get(),
                &raw const attribute.raw,
                core::ptr::null(),
            )
        })?;
        // INVARIANT: The box moves, what is in it does not.
        Ok(files.push(attribute, GFP_KERNEL)?)
    }

    /// Removes the files that were added last, so that `len` are left.
    pub(crate) fn truncate(&self, len: usize) {
        let mut files = self.files.lock();
        while files.len() > len {
            let Some(attribute) = files.pop() else {
                return;
            };
            // SAFETY: The file is in the directory; when the call returns, nobody uses it.
            unsafe {
                bindings::sysfs_remove_file_ns(
                    self.kobj.get(),
                    &raw const attribute.raw,
                    core::ptr::null(),
                );
            }
        }
    }
}

#[pinned_drop]
impl<T: Show> PinnedDrop for Directory<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The kobject is initialised, and our count is given up once. `kobject_del` takes
        // all files away and waits for who is reading them; it does nothing to a kobject that was
        // not added.
        unsafe {
            bindings::kobject_del(self.kobj.get());
            bindings::kobject_put(self.kobj.get());
        }
        // A kernel that looks for mistakes here gives up the last count later.
        self.released.wait_for_completion();
    }
}

struct Table<T: Show>(PhantomData<T>);

impl<T: Show> Table<T> {
    const OPS: bindings::sysfs_ops = bindings::sysfs_ops {
        show: Some(Self::show),
        store: None,
    };
    const TYPE: bindings::kobj_type = bindings::kobj_type {
        release: Some(Self::release),
        sysfs_ops: const { &Self::OPS },
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `kobj` is that of a `Directory<T>`, which is alive during `'a`.
    unsafe fn directory<'a>(kobj: *mut bindings::kobject) -> &'a Directory<T> {
        let offset = core::mem::offset_of!(Directory<T>, kobj);
        // SAFETY: By the contract of this function.
        unsafe { &*kobj.byte_sub(offset).cast() }
    }

    /// # Safety
    ///
    /// `->show`: `kobj` is that of a `Directory<T>`, `attr` the start of one of its files, neither
    /// of which goes during the call; `buf` is a page.
    unsafe extern "C" fn show(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: By the contract of this function: sysfs calls while it keeps the file, and so the
        // directory, from being removed.
        let (directory, file, buf) = unsafe {
            (
                Self::directory(kobj),
                (*attr.cast::<Attribute<T::File>>()).file,
                core::slice::from_raw_parts_mut(buf.cast(), bindings::PAGE_SIZE),
            )
        };
        let mut text = Text { buf, len: 0 };
        match directory.data.show(file, &mut text) {
            // CAST: At most a page.
            Ok(()) => text.len as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `->release`: `kobj` is that of a `Directory<T>` whose last count has gone.
    unsafe extern "C" fn release(kobj: *mut bindings::kobject) {
        // SAFETY: The directory's drop waits for this.
        unsafe { Self::directory(kobj) }.released.complete_all();
    }
}
