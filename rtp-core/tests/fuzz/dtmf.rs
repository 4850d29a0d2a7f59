//! Telephone events and INFO bodies: any sequence of packets, no panic, no key without a packet.
#![allow(clippy::disallowed_methods)]

use rtp_core::dtmf::{DtmfReceiver, parse_info};
use rtp_core::rtp::{Rtp, RtpHeader};
use std::time::{Duration, Instant};

/// One input: records of 8 bytes (wait in 10 ms, timestamp in 160 ticks twice, clock, four of payload).
pub(crate) fn fuzz(data: &[u8]) {
    for kind in ["application/dtmf-relay", "application/dtmf"] {
        if let Some(key) = parse_info(kind, data) {
            assert!(key.digit.event() < 16);
        }
    }
    let mut now = Instant::now();
    let mut receiver = DtmfReceiver::new();
    let (mut packets, mut keys) = (0, 0);
    for record in data.chunks_exact(8) {
        now += Duration::from_millis(10) * u32::from(record[0]);
        let header = RtpHeader {
            timestamp: u32::from_be_bytes([0, record[1], record[2], 0])
                | u32::from(record[3]) << 24,
            ..RtpHeader::default()
        };
        let clock = [8000, 16_000, 48_000, 0][usize::from(record[3] & 3)];
        receiver.handle_timeout(now);
        receiver.receive(now, Rtp::new(&header, &record[4..]), clock);
        packets += 1;
        keys += usize::from(receiver.poll().is_some());
    }
    keys += std::iter::from_fn(|| receiver.poll()).count();
    assert!(keys <= packets);
}
