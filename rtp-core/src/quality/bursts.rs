//! Losses as RFC 3611 §4.7.2 tells them apart: bursts, and the gaps between them.
//!
//! A burst begins and ends with a packet that was lost or thrown away, and within it never [`GMIN`] packets in a row
//! arrive. A loss that stands alone belongs to the gap around it.

use crate::rtcp::VoipMetrics;
use crate::rtp::Ssrc;
use std::time::Duration;

/// Gmin: as many good packets in a row end a burst (RFC 3611 §4.7.2 recommends 16).
pub const GMIN: u8 = 16;
/// What stands for an unknown score or rating (RFC 3611 §4.7.5).
const UNKNOWN: u8 = 127;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It was played.
    Played,
    /// It never came.
    Lost,
    /// It came too late or too early, and the jitter buffer threw it away.
    Discarded,
}

/// Counts packets in the order in which they should have been played. A copy of it is a moment of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BurstCounter {
    lost: u64,
    discarded: u64,
    /// Packets of closed bursts, and how many of these failed.
    burst: (u64, u64),
    bursts: u64,
    /// The same of gaps.
    gap: (u64, u64),
    /// From the first to the last failure that may become a burst.
    open: (u64, u64),
    /// Good packets since the last failure, or since the start.
    good: u64,
}

/// How losses cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bursts {
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Share of packets that came and were thrown away, 0 to 1.
    pub discard: f64,
    /// Share of packets lost or thrown away within bursts, 0 to 1.
    pub burst_density: f64,
    /// The same in the gaps.
    pub gap_density: f64,
    /// Mean length of a burst; zero without any.
    pub burst_duration: Duration,
    /// Mean length of a gap.
    pub gap_duration: Duration,
    /// How many bursts there were.
    pub bursts: u64,
}

impl BurstCounter {
    /// Nothing counted.
    #[must_use]
    pub fn new() -> BurstCounter {
        BurstCounter::default()
    }

    /// Counts a packet.
    pub fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Played => {
                self.good += 1;
                return;
            }
            Fate::Lost => self.lost += 1,
            Fate::Discarded => self.discarded += 1,
        }
        if self.open.0 > 0 && self.good < u64::from(GMIN) {
            self.open = (self.open.0 + self.good + 1, self.open.1 + 1);
        } else {
            self.close();
            self.open = (1, 1);
        }
        self.good = 0;
    }

    /// What came last is a burst or belongs to a gap, and so do the good packets after it.
    fn close(&mut self) {
        let part = if self.open.1 > 1 {
            self.bursts += 1;
            &mut self.burst
        } else {
            &mut self.gap
        };
        *part = (part.0 + self.open.0, part.1 + self.open.1);
        self.open = (0, 0);
        self.gap.0 += self.good;
        self.good = 0;
    }

    /// The figures up to now, for packets of this length.
    #[must_use]
    pub fn figures(&self, packet: Duration) -> Bursts {
        let mut all = *self;
        all.close();
        let share = |(of, part): (u64, u64)| {
            if of == 0 {
                0.0
            } else {
                part as f64 / of as f64
            }
        };
        let total = all.burst.0 + all.gap.0;
        let mean = |packets: u64, count: u64| packet.mul_f64(packets as f64 / count.max(1) as f64);
        Bursts {
            loss: share((total, all.lost)),
            discard: share((total, all.discarded)),
            burst_density: share(all.burst),
            gap_density: share(all.gap),
            burst_duration: mean(all.burst.0, all.bursts),
            // One before each burst, or what there is without any.
            gap_duration: mean(all.gap.0, all.bursts),
            bursts: all.bursts,
        }
    }
}

impl Bursts {
    /// The block of an extended report (RFC 3611 §4.7) about `ssrc` with these figures. Ratings and scores stand as
    /// unknown, delays as zero: set what is known.
    #[must_use]
    pub fn voip_metrics(&self, ssrc: Ssrc) -> VoipMetrics {
        let of_256 = |share: f64| (share * 256.0).clamp(0.0, 255.0) as u8;
        let ms = |length: Duration| u16::try_from(length.as_millis()).unwrap_or(u16::MAX);
        VoipMetrics {
            ssrc,
            loss_rate: of_256(self.loss),
            discard_rate: of_256(self.discard),
            burst_density: of_256(self.burst_density),
            gap_density: of_256(self.gap_density),
            burst_duration: ms(self.burst_duration),
            gap_duration: ms(self.gap_duration),
            r_factor: UNKNOWN,
            mos_lq: UNKNOWN,
            mos_cq: UNKNOWN,
            gmin: GMIN,
            ..VoipMetrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(20);

    /// `.` played, `x` lost, `o` thrown away.
    fn figures(pattern: &str) -> Bursts {
        let mut counter = BurstCounter::new();
        for fate in pattern.chars() {
            counter.count(match fate {
                'x' => Fate::Lost,
                'o' => Fate::Discarded,
                _ => Fate::Played,
            });
        }
        counter.figures(PACKET)
    }

    #[test]
    fn bursts_are_cut_where_rfc_3611_cuts_them() {
        let good = |n: usize| ".".repeat(n);
        // Fifteen good ones do not end a burst, sixteen do.
        let one = figures(&format!("{}x{}x{}", good(20), good(15), good(20)));
        assert_eq!((one.bursts, one.burst_duration), (1, 17 * PACKET));
        assert_eq!(one.burst_density, 2.0 / 17.0);
        assert_eq!((one.gap_density, one.gap_duration), (0.0, 40 * PACKET));
        let none = figures(&format!("{}x{}x{}", good(20), good(16), good(20)));
        assert_eq!((none.bursts, none.burst_duration), (0, Duration::ZERO));
        assert_eq!(none.gap_density, 2.0 / 58.0);
        // Two bursts of four, half of each lost or thrown away.
        let two = figures(&format!("{}x..o{}o..x{}", good(30), good(30), good(32)));
        assert_eq!((two.bursts, two.burst_duration), (2, 4 * PACKET));
        assert_eq!((two.burst_density, two.gap_density), (0.5, 0.0));
        assert_eq!((two.loss, two.discard), (0.02, 0.02));
        assert_eq!(two.gap_duration, 46 * PACKET);
    }

    #[test]
    fn nothing_and_nothing_but_loss_are_figures_too() {
        assert_eq!(figures("").loss, 0.0);
        let all = figures("xxxx");
        assert_eq!((all.loss, all.burst_density, all.bursts), (1.0, 1.0, 1));
        assert_eq!(all.voip_metrics(Ssrc(7)).loss_rate, 255);
    }

    #[test]
    fn the_block_holds_what_was_counted_and_says_what_it_does_not_know() {
        let block = figures(&format!("{}x..o", ".".repeat(60))).voip_metrics(Ssrc(7));
        let want = VoipMetrics {
            ssrc: Ssrc(7),
            loss_rate: 4,
            discard_rate: 4,
            burst_density: 128,
            gap_density: 0,
            burst_duration: 80,
            gap_duration: 1200,
            r_factor: 127,
            mos_lq: 127,
            mos_cq: 127,
            gmin: 16,
            ..VoipMetrics::default()
        };
        assert_eq!(block, want);
    }
}
