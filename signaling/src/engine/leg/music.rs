//! What a phone hears while we hold it, when that is not silence.

use super::Leg;
use crate::engine::voice::Voice;
use media_mix::{Mixer, MixerError, Rate, SourceId};

/// A voice that one phone alone hears.
pub(super) struct Music {
    voice: Voice,
    source: SourceId,
    rate: Rate,
}

impl Leg {
    /// Plays `voice` to the phone while we hold it, until the hold ends; a voice without sound gives back silence.
    pub(in crate::engine) fn set_music(
        &mut self,
        mixer: &mut Mixer,
        voice: Voice,
    ) -> Result<(), MixerError> {
        self.stop_music(mixer)?;
        let Some(rate) = voice.rate() else {
            return Ok(());
        };
        let source = mixer.add_private_source(rate)?;
        if let Err(error) = mixer.whisper(source, self.listener, true) {
            mixer.remove_source(source)?;
            return Err(error);
        }
        self.music = Some(Music {
            voice,
            source,
            rate,
        });
        Ok(())
    }

    pub(in crate::engine) fn stop_music(&mut self, mixer: &mut Mixer) -> Result<(), MixerError> {
        match self.music.take() {
            Some(music) => mixer.remove_source(music.source),
            None => Ok(()),
        }
    }

    /// Gives the mixer a tick of it, while it is heard: it goes on where it was, not where the clock is.
    pub(in crate::engine) fn play_music(&mut self, mixer: &mut Mixer, scratch: &mut [i16]) {
        let heard = self.held && self.sending;
        if let Some(music) = self.music.as_mut().filter(|_| heard) {
            let frame = &mut scratch[..music.rate.samples(mixer.tick_length().ms())];
            music.voice.fill(frame);
            let _ = mixer.push(music.source, frame);
        }
    }
}
