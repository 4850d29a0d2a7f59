//! Many endpoints on virtual time over a network that loses, doubles, reorders and delays.
//!
//! One world of two dozen endpoints (`world/mod.rs`): phones, exchanges that are registrars too, and exchanges that only
//! couple. Every seed makes 300 calls that ring reliably and offer before the answer, answer, refuse, cancel, hold, glare,
//! refresh, vanish, are sent elsewhere by 3xx, and transferred, blind and attended, through exchanges and without, with
//! subscriptions and registrations beside them, at random moments. The invariants stand by name in
//! `world/invariants.rs`; most are looked at after every step. A second world (`registering/mod.rs`) has phones that
//! only register, and a network that is silent for minutes.
//!
//! A failing seed is printed and replays: `SEED=7 cargo test -p patchcord-sip-core --test simulation`. Ignored unless
//! asked for: one run of 10,000 calls (`ten_thousand_calls`), and fresh seeds for as many seconds as `SECONDS` says
//! (`seeds_for_a_while`).
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

mod registering;
#[path = "support/seeds.rs"]
mod seeds;
mod support;
mod world;

use world::{Sum, World};

const CALLS: usize = 300;

#[test]
fn every_call_ends_once_and_nothing_is_left() {
    let seeds = seeds::wanted();
    let (mut sum, all) = (Sum::default(), seeds.len());
    for seed in seeds {
        let run = std::panic::catch_unwind(|| World::new(seed).run(CALLS));
        let Ok(one) = run else {
            panic!(
                "seed {seed} fails: SEED={seed} cargo test -p patchcord-sip-core --test simulation"
            );
        };
        assert!(one.ended >= CALLS / 2, "seed {seed}: {} ends", one.ended);
        assert!(one.over >= CALLS / 4, "seed {seed}: {} couplings", one.over);
        sum += one;
    }
    println!("{all} seeds: {sum:?}");
    // A simulation in which nobody answers, no offers meet and nobody is transferred would show
    // nothing.
    assert!(sum.answered > all * CALLS / 8, "{sum:?}");
    assert!(sum.registered > all * 20, "{sum:?}");
    assert!(sum.joined > all * CALLS / 30, "{sum:?}");
    assert!(sum.located > all * CALLS / 30, "{sum:?}");
    if all >= 10 {
        let rare = [
            sum.asked_again,
            sum.reliable,
            sum.replaced,
            sum.reported,
            sum.transferred,
            sum.taken_over,
            sum.redirected,
            sum.vanished,
        ];
        assert!(rare.iter().all(|count| *count > all / 4), "{sum:?}");
    }
}

#[test]
fn every_phone_is_registered_as_it_wants_and_nothing_is_left() {
    let (mut registered, mut failed, seeds) = (0, 0, seeds::wanted());
    let all = seeds.len();
    for seed in seeds {
        let run = std::panic::catch_unwind(|| registering::World::new(seed).run());
        match run {
            Ok((up, down)) => {
                registered += up;
                failed += down;
            }
            Err(_) => panic!("seed {seed} fails: SEED={seed} cargo test --test simulation"),
        }
    }
    assert!(registered > all * 40, "{registered} registered");
    assert!(all < 10 || failed > 0, "nothing ever failed");
}

#[test]
#[ignore = "takes a minute"]
fn ten_thousand_calls() {
    for seed in 0..3 {
        println!("seed {seed}: {:?}", World::new(seed).run(10_000));
    }
}

#[test]
#[ignore = "takes as long as SECONDS says"]
fn seeds_for_a_while() {
    let mut sum = Sum::default();
    seeds::for_a_while("calls", |seed| sum += World::new(seed).run(CALLS));
    println!("calls: {sum:?}");
    let mut registered = 0;
    seeds::for_a_while("registrations", |seed| {
        registered += registering::World::new(seed).run().0;
    });
    println!("registrations: {registered} made");
}
