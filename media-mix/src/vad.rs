//! Voice activity: is this frame speech, or the room it is spoken in?
//!
//! The level of a frame is compared with a floor that follows the quietest of the last seconds: down at once, up slowly.
//! Speech varies by tens of decibels from syllable to syllable while fans, streets and lines do not, so what stays put
//! becomes floor, however loud.

use crate::simd::energy;

/// How far above the floor speech begins, dB.
const MARGIN: f32 = 8.0;
/// Nothing this quiet is speech, dBov.
const QUIETEST: f32 = -60.0;
/// How fast the floor rises towards the level, dB a second: new noise is learnt in a few seconds, a long vowel is not.
const RISE: f32 = 5.0;

/// Judges the frames of one stream.
#[derive(Clone, Debug)]
pub struct VoiceDetector {
    floor: f32,
    /// Time for which a pause still counts as speech, ms.
    hangover_ms: u32,
    left_ms: u32,
}

impl Default for VoiceDetector {
    /// With 200 ms of hangover: pauses between words are speech.
    fn default() -> Self {
        Self::new(200)
    }
}

impl VoiceDetector {
    /// With a hangover of one's own, ms.
    pub fn new(hangover_ms: u32) -> Self {
        VoiceDetector {
            floor: -70.0,
            hangover_ms,
            left_ms: 0,
        }
    }

    /// Judge a frame of `ms` milliseconds (10 to 60 are sensible). True for speech, and for the hangover after it.
    pub fn hear(&mut self, frame: &[i16], ms: u32) -> bool {
        if frame.is_empty() {
            return self.left_ms > 0;
        }
        let mean = energy(frame) as f64 / frame.len() as f64;
        let level = (10.0 * (mean.max(1e-3) / (32_768.0 * 32_768.0)).log10()) as f32;
        if level < self.floor {
            self.floor = level.max(-90.0);
        } else {
            self.floor = (self.floor + RISE * ms as f32 / 1000.0).min(level);
        }
        if level > QUIETEST && level > self.floor + MARGIN {
            self.left_ms = self.hangover_ms;
            return true;
        }
        let speech = self.left_ms > 0;
        self.left_ms = self.left_ms.saturating_sub(ms);
        speech
    }

    /// What it takes for the level of the room, dBov.
    pub fn floor_dbov(&self) -> f32 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comfort::ComfortNoise;
    use crate::level::Level;
    use crate::rate::Rate;
    use crate::tone::Tone;

    #[test]
    fn syllables_are_speech_and_the_room_is_not() {
        let mut room = ComfortNoise::white(Level::from_wire(45));
        let mut voice = Tone::dual(Rate::Khz8, 150.0, 900.0, -25.0);
        let mut detector = VoiceDetector::default();
        let (mut right, mut wrong) = (0, 0);
        for n in 0..1500 {
            let (mut frame, mut spoken) = ([0; 160], [0; 160]);
            room.fill(&mut frame);
            voice.fill(&mut spoken);
            // Two seconds of syllables, 200 ms on and 100 ms off, then three of silence.
            let talking = n % 250 < 100;
            if talking && n % 15 < 10 {
                frame.iter_mut().zip(spoken).for_each(|(f, s)| *f += s);
            }
            let heard = detector.hear(&frame, 20);
            if n >= 250 && !(100..112).contains(&(n % 250)) {
                *(if heard == talking {
                    &mut right
                } else {
                    &mut wrong
                }) += 1;
            }
        }
        assert!(wrong * 100 < right, "{right} right, {wrong} wrong");
    }

    #[test]
    fn a_fan_is_learnt_and_digital_silence_is_never_speech() {
        let mut detector = VoiceDetector::default();
        for _ in 0..50 {
            assert!(!detector.hear(&[0; 160], 20));
        }
        let mut fan = ComfortNoise::white(Level::from_wire(30));
        let mut frame = [0; 160];
        let mut judged = Vec::new();
        for _ in 0..1000 {
            fan.fill(&mut frame);
            judged.push(detector.hear(&frame, 20));
        }
        assert!(judged[5], "at first it might be someone");
        assert!(judged[700..].iter().all(|&speech| !speech));
    }
}
