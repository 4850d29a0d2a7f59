//! Once its calls are up, a room's tick allocates nothing: packets in, a mix, packets out.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used)]

mod world;

use media_mix::Tone;
use media_mix::codec::{CodecOptions, Registry};
use signaling::Secure;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;
use world::World;

struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

fn count() {
    // The thread may be ending, and its counter with it.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a codec's own library allocates for one frame, encoded and decoded.
fn of_the_codec(registry: &Registry) -> u64 {
    let codec = registry.iter().next().expect("one codec");
    let mut encoder = codec.encoder(&CodecOptions::new()).unwrap();
    let mut decoder = codec.decoder(&CodecOptions::new()).unwrap();
    let frame = codec.description().frame_samples(20);
    let (mut pcm, mut payload) = (vec![0; frame], vec![0; encoder.max_payload(frame)]);
    let mut tone = Tone::new(codec.description().rate, 440.0, -12.0);
    let mut before = 0;
    for round in 0..100 {
        if round == 50 {
            before = COUNT.with(Cell::get);
        }
        tone.fill(&mut pcm);
        let bytes = encoder.encode(&pcm, &mut payload).unwrap();
        decoder.decode(&payload[..bytes], &mut pcm).unwrap();
    }
    (COUNT.with(Cell::get) - before) / 50
}

#[test]
fn a_tick_of_a_call_that_is_up_allocates_nothing() {
    for (codec, secure) in [
        ("PCMU", Secure::Off),
        ("PCMA", Secure::Require),
        ("G722", Secure::Require),
        ("opus", Secure::Require),
    ] {
        let mut world = World::new();
        let mut registry = Registry::default();
        assert!(registry.prefer(&[codec]).is_empty());
        let library = of_the_codec(&registry);
        assert!(
            library == 0 || codec == "opus",
            "{codec} allocates {library} times a frame"
        );
        world.ours.registry = registry;
        let request = world.request().secure(secure);
        world.dial(&request);
        world.run(Duration::from_secs(3));
        let before = COUNT.with(Cell::get);
        for _ in 0..500 {
            world.tick();
        }
        let allocations = COUNT.with(Cell::get) - before;
        let library = 500 * 2 * library;
        assert!(
            allocations <= library,
            "{codec} {secure:?}: {allocations}, the codec's own are {library}"
        );
        let id = world.ours.call().id();
        let report = world.ours.room.call_report(id).unwrap();
        assert!(
            report.path.unwrap().packets_received > 500,
            "the sound did flow"
        );
    }
}
