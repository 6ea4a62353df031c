// SPDX-License-Identifier: GPL-2.0

//! Work that a thread of the kernel does for the current task.
//!
//! Some functions of the kernel look at the task that calls them: at its signals, which interrupt them,
//! and at its limits, which they hold to. A thread of the kernel's own has neither.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use crate::{bindings, vfs::value::errno::succeeded};
use core::mem::MaybeUninit;
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

/// The largest size that the current task may give a file (`RLIMIT_FSIZE`).
pub(crate) fn file_size_limit() -> u64 {
    // SAFETY: The current task has limits for as long as it runs.
    unsafe { bindings::rlimit(bindings::RLIMIT_FSIZE) as u64 }
}

/// What the current task and the thread that works for it share.
///
/// The thread has all of it to itself from its start until it has said that it is done, but for
/// `is_given_up`.
///
/// # Invariants
///
/// `cred` are the credentials of the task that waits for the job, and `mm` its memory, or null.
struct Job<F, R> {
    work: Option<F>,
    result: Option<R>,
    is_given_up: Atomic<u32>,
    cred: *const bindings::cred,
    mm: *mut bindings::mm_struct,
    done: MaybeUninit<bindings::completion>,
}

impl<F: FnOnce() -> R, R> Job<F, R> {
    /// # Safety
    ///
    /// The function of a thread: `job` is a valid `Job` that nobody else uses until it is completed,
    /// but for the flag; its credentials and its memory, if any, are alive until then.
    unsafe extern "C" fn run(job: *mut c_void) -> c_int {
        let job: *mut Self = job.cast();
        // SAFETY: By the contract of this function. Nothing of the job is used after it is completed.
        unsafe {
            bindings::allow_kernel_signal(bindings::SIGKILL as c_int);
            // The signal is lost if it was sent before that; then the flag was set before, too, and is seen: both
            // take the lock of the thread's signals, which has the order.
            if (*job).is_given_up.load(Relaxed) == 0 {
                if let Some(work) = (*job).work.take() {
                    let old = bindings::override_creds((*job).cred);
                    if !(*job).mm.is_null() {
                        bindings::kthread_use_mm((*job).mm);
                    }
                    (*job).result = Some(work());
                    if !(*job).mm.is_null() {
                        bindings::kthread_unuse_mm((*job).mm);
                    }
                    bindings::revert_creds(old);
                }
            }
            bindings::complete((*job).done.as_mut_ptr());
        }
        0
    }
}

/// Has `work` done by a thread of the kernel, with the credentials of the current task, and waits for
/// it. Memory is accounted to the current task as if it had done it.
///
/// No signal interrupts it but the one that kills the current task, upon which the thread finds
/// a fatal signal, too. No limit of the task's applies. As for locks, what the task holds is held
/// by somebody else.
///
/// `EINTR` if the task was killed before it began, `ENOMEM`.
pub(crate) fn run<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    // The type of `work` has no name to write here.
    fn entry<F: FnOnce() -> R, R>(_: &Job<F, R>) -> unsafe extern "C" fn(*mut c_void) -> c_int {
        Job::<F, R>::run
    }

    let mut job = Job {
        work: Some(work),
        result: None,
        is_given_up: Atomic::new(0),
        // SAFETY: The current task's credentials, which nobody takes off while this waits.
        cred: unsafe { bindings::current_cred() },
        // SAFETY: The current task is alive, and keeps its memory while this waits.
        mm: unsafe { (*bindings::get_current()).mm },
        done: MaybeUninit::uninit(),
    };
    let function = entry(&job);
    let job = &raw mut job;
    // SAFETY: The job stays where it is until the thread has ended, and is used by nobody else
    // meanwhile, as the contract of its function says. `F` and `R` may be used by another task,
    // and the thread, which is stopped before this returns, does not outlive what they borrow.
    unsafe {
        bindings::init_completion((*job).done.as_mut_ptr());
        let thread = from_err_ptr(bindings::kthread_create_on_node(
            Some(function),
            job.cast(),
            bindings::NUMA_NO_NODE,
            c"aufs2".as_char_ptr(),
        ))?;
        // It may end at any time once it has started.
        bindings::get_task_struct(thread);
        bindings::wake_up_process(thread);
        let done = (*job).done.as_mut_ptr();
        if succeeded(bindings::wait_for_completion_killable(done)).is_err() {
            (*job).is_given_up.store(1, Relaxed);
            bindings::send_sig(bindings::SIGKILL as c_int, thread, 1);
            bindings::wait_for_completion(done);
        }
        // Its function is code of this module: it has returned from it when this does.
        bindings::kthread_stop(thread);
        bindings::put_task_struct(thread);
        (*job).result.take().ok_or(EINTR)
    }
}
