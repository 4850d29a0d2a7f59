//! The E-model of narrow-band calls in full (ITU-T G.107 §7): `R = Ro − Is − Id − Ie,eff + A`.
//!
//! Each term is a function of its own, in the order of the Recommendation. With every parameter at its default
//! they come to Ro = 94.77, Is = 1.41, Id = 0.15 and R = 93.2.
//!
//! Left out: the corrections for a sidetone that is far from its default (STMR below 9 or above 20 dB, §7.4).

use super::{CodecImpairment, Conditions};
use std::time::Duration;

/// What a telephone connection is like besides codec, loss and delay: the inputs of table 2 of G.107, each with the
/// default that stands there.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// Send loudness rating (SLR), dB; 8.
    pub send_loudness: f64,
    /// Receive loudness rating (RLR), dB; 2.
    pub receive_loudness: f64,
    /// Sidetone masking rating (STMR), dB; 15.
    pub sidetone: f64,
    /// Listener sidetone rating (LSTR), dB; 18.
    pub listener_sidetone: f64,
    /// D-value of the telephone at the sending side (Ds); 3.
    pub d_send: f64,
    /// Talker echo loudness rating (TELR), dB: how far the echo of one's own voice is down; 65.
    pub talker_echo: f64,
    /// Weighted echo path loss (WEPL), dB: the same of the echo's echo; 110.
    pub listener_echo: f64,
    /// Quantizing distortion units (qdu); 1.
    pub quantizing: f64,
    /// Circuit noise (Nc), dBm0p; −70.
    pub circuit_noise: f64,
    /// Noise floor at the receiving side (Nfor), dBmp; −64.
    pub noise_floor: f64,
    /// Room noise at the sending side (Ps), dB(A); 35.
    pub room_noise_send: f64,
    /// Room noise at the receiving side (Pr), dB(A); 35.
    pub room_noise_receive: f64,
    /// Advantage factor (A): what people forgive for a convenience; 0, at most 20.
    pub advantage: f64,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            send_loudness: 8.0,
            receive_loudness: 2.0,
            sidetone: 15.0,
            listener_sidetone: 18.0,
            d_send: 3.0,
            talker_echo: 65.0,
            listener_echo: 110.0,
            quantizing: 1.0,
            circuit_noise: -70.0,
            noise_floor: -64.0,
            room_noise_send: 35.0,
            room_noise_receive: 35.0,
            advantage: 0.0,
        }
    }
}

impl Line {
    /// The rating factor R, 0 to 100 (§7.1).
    #[must_use]
    pub fn r_factor(&self, codec: CodecImpairment, conditions: Conditions) -> f64 {
        let basic = self.basic();
        let rating = basic
            - self.simultaneous(basic)
            - self.delay_impairment(conditions.delay)
            - loss(codec, conditions)
            + self.advantage;
        rating.clamp(0.0, 100.0)
    }

    /// No: all noise as one at a point of 0 dBr (§7.2), dBm0p.
    fn noise(&self) -> f64 {
        let overall = self.send_loudness + self.receive_loudness;
        let (ps, pr) = (self.room_noise_send, self.room_noise_receive);
        let send = ps - self.send_loudness - self.d_send - 100.0
            + 0.004 * (ps - overall - self.d_send - 14.0).powi(2);
        let effective = pr + sum_db(&[0.0, 10.0 - self.listener_sidetone]);
        let receive =
            self.receive_loudness - 121.0 + effective + 0.008 * (effective - 35.0).powi(2);
        let floor = self.noise_floor + self.receive_loudness;
        sum_db(&[self.circuit_noise, send, receive, floor])
    }

    /// Ro: signal to noise (§7.2).
    fn basic(&self) -> f64 {
        15.0 - 1.5 * (self.send_loudness + self.noise())
    }

    /// Is: what comes with the voice (§7.3).
    fn simultaneous(&self, basic: f64) -> f64 {
        let overall = self.send_loudness + self.receive_loudness;
        let x = (overall + 0.2 * (64.0 + self.noise() - self.receive_loudness)) / 8.0;
        let too_loud = 20.0 * ((1.0 + x.powi(8)).powf(1.0 / 8.0) - x);

        // Echo without delay is sidetone.
        let stmr = -sum_db(&[-self.sidetone, -self.talker_echo]);
        let bend = |offset: f64, width: f64, n: i32| {
            (1.0 + ((stmr + offset) / width).powi(n)).powf(1.0 / f64::from(n))
        };
        let sidetone =
            12.0 * bend(-13.0, 6.0, 8) - 28.0 * bend(1.0, 19.4, 35) - 13.0 * bend(-3.0, 33.0, 13)
                + 29.0;

        let q = 37.0 - 15.0 * self.quantizing.max(f64::MIN_POSITIVE).log10();
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (basic - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        let quantizing = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10();
        too_loud + sidetone + quantizing
    }

    /// Id: talker echo, listener echo, and the delay itself (§7.4). The echoes travel as the voice does.
    pub(super) fn delay_impairment(&self, delay: Duration) -> f64 {
        let t = delay.as_secs_f64() * 1000.0;
        let talker = if t < 1.0 {
            0.0
        } else {
            let echo = self.talker_echo - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10()
                + 6.0 * (-0.3 * t * t).exp();
            let without = -1.5 * (self.noise() - self.receive_loudness);
            let half = (without - (80.0 + 2.5 * (echo - 14.0))) / 2.0;
            (half + half.hypot(10.0) - 1.0) * (1.0 - (-t).exp())
        };
        let round_trip = 2.0 * t;
        let without = 10.5 * (self.listener_echo + 7.0) * (round_trip + 1.0).powf(-0.25);
        let half = (self.basic() - without) / 2.0;
        let listener = half + half.hypot(13.0);
        talker + listener + pure_delay(t)
    }
}

/// Idd: a conversation suffers from delay beyond 100 ms, echo or not (§7.4). `ms` is one way.
fn pure_delay(ms: f64) -> f64 {
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let sixth = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// Ie,eff (§7.5): `Ie + (95 − Ie) · Ppl / (Ppl / BurstR + Bpl)`.
pub(super) fn loss(codec: CodecImpairment, conditions: Conditions) -> f64 {
    let percent = conditions.loss.clamp(0.0, 1.0) * 100.0;
    if percent > 0.0 {
        let burst = conditions.burst_ratio.max(f64::MIN_POSITIVE);
        codec.ie + (95.0 - codec.ie) * percent / (percent / burst + codec.bpl)
    } else {
        codec.ie
    }
}

/// Powers in dB, added.
fn sum_db(levels: &[f64]) -> f64 {
    10.0 * levels
        .iter()
        .map(|level| 10f64.powf(level / 10.0))
        .sum::<f64>()
        .log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    const G711: CodecImpairment = CodecImpairment { ie: 0.0, bpl: 25.1 };

    fn after(line: Line, ms: u64) -> f64 {
        let mut conditions = Conditions::perfect();
        conditions.delay = Duration::from_millis(ms);
        line.r_factor(G711, conditions)
    }

    /// G.107 §7.7: the terms at the default values of table 2.
    #[test]
    fn every_parameter_at_its_default_gives_93_2() {
        let line = Line::default();
        let basic = line.basic();
        assert!((line.noise() + 61.18).abs() < 0.005, "{}", line.noise());
        assert!((basic - 94.77).abs() < 0.005, "{basic}");
        let simultaneous = line.simultaneous(basic);
        assert!((simultaneous - 1.41).abs() < 0.005, "{simultaneous}");
        let rating = after(line, 0);
        assert!((rating - 93.2).abs() < 0.05, "{rating}");
    }

    /// Cole and Rosenbluth's two lines of 2001, `0.024 d + 0.11 (d − 177.3) H(d − 177.3)`, were fitted to the model
    /// where calls take place; beyond, the model forgives more.
    #[test]
    fn delay_costs_what_the_usual_simplification_says_up_to_300_ms() {
        for ms in (0..=300).step_by(10) {
            let d = f64::from(ms);
            let fitted = 93.2 - 0.024 * d - 0.11 * (d - 177.3).max(0.0);
            let rating = after(Line::default(), ms as u64);
            assert!(
                (rating - fitted).abs() < 0.8,
                "{ms} ms: {rating}, not {fitted}"
            );
        }
        assert!(after(Line::default(), 400) > 60.0);
        assert_eq!(after(Line::default(), 86_400_000), 0.0);
    }

    /// An echo 25 ms away may be as loud as 33 dB down; 300 ms away it ends the conversation.
    #[test]
    fn echo_hurts_the_more_the_later_it_comes() {
        let echo = |talker_echo| Line {
            talker_echo,
            ..Line::default()
        };
        for ms in [25, 50, 100, 300] {
            let of = |telr| after(echo(telr), ms);
            assert!(of(65.0) > of(45.0) && of(45.0) > of(25.0), "{ms}");
        }
        assert!(after(echo(33.0), 25) > 70.0 && after(echo(33.0), 300) < 35.0);
        assert!(after(echo(10.0), 300) < 1.0);
    }

    #[test]
    fn noise_loudness_and_quantizing_count() {
        let best = after(Line::default(), 0);
        for (worse, line) in [
            (
                "room",
                Line {
                    room_noise_receive: 65.0,
                    ..Line::default()
                },
            ),
            (
                "far room",
                Line {
                    room_noise_send: 65.0,
                    ..Line::default()
                },
            ),
            (
                "circuit",
                Line {
                    circuit_noise: -50.0,
                    ..Line::default()
                },
            ),
            (
                "too quiet",
                Line {
                    send_loudness: 20.0,
                    ..Line::default()
                },
            ),
            (
                "too loud",
                Line {
                    send_loudness: -6.0,
                    ..Line::default()
                },
            ),
            (
                "coded often",
                Line {
                    quantizing: 14.0,
                    ..Line::default()
                },
            ),
        ] {
            let rating = after(line, 0);
            assert!(rating < best - 2.0, "{worse}: {rating}");
        }
        let forgiven = Line {
            advantage: 5.0,
            ..Line::default()
        };
        assert!((after(forgiven, 300) - after(Line::default(), 300) - 5.0).abs() < 1e-9);
    }
}
