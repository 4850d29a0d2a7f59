//! A capture: once to see what is said and which streams there are, once to listen.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use examples::capture;
use sip_core::Message;

use crate::known::Known;
use crate::probe::{Id, Probe, rtp};
use crate::stream::Report;

/// Packets in sequence before something that no description names is taken for RTP.
const MIN_PACKETS: u32 = 10;
/// Candidates that are counted.
const MAX_CANDIDATES: usize = 65_536;

/// Packets seen of what may be a stream, and how many of them followed their predecessor.
#[derive(Default)]
struct Candidate {
    last: u16,
    packets: u32,
    followed: u32,
}

pub(crate) fn run(
    bytes: &[u8],
    mut known: Known,
    wav: Option<PathBuf>,
) -> Result<Vec<Report>, Box<dyn Error>> {
    if !capture::is_capture(bytes) {
        return Err("neither pcap nor pcapng".into());
    }
    for seen in capture::messages(bytes)? {
        if let Ok(message) = Message::parse(seen.bytes) {
            // What is no description is somebody else's body.
            let _ = known.learn(&message.body_bytes());
        }
    }
    let mut candidates: HashMap<Id, Candidate> = HashMap::new();
    capture::datagrams(bytes, |datagram| {
        let Some((ssrc, sequence)) = rtp(datagram.payload) else {
            return;
        };
        let id = (datagram.source, datagram.destination, ssrc);
        if candidates.len() == MAX_CANDIDATES && !candidates.contains_key(&id) {
            return;
        }
        let candidate = candidates.entry(id).or_default();
        candidate.packets += 1;
        candidate.followed += u32::from((1..=5).contains(&sequence.wrapping_sub(candidate.last)));
        candidate.last = sequence;
    })?;
    candidates.retain(|id, candidate| {
        let named = known.names(id.0) || known.names(id.1);
        let steady = candidate.followed * 2 >= candidate.packets;
        steady && (named || candidate.packets >= MIN_PACKETS)
    });

    // Only differences count; the clock is read once because an `Instant` has no other beginning.
    #[allow(clippy::disallowed_methods)]
    let begin = Instant::now();
    let mut first = None;
    let mut probe = Probe::new(known, wav);
    let mut failed = None;
    capture::datagrams(bytes, |datagram| {
        let Some((ssrc, _)) = rtp(datagram.payload) else {
            return;
        };
        let id = (datagram.source, datagram.destination, ssrc);
        if failed.is_some() || !candidates.contains_key(&id) {
            return;
        }
        let first = *first.get_or_insert(datagram.at);
        // Ten years are a broken clock.
        let since = datagram
            .at
            .saturating_sub(first)
            .min(std::time::Duration::from_secs(315_360_000));
        let mut packet = datagram.payload.to_vec();
        if let Err(error) = probe.receive(begin + since, id, &mut packet) {
            failed = Some(error);
        }
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(probe.finish()?),
    }
}
