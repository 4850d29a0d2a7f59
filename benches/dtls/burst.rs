//! Legs that are answered at once, until each has sound, on virtual time: datagrams take as long as the network says, every
//! phone has a processor of its own, and all of our side's legs share one, which is busy for as long as each step took in
//! CPU time when it was really done.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use benches::cpu_ns;
use rtp_core::dtls::{Backend, Role};

use crate::ends::Ends;
use crate::legs::{Ice, Leg, TICK};

/// When nothing has come of it by then, something is broken.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Datagram(Vec<u8>),
    /// A timer, or the first thing to do.
    Wake,
    /// 20 ms of sound are due.
    Sound,
}

/// What came of a burst, milliseconds.
pub(crate) struct Burst {
    /// Our side's CPU time until all legs have heard sound.
    pub(crate) cpu: f64,
    /// From the answer until our side has keys for the last leg.
    pub(crate) keys: f64,
    /// From the answer to the first packet of sound of the phone's that our side read, and of ours that the phone read:
    /// the later of the two, of the leg in the middle and of the last one.
    pub(crate) median: f64,
    pub(crate) last: f64,
}

struct Party {
    leg: Leg,
    free_at: Instant,
    speaks: bool,
    /// The timer that stands.
    wake: Option<Instant>,
}

/// Sets up so many legs at once, over a network with this delay one way.
pub(crate) fn run(ends: &Ends, backend: Backend, ice: Ice, legs: u16, delay: Duration) -> Burst {
    let start = Instant::now();
    let make = |role| {
        (0..legs).map(move |n| Party {
            leg: Leg::new(start, ends, role, backend, ice, n),
            free_at: start,
            speaks: false,
            wake: None,
        })
    };
    // What a look at the clock takes is nobody's work.
    let looks = (0..1000).map(|_| {
        let since = cpu_ns();
        cpu_ns() - since
    });
    let clock = looks.min().unwrap_or(0);
    // Legs are made when the descriptions are exchanged, which their time is a part of for our side.
    let since = cpu_ns();
    let mut ours: Vec<Party> = make(Role::Server).collect();
    let made = Duration::from_nanos(cpu_ns() - since);
    let mut phones: Vec<Party> = make(Role::Client).collect();

    let mut queue = BinaryHeap::new();
    let mut order = 0u64;
    let mut push = |queue: &mut BinaryHeap<_>, at: Instant, to_ours: bool, n: usize, what: What| {
        order += 1;
        queue.push(Reverse((at, order, to_ours, n, what)));
    };
    for n in 0..usize::from(legs) {
        push(&mut queue, start, false, n, What::Wake);
        push(&mut queue, start, true, n, What::Wake);
    }
    let (mut cpu, mut ours_free_at, mut keyed_at, mut keyed) = (made, start + made, start, 0);
    let mut heard = vec![[None::<Instant>; 2]; usize::from(legs)];
    let mut deaf = 2 * usize::from(legs);
    let mut out = Vec::new();
    while let Some(Reverse((at, _, is_ours, n, what))) = queue.pop() {
        assert!(at < start + LIMIT, "no sound");
        let party = if is_ours {
            &mut ours[n]
        } else {
            &mut phones[n]
        };
        let free_at = if is_ours { ours_free_at } else { party.free_at };
        // What finds the processor busy waits behind what came before.
        let now = at.max(free_at);
        if what == What::Wake && party.wake.take_if(|due| *due == at).is_none() && at != start {
            // Another one took its place.
            continue;
        }
        let sounded = what == What::Sound;
        let since = cpu_ns();
        let spoke = match what {
            What::Datagram(mut datagram) => {
                party.leg.receive(now, &mut datagram);
                None
            }
            What::Wake => None,
            What::Sound => party.leg.speak(now),
        };
        party.leg.poll(now, &mut out);
        let took = Duration::from_nanos((cpu_ns() - since).saturating_sub(clock));
        let done = now + took;
        if is_ours {
            cpu += took;
            ours_free_at = done;
        } else {
            party.free_at = done;
        }
        for datagram in out.drain(..).chain(spoke) {
            push(
                &mut queue,
                done + delay,
                !is_ours,
                n,
                What::Datagram(datagram),
            );
        }
        let side = usize::from(is_ours);
        if party.leg.heard.is_some() && heard[n][side].is_none() {
            heard[n][side] = Some(done);
            deaf -= 1;
            if deaf == 0 {
                break;
            }
        }
        let begins = party.leg.has_keys() && !party.speaks;
        if begins {
            party.speaks = true;
            if is_ours {
                keyed += 1;
                keyed_at = done;
            }
        }
        if begins {
            push(&mut queue, done, is_ours, n, What::Sound);
        } else if sounded && heard[n][1 - side].is_none() {
            // Until it is heard: who has no keys yet loses what comes.
            push(&mut queue, now + TICK, is_ours, n, What::Sound);
        }
        let wakes = party.leg.poll_timeout().map(|at| at.max(done));
        if let Some(at) = wakes
            && party.wake.is_none_or(|known| at < known)
        {
            party.wake = Some(at);
            push(&mut queue, at, is_ours, n, What::Wake);
        }
    }
    assert_eq!(keyed, legs);
    let ms = |at: Instant| at.duration_since(start).as_secs_f64() * 1e3;
    let mut firsts: Vec<f64> = heard
        .iter()
        .map(|both| both.iter().flatten().max().map_or(f64::NAN, |at| ms(*at)))
        .collect();
    firsts.sort_by(f64::total_cmp);
    Burst {
        cpu: cpu.as_secs_f64() * 1e3,
        keys: ms(keyed_at),
        median: firsts[firsts.len() / 2],
        last: firsts[firsts.len() - 1],
    }
}
