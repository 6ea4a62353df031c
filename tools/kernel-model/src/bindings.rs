// SPDX-License-Identifier: GPL-2.0

//! What the module calls in C, as weakly ordered as it is there.

#![allow(non_camel_case_types)]

use crate::sync::RawLock;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::world::World;
use loom::sync::{Condvar, Mutex};
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::rc::Rc;

/// What a callback of RCU is found by.
#[derive(Clone, Copy)]
pub struct callback_head(#[expect(dead_code)] [usize; 2]);

/// Gives back memory of a `KBox` after a grace period.
///
/// # Safety
///
/// It is the caller's.
pub unsafe fn kvfree_call_rcu(_head: *mut callback_head, pointer: *mut c_void) {
    let act = move || {
        // SAFETY: By the contract of this function.
        unsafe { World::now().free(pointer.cast()) };
    };
    World::now().rcu.call(Box::new(act));
}

/// # Safety
///
/// None here.
pub unsafe fn wait_for_tasks() {}

/// # Safety
///
/// None here.
pub unsafe fn synchronize_rcu() {}

/// # Safety
///
/// None here.
pub unsafe fn rcu_barrier() {}

/// May be started again.
pub const PERCPU_REF_ALLOW_REINIT: c_uint = 4;
/// May sleep.
pub const GFP_KERNEL: c_uint = 1;

/// `include/linux/percpu-refcount.h`: while it is not killed, each processor counts for itself, and only an RCU
/// callback adds that up.
pub struct percpu_ref {
    /// `__PERCPU_REF_DEAD`, which comes and goes with `__PERCPU_REF_ATOMIC` here.
    is_dead: AtomicUsize,
    /// All that is counted, and [`BIAS`] until it is added up.
    count: AtomicUsize,
    /// `confirm_switch`: a callback is to come.
    is_switching: AtomicUsize,
}

/// `PERCPU_COUNT_BIAS`.
const BIAS: usize = 1 << 20;

/// What is fully ordered.
fn full<R>(act: impl FnOnce() -> R) -> R {
    fence(Ordering::SeqCst);
    let result = act();
    fence(Ordering::SeqCst);
    result
}

/// # Safety
///
/// `slot` may be written to.
pub unsafe fn percpu_ref_init(
    slot: *mut percpu_ref,
    _release: Option<unsafe extern "C" fn(*mut percpu_ref)>,
    _flags: c_uint,
    _gfp: c_uint,
) -> c_int {
    let new = percpu_ref {
        is_dead: AtomicUsize::new(0),
        count: AtomicUsize::new(BIAS + 1),
        is_switching: AtomicUsize::new(0),
    };
    // SAFETY: By the contract of this function.
    unsafe { slot.write(new) };
    0
}

/// # Safety
///
/// It is initialised.
pub unsafe fn percpu_ref_exit(this: *mut percpu_ref) {
    // SAFETY: By the contract of this function.
    unsafe { this.drop_in_place() };
}

/// # Safety
///
/// It is initialised.
pub unsafe fn percpu_ref_tryget_live(this: *mut percpu_ref) -> bool {
    // SAFETY: By the contract of this function.
    let this = unsafe { &*this };
    let rcu = &World::now().rcu;
    let reader = rcu.begin();
    let is_live = this.is_dead.load(Ordering::Relaxed) == 0;
    if is_live {
        this.count.fetch_add(1, Ordering::Relaxed);
    }
    rcu.end(reader);
    is_live
}

/// # Safety
///
/// It is initialised, and the count is the caller's.
pub unsafe fn percpu_ref_put(this: *mut percpu_ref) {
    // SAFETY: By the contract of this function.
    let this = unsafe { &*this };
    let rcu = &World::now().rcu;
    let reader = rcu.begin();
    if this.is_dead.load(Ordering::Relaxed) != 0 {
        full(|| this.count.fetch_sub(1, Ordering::AcqRel));
    } else {
        this.count.fetch_sub(1, Ordering::Relaxed);
    }
    rcu.end(reader);
}

/// # Safety
///
/// It is initialised, and lives until the callback was called.
pub unsafe fn percpu_ref_kill(this: *mut percpu_ref) {
    let at = this;
    // SAFETY: By the contract of this function.
    let this = unsafe { &*this };
    assert!(
        this.is_dead.fetch_add(1, Ordering::Relaxed) == 0,
        "killed twice"
    );
    full(|| this.count.fetch_sub(1, Ordering::AcqRel));
    this.is_switching.store(1, Ordering::Relaxed);
    World::now().rcu.call(Box::new(move || {
        // SAFETY: By the contract of this function.
        let this = unsafe { &*at };
        full(|| this.count.fetch_sub(BIAS, Ordering::AcqRel));
        this.is_switching.store(0, Ordering::Release);
    }));
}

/// # Safety
///
/// It is initialised.
pub unsafe fn percpu_ref_is_dying(this: *mut percpu_ref) -> bool {
    // SAFETY: By the contract of this function.
    unsafe { (*this).is_dead.load(Ordering::Relaxed) != 0 }
}

/// Two plain loads, as it is used to find out that a count of processors that is not added up is not 0.
///
/// # Safety
///
/// It is initialised.
pub unsafe fn percpu_ref_is_zero(this: *mut percpu_ref) -> bool {
    // SAFETY: By the contract of this function.
    let this = unsafe { &*this };
    this.is_dead.load(Ordering::Relaxed) != 0 && this.count.load(Ordering::Relaxed) == 0
}

/// # Safety
///
/// It is initialised, and was killed.
pub unsafe fn percpu_ref_resurrect(this: *mut percpu_ref) {
    // SAFETY: By the contract of this function.
    let this = unsafe { &*this };
    while this.is_switching.load(Ordering::Acquire) != 0 {
        loom::thread::yield_now();
    }
    this.count.fetch_add(BIAS + 1, Ordering::Relaxed);
    // `smp_store_release()`, which those who enter only follow by an address.
    this.is_dead.store(0, Ordering::Release);
}

/// # Safety
///
/// It is initialised, was killed, and is 0.
pub unsafe fn percpu_ref_reinit(this: *mut percpu_ref) {
    // SAFETY: By the contract of this function.
    unsafe {
        assert!(percpu_ref_is_zero(this), "started again before it was 0");
        percpu_ref_resurrect(this);
    }
}

/// The class of a lock.
pub struct lock_class_key;

/// A mutex.
pub struct mutex(RawLock);

/// # Safety
///
/// `slot` may be written to.
pub unsafe fn __mutex_init(slot: *mut mutex, _name: *const c_char, _key: *mut lock_class_key) {
    // SAFETY: By the contract of this function.
    unsafe { slot.write(mutex(RawLock::new())) };
}

/// # Safety
///
/// It is initialised.
pub unsafe fn mutex_lock(this: *mut mutex) {
    // SAFETY: By the contract of this function.
    unsafe { (*this).0.lock() };
}

/// # Safety
///
/// It is initialised.
pub unsafe fn mutex_lock_killable(this: *mut mutex) -> c_int {
    if World::now().is_killed() {
        return -4;
    }
    // SAFETY: By the contract of this function.
    unsafe { (*this).0.lock() };
    0
}

/// # Safety
///
/// It is initialised.
pub unsafe fn mutex_trylock(this: *mut mutex) -> c_int {
    // SAFETY: By the contract of this function.
    c_int::from(unsafe { (*this).0.try_lock() })
}

/// # Safety
///
/// It is initialised, and the caller's.
pub unsafe fn mutex_unlock(this: *mut mutex) {
    // SAFETY: By the contract of this function.
    unsafe { (*this).0.unlock() };
}

/// Until a task is killed.
pub const TASK_KILLABLE: c_uint = 0x102;

fn bit_of(word: *mut c_ulong, bit: u32) -> Rc<RawLock> {
    let now = World::now();
    let mut bits = now.bits.borrow_mut();
    bits.entry((word.addr(), bit)).or_default().clone()
}

/// # Safety
///
/// None here.
pub unsafe fn wait_on_bit_lock(word: *mut c_ulong, bit: c_int, _mode: c_uint) -> c_int {
    if World::now().is_killed() {
        return -4;
    }
    bit_of(word, bit.unsigned_abs()).lock();
    0
}

/// # Safety
///
/// None here.
pub unsafe fn test_and_set_bit_lock(bit: c_long, word: *mut c_ulong) -> bool {
    !bit_of(word, u32::try_from(bit).expect("there are 64")).try_lock()
}

/// # Safety
///
/// None here.
pub unsafe fn clear_and_wake_up_bit(bit: c_int, word: *mut c_ulong) {
    bit_of(word, bit.unsigned_abs()).unlock();
}

/// A list.
pub struct hlist_head {
    /// Its first element.
    pub first: *mut hlist_node,
}

/// An element.
pub struct hlist_node {
    /// The next one.
    pub next: *mut hlist_node,
    /// What leads here.
    pub pprev: *mut *mut hlist_node,
}

/// # Safety
///
/// The list's lock is held, and the element is in none.
pub unsafe fn hlist_add_head(new: *mut hlist_node, head: *mut hlist_head) {
    World::now().assert_spins();
    // SAFETY: By the contract of this function.
    unsafe {
        let first = (*head).first;
        (*new).next = first;
        if !first.is_null() {
            (*first).pprev = &raw mut (*new).next;
        }
        (*head).first = new;
        (*new).pprev = &raw mut (*head).first;
    }
}

/// # Safety
///
/// The list's lock is held; one is in it, and the other in none.
pub unsafe fn hlist_add_behind(new: *mut hlist_node, prev: *mut hlist_node) {
    World::now().assert_spins();
    // SAFETY: By the contract of this function.
    unsafe {
        (*new).next = (*prev).next;
        (*prev).next = new;
        (*new).pprev = &raw mut (*prev).next;
        if !(*new).next.is_null() {
            (*(*new).next).pprev = &raw mut (*new).next;
        }
    }
}

/// # Safety
///
/// The list's lock is held, if it is in one.
pub unsafe fn hlist_del_init(node: *mut hlist_node) {
    World::now().assert_spins();
    // SAFETY: By the contract of this function.
    unsafe {
        if (*node).pprev.is_null() {
            return;
        }
        *(*node).pprev = (*node).next;
        if !(*node).next.is_null() {
            (*(*node).next).pprev = (*node).pprev;
        }
        (*node).next = std::ptr::null_mut();
        (*node).pprev = std::ptr::null_mut();
    }
}

/// A completion.
pub struct completion(Rc<CompletionState>);

/// How often it was completed for nobody so far.
pub(crate) struct CompletionState {
    pub(crate) done: Mutex<u32>,
    pub(crate) changed: Condvar,
}

/// # Safety
///
/// `slot` may be written to.
pub unsafe fn init_completion(slot: *mut completion) {
    let state = Rc::new(CompletionState {
        done: Mutex::new(0),
        changed: Condvar::new(),
    });
    World::now().note_completion(state.clone());
    // SAFETY: By the contract of this function.
    unsafe { slot.write(completion(state)) };
}

/// # Safety
///
/// It is initialised.
pub unsafe fn complete(this: *mut completion) {
    // SAFETY: By the contract of this function. It may go when it is complete.
    let state = unsafe { (*this).0.clone() };
    *state.done.lock().expect("loom's have no poison") += 1;
    state.changed.notify_one();
}

/// Waits for `this`, or until the current thread `is_killed`.
///
/// # Safety
///
/// It is initialised.
unsafe fn wait(this: *mut completion, is_killed: impl Fn() -> bool) -> c_int {
    // SAFETY: By the contract of this function.
    let state = unsafe { (*this).0.clone() };
    let mut done = state.done.lock().expect("loom's have no poison");
    while *done == 0 {
        if is_killed() {
            return -ERESTARTSYS;
        }
        done = state.changed.wait(done).expect("loom's have no poison");
    }
    *done -= 1;
    0
}

const ERESTARTSYS: c_int = 512;

/// # Safety
///
/// It is initialised.
pub unsafe fn wait_for_completion(this: *mut completion) {
    // SAFETY: By the contract of this function.
    unsafe { wait(this, || false) };
}

/// # Safety
///
/// It is initialised.
pub unsafe fn wait_for_completion_killable(this: *mut completion) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { wait(this, || World::now().is_killed()) }
}

/// Credentials.
pub struct cred;
/// The memory of a process.
pub struct mm_struct;

/// A task. Those that the model has itself have no memory and get no signals.
pub struct task_struct {
    /// Its memory.
    pub mm: *mut mm_struct,
    signals: Mutex<Signals>,
    work: RefCell<Option<Box<dyn FnOnce()>>>,
    thread: RefCell<Option<loom::thread::JoinHandle<()>>>,
}

/// `siglock` protects it.
#[derive(Default)]
struct Signals {
    are_allowed: bool,
    is_killed: bool,
}

/// No limit on the size of files.
pub const RLIMIT_FSIZE: c_uint = 1;
/// The signal that kills.
pub const SIGKILL: c_uint = 9;
/// Anywhere.
pub const NUMA_NO_NODE: c_int = -1;

/// # Safety
///
/// None here.
pub unsafe fn rlimit(_limit: c_uint) -> c_ulong {
    c_ulong::MAX
}

/// # Safety
///
/// None here.
pub unsafe fn current_cred() -> *const cred {
    std::ptr::null()
}

/// # Safety
///
/// None here.
pub unsafe fn override_creds(_new: *const cred) -> *const cred {
    std::ptr::null()
}

/// # Safety
///
/// None here.
pub unsafe fn revert_creds(_old: *const cred) {}

/// # Safety
///
/// None here.
pub unsafe fn kthread_use_mm(_mm: *mut mm_struct) {}

/// # Safety
///
/// None here.
pub unsafe fn kthread_unuse_mm(_mm: *mut mm_struct) {}

/// That of a thread that was made below; one that lasts for the test for all others.
///
/// # Safety
///
/// None here.
pub unsafe fn get_current() -> *mut task_struct {
    World::now().task(|| task_struct::new(None))
}

impl task_struct {
    fn new(work: Option<Box<dyn FnOnce()>>) -> Self {
        Self {
            mm: std::ptr::null_mut(),
            signals: Mutex::new(Signals::default()),
            work: RefCell::new(work),
            thread: RefCell::default(),
        }
    }
}

/// # Safety
///
/// `data` lives as long as the thread.
pub unsafe fn kthread_create_on_node(
    function: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    data: *mut c_void,
    _node: c_int,
    _name: *const c_char,
) -> *mut task_struct {
    let function = function.expect("there is one");
    let work = move || {
        // SAFETY: By the contract of this function.
        unsafe { function(data) };
    };
    Box::into_raw(Box::new(task_struct::new(Some(Box::new(work)))))
}

/// # Safety
///
/// None here.
pub unsafe fn get_task_struct(_task: *mut task_struct) {}

/// # Safety
///
/// The task was stopped.
pub unsafe fn put_task_struct(task: *mut task_struct) {
    // SAFETY: It was made so.
    drop(unsafe { Box::from_raw(task) });
}

/// # Safety
///
/// It was created, and has not run.
pub unsafe fn wake_up_process(task: *mut task_struct) {
    // SAFETY: By the contract of this function.
    let this = unsafe { &*task };
    let work = this.work.take().expect("it has not run");
    let thread = loom::thread::spawn(move || {
        World::now().set_task(task);
        work();
    });
    *this.thread.borrow_mut() = Some(thread);
}

/// # Safety
///
/// It was woken up.
pub unsafe fn kthread_stop(task: *mut task_struct) -> c_int {
    // SAFETY: By the contract of this function.
    let thread = unsafe { (*task).thread.take() };
    thread.expect("it runs").join().expect("it ends");
    0
}

/// A thread of the kernel's is told nothing of signals before this.
///
/// # Safety
///
/// None here.
pub unsafe fn allow_kernel_signal(_signal: c_int) {
    // SAFETY: The current task is alive.
    let signals = unsafe { &(*get_current()).signals };
    signals.lock().expect("loom's have no poison").are_allowed = true;
}

/// # Safety
///
/// The task is alive.
pub unsafe fn send_sig(_signal: c_int, task: *mut task_struct, _is_private: c_int) -> c_int {
    // SAFETY: By the contract of this function.
    let signals = unsafe { &(*task).signals };
    let mut signals = signals.lock().expect("loom's have no poison");
    signals.is_killed |= signals.are_allowed;
    0
}

/// # Safety
///
/// The task is alive.
pub unsafe fn fatal_signal_pending(task: *mut task_struct) -> c_int {
    // SAFETY: By the contract of this function.
    let signals = unsafe { &(*task).signals };
    signals
        .lock()
        .expect("loom's have no poison")
        .is_killed
        .into()
}
