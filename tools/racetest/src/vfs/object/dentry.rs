// SPDX-License-Identifier: GPL-2.0

//! Dentries: a count, and memory that outlives it by a grace period.

use crate::bindings;
use core::ptr::NonNull;
use core::sync::atomic::{fence, Ordering};
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};

#[repr(transparent)]
pub(crate) struct Dentry(bindings::dentry);

impl Dentry {
    pub(crate) fn new(name: u32) -> ARef<Self> {
        let dentry = KBox::new(Self(bindings::dentry::new(name)), GFP_KERNEL).unwrap();
        // SAFETY: It was just made, with a count.
        unsafe { ARef::from_raw(NonNull::new(KBox::into_raw(dentry)).unwrap()) }
    }

    pub(crate) unsafe fn from_raw<'a>(dentry: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the contract of this function.
        unsafe { &*dentry.cast() }
    }

    pub(crate) unsafe fn from_raw_owned(dentry: *mut bindings::dentry) -> ARef<Self> {
        // SAFETY: By the contract of this function.
        unsafe { ARef::from_raw(NonNull::new_unchecked(dentry.cast())) }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dentry {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    pub(crate) fn is_freed_by_rcu(&self) -> bool {
        true
    }

    /// Its name, while its memory is there.
    pub(crate) fn name(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed);
        self.0.name.get()
    }
}

// SAFETY: It is counted.
unsafe impl AlwaysRefCounted for Dentry {
    fn inc_ref(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: The count is the caller's.
        let count = unsafe { &this.as_ref().0.count };
        if count.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: That was the last.
            unsafe { bindings::kvfree_call_rcu(core::ptr::null_mut(), this.as_ptr().cast()) };
        }
    }
}
