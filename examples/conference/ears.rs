//! Whether one who listens hears everyone else, and nothing of itself.

use std::time::Duration;

use examples::spectrum::Spectrum;
use media_mix::Rate;
use signaling::engine::PcmReader;
use tokio::time::{Instant, sleep};

/// The level of each voice of the demo, in dBFS where a full-scale sine has 0.
pub(crate) const VOICE_DBFS: f64 = -18.0;

/// A full-scale sine in dBov, where a full-scale square has 0.
const SINE_DBOV: f64 = -3.0103;

/// [`VOICE_DBFS`] in dBov.
pub(crate) const VOICE_DBOV: f64 = VOICE_DBFS + SINE_DBOV;

/// How far a voice may be from its level, in dB.
const TOLERANCE: f64 = 1.5;

/// What else may be heard, relative to the strongest voice, in dB.
const LIMIT: f64 = -40.0;

/// How long a state is given to settle.
const SETTLE: Duration = Duration::from_millis(250);

/// How long nothing may come before the waiting ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often at most it is listened to: a busy machine gets a second hearing.
const LISTENINGS: usize = 3;

/// Somebody who listens at 48 kHz.
pub(crate) struct Ear {
    pub(crate) who: String,
    pub(crate) reader: PcmReader,
    /// What it should hear, in Hz.
    pub(crate) wanted: Vec<usize>,
    /// What it says itself, or what is muted: it must not be heard.
    pub(crate) unwanted: Option<usize>,
}

/// What was heard, and whether that is right.
pub(crate) struct Heard {
    pub(crate) figure: String,
    pub(crate) pass: bool,
}

/// Lets the room settle, and listens for a second with every ear; what was not right is listened to again.
pub(crate) async fn listen(ears: &mut [Ear]) -> Vec<Heard> {
    let mut heard = once(ears).await;
    for _ in 1..LISTENINGS {
        if heard.iter().all(|heard| heard.pass) {
            break;
        }
        for (heard, again) in heard.iter_mut().zip(once(ears).await) {
            if !heard.pass {
                *heard = again;
            }
        }
    }
    heard
}

async fn once(ears: &mut [Ear]) -> Vec<Heard> {
    sleep(SETTLE).await;
    let second = Rate::Khz48.hz() as usize;
    let mut tapes = vec![Vec::new(); ears.len()];
    let mut scrap = Vec::new();
    ears.iter_mut().for_each(|ear| {
        ear.reader.drain_into(&mut scrap);
        scrap.clear();
    });
    let deadline = Instant::now() + PATIENCE;
    while tapes.iter().any(|tape| tape.len() < second) && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
        for (ear, tape) in ears.iter_mut().zip(&mut tapes) {
            ear.reader.drain_into(tape);
        }
    }
    ears.iter()
        .zip(&tapes)
        .map(|(ear, tape)| ear.judge(tape))
        .collect()
}

impl Ear {
    /// Of the first second of `tape`.
    fn judge(&self, tape: &[i16]) -> Heard {
        let Some(spectrum) = Spectrum::of(tape, Rate::Khz48.hz() as usize) else {
            return Heard {
                figure: "not a whole second came".into(),
                pass: false,
            };
        };
        let levels: Vec<_> = self.wanted.iter().map(|&hz| spectrum.level(hz)).collect();
        let strongest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let there = levels
            .iter()
            .all(|level| (level - VOICE_DBFS).abs() <= TOLERANCE);
        let other = spectrum.loudest_other(&self.wanted);
        let mut figure = self
            .wanted
            .iter()
            .zip(&levels)
            .map(|(hz, level)| format!("{hz} Hz {level:.1}"))
            .collect::<Vec<_>>()
            .join(", ");
        let mut absent = true;
        if let Some(hz) = self.unwanted {
            let level = spectrum.level(hz) - strongest;
            absent = level <= LIMIT;
            figure += &format!("; not {hz} Hz: {level:.0} dB");
        }
        figure += &format!("; other {:.0} dB at {} Hz", other.db, other.hz);
        Heard {
            figure,
            pass: there && absent && other.db <= LIMIT,
        }
    }
}
