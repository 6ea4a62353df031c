// SPDX-License-Identifier: GPL-2.0

//! Small values by number, found without a lock.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h)

use crate::bindings;
use core::marker::PhantomData;
use kernel::{prelude::*, sync::rcu, types::Opaque};

/// `kvfree_call_rcu` finds the start from a head that is within the first page.
///
/// # Invariants
///
/// The memory is from [`KBox`].
#[repr(C)]
struct Entry<T> {
    rcu: Opaque<bindings::callback_head>,
    value: T,
}

/// Values by number. Changes are serialised by the map itself.
///
/// # Invariants
///
/// `array` is initialised, and each entry in it is an [`Entry<T>`] from [`KBox`], which belongs to the
/// array until it is taken out. Its memory goes a grace period later.
#[pin_data(PinnedDrop)]
pub(crate) struct NumberMap<T: Copy + Send + Sync> {
    #[pin]
    array: Opaque<bindings::xarray>,
    _values: PhantomData<T>,
}

// SAFETY: The array has a lock of its own, and the values may be used by any thread.
unsafe impl<T: Copy + Send + Sync> Send for NumberMap<T> {}
// SAFETY: As above; values are copied out, and never changed in place.
unsafe impl<T: Copy + Send + Sync> Sync for NumberMap<T> {}

impl<T: Copy + Send + Sync> NumberMap<T> {
    /// Nothing so far.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: Empty.
        pin_init!(Self {
            // SAFETY: The slot is valid, and gets initialised by the call.
            array <- Opaque::ffi_init(|slot| unsafe { bindings::xa_init_flags(slot, 0) }),
            _values: PhantomData,
        })
    }

    /// What is there of `number`. Loads only.
    pub(crate) fn get(&self, number: u64) -> Option<T> {
        let _guard = rcu::read_lock();
        // SAFETY: The array is initialised. What is in it is an entry by the type invariant, whose
        // memory is there until the read-side critical section ends.
        unsafe {
            let entry = bindings::xa_load(self.array.get(), number as usize).cast::<Entry<T>>();
            entry.as_ref().map(|entry| entry.value)
        }
    }

    /// Puts `value` in the place of what is there of `number`. `ENOMEM`.
    pub(crate) fn set(&self, number: u64, value: T) -> Result {
        let entry = KBox::into_raw(KBox::new(
            Entry {
                rcu: Opaque::uninit(),
                value,
            },
            GFP_KERNEL,
        )?);
        // SAFETY: The array is initialised; the entry is aligned to more than the bits that an array
        // needs. INVARIANT: It belongs to the array if the call succeeds.
        let old = unsafe {
            bindings::xa_store(
                self.array.get(),
                number as usize,
                entry.cast(),
                bindings::GFP_KERNEL,
            )
        };
        // SAFETY: It only looks at the value of the pointer.
        match unsafe { bindings::xa_err(old) } {
            0 => {
                // SAFETY: What was there is ours now.
                unsafe { Self::free(old.cast()) };
                Ok(())
            }
            error => {
                // SAFETY: The array has not taken the entry, which came from `into_raw`.
                drop(unsafe { KBox::from_raw(entry) });
                Err(Error::from_errno(error))
            }
        }
    }

    /// Forgets what is there of `number`.
    pub(crate) fn remove(&self, number: u64) {
        // SAFETY: The array is initialised, and what it had is ours afterwards.
        unsafe { Self::free(bindings::xa_erase(self.array.get(), number as usize).cast()) };
    }

    /// # Safety
    ///
    /// `entry` is null, or was taken out of an array, and is the caller's.
    unsafe fn free(entry: *mut Entry<T>) {
        if !entry.is_null() {
            // SAFETY: Whoever has found it looks at it for at most a grace period. The value needs no
            // drop, and `KBox` allocated the memory with `kmalloc`. A `kvfree_rcu_head` is the start
            // of a `callback_head`, where a kernel has both.
            unsafe { bindings::kvfree_call_rcu((*entry).rcu.get().cast(), entry.cast()) };
        }
    }
}

#[pinned_drop]
impl<T: Copy + Send + Sync> PinnedDrop for NumberMap<T> {
    fn drop(self: Pin<&mut Self>) {
        let array = self.array.get();
        let mut number = 0;
        loop {
            // SAFETY: The array is initialised, and nobody else uses it any more; each entry is taken
            // out before it is freed.
            unsafe {
                let present = bindings::XA_PRESENT;
                if bindings::xa_find(array, &mut number, usize::MAX, present).is_null() {
                    break;
                }
                Self::free(bindings::xa_erase(array, number).cast());
            }
        }
        // SAFETY: As above.
        unsafe { bindings::xa_destroy(array) };
    }
}

#[kunit_tests(aufs2_number_map)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_found_until_it_is_removed() -> Result {
        let map = KBox::pin_init(NumberMap::<(u64, u32)>::new(), GFP_KERNEL)?;
        assert!(map.get(7).is_none());
        NumberMap::set(&map, 7, (1, 2))?;
        NumberMap::set(&map, u64::MAX, (3, 4))?;
        NumberMap::set(&map, 7, (5, 6))?;
        assert_eq!(map.get(7), Some((5, 6)));
        assert_eq!(map.get(u64::MAX), Some((3, 4)));
        map.remove(7);
        map.remove(8);
        assert!(map.get(7).is_none());
        Ok(())
    }
}
