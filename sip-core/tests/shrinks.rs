//! After a burst of calls memory is what it was before, counted by the allocator.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use sip_core::Config;
use support::*;

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Live bytes once the harness has forgotten what it only shows.
fn live(net: &mut Network) -> usize {
    net.drain();
    net.ladder = Vec::new();
    net.events
        .iter_mut()
        .for_each(|events| *events = Vec::new());
    LIVE.load(Ordering::Relaxed)
}

/// So many calls at once, then none; what was live while they stood.
fn burst(net: &mut Network, calls: usize) -> usize {
    let standing: Vec<_> = (0..calls).map(|_| net.connect(0, 1).0).collect();
    let peak = live(net);
    for call in standing {
        net.hang_up(0, call);
        net.drain();
    }
    net.assert_forgotten();
    peak
}

// One test: the counter is the whole process's.
#[test]
fn memory_returns_to_what_an_idle_endpoint_needs() {
    let mut net = Network::new(1, vec![Config::default(), Config::default()]);
    burst(&mut net, 5);
    let idle = live(&mut net);
    let peak = burst(&mut net, 3000);
    let after = live(&mut net);
    println!("two endpoints: idle {idle} bytes, with 3000 calls {peak}, afterwards {after}");
    assert!(peak > 20 * idle, "a burst that says something");
    assert!(after <= 2 * idle, "{after} bytes stay, {idle} before");
}
