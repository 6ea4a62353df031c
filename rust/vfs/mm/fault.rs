// SPDX-License-Identifier: GPL-2.0

//! Page faults in a mapping that has a front file, served by the filesystem of the file behind it.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! A fault handler of a filesystem finds its file in `vma->vm_file`. For the time of its call the
//! file behind is put there: that is a [`Turn`]. One fault of a mapping at a time has the turn; the
//! others wait, and may be killed while they do. Who else looks at `vm_file` meanwhile (procfs,
//! uprobes, `madvise(2)`, reverse mapping) is served by either file; see
//! [`front_file`](super::front_file).
//!
//! A fault holds the mmap lock for reading all the time, which keeps out everything that copies or
//! gives up `vm_file`: fork, split, merge, mremap and munmap. That is why the handler must not drop
//! that lock: [`Turn`] takes the flags away that would allow it. The lock of a single mapping is not
//! enough, and the kernel does not call a handler under it whose table has no `->map_pages`.

use crate::{
    bindings,
    vfs::{
        mount::file::KernelFile,
        sync::bit_lock::{BitGuard, BitLocks},
    },
};
use core::marker::PhantomData;

/// A fault that its handler was called for, with the mmap lock held for reading.
///
/// # Invariants
///
/// The pointer is valid during `'a`, and the current task's alone. The kernel has called the handler for
/// `step`, and asks for nothing else.
pub(crate) struct Fault<'a> {
    vmf: *mut bindings::vm_fault,
    step: Step,
    _alone: PhantomData<&'a mut ()>,
}

/// What a handler says about a fault of the lifetime `'a`: a `vm_fault_t`.
///
/// # Invariants
///
/// `unlocked` is null, or the address space of a fault for which the answer says that its mmap lock was
/// dropped.
#[must_use = "the kernel waits for it"]
pub(crate) struct Served<'a> {
    answer: bindings::vm_fault_t,
    unlocked: *mut bindings::mm_struct,
    _fault: PhantomData<&'a ()>,
}

impl Served<'_> {
    fn new(answer: bindings::vm_fault_t) -> Self {
        // INVARIANT: Null.
        Self {
            answer,
            unlocked: core::ptr::null_mut(),
            _fault: PhantomData,
        }
    }

    /// What the kernel gets. The lock keeps the mapping, and that the map: it is dropped here if it is to
    /// be, after the one who serves it.
    ///
    /// # Safety
    ///
    /// The handler returns this for the fault that `self` is about, and uses nothing of it any more.
    pub(super) unsafe fn into_raw(self) -> bindings::vm_fault_t {
        if !self.unlocked.is_null() {
            // SAFETY: By the type invariant, and the contract of this function: the lock of the fault's
            // address space is held for reading, and that is alive for as long as the fault.
            unsafe { bindings::mmap_read_unlock(self.unlocked) };
        }
        self.answer
    }
}

/// What a handler is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// `->fault`: find the page.
    Fault,
    /// `->page_mkwrite`: make ready for the first write to a page.
    PageMkwrite,
    /// `->pfn_mkwrite`: the same where there is no `struct page`.
    PfnMkwrite,
}

impl Fault<'_> {
    /// # Safety
    ///
    /// `vmf` is the argument of the handler for `step`, during its call.
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault, step: Step) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            vmf,
            step,
            _alone: PhantomData,
        }
    }

    fn vma(&self) -> *mut bindings::vm_area_struct {
        // SAFETY: The fault is valid by the type invariant; its mapping is constant.
        unsafe { (*self.vmf).__bindgen_anon_1.vma }
    }

    fn flags(&self) -> bindings::fault_flag {
        // SAFETY: The fault is valid, and ours alone, by the type invariant.
        unsafe { (*self.vmf).flags }
    }

    fn set_flags(&mut self, flags: bindings::fault_flag) {
        // SAFETY: The fault is valid, and ours alone, by the type invariant.
        unsafe { (*self.vmf).flags = flags };
    }

    /// Whether the fault must be left alone rather than be waited for.
    fn is_nowait(&self) -> bool {
        self.flags() & bindings::fault_flag_FAULT_FLAG_RETRY_NOWAIT != 0
    }
}

/// Asks for the fault to be tried again. Only who must not wait says that: for a fault that is
/// [`Entry::Busy`] the mmap lock stays held.
pub(crate) fn again(busy: Busy<'_>) -> Served<'_> {
    Served::new(match busy.0.step {
        Step::Fault => bindings::vm_fault_reason_VM_FAULT_RETRY,
        // Before a write, the kernel looks for errors and for this only, and would take all else for the
        // page made ready. It waits for no such fault now: it replaces the flags that say so.
        Step::PageMkwrite | Step::PfnMkwrite => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
    })
}

/// Ends a fault whose task was killed while it waited. Where the kernel said that it will notice,
/// the mmap lock is dropped, which is what it expects then; else the fault is an error, which a
/// task that dies does not see. So it is before a write without a `struct page`: the kernel keeps
/// the flag there, but looks for errors only.
pub(crate) fn give_up(killed: Killed<'_>) -> Served<'_> {
    let fault = killed.0;
    let noticed = fault.flags() & bindings::fault_flag_FAULT_FLAG_KILLABLE != 0;
    if !noticed || fault.step == Step::PfnMkwrite {
        return Served::new(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    }
    // INVARIANT: So it is said.
    Served {
        answer: bindings::vm_fault_reason_VM_FAULT_RETRY,
        // SAFETY: The mapping is alive, as the lock is held for reading; its address space is constant.
        unlocked: unsafe { (*fault.vma()).vm_mm },
        _fault: PhantomData,
    }
}

/// A fault that must not wait, while another one has the turn.
pub(crate) struct Busy<'a>(Fault<'a>);

/// A fault whose task was killed while it waited for the turn.
pub(crate) struct Killed<'a>(Fault<'a>);

/// What came of asking for the turn.
pub(crate) enum Entry<'a> {
    Turn(Turn<'a>),
    Busy(Busy<'a>),
    Killed(Killed<'a>),
}

/// The two files of a mapping, and how the one behind serves faults.
///
/// # Invariants
///
/// `front` is a placed front file that owns this, `file` what it stands in front of, and `ops` the
/// table that the filesystem of `file` gave the mapping, which lives as long as `file`.
pub(super) struct Behind {
    pub(super) file: KernelFile,
    pub(super) ops: *const bindings::vm_operations_struct,
    pub(super) front: *mut bindings::file,
    turns: BitLocks,
}

// SAFETY: Everything is constant but for the locks, which are `Sync`; files are shared.
unsafe impl Send for Behind {}
// SAFETY: As above.
unsafe impl Sync for Behind {}

impl Behind {
    /// # Safety
    ///
    /// The type invariants hold as soon as `front` is in use.
    pub(super) unsafe fn new(
        file: KernelFile,
        ops: *const bindings::vm_operations_struct,
        front: *mut bindings::file,
    ) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            file,
            ops,
            front,
            turns: BitLocks::new(),
        }
    }

    /// Asks for the turn, and waits for it unless the fault must not.
    pub(super) fn enter<'a>(&'a self, mut fault: Fault<'a>) -> Entry<'a> {
        let address = fault.vma() as usize;
        let lock = if fault.is_nowait() {
            match self.turns.try_lock(address) {
                Some(lock) => lock,
                None => return Entry::Busy(Busy(fault)),
            }
        } else {
            match self.turns.lock_killable(address) {
                Ok(lock) => lock,
                Err(_) => return Entry::Killed(Killed(fault)),
            }
        };
        let flags = fault.flags();
        // Without both of these a handler does not drop the mmap lock: the second lets it do so
        // for a task that is being killed.
        let drops =
            bindings::fault_flag_FAULT_FLAG_ALLOW_RETRY | bindings::fault_flag_FAULT_FLAG_KILLABLE;
        fault.set_flags(flags & !drops);
        // SAFETY: The mapping is one of `front`, which the mmap lock keeps as it is, and the turn
        // is ours.
        unsafe { self.swap_in(fault.vma()) };
        // INVARIANT: Just made so.
        Entry::Turn(Turn {
            behind: self,
            fault,
            flags,
            _lock: lock,
        })
    }

    /// Makes the file behind the one of `vma`, until [`Self::swap_out`].
    ///
    /// # Safety
    ///
    /// `vma` is a mapping of `front` whose file nobody else changes, copies or gives up meanwhile.
    pub(super) unsafe fn swap_in(&self, vma: *mut bindings::vm_area_struct) {
        // SAFETY: By the contract of this function. Readers without a lock find either file, both
        // of which live as long as `vma` has its reference to `front`.
        unsafe { (&raw mut (*vma).vm_file).write_volatile(self.file.as_ptr()) };
    }

    /// Makes the front file the one of `vma` again.
    ///
    /// # Safety
    ///
    /// After [`Self::swap_in`], with `vma` still as it demands.
    pub(super) unsafe fn swap_out(&self, vma: *mut bindings::vm_area_struct) {
        // SAFETY: As in `swap_in`.
        unsafe { (&raw mut (*vma).vm_file).write_volatile(self.front) };
    }
}

/// The turn of one fault to be served by the file behind. Dropping it puts the front file back, and
/// lets the next one have the turn.
///
/// # Invariants
///
/// The mapping of `fault` is one of `behind`, whose own file is in the place of the front file.
pub(crate) struct Turn<'a> {
    behind: &'a Behind,
    fault: Fault<'a>,
    /// What the flags of the fault were.
    flags: bindings::fault_flag,
    /// Declared last: given up when everything is as it was.
    _lock: BitGuard<'a>,
}

impl<'a> Turn<'a> {
    /// Has the filesystem of the file behind serve the fault.
    pub(crate) fn serve(self) -> Served<'a> {
        // SAFETY: The table lives as long as the file behind, by the invariant of `Behind`.
        let ops = unsafe { &*self.behind.ops };
        let handler = match self.fault.step {
            Step::Fault => ops.fault,
            Step::PageMkwrite => ops.page_mkwrite,
            Step::PfnMkwrite => ops.pfn_mkwrite,
        };
        match handler {
            // SAFETY: The handler is called as the kernel calls it: for the step that it asks for, by the
            // invariant of `Fault`, with the mmap lock held, the mapping's file and operations its own,
            // and flags that it knows.
            Some(handler) => Served::new(unsafe { handler(self.fault.vmf) }),
            // There is no such entry in our table where the other one has none.
            None => Served::new(bindings::vm_fault_reason_VM_FAULT_SIGBUS),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the handler has kept the mmap lock, since it had no
        // permission to drop it.
        unsafe { self.behind.swap_out(self.fault.vma()) };
        let flags = self.flags;
        self.fault.set_flags(flags);
    }
}
