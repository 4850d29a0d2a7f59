//! Events that leave: one packet a tick while a key is held, its end three times, a gap, the next key.

use super::{Digit, EventPayload};
use std::collections::VecDeque;
use std::time::Duration;

/// Keys and pauses that may wait.
const MAX_QUEUED: usize = 256;
/// How often the end of a key is sent (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;

/// How keys are sent. Build it with [`DtmfConfig::new`] and change what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtmfConfig {
    /// The clock rate in Hz of the negotiated `telephone-event`.
    pub clock_rate: u32,
    /// How long a key is held. Default: 100 ms; ITU-T Q.24 asks for 40 at least.
    pub tone: Duration,
    /// Silence between two keys. Default: 100 ms; Q.24 asks for 40 at least. The repeated end packets fall
    /// into it.
    pub gap: Duration,
    /// How long `p` and `w` pause. Default: 500 ms.
    pub pause: Duration,
    /// How loud, in dB below 0 dBm0, 0–63. Default: 10.
    pub volume: u8,
    /// The time between two calls of [`DtmfSender::poll`]. Default: 20 ms.
    pub interval: Duration,
}

impl DtmfConfig {
    /// The defaults, for a clock rate in Hz.
    #[must_use]
    pub fn new(clock_rate: u32) -> DtmfConfig {
        DtmfConfig {
            clock_rate: clock_rate.max(1),
            tone: Duration::from_millis(100),
            gap: Duration::from_millis(100),
            pause: Duration::from_millis(500),
            volume: 10,
            interval: Duration::from_millis(20),
        }
    }
}

/// Why keys were not queued. None of them were, then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtmfError {
    /// Not a key and not a pause.
    #[error("`{0}` is no key of a telephone")]
    Unknown(char),
    /// More than 256 keys would wait.
    #[error("too many keys are waiting")]
    Full,
}

/// An event packet to send, with the payload type of `telephone-event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFrame {
    /// The marker bit: set on the first packet of a key.
    pub marker: bool,
    /// The timestamp of the key's beginning, on the clock of the `poll` calls.
    pub timestamp: u32,
    /// Its four bytes.
    pub payload: [u8; 4],
}

/// What to send in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtmfOut {
    /// Sound, as usual.
    Sound,
    /// Nothing: the gap between two keys.
    Silence,
    /// This event instead of sound.
    Event(EventFrame),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(Digit, Duration),
    Pause(Duration),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Key {
        digit: Digit,
        /// Where this segment began.
        start: u32,
        /// Ticks still to go, from `start` on.
        left: u64,
        first: bool,
    },
    Ends {
        frame: EventFrame,
        left: u8,
        gap_until: u32,
    },
    Gap {
        until: u32,
    },
    Pause {
        until: u32,
    },
}

/// Sends keys as events. Its clock is that of the RTP timestamps.
#[derive(Debug)]
pub struct DtmfSender {
    config: DtmfConfig,
    queue: VecDeque<Step>,
    state: State,
}

impl DtmfSender {
    /// A sender with nothing to send.
    #[must_use]
    pub fn new(config: DtmfConfig) -> DtmfSender {
        DtmfSender {
            config,
            queue: VecDeque::new(),
            state: State::Idle,
        }
    }

    /// Queues keys: `0`–`9`, `*`, `#`, `A`–`D`, and `p` or `w` for a pause.
    ///
    /// # Errors
    /// On a character that is neither, and when too many wait.
    pub fn queue(&mut self, keys: &str) -> Result<(), DtmfError> {
        self.queue_held(keys, self.config.tone)
    }

    /// Queues keys that are held for `tone` each.
    ///
    /// # Errors
    /// As [`DtmfSender::queue`].
    pub fn queue_held(&mut self, keys: &str, tone: Duration) -> Result<(), DtmfError> {
        for c in keys.chars() {
            if !is_pause(c) && Digit::from_char(c).is_none() {
                return Err(DtmfError::Unknown(c));
            }
        }
        if self.queue.len() + keys.len() > MAX_QUEUED {
            return Err(DtmfError::Full);
        }
        self.queue.extend(keys.chars().filter_map(|c| {
            if is_pause(c) {
                return Some(Step::Pause(self.config.pause));
            }
            Digit::from_char(c).map(|digit| Step::Key(digit, tone))
        }));
        Ok(())
    }

    /// Whether nothing is being sent and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.queue.is_empty()
    }

    /// Drops what waits. The key that is being held goes on to its end.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// Says what to send in the tick whose sound would carry `timestamp`.
    ///
    /// Call it once a tick, also while it answers [`DtmfOut::Sound`].
    pub fn poll(&mut self, timestamp: u32) -> DtmfOut {
        let passed = |until: u32| timestamp.wrapping_sub(until) < 1 << 31;
        match self.state {
            State::Gap { until } if !passed(until) => return DtmfOut::Silence,
            State::Pause { until } if !passed(until) => return DtmfOut::Sound,
            State::Gap { .. } | State::Pause { .. } => self.state = State::Idle,
            _ => {}
        }
        if matches!(self.state, State::Idle) {
            match self.queue.pop_front() {
                None => return DtmfOut::Sound,
                Some(Step::Pause(length)) => {
                    let until = timestamp.wrapping_add(self.ticks(length));
                    self.state = State::Pause { until };
                    return DtmfOut::Sound;
                }
                Some(Step::Key(digit, tone)) => {
                    self.state = State::Key {
                        digit,
                        start: timestamp,
                        left: u64::from(self.ticks(tone).max(1)),
                        first: true,
                    };
                }
            }
        }
        match self.state {
            State::Key {
                digit,
                start,
                left,
                first,
            } => self.hold(timestamp, digit, (start, left), first),
            State::Ends {
                frame,
                left,
                gap_until,
            } => {
                self.state = if left > 1 {
                    State::Ends {
                        frame,
                        left: left - 1,
                        gap_until,
                    }
                } else {
                    State::Gap { until: gap_until }
                };
                DtmfOut::Event(frame)
            }
            _ => DtmfOut::Sound,
        }
    }

    /// One packet of a key that is held since `start`, and has `left` ticks to go from there.
    fn hold(
        &mut self,
        timestamp: u32,
        digit: Digit,
        (start, left): (u32, u64),
        first: bool,
    ) -> DtmfOut {
        let interval = u64::from(self.ticks(self.config.interval).max(1));
        let so_far = u64::from(timestamp.wrapping_sub(start)) + interval;
        let end = so_far >= left && left <= u64::from(u16::MAX);
        // The duration field ends at 0xFFFF: a longer key goes on in a new segment, without a marker
        // (RFC 4733 §2.5.1.3).
        let full = !end && so_far + interval > u64::from(u16::MAX);
        let duration = if end {
            left
        } else {
            so_far.min(u64::from(u16::MAX))
        };
        let frame = EventFrame {
            marker: first,
            timestamp: start,
            payload: EventPayload {
                event: digit.event(),
                end,
                volume: self.config.volume.min(63),
                duration: duration as u16,
            }
            .to_bytes(),
        };
        self.state = if end {
            State::Ends {
                frame: EventFrame {
                    marker: false,
                    ..frame
                },
                left: ENDS - 1,
                gap_until: start
                    .wrapping_add(duration as u32)
                    .wrapping_add(self.ticks(self.config.gap)),
            }
        } else if full {
            State::Key {
                digit,
                start: start.wrapping_add(duration as u32),
                left: left.saturating_sub(duration).max(1),
                first: false,
            }
        } else {
            State::Key {
                digit,
                start,
                left,
                first: false,
            }
        };
        DtmfOut::Event(frame)
    }

    fn ticks(&self, length: Duration) -> u32 {
        let ticks = length.as_nanos() * u128::from(self.config.clock_rate) / 1_000_000_000;
        // A quarter of the clock's circle, so that comparisons stay unambiguous.
        u32::try_from(ticks).unwrap_or(u32::MAX).min(1 << 30)
    }
}

fn is_pause(c: char) -> bool {
    matches!(c, 'p' | 'P' | 'w' | 'W')
}
