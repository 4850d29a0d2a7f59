//! Whether one who listens hears what it should, and nothing else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use examples::args::Codec;
use examples::spectrum::{Other, Spectrum, loudness};
use media_mix::{CodecError, CodecOptions, Rate, Registry, Tone};

/// The level of each tone in the demo, in dBFS where a full-scale sine has 0.
pub(crate) const TONE_DBFS: f64 = -12.0;

/// A full-scale sine in dBov, the scale of [`Tone`]: 0 dBov is a full-scale square.
const SINE_DBOV: f64 = -3.0103;

/// [`TONE_DBFS`] in dBov.
pub(crate) const TONE_DBOV: f64 = TONE_DBFS + SINE_DBOV;

/// How far a tone may be from its level, in dB.
const TOLERANCE: f64 = 1.5;

/// What else may be heard, relative to the strongest wanted tone, in dB.
const LIMIT: f64 = -40.0;

/// What counts as silence, in dBFS: 48 dB under the tones, and above the faintest value of A-law, which has no zero
/// (a row of its smallest steps is a square wave at -69 dBFS).
pub(crate) const SILENCE: f64 = -60.0;

/// What somebody should hear.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Tones that must be there, in Hz.
    pub(crate) wanted: Vec<usize>,
    /// The listener's own tone, in Hz, which must not.
    pub(crate) own: usize,
    /// How loud everything else may be, in dB relative to the strongest wanted tone.
    pub(crate) limit: f64,
}

/// What somebody heard in one second.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Each wanted tone and its level in dBFS.
    pub(crate) tones: Vec<(usize, f64)>,
    /// The listener's own tone: where it is, and its level in dB relative to the strongest wanted tone.
    pub(crate) own: Other,
    /// The loudest thing that was not wanted.
    pub(crate) other: Other,
    limit: f64,
    /// Which listening it was; the first is 1.
    listening: u8,
}

impl Expected {
    /// Of one second of `samples`; `None` when they are fewer.
    pub(crate) fn judge(&self, samples: &[i16], rate: Rate, listening: u8) -> Option<Heard> {
        let spectrum = Spectrum::of(samples, rate.hz() as usize)?;
        let tones: Vec<_> = self
            .wanted
            .iter()
            .map(|&hz| (hz, spectrum.level(hz)))
            .collect();
        let strongest = tones
            .iter()
            .map(|(_, level)| *level)
            .fold(f64::NEG_INFINITY, f64::max);
        let own = Other {
            hz: self.own,
            db: spectrum.level(self.own) - strongest,
        };
        Some(Heard {
            tones,
            own,
            other: spectrum.loudest_other(&self.wanted),
            limit: self.limit,
            listening,
        })
    }
}

impl Heard {
    /// Whether every wanted tone is there at its level, and nothing else is.
    pub(crate) fn pass(&self) -> bool {
        self.tones
            .iter()
            .all(|(_, level)| (level - TONE_DBFS).abs() <= TOLERANCE)
            && self.other.db <= self.limit
            && self.own.db <= self.limit
    }
}

impl Heard {
    /// The wanted tones, and the loudest other thing.
    pub(crate) fn in_short(&self) -> String {
        let tones = self
            .tones
            .iter()
            .map(|(hz, level)| format!("{hz} Hz {level:.1} dB, "))
            .collect::<String>();
        format!(
            "{tones}other {:.0} dB{}",
            self.other.db,
            at_listening(self.listening)
        )
    }
}

/// Said only where the first listening was not enough.
pub(crate) fn at_listening(listening: u8) -> String {
    match listening {
        1 => String::new(),
        n => format!(", at listening {n}"),
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (hz, level) in &self.tones {
            write!(f, "{hz} Hz {level:.1} dB, ")?;
        }
        let (own, other) = (self.own, self.other);
        write!(f, "own {} Hz {:.0} dB, ", own.hz, own.db)?;
        write!(
            f,
            "other {:.0} dB at {} Hz (limit {:.0}){}",
            other.db,
            other.hz,
            self.limit,
            at_listening(self.listening)
        )
    }
}

/// What was heard while it should be silent: the level of all of it.
pub(crate) fn silence(samples: &[i16]) -> (f64, bool) {
    let level = loudness(samples);
    (level, !samples.is_empty() && level < SILENCE)
}

/// How loud the rest may be for someone who hears these tones through a codec.
///
/// Waveform codecs keep to −40 dB. Opus models a voice: what it adds to sines is measured by running the same sines
/// through the codec alone, at several places of its stream, and may be exceeded by 3 dB. That takes a while, and is
/// the same for every call. A tone beside them that did not pass the codec adds nothing to it.
///
/// # Errors
/// When the codec refuses its own frames.
pub(crate) fn limit(codec: Codec, hz: &[usize]) -> Result<f64, CodecError> {
    type Measured = HashMap<Vec<usize>, f64>;
    static MEASURED: LazyLock<Mutex<Measured>> = LazyLock::new(Mutex::default);
    if codec != Codec::Opus {
        return Ok(LIMIT);
    }
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    match measured.entry(hz.to_vec()) {
        Entry::Occupied(known) => Ok(*known.get()),
        Entry::Vacant(unknown) => Ok(*unknown.insert(floor(codec, hz)? + 3.0)),
    }
}

/// The loudest thing that a codec alone adds, in dB relative to the strongest tone.
fn floor(codec: Codec, hz: &[usize]) -> Result<f64, CodecError> {
    let registry = Registry::default();
    let Some(codec) = registry
        .iter()
        .find(|known| known.description().name == codec.name())
    else {
        return Ok(LIMIT);
    };
    let description = codec.description();
    let (rate, frame) = (description.rate, description.frame_samples(20));
    let options = CodecOptions::new();
    let (mut encoder, mut decoder) = (codec.encoder(&options)?, codec.decoder(&options)?);
    let mut voice = tones(rate, hz);
    let mut pcm = vec![0; frame];
    let mut payload = vec![0; encoder.max_payload(frame)];
    let mut heard: Vec<i16> = Vec::new();
    for _ in 0..120 {
        voice.fill(&mut pcm);
        let bytes = encoder.encode(&pcm, &mut payload)?;
        let samples = decoder.decode(&payload[..bytes], &mut pcm)?;
        heard.extend_from_slice(&pcm[..samples]);
    }
    let second = rate.hz() as usize;
    let worst = (second / 2..=heard.len().saturating_sub(second))
        .step_by(second / 7)
        .filter_map(|at| Spectrum::of(&heard[at..], second))
        .map(|spectrum| spectrum.loudest_other(hz).db)
        .fold(f64::NEG_INFINITY, f64::max);
    Ok(worst)
}

/// Sines at the demo's level.
pub(crate) fn tones(rate: Rate, hz: &[usize]) -> Tone {
    let silent = Tone::new(rate, 0.0, TONE_DBOV);
    let mut hz = hz.iter().map(|&hz| hz as f64);
    match hz.next() {
        None => silent,
        Some(first) => hz.fold(Tone::new(rate, first, TONE_DBOV), |tone, hz| {
            tone.and(hz, TONE_DBOV)
        }),
    }
}
