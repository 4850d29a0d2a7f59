//! Call progress tones: dial, ring back, busy and congestion, as the networks of the world sound
//! (ITU-T E.180 supplement 2, North America as in ANSI T1.401).

use crate::rate::Rate;
use crate::tone::Tone;

/// What the tone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Progress {
    /// Dial now.
    Dial,
    /// The other phone rings.
    Ringback,
    /// The other party is busy.
    Busy,
    /// The network cannot connect the call.
    Congestion,
}

/// Whose network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Country {
    /// What E.180 recommends, and ETSI TR 101 041-2 for Europe: 425 Hz throughout.
    #[default]
    Recommended,
    /// Australia.
    Australia,
    /// France.
    France,
    /// Germany.
    Germany,
    /// Italy.
    Italy,
    /// Japan.
    Japan,
    /// The Netherlands.
    Netherlands,
    /// Spain.
    Spain,
    /// The United Kingdom.
    UnitedKingdom,
    /// The United States and Canada.
    UnitedStates,
}

impl Country {
    /// By its ISO 3166 code of two letters, in any case; `None` for those that are not in the table.
    pub fn from_code(code: &str) -> Option<Country> {
        Some(match code.to_ascii_uppercase().as_str() {
            "AU" => Country::Australia,
            "FR" => Country::France,
            "DE" => Country::Germany,
            "IT" => Country::Italy,
            "JP" => Country::Japan,
            "NL" => Country::Netherlands,
            "ES" => Country::Spain,
            "GB" | "UK" => Country::UnitedKingdom,
            "US" | "CA" => Country::UnitedStates,
            _ => return None,
        })
    }
}

/// Frequencies in Hz and a cadence in ms: on, off, on, off, and round again. An empty cadence is a steady tone.
type Pattern = (&'static [f64], &'static [u16]);

/// A table for people: one line a country and signal that differs from the recommendation.
fn pattern(country: Country, signal: Progress) -> Pattern {
    use Country as C;
    use Progress as P;
    match (country, signal) {
        (C::Australia, P::Dial) => (&[400.0, 425.0, 450.0], &[]),
        (C::Australia, P::Ringback) => (&[400.0, 425.0, 450.0], &[400, 200, 400, 2000]),
        (C::Australia, P::Busy | P::Congestion) => (&[425.0], &[375, 375]),
        (C::France, P::Dial) => (&[440.0], &[]),
        (C::France, P::Ringback) => (&[440.0], &[1500, 3500]),
        (C::France, P::Busy) => (&[440.0], &[500, 500]),
        (C::France, P::Congestion) => (&[440.0], &[250, 250]),
        (C::Germany, P::Busy) => (&[425.0], &[480, 480]),
        (C::Germany, P::Congestion) => (&[425.0], &[240, 240]),
        (C::Italy, P::Dial) => (&[425.0], &[200, 200, 600, 1000]),
        (C::Italy, P::Congestion) => (&[425.0], &[200, 200]),
        (C::Japan, P::Dial) => (&[400.0], &[]),
        (C::Japan, P::Ringback) => (&[385.0, 400.0, 415.0], &[1000, 2000]),
        (C::Japan, P::Busy | P::Congestion) => (&[400.0], &[500, 500]),
        (C::Spain, P::Ringback) => (&[425.0], &[1500, 3000]),
        (C::Spain, P::Busy) => (&[425.0], &[200, 200]),
        (C::Spain, P::Congestion) => (&[425.0], &[200, 200, 200, 200, 200, 600]),
        (C::UnitedKingdom, P::Dial) => (&[350.0, 440.0], &[]),
        (C::UnitedKingdom, P::Ringback) => (&[400.0, 450.0], &[400, 200, 400, 2000]),
        (C::UnitedKingdom, P::Busy) => (&[400.0], &[375, 375]),
        (C::UnitedKingdom, P::Congestion) => (&[400.0], &[400, 350, 225, 525]),
        (C::UnitedStates, P::Dial) => (&[350.0, 440.0], &[]),
        (C::UnitedStates, P::Ringback) => (&[440.0, 480.0], &[2000, 4000]),
        (C::UnitedStates, P::Busy) => (&[480.0, 620.0], &[500, 500]),
        (C::UnitedStates, P::Congestion) => (&[480.0, 620.0], &[250, 250]),
        (_, P::Dial) => (&[425.0], &[]),
        (_, P::Ringback) => (&[425.0], &[1000, 4000]),
        (_, P::Busy) => (&[425.0], &[500, 500]),
        (_, P::Congestion) => (&[425.0], &[250, 250]),
    }
}

/// A progress tone that goes on for as long as it is asked.
#[derive(Clone, Debug)]
pub struct ProgressTone {
    tone: Tone,
    cadence: &'static [u16],
    /// Which part of the cadence, and samples left of it.
    part: usize,
    left: usize,
}

impl ProgressTone {
    /// The tone for a signal, at `rate`, all its frequencies together at `dbov` (networks send about -19).
    pub fn new(rate: Rate, country: Country, signal: Progress, dbov: f64) -> Self {
        let (frequencies, cadence) = pattern(country, signal);
        let each = dbov - 10.0 * (frequencies.len() as f64).log10();
        let (first, rest) = frequencies
            .split_first()
            .map_or((425.0, &[][..]), |(first, rest)| (*first, rest));
        let tone = rest
            .iter()
            .fold(Tone::new(rate, first, each), |tone, &hz| tone.and(hz, each));
        let left = cadence
            .first()
            .map_or(usize::MAX, |&ms| rate.samples(usize::from(ms)));
        ProgressTone {
            tone,
            cadence,
            part: 0,
            left,
        }
    }

    /// Fill `out` with what comes next.
    pub fn fill(&mut self, mut out: &mut [i16]) {
        while !out.is_empty() {
            let now = out.len().min(self.left);
            let (part, rest) = out.split_at_mut(now);
            if self.part.is_multiple_of(2) {
                self.tone.fill(part);
            } else {
                part.fill(0);
            }
            out = rest;
            if self.cadence.is_empty() {
                continue;
            }
            self.left -= now;
            if self.left == 0 {
                self.part = (self.part + 1) % self.cadence.len();
                self.left = self
                    .tone
                    .rate()
                    .samples(usize::from(self.cadence[self.part]));
                // Each burst begins at a zero crossing.
                self.tone.restart();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;

    #[test]
    fn every_cadence_is_whole_and_every_tone_is_as_loud_as_asked() {
        let countries = ["AU", "FR", "de", "IT", "JP", "NL", "ES", "GB", "US", "CA"]
            .map(|c| Country::from_code(c).unwrap());
        for country in countries.into_iter().chain([Country::default()]) {
            for signal in [
                Progress::Dial,
                Progress::Ringback,
                Progress::Busy,
                Progress::Congestion,
            ] {
                let (frequencies, cadence) = pattern(country, signal);
                assert!(cadence.len().is_multiple_of(2) && frequencies.len() <= 4);
                let mut tone = ProgressTone::new(Rate::Khz8, country, signal, -19.0);
                let mut at = Vec::new();
                for _ in 0..600 {
                    let mut frame = [0; 200];
                    tone.fill(&mut frame);
                    at.push(Level::of(&frame).to_wire());
                }
                // In pieces of 25 ms, as all cadences are.
                let mut expected = Vec::new();
                for (n, &ms) in cadence.iter().cycle().enumerate().take(100) {
                    expected.extend(vec![n % 2 == 0; usize::from(ms) / 25]);
                }
                if cadence.iter().all(|ms| ms.is_multiple_of(25)) {
                    expected.resize(600, true);
                    let heard: Vec<_> = at.iter().map(|&level| level < 60).collect();
                    assert_eq!(heard, expected, "{country:?} {signal:?}");
                }
                assert!(
                    at.iter().all(|&level| level == 127 || level > 12),
                    "{country:?} {signal:?}"
                );
                let mut second = vec![0; 2_400];
                ProgressTone::new(Rate::Khz8, country, Progress::Dial, -19.0).fill(&mut second);
            }
        }
        let mut steady =
            ProgressTone::new(Rate::Khz48, Country::UnitedStates, Progress::Dial, -19.0);
        let mut second = vec![0; 48_000];
        steady.fill(&mut second);
        assert_eq!(Level::of(&second).to_wire(), 19);
        assert_eq!(Country::from_code("XX"), None);
    }
}
