//! What a receiver counts of one source: extended sequence number, loss, jitter (RFC 3550 A.1, A.3, A.8).

/// A gap of this many packets is a restart, not loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// A packet this far behind is a restart, not a late one (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;

/// What one more packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// The first, the next, or one after a gap: the highest sequence number so far.
    InOrder,
    /// Behind the highest: late, reordered or doubled.
    Reordered,
    /// Far away from the rest; taken for noise unless its successor follows.
    Jump,
    /// The second in a row after a jump: the source has restarted, and counting begins anew. What was
    /// expected and received before stays in the totals.
    Restarted,
}

/// The counters of one source.
#[derive(Debug, Clone, Default)]
pub struct SourceStats {
    started: bool,
    max_sequence: u16,
    cycles: u32,
    base: u32,
    bad_sequence: Option<u16>,
    received: u64,
    /// Received since the last (re)start, for the RFC's `expected - received`.
    received_here: u64,
    expected_before: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Jitter times 16, in ticks of the clock.
    jitter16: u32,
    /// Transit and timestamp of the last packet.
    transit: Option<(u32, u32)>,
    clock_rate: u32,
    highest_jitter: u32,
}

impl SourceStats {
    /// No packet yet.
    #[must_use]
    pub fn new() -> SourceStats {
        SourceStats::default()
    }

    /// Counts a packet.
    ///
    /// `arrival` is the local time of arrival in ticks of `clock_rate` (Hz), wrapping; only differences
    /// count. A change of the clock rate, as between sound and events, starts the jitter's reference anew. A
    /// packet with the timestamp of the last, as all but the first of an event are (RFC 4733 §2.2.1), says
    /// nothing of jitter.
    pub fn update(
        &mut self,
        sequence: u16,
        timestamp: u32,
        arrival: u32,
        clock_rate: u32,
    ) -> Arrival {
        let what = self.count(sequence);
        if matches!(what, Arrival::Jump) {
            return what;
        }
        self.received += 1;
        self.received_here += 1;
        let transit = arrival.wrapping_sub(timestamp);
        if clock_rate != self.clock_rate || what == Arrival::Restarted {
            if self.clock_rate != 0 {
                let scaled =
                    u64::from(self.jitter16) * u64::from(clock_rate) / u64::from(self.clock_rate);
                self.jitter16 = u32::try_from(scaled).unwrap_or(u32::MAX);
                let scaled = u64::from(self.highest_jitter) * u64::from(clock_rate)
                    / u64::from(self.clock_rate);
                self.highest_jitter = u32::try_from(scaled).unwrap_or(u32::MAX);
            }
            self.clock_rate = clock_rate;
            self.transit = None;
        }
        if self.transit.is_some_and(|(_, last)| last == timestamp) {
            return what;
        }
        if let Some((before, _)) = self.transit {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A talk spurt whose timestamps jumped would poison the mean for seconds: one second is a jump.
            if difference < clock_rate.max(1) {
                self.jitter16 = self
                    .jitter16
                    .saturating_add(difference)
                    .saturating_sub((self.jitter16 + 8) >> 4);
                self.highest_jitter = self.highest_jitter.max(self.jitter16 >> 4);
            }
        }
        self.transit = Some((transit, timestamp));
        what
    }

    fn count(&mut self, sequence: u16) -> Arrival {
        if !self.started {
            self.start(sequence);
            return Arrival::InOrder;
        }
        let ahead = sequence.wrapping_sub(self.max_sequence);
        if ahead == 0 {
            return Arrival::Reordered;
        }
        if ahead < MAX_DROPOUT {
            if sequence < self.max_sequence {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.max_sequence = sequence;
            self.bad_sequence = None;
            return Arrival::InOrder;
        }
        if ahead > u16::MAX - MAX_MISORDER {
            return Arrival::Reordered;
        }
        if self.bad_sequence == Some(sequence) {
            self.expected_before += self.expected_here();
            self.received_here = 0;
            self.start(sequence);
            return Arrival::Restarted;
        }
        self.bad_sequence = Some(sequence.wrapping_add(1));
        Arrival::Jump
    }

    fn start(&mut self, sequence: u16) {
        self.started = true;
        self.max_sequence = sequence;
        self.base = u32::from(sequence);
        self.cycles = 0;
        self.bad_sequence = None;
    }

    fn expected_here(&self) -> u64 {
        if !self.started {
            return 0;
        }
        u64::from(self.highest_sequence().wrapping_sub(self.base)) + 1
    }

    /// The highest sequence number, extended by the count of its cycles.
    #[must_use]
    pub fn highest_sequence(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.max_sequence))
    }

    /// Packets received, doubles included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that should have come.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected_before + self.expected_here()
    }

    /// Packets that did not come; negative when there were doubles.
    #[must_use]
    pub fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    /// The interarrival jitter in ticks of the clock (RFC 3550 A.8).
    #[must_use]
    pub fn jitter(&self) -> u32 {
        self.jitter16 >> 4
    }

    /// The interarrival jitter in milliseconds.
    #[must_use]
    pub fn jitter_ms(&self) -> f64 {
        ticks_to_ms(self.jitter(), self.clock_rate)
    }

    /// The highest jitter so far, in milliseconds.
    #[must_use]
    pub fn highest_jitter_ms(&self) -> f64 {
        ticks_to_ms(self.highest_jitter, self.clock_rate)
    }

    /// The share lost since the last call of this, in 1/256, as report blocks carry it (RFC 3550 A.3).
    pub fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected();
        let expected_interval = expected - self.expected_prior.min(expected);
        let received_interval = self.received - self.received_prior;
        self.expected_prior = expected;
        self.received_prior = self.received;
        if expected_interval == 0 || received_interval >= expected_interval {
            return 0;
        }
        let lost = expected_interval - received_interval;
        u8::try_from((lost << 8) / expected_interval).unwrap_or(u8::MAX)
    }
}

fn ticks_to_ms(ticks: u32, clock_rate: u32) -> f64 {
    if clock_rate == 0 {
        return 0.0;
    }
    f64::from(ticks) * 1000.0 / f64::from(clock_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_loss_over_the_wrap() {
        let mut stats = SourceStats::new();
        for n in 65_530..65_550u32 {
            if n % 5 != 0 {
                stats.update(n as u16, n * 160, n * 160, 8000);
            }
        }
        // 65530, 65535, 65540, 65545 are missing; the first of them was before the first packet.
        assert_eq!(stats.lost(), 3);
        assert_eq!(stats.expected(), 19);
        assert_eq!(stats.highest_sequence(), 65_549);
        assert_eq!(stats.take_fraction_lost(), (3 * 256 / 19) as u8);
        assert_eq!(stats.take_fraction_lost(), 0);
    }

    #[test]
    fn a_lone_far_packet_is_noise_and_a_pair_is_a_restart() {
        let mut stats = SourceStats::new();
        stats.update(10, 0, 0, 8000);
        assert_eq!(stats.update(40_000, 0, 0, 8000), Arrival::Jump);
        assert_eq!(stats.update(11, 160, 160, 8000), Arrival::InOrder);
        assert_eq!(stats.update(40_000, 0, 0, 8000), Arrival::Jump);
        assert_eq!(stats.update(40_001, 0, 0, 8000), Arrival::Restarted);
        assert_eq!(stats.received(), 3);
        assert_eq!(stats.expected(), 3);
    }

    #[test]
    fn jitter_follows_the_rfc_filter() {
        let mut stats = SourceStats::new();
        // Alternating 0 and 80 ticks late: |D| = 80 each time, so the filter goes to 80.
        for n in 0..500u32 {
            let late = if n % 2 == 0 { 0 } else { 80 };
            stats.update(n as u16, n * 160, n * 160 + late, 8000);
        }
        assert!((79..=80).contains(&stats.jitter()), "{}", stats.jitter());
        assert!((stats.jitter_ms() - 10.0).abs() < 0.2);
    }

    #[test]
    fn an_event_with_one_timestamp_is_no_jitter() {
        let mut stats = SourceStats::new();
        for n in 0..100u32 {
            // A key from the 40th packet on: 20 packets 20 ms apart that all have its start.
            let timestamp = if (40..60).contains(&n) { 40 } else { n } * 160;
            stats.update(n as u16, timestamp, n * 160, 8000);
        }
        assert_eq!((stats.jitter(), stats.lost()), (0, 0));
    }

    #[test]
    fn doubles_make_loss_negative_not_wrapped() {
        let mut stats = SourceStats::new();
        for _ in 0..3 {
            stats.update(7, 0, 0, 8000);
        }
        assert_eq!(stats.lost(), -2);
        assert_eq!(stats.take_fraction_lost(), 0);
    }
}
