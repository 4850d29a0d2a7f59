//! How a call sounds, from what was counted: the E-model (ITU-T G.107), in full.
//!
//! The model adds up impairments. With every parameter at its default ([`Line::default`]) the rating is R = 93.2;
//! delay takes `Id` away, the codec and packet loss take `Ie,eff`. The codec's figures `Ie` and `Bpl` (G.113,
//! appendix I) are handed in as plain numbers: which codec has which is not known here.
//!
//! Wideband speech has a scale of its own (G.107.1): R = 129 at its defaults, its own `Ie` and `Bpl` (G.113,
//! appendix IV), and the score of `R / 1.29`. So G.711 and G.722 are not to be compared by R, but by how far each is
//! from its best. What delay takes away there is taken over from the narrow-band model: G.107.1 weighs echo a
//! little differently.

mod bursts;
mod e_model;

pub use bursts::{BurstCounter, Bursts, Fate, GMIN};
pub use e_model::Line;

use std::time::Duration;

/// R of a narrowband call with every parameter at its default (G.107 §7.7).
pub const DEFAULT_R: f64 = 93.2;
/// R of a wideband call with every parameter at its default (G.107.1 §7).
pub const WIDEBAND_R: f64 = 129.0;

/// What a codec does to the rating (G.113, appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecImpairment {
    /// Equipment impairment without loss: 0 for G.711.
    pub ie: f64,
    /// Robustness against loss: 25.1 for G.711 with concealment, 4.3 without.
    pub bpl: f64,
}

/// What the network did to a call, or to a piece of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// The share of frames that were not played, lost and late ones, 0 to 1.
    pub loss: f64,
    /// How bursty the loss is: mean run of losses by what it would be at random; 1 is random (G.107 §7.5).
    pub burst_ratio: f64,
    /// Mouth to ear, one way: half the round trip, the jitter buffer's delay, and a packet's length twice.
    pub delay: Duration,
}

impl Conditions {
    /// A perfect line.
    #[must_use]
    pub fn perfect() -> Conditions {
        Conditions {
            loss: 0.0,
            burst_ratio: 1.0,
            delay: Duration::ZERO,
        }
    }
}

/// The rating factor R of a line at its defaults, 0 to 93.2 (G.107 §7.1).
#[must_use]
pub fn r_factor(codec: CodecImpairment, conditions: Conditions) -> f64 {
    Line::default().r_factor(codec, conditions)
}

/// The rating factor of wideband speech, 0 to 129 (G.107.1 §7). `codec` holds the wideband figures (`Ie,wb`).
#[must_use]
pub fn r_factor_wideband(codec: CodecImpairment, conditions: Conditions) -> f64 {
    let line = Line::default();
    let delay = line.delay_impairment(conditions.delay) - line.delay_impairment(Duration::ZERO);
    (WIDEBAND_R - delay - e_model::loss(codec, conditions)).clamp(0.0, WIDEBAND_R)
}

/// The mean opinion score of a wideband rating, 1 to 4.5 (G.107.1 annex A).
#[must_use]
pub fn mos_wideband(r: f64) -> f64 {
    mos(r / 1.29)
}

/// The mean opinion score of a rating, 1 to 4.5 (G.107 annex B).
#[must_use]
pub fn mos(r: f64) -> f64 {
    if r <= 0.0 || r.is_nan() {
        return 1.0;
    }
    if r >= 100.0 {
        return 4.5;
    }
    // The polynomial dips below 1 for R under 6.5.
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// The mean opinion score of a call's conditions.
#[must_use]
pub fn estimate(codec: CodecImpairment, conditions: Conditions) -> f64 {
    mos(r_factor(codec, conditions))
}

/// The mean opinion score of a call of wideband speech. `codec` holds the wideband figures.
#[must_use]
pub fn estimate_wideband(codec: CodecImpairment, conditions: Conditions) -> f64 {
    mos_wideband(r_factor_wideband(codec, conditions))
}

/// Counts losses and how they cluster, frame by frame in the order of playing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LossCounter {
    frames: u64,
    lost: u64,
    bursts: u64,
    longest: u64,
    run: u64,
}

impl LossCounter {
    /// Nothing counted.
    #[must_use]
    pub fn new() -> LossCounter {
        LossCounter::default()
    }

    /// Counts a frame that was played, or that was not.
    pub fn count(&mut self, played: bool) {
        self.frames += 1;
        if played {
            self.run = 0;
            return;
        }
        self.lost += 1;
        self.run += 1;
        if self.run == 1 {
            self.bursts += 1;
        }
        self.longest = self.longest.max(self.run);
    }

    /// Frames counted.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames that were not played.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The longest run of them.
    #[must_use]
    pub fn longest_burst(&self) -> u64 {
        self.longest
    }

    /// The share that was not played, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.frames == 0 {
            return 0.0;
        }
        self.lost as f64 / self.frames as f64
    }

    /// The mean run of losses by what it would be at random, `1 / (1 − loss)` (G.107 §7.5); at least 1.
    #[must_use]
    pub fn burst_ratio(&self) -> f64 {
        if self.bursts == 0 {
            return 1.0;
        }
        let mean = self.lost as f64 / self.bursts as f64;
        (mean * (1.0 - self.loss())).max(1.0)
    }

    /// What was counted since `before`, an earlier copy of this counter: for figures by interval.
    #[must_use]
    pub fn since(&self, before: &LossCounter) -> LossCounter {
        LossCounter {
            frames: self.frames.saturating_sub(before.frames),
            lost: self.lost.saturating_sub(before.lost),
            bursts: self.bursts.saturating_sub(before.bursts),
            longest: self.longest,
            run: self.run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G711: CodecImpairment = CodecImpairment { ie: 0.0, bpl: 25.1 };

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 0.005, "{a} is not {b}");
    }

    #[test]
    fn a_perfect_narrowband_call_scores_4_41() {
        assert!((r_factor(G711, Conditions::perfect()) - DEFAULT_R).abs() < 0.05);
        close(mos(93.2), 4.41);
    }

    /// The table of G.107 annex B: R against MOS.
    #[test]
    fn scores_as_the_table_of_g107_annex_b() {
        // The table rounds, and not always to the nearest.
        for (r, score) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            assert!((mos(r) - score).abs() < 0.01, "{r}");
        }
        close(mos(0.0), 1.0);
        close(mos(3.0), 1.0);
        close(mos(100.0), 4.5);
        close(mos(f64::NAN), 1.0);
    }

    #[test]
    fn loss_costs_what_the_formula_says() {
        let at = |loss: f64, burst_ratio: f64| {
            r_factor(
                G711,
                Conditions {
                    loss,
                    burst_ratio,
                    delay: Duration::ZERO,
                },
            )
        };
        let best = at(0.0, 1.0);
        // Ie,eff = 95 × 5 / (5 + 25.1)
        close(at(0.05, 1.0), best - 95.0 * 5.0 / 30.1);
        // Bursts of twice the random length: 95 × 5 / (2.5 + 25.1)
        close(at(0.05, 2.0), best - 95.0 * 5.0 / 27.6);
        assert!(at(1.0, 1.0) < 20.0);
        assert!(at(f64::NAN, 1.0).is_nan() || at(f64::NAN, 1.0) >= 0.0);
    }

    #[test]
    fn wideband_has_its_own_scale() {
        let g722 = CodecImpairment {
            ie: 13.0,
            bpl: 13.0,
        };
        let r = r_factor_wideband(g722, Conditions::perfect());
        close(r, 116.0);
        close(mos_wideband(129.0), 4.5);
        assert!(mos_wideband(r) < 4.45 && mos_wideband(r) > 4.3);
        let lossy = Conditions {
            loss: 0.05,
            ..Conditions::perfect()
        };
        // 13 + 82 × 5 / (5 + 13)
        close(r_factor_wideband(g722, lossy), r - 82.0 * 5.0 / 18.0);
        let late = Conditions {
            delay: Duration::from_millis(300),
            ..Conditions::perfect()
        };
        assert!(r_factor_wideband(g722, late) < r - 15.0);
    }

    #[test]
    fn bursts_are_told_from_random_loss() {
        let mut alone = LossCounter::new();
        let mut bursty = LossCounter::new();
        for n in 0..1000 {
            alone.count(n % 10 != 0);
            bursty.count(n % 50 >= 5);
        }
        assert_eq!((alone.lost(), bursty.lost()), (100, 100));
        close(alone.burst_ratio(), 1.0);
        close(bursty.burst_ratio(), 5.0 * 0.9);
        assert_eq!(bursty.longest_burst(), 5);
        let before = bursty;
        bursty.count(true);
        assert_eq!(bursty.since(&before).frames(), 1);
    }
}
