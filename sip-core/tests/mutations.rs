//! Mutated messages by the million: nothing panics, and nothing looks at a byte too often.
//!
//! ```sh
//! cargo test --release -p patchcord-sip-core --test mutations -- --ignored --nocapture
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[allow(dead_code)]
#[path = "torture/table.rs"]
mod table;

use std::hint::black_box;
use std::time::{Duration, Instant};

use sip_core::header::{Contact, Multipart, RecordRoute, Via};
use sip_core::{
    Answer, Capabilities, Frame, Framer, Index, Limits, Message, MessageRef, StatusCode, validate,
};

/// What a server does with bytes that it does not know: read, judge, answer.
fn serve(bytes: &[u8], index: &mut Index) -> bool {
    let Ok(view) = MessageRef::parse(bytes, index, &Limits::default()) else {
        return false;
    };
    black_box(view.typed_all::<Via<'_>>().count());
    black_box(view.typed_all::<Contact<'_>>().count());
    black_box(view.typed_all::<RecordRoute<'_>>().count());
    black_box(view.headers().map(|h| h.to_str().len()).sum::<usize>());
    if let Some(parts) = Multipart::of(view, &Limits::default()) {
        black_box(parts.map(|part| part.body().len()).sum::<usize>());
    }
    let answer = validate(view, &Capabilities::default()).answer();
    let status = match answer {
        None if view.is_request() => StatusCode::OK,
        Some(Answer::Status(status)) => status,
        _ => return true,
    };
    let Ok(message) = Message::parse(bytes.to_vec()) else {
        panic!("one form of the message parses and the other does not");
    };
    // A To that cannot bear a tag is an answer that is not given.
    if let Ok(reply) = message.reply(status).to_tag("t").build() {
        assert_eq!(reply.status(), Some(status));
    }
    true
}

/// The same bytes as a stream: at most one refusal, and two looks at a byte.
fn stream(bytes: &[u8]) {
    let mut framer = Framer::stream();
    framer.push(bytes.to_vec());
    while let Some(frame) = framer.next_frame() {
        if let Frame::Refused(refused) = frame {
            assert!(refused.close);
            assert_eq!(framer.next_frame(), None);
        }
    }
    assert!(framer.examined() <= 2 * bytes.len() as u64);
}

fn run(count: u64) {
    let seeds: Vec<Vec<u8>> = table::table().into_iter().map(|row| row.bytes).collect();
    let mut random = mutate::random(2026);
    let (mut index, mut bytes) = (Index::new(), Vec::new());
    let (mut parsed, mut total) = (0u64, 0u64);
    let mut slow: Vec<(Duration, Vec<u8>)> = Vec::new();
    for _ in 0..count {
        bytes.clear();
        bytes.extend_from_slice(&seeds[random(seeds.len())]);
        mutate::mutate(&mut bytes, &mut random);
        let start = Instant::now();
        parsed += u64::from(serve(&bytes, &mut index));
        stream(&bytes);
        let took = start.elapsed();
        if slow.len() < 100 || slow.last().is_some_and(|(least, _)| took > *least) {
            slow.push((took, bytes.clone()));
            slow.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
            slow.truncate(100);
        }
        total += bytes.len() as u64;
    }
    // Most of these were only interrupted: the best of some tries is what they cost.
    let best = |bytes: &[u8]| {
        let tries = (0..9).map(|_| {
            let start = Instant::now();
            serve(bytes, &mut Index::new());
            stream(bytes);
            start.elapsed()
        });
        tries.min().unwrap()
    };
    let slowest = slow.iter().map(|(_, b)| (best(b), b.len())).max().unwrap();
    println!(
        "{count} mutated messages, {} bytes in the mean: {parsed} parsed, 0 panics; \
         the slowest took {:?} for {} bytes",
        total / count,
        slowest.0,
        slowest.1
    );
    // Mutations that nobody understands, or that change nothing, would show little.
    assert!(parsed > count / 2 && parsed < count);
}

#[test]
fn twenty_thousand_mutated_messages() {
    run(20_000);
}

#[test]
#[ignore = "takes minutes; run it with --release"]
fn ten_million_mutated_messages() {
    run(10_000_000);
}
