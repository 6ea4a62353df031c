// SPDX-License-Identifier: GPL-2.0

//! What there is once in each execution of a test.

use crate::bindings::{CompletionState, task_struct};
use loom::sync::Condvar;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread::{self, ThreadId};
use std::alloc::{Layout, dealloc};
use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::collections::HashMap;
use std::rc::Rc;

/// How many atomics a test may have.
const ATOMICS: usize = 24;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// See the module. loom runs all threads of a test on one of the machine's, so nothing in here is shared.
pub(crate) struct World {
    id: u64,
    /// The words of atomics, all made before there is a thread. See [`Atomic`](crate::sync::atomic::Atomic).
    words: UnsafeCell<Vec<(AtomicU64, Condvar)>>,
    used: Cell<usize>,
    pub(crate) rcu: Rcu,
    /// Memory that is known by its address alone.
    raw: RefCell<HashMap<usize, Raw>>,
    /// Memory that was given back.
    freed: RefCell<Vec<(*mut u8, Layout)>>,
    threads: RefCell<Vec<ThreadId>>,
    killed: RefCell<Vec<ThreadId>>,
    /// How many spin locks each thread has.
    spins: RefCell<HashMap<ThreadId, isize>>,
    completions: RefCell<Vec<Rc<CompletionState>>>,
    tasks: RefCell<HashMap<ThreadId, *mut task_struct>>,
    /// That of all other threads.
    idle: OnceCell<Box<task_struct>>,
    /// What stands for bits that are locks.
    pub(crate) bits: RefCell<HashMap<(usize, u32), Rc<crate::sync::RawLock>>>,
}

/// How memory is given back.
#[derive(Clone, Copy)]
struct Raw {
    layout: Layout,
    drop: unsafe fn(*mut u8),
}

impl World {
    /// That of the execution.
    pub(crate) fn now() -> Rc<Self> {
        WORLD
            .with(|world| world.borrow().clone())
            .expect("only in a model")
    }

    /// Makes one for an execution that begins, has it done, and looks for what is left.
    pub(crate) fn run(test: impl FnOnce()) {
        let id = COUNT.get() + 1;
        COUNT.set(id);
        let world = Rc::new(Self {
            id,
            words: UnsafeCell::new(
                (0..ATOMICS)
                    .map(|_| (AtomicU64::new(0), Condvar::new()))
                    .collect(),
            ),
            used: Cell::new(0),
            rcu: Rcu::new(),
            raw: RefCell::default(),
            freed: RefCell::default(),
            threads: RefCell::default(),
            killed: RefCell::default(),
            spins: RefCell::default(),
            completions: RefCell::default(),
            tasks: RefCell::default(),
            idle: OnceCell::new(),
            bits: RefCell::default(),
        });
        WORLD.set(Some(world.clone()));
        test();
        assert!(
            world.rcu.state.borrow().waiting.is_empty(),
            "a reader never ended"
        );
        assert!(world.raw.borrow().is_empty(), "memory is left");
        WORLD.set(None);
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// A word that nobody has.
    pub(crate) fn take_word(&self) -> usize {
        let word = self.used.get();
        self.used.set(word + 1);
        assert!(word < ATOMICS, "too many atomics");
        word
    }

    /// A word that is about to be used. To find out what could have come in another order, loom keeps the last
    /// use of it alone; if that is a load, a load of somebody else before it is forgotten, and is never tried after
    /// a store. Nobody waits for a condition here, so to notify is nothing but a use that does not go with any
    /// other.
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: The vector never changes, and nobody has an exclusive reference but for a moment.
        let (word, use_of_it) = unsafe { &(&*self.words.get())[at] };
        use_of_it.notify_one();
        word
    }

    /// Nobody may use the word any more, as loom finds out.
    pub(crate) fn end_word(&self, at: usize) {
        // SAFETY: As above, as nothing is run meanwhile.
        unsafe { (&mut *self.words.get())[at].0.with_mut(|_| ()) };
    }

    pub(crate) fn note_raw<T>(&self, pointer: *mut T) {
        unsafe fn drop<T>(pointer: *mut u8) {
            // SAFETY: By the contract of this function.
            unsafe { pointer.cast::<T>().drop_in_place() };
        }
        let raw = Raw {
            layout: Layout::new::<T>(),
            drop: drop::<T>,
        };
        self.raw.borrow_mut().insert(pointer.addr(), raw);
    }

    pub(crate) fn forget_raw<T>(&self, pointer: *mut T) {
        let known = self.raw.borrow_mut().remove(&pointer.addr());
        assert!(known.is_some(), "memory that is not, or not any more");
    }

    /// Gives back what is at `pointer`.
    ///
    /// # Safety
    ///
    /// It was made by a `KBox`, and belongs to the caller.
    pub(crate) unsafe fn free(&self, pointer: *mut u8) {
        let raw = self.raw.borrow_mut().remove(&pointer.addr());
        let raw = raw.expect("memory that is not, or not any more");
        // SAFETY: By the contract of this function, and as it was known.
        unsafe { (raw.drop)(pointer) };
        self.freed.borrow_mut().push((pointer, raw.layout));
    }

    /// Kills a thread, which may be waiting for a completion.
    pub(crate) fn kill(&self, thread: ThreadId) {
        self.killed.borrow_mut().push(thread);
        let completions = self.completions.borrow().clone();
        for completion in completions {
            // Whoever has looked before waits by now.
            drop(completion.done.lock());
            completion.changed.notify_all();
        }
    }

    /// The current thread has so many spin locks more.
    pub(crate) fn note_spin(&self, more: isize) {
        *self
            .spins
            .borrow_mut()
            .entry(thread::current().id())
            .or_default() += more;
    }

    /// Lists are changed by who has a spin lock.
    pub(crate) fn assert_spins(&self) {
        let spins = self.spins.borrow();
        assert!(
            spins
                .get(&thread::current().id())
                .is_some_and(|&count| count > 0),
            "no spin lock is held"
        );
    }

    pub(crate) fn note_completion(&self, state: Rc<CompletionState>) {
        self.completions.borrow_mut().push(state);
    }

    pub(crate) fn set_task(&self, task: *mut task_struct) {
        self.tasks.borrow_mut().insert(thread::current().id(), task);
    }

    /// That of the current thread.
    pub(crate) fn task(&self, idle: impl FnOnce() -> task_struct) -> *mut task_struct {
        let task = self.tasks.borrow().get(&thread::current().id()).copied();
        task.unwrap_or_else(|| {
            std::ptr::from_ref(&**self.idle.get_or_init(|| Box::new(idle()))).cast_mut()
        })
    }

    /// What tells the current thread from others.
    pub(crate) fn current(&self) -> usize {
        let current = thread::current().id();
        let mut threads = self.threads.borrow_mut();
        let at = threads.iter().position(|thread| *thread == current);
        1 + at.unwrap_or_else(|| {
            threads.push(current);
            threads.len() - 1
        })
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.borrow().contains(&thread::current().id())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (pointer, layout) in self
            .freed
            .take()
            .into_iter()
            .filter(|(_, layout)| layout.size() != 0)
        {
            // SAFETY: It was a box, whose value was dropped.
            unsafe { dealloc(pointer, layout) };
        }
    }
}

/// Read-copy-update.
pub(crate) struct Rcu {
    /// What makes beginnings, ends and callbacks something that has an order. Ends give what they know to
    /// callbacks.
    epoch: AtomicUsize,
    /// Who asks for a grace period gives what it knows to who begins to read later.
    called: AtomicUsize,
    state: RefCell<RcuState>,
}

#[derive(Default)]
struct RcuState {
    next: u64,
    readers: Vec<u64>,
    any_called: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    /// Those that were there.
    readers: Vec<u64>,
    act: Box<dyn FnOnce()>,
}

// Other threads run where an atomic is used, and nowhere else.
impl Rcu {
    fn new() -> Self {
        Self {
            epoch: AtomicUsize::new(0),
            called: AtomicUsize::new(0),
            state: RefCell::default(),
        }
    }

    /// A reader begins.
    pub(crate) fn begin(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        let any_called = self.state.borrow().any_called;
        if any_called {
            self.called.fetch_add(0, Ordering::Acquire);
        }
        let mut state = self.state.borrow_mut();
        state.next += 1;
        let reader = state.next;
        state.readers.push(reader);
        reader
    }

    /// A reader ends.
    pub(crate) fn end(&self, reader: u64) {
        self.epoch.fetch_add(1, Ordering::Release);
        let any_waits = !self.state.borrow().waiting.is_empty();
        if any_waits {
            self.epoch.fetch_add(0, Ordering::Acquire);
        }
        let due: Vec<Waiting> = {
            let mut state = self.state.borrow_mut();
            state.readers.retain(|other| *other != reader);
            for waiting in &mut state.waiting {
                waiting.readers.retain(|other| *other != reader);
            }
            let waiting = std::mem::take(&mut state.waiting);
            let (due, still) = waiting
                .into_iter()
                .partition(|waiting| waiting.readers.is_empty());
            state.waiting = still;
            due
        };
        for waiting in due {
            (waiting.act)();
        }
    }

    /// Has `act` done when all readers that there are have ended.
    pub(crate) fn call(&self, act: Box<dyn FnOnce()>) {
        self.state.borrow_mut().any_called = true;
        self.called.fetch_add(1, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let readers = self.state.borrow().readers.clone();
        if readers.is_empty() {
            act();
        } else {
            self.state
                .borrow_mut()
                .waiting
                .push(Waiting { readers, act });
        }
    }
}
