//! Which seeds a simulation tries.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// `SEED` alone, or the first `SEEDS`, 20 unless told.
pub(crate) fn wanted() -> Vec<u64> {
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SEEDS").unwrap_or(20)).collect(),
    }
}

/// Fresh seeds, from `FROM` on, until `SECONDS` have passed; all that fail are named at the end.
pub(crate) fn for_a_while(what: &str, mut run: impl FnMut(u64)) {
    let begin = Instant::now();
    let span = Duration::from_secs(number("SECONDS").unwrap_or(60));
    let (first, mut failed) = (number("FROM").unwrap_or(1000), Vec::new());
    let mut seed = first;
    while begin.elapsed() < span {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            println!("{what}: SEED={seed} fails");
            failed.push(seed);
        }
        seed += 1;
    }
    let (tried, took) = (seed - first, begin.elapsed().as_secs());
    println!(
        "{what}: seeds {first} to {}, {tried} in {took} s",
        seed.saturating_sub(1)
    );
    assert!(failed.is_empty(), "{what}: these seeds fail: {failed:?}");
}
