//! The jitter buffer: any packets at any times, no panic, bounded, every packet accounted for.
#![allow(clippy::disallowed_methods)]

use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout, Push};
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use std::time::{Duration, Instant};

/// One input: records of 8 bytes (what, wait in ms, sequence, timestamp).
pub(crate) fn fuzz(data: &[u8]) {
    let mut now = Instant::now();
    let mut config = JitterConfig::new(8000);
    config.recover = data.len() % 2 == 1;
    config.dtx = data.len() % 3 == 1;
    let mut buffer = JitterBuffer::new(config);
    let mut out = [0; 64];
    let (mut stored, mut played) = (0u64, 0u64);
    for record in data.chunks_exact(8) {
        now += Duration::from_millis(record[1].into());
        let payload = [record[0]; 40];
        let header = RtpHeader {
            payload_type: record[0] & 0x0f,
            sequence: u16::from_be_bytes([record[2], record[3]]),
            timestamp: u32::from_be_bytes([record[4], record[5], record[6], record[7]]),
            ssrc: Ssrc(u32::from(record[0] >> 6)),
            ..RtpHeader::default()
        };
        let rtp = Rtp::new(&header, &payload[..usize::from(record[0] & 0x1f)]);
        if record[0] & 0x30 == 0x30 {
            buffer.skip(now, rtp);
        } else if matches!(buffer.push(now, rtp), Push::Stored | Push::Restarted) {
            stored += 1;
        }
        for _ in 0..record[0] & 3 {
            if let Playout::Frame(frame)
            | Playout::Shrink { frame, .. }
            | Playout::Stretch { frame, .. } = buffer.pull(now, &mut out)
            {
                assert!(frame.len <= 31);
                played += 1;
            }
        }
        assert!(buffer.stats().target_ms <= 500.0);
    }
    let stats = buffer.stats();
    assert_eq!(stats.played, played);
    assert!(stats.played + stats.discarded <= stored);
}
