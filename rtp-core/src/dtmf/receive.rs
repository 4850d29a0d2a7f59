//! Events that arrive: each key reported once.

use super::{Digit, EventPayload};
use crate::rtp::{Rtp, Ssrc};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A key that the peer pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyPress {
    /// Which.
    pub digit: Digit,
    /// How long it was held.
    pub duration: Duration,
    /// How loud, in dB below 0 dBm0.
    pub volume: u8,
    /// Whether its end was seen; otherwise it ended by timeout or by the next key.
    pub ended: bool,
}

/// A key that is being held.
#[derive(Debug, Clone, Copy)]
struct Active {
    ssrc: Ssrc,
    timestamp: u32,
    digit: Digit,
    volume: u8,
    /// Ticks of the segments before this one, in a long event (§2.5.1.3).
    before: u64,
    /// Ticks of this segment so far.
    segment: u16,
    clock_rate: u32,
    last: Instant,
}

/// A segment this long is taken for a full one: the sender's next packet would have passed 0xFFFF.
const SEGMENT_MIN: u16 = 0x8000;
/// Timestamps of keys that were reported, to know their repeated ends.
const REMEMBERED: usize = 8;
/// Keys kept until they are polled; one more is counted as lost.
const MAX_QUEUED: usize = 64;

/// Receives events: each key is reported once.
#[derive(Debug)]
pub struct DtmfReceiver {
    timeout: Duration,
    active: Option<Active>,
    done: [Option<(Ssrc, u32)>; REMEMBERED],
    done_at: usize,
    queue: VecDeque<KeyPress>,
    overflowed: u64,
}

impl Default for DtmfReceiver {
    fn default() -> DtmfReceiver {
        DtmfReceiver::new()
    }
}

impl DtmfReceiver {
    /// A receiver that takes a key for released after 250 ms without a packet: five of the usual 50 ms
    /// updates (§2.5.2.2 leaves the figure open).
    #[must_use]
    pub fn new() -> DtmfReceiver {
        DtmfReceiver::with_timeout(Duration::from_millis(250))
    }

    /// A receiver with another timeout.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> DtmfReceiver {
        DtmfReceiver {
            timeout,
            active: None,
            done: [None; REMEMBERED],
            done_at: 0,
            queue: VecDeque::with_capacity(16),
            overflowed: 0,
        }
    }

    /// Takes a packet of the payload type that was negotiated for `telephone-event`, with its clock rate in
    /// Hz. What is no event of a key is passed over.
    pub fn receive(&mut self, now: Instant, rtp: Rtp<'_>, clock_rate: u32) {
        let Some(event) = EventPayload::parse(rtp.payload) else {
            return;
        };
        let Some(digit) = Digit::from_event(event.event) else {
            return;
        };
        let id = (rtp.ssrc, rtp.timestamp);
        if self.done.contains(&Some(id)) {
            return;
        }
        if let Some(active) = self.active.as_mut().filter(|a| a.ssrc == rtp.ssrc) {
            if active.timestamp == rtp.timestamp {
                active.segment = active.segment.max(event.duration);
                active.last = now;
                if event.end {
                    self.finish(true);
                }
                return;
            }
            let behind = active.timestamp.wrapping_sub(rtp.timestamp);
            if behind < 1 << 31 {
                // An older key's packet, out of order, and the first of it: that key is over, and comes first.
                // From too long ago it may be one that is no longer remembered.
                if behind < active.clock_rate {
                    self.report(
                        Active {
                            ssrc: rtp.ssrc,
                            timestamp: rtp.timestamp,
                            digit,
                            volume: event.volume,
                            before: 0,
                            segment: event.duration,
                            clock_rate: clock_rate.max(1),
                            last: now,
                        },
                        event.end,
                    );
                }
                return;
            }
            // A long event goes on in a new segment, which begins where the last one ended (§2.5.1.3).
            let next = active.timestamp.wrapping_add(u32::from(active.segment));
            if active.digit == digit && active.segment >= SEGMENT_MIN && next == rtp.timestamp {
                active.before += u64::from(active.segment);
                active.timestamp = rtp.timestamp;
                active.segment = event.duration;
                active.last = now;
                if event.end {
                    self.finish(true);
                }
                return;
            }
        }
        self.finish(false);
        self.active = Some(Active {
            ssrc: rtp.ssrc,
            timestamp: rtp.timestamp,
            digit,
            volume: event.volume,
            before: 0,
            segment: event.duration,
            clock_rate: clock_rate.max(1),
            last: now,
        });
        if event.end {
            self.finish(true);
        }
    }

    /// Lets a key end whose end packets were all lost.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.finish(false);
        }
    }

    /// When to call [`DtmfReceiver::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.active.and_then(|a| a.last.checked_add(self.timeout))
    }

    /// The next key.
    pub fn poll(&mut self) -> Option<KeyPress> {
        self.queue.pop_front()
    }

    /// Keys that were dropped because 64 waited to be polled.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn finish(&mut self, ended: bool) {
        if let Some(active) = self.active.take() {
            self.report(active, ended);
        }
    }

    fn report(&mut self, active: Active, ended: bool) {
        self.done[self.done_at] = Some((active.ssrc, active.timestamp));
        self.done_at = (self.done_at + 1) % REMEMBERED;
        if self.queue.len() == MAX_QUEUED {
            self.overflowed += 1;
            return;
        }
        let ticks = active.before + u64::from(active.segment);
        let micros = ticks * 1_000_000 / u64::from(active.clock_rate);
        self.queue.push_back(KeyPress {
            digit: active.digit,
            duration: Duration::from_micros(micros),
            volume: active.volume,
            ended,
        });
    }
}
