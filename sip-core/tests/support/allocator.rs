//! The system's allocator, with a count of what this thread does.
#![allow(dead_code, unreachable_pub)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that this thread has allocated and not freed.
pub fn live() -> usize {
    LIVE.get()
}

/// What `f` gives, and how often it allocated; to grow is to allocate.
pub fn counted<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = CALLS.get();
    let value = f();
    (value, CALLS.get() - before)
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; only counts are kept, in cells without a destructor
// that are initialised without an allocation. A thread that ends may have lost them already.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_add(layout.size())));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub(layout.size())));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        let _ = LIVE.try_with(|live| {
            live.set(live.get().wrapping_sub(layout.size()).wrapping_add(size));
        });
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
