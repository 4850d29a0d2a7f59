//! What a leg keeps: one after the other is set up with a phone that is gone afterwards, and what has grown is ours.

use std::time::{Duration, Instant};

use benches::heap_in_use;
use rtp_core::dtls::{Backend, Handshake, Role};

use crate::ends::{Ends, carry, keys};
use crate::legs::{Ice, Leg};

/// Legs that are kept.
const LEGS: usize = 250;

/// Bytes a piece that `make` makes, beside the piece itself where it stands in a list: that is counted, too.
fn each<T>(make: impl Fn() -> T) -> f64 {
    // What is shared by all of them is there before.
    drop(make());
    let mut kept = Vec::with_capacity(LEGS);
    let before = heap_in_use().unwrap_or(0);
    kept.extend((0..LEGS).map(|_| make()));
    let after = heap_in_use().unwrap_or(0);
    (after as f64 - before as f64) / LEGS as f64 + size_of::<T>() as f64
}

/// A server that has sent its first flight and waits for the phone's answer.
fn amid(ends: &Ends, backend: Backend) -> Handshake {
    let now = Instant::now();
    let mut phone = ends.start(now, Role::Client, backend);
    let mut ours = ends.start(now, Role::Server, backend);
    carry(now, &mut phone, &mut ours);
    while ours.poll_transmit().is_some() {}
    ours
}

/// One that is over, and kept for a phone that may have lost the last flight.
fn over(ends: &Ends, backend: Backend) -> Handshake {
    let now = Instant::now();
    let mut phone = ends.start(now, Role::Client, backend);
    let mut ours = ends.start(now, Role::Server, backend);
    while carry(now, &mut phone, &mut ours) | carry(now, &mut ours, &mut phone) {}
    assert!(keys(&mut ours).is_some());
    ours
}

/// A whole leg that has heard a second of sound.
fn leg(ends: &Ends, backend: Backend) -> Leg {
    let start = Instant::now();
    let [mut ours, mut phone] =
        [Role::Server, Role::Client].map(|role| Leg::new(start, ends, role, backend, Ice::Lite, 0));
    for tick in 0..75 {
        let now = start + Duration::from_millis(20) * tick;
        // As often as needed for every flight of this tick.
        for _ in 0..8 {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            phone.poll(now, &mut there);
            there
                .iter_mut()
                .for_each(|datagram| ours.receive(now, datagram));
            ours.poll(now, &mut back);
            back.iter_mut()
                .for_each(|datagram| phone.receive(now, datagram));
        }
        if let Some(mut packet) = phone.speak(now) {
            ours.receive(now, &mut packet);
        }
        let _ = ours.speak(now);
        ours.play(now);
    }
    assert!(ours.heard.is_some());
    ours
}

/// Bytes: in the middle of a handshake, after it, and of a whole leg.
pub(crate) fn measure(ends: &Ends, backend: Backend) -> Option<[f64; 3]> {
    heap_in_use()?;
    Some([
        each(|| amid(ends, backend)),
        each(|| over(ends, backend)),
        each(|| leg(ends, backend)),
    ])
}
