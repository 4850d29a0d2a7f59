//! What a participant of the application says: nothing, tones, a clip, or what the application writes as it goes.

use super::tap::{FeedSource, PcmWriter, feed};
use media_mix::{Clip, Player, Rate, Tone};

/// The voice of a participant that is not a phone.
#[derive(Debug)]
pub struct Voice(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Silent,
    Tone(Tone),
    Player(Rate, Player),
    Feed(FeedSource),
}

impl Voice {
    /// Says nothing.
    pub fn silent() -> Self {
        Self(Kind::Silent)
    }

    /// Sounds a tone, or several, without end.
    pub fn tone(tone: Tone) -> Self {
        Self(Kind::Tone(tone))
    }

    /// Plays a clip once, or again and again.
    pub fn clip(clip: Clip, repeat: bool) -> Self {
        let rate = clip.rate();
        let mut player = Player::new(rate, 1);
        // Cannot be refused: the queue is empty.
        let _ = player.repeat(clip, if repeat { None } else { Some(1) });
        Self(Kind::Player(rate, player))
    }

    /// Says what the application writes.
    pub fn feed(rate: Rate) -> (PcmWriter, Self) {
        let (writer, source) = feed(rate);
        (writer, Self(Kind::Feed(source)))
    }

    /// The rate of its samples, or `None` when it has none.
    pub fn rate(&self) -> Option<Rate> {
        match &self.0 {
            Kind::Silent => None,
            Kind::Tone(tone) => Some(tone.rate()),
            Kind::Player(rate, _) => Some(*rate),
            Kind::Feed(source) => Some(source.rate()),
        }
    }

    /// The next samples; silence after the end of a clip.
    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        match &mut self.0 {
            Kind::Silent => out.fill(0),
            Kind::Tone(tone) => tone.fill(out),
            Kind::Feed(source) => source.fill(out),
            Kind::Player(_, player) => {
                player.fill(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(mut voice: Voice, samples: usize) -> Vec<i16> {
        let mut out = vec![99; samples];
        voice.fill(&mut out);
        out
    }

    #[test]
    fn a_clip_ends_in_silence_or_begins_again() {
        let clip = |repeat| Voice::clip(Clip::new(Rate::Khz8, vec![1, 2, 3]), repeat);
        assert_eq!(heard(clip(false), 5), [1, 2, 3, 0, 0]);
        assert_eq!(heard(clip(true), 7), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(
            heard(Voice::clip(Clip::new(Rate::Khz8, Vec::new()), true), 2),
            [0, 0]
        );
    }

    #[test]
    fn silence_and_a_feed_that_is_late() {
        assert_eq!(heard(Voice::silent(), 2), [0, 0]);
        let (mut writer, voice) = Voice::feed(Rate::Khz16);
        writer.write(&[5]);
        assert_eq!(heard(voice, 2), [5, 0]);
    }
}
