//! Join and leave tones: what a room plays when somebody comes or goes.

use std::collections::VecDeque;

use super::source::Source;
use super::{ListenerId, Mixer, MixerError, SourceId};
use crate::rate::Rate;
use crate::tone::Tone;

/// Both notes of a tone last this long, ms.
const NOTE_MS: usize = 120;
/// Fades at either end of a note, ms.
const FADE_MS: usize = 10;
/// Level of the notes, dBov: heard, and well below speech.
const LEVEL: f64 = -26.0;
/// Tones that wait at most: when fifty people come at once, nobody wants to hear fifty.
const MOST_WAITING: usize = 4;

/// What a room plays when somebody comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chime {
    /// Two notes, the second one higher.
    Join,
    /// Two notes, the second one lower.
    Leave,
}

impl Chime {
    /// The notes as PCM, of 240 ms together.
    pub fn samples(self, rate: Rate) -> Vec<i16> {
        let notes = match self {
            Chime::Join => [587.33, 880.0],
            Chime::Leave => [880.0, 587.33],
        };
        let (len, fade) = (rate.samples(NOTE_MS), rate.samples(FADE_MS));
        let mut pcm = vec![0; len * notes.len()];
        for (note, hz) in pcm.chunks_exact_mut(len).zip(notes) {
            Tone::new(rate, hz, LEVEL).fill(note);
            for at in 0..fade {
                for end in [at, len - 1 - at] {
                    note[end] = (i32::from(note[end]) * at as i32 / fade as i32) as i16;
                }
            }
        }
        pcm
    }
}

/// The source that plays them, and what waits.
pub(super) struct Chimes {
    source: SourceId,
    join: Vec<i16>,
    leave: Vec<i16>,
    /// Each with who does not hear it.
    waiting: VecDeque<(Chime, Option<ListenerId>)>,
    /// How much of the first one was played.
    played: usize,
    /// Who did not hear the last one.
    silent_for: Option<ListenerId>,
}

impl Mixer {
    /// Play a tone to everyone but `except`: who comes need not be told. It is mixed as a voice is, whatever
    /// [`MixerConfig::max_talkers`](super::MixerConfig::max_talkers) says, and is in no report. Tones that come while one
    /// plays wait for it; a fifth one is left out.
    ///
    /// The first one takes a place among the sources.
    ///
    /// # Errors
    /// [`MixerError::Full`]; [`MixerError::Gone`] if `except` is no listener.
    pub fn chime(&mut self, chime: Chime, except: Option<ListenerId>) -> Result<(), MixerError> {
        if except.is_some_and(|listener| self.listeners.get(listener.0).is_none()) {
            return Err(MixerError::Gone);
        }
        if self.chimes.is_none() {
            let rate = Rate::Khz16;
            let source = self.add_source(rate)?;
            if let Some(Source { house, .. }) = self.sources.get_mut(source.0) {
                *house = true;
            }
            self.chimes = Some(Box::new(Chimes {
                source,
                join: Chime::Join.samples(rate),
                leave: Chime::Leave.samples(rate),
                waiting: VecDeque::with_capacity(MOST_WAITING),
                played: 0,
                silent_for: None,
            }));
        }
        if let Some(chimes) = &mut self.chimes
            && chimes.waiting.len() < MOST_WAITING
        {
            chimes.waiting.push_back((chime, except));
            let source = chimes.source;
            if let Some(listener) = except {
                // Now, so that no tick has to make a converter.
                self.set_hidden(listener, source, true)?;
            }
        }
        Ok(())
    }

    /// Give this tick's part of a tone to its source.
    pub(super) fn feed_chimes(&mut self) {
        let Some(mut chimes) = self.chimes.take() else {
            return;
        };
        // A tick after its end, when filters have forgotten it.
        if let Some(listener) = chimes.silent_for.take()
            && !chimes.waiting.iter().any(|(_, e)| *e == Some(listener))
        {
            // Gone by now: then there is nothing to undo.
            let _ = self.set_hidden(listener, chimes.source, false);
        }
        if let Some(&(chime, except)) = chimes.waiting.front() {
            let pcm = match chime {
                Chime::Join => &chimes.join,
                Chime::Leave => &chimes.leave,
            };
            let tick = Rate::Khz16.samples(self.config.tick.ms());
            let end = (chimes.played + tick).min(pcm.len());
            let _ = self.push(chimes.source, &pcm[chimes.played..end]);
            chimes.played = end;
            if end == pcm.len() {
                chimes.played = 0;
                chimes.waiting.pop_front();
                chimes.silent_for = except;
            }
        }
        self.chimes = Some(chimes);
    }
}
