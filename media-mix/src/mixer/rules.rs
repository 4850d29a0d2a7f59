//! Who hears whom, and how loud: gain, mute, audiences and the exceptions to them.

use super::{Audience, ListenerId, Mixer, MixerError, SourceId};

impl Mixer {
    /// Set a source's gain: 1 leaves its samples as they are, 0.5 is 6 dB less; up to 16. Changes over one tick.
    ///
    /// # Errors
    /// [`MixerError::Gone`], [`MixerError::Gain`].
    pub fn set_gain(&mut self, source: SourceId, gain: f32) -> Result<(), MixerError> {
        if !(0.0..=16.0).contains(&gain) {
            return Err(MixerError::Gain);
        }
        let source = self.sources.get_mut(source.0).ok_or(MixerError::Gone)?;
        self.bus.take_back(source);
        source.gain = gain;
        Ok(())
    }

    /// Mute a source, or let it speak again; fades over one tick. Its level is measured all the same.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn set_muted(&mut self, source: SourceId, muted: bool) -> Result<(), MixerError> {
        let source = self.sources.get_mut(source.0).ok_or(MixerError::Gone)?;
        self.bus.take_back(source);
        source.muted = muted;
        Ok(())
    }

    /// Change whom a listener hears before exceptions.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn set_audience(
        &mut self,
        listener: ListenerId,
        audience: Audience,
    ) -> Result<(), MixerError> {
        self.listeners
            .get_mut(listener.0)
            .ok_or(MixerError::Gone)?
            .audience = audience;
        Ok(())
    }

    /// Make an exception to what everyone hears: let `listener` not hear `source`, or hear it again. Its own voice
    /// stays hidden.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn set_hidden(
        &mut self,
        listener: ListenerId,
        source: SourceId,
        hidden: bool,
    ) -> Result<(), MixerError> {
        self.sources.get(source.0).ok_or(MixerError::Gone)?;
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        if !hidden && entry.own != Some(source) {
            entry.minus.retain(|&id| id != source);
        } else if hidden && !entry.minus.contains(&source) {
            entry.minus.push(source);
        }
        self.prepare(listener);
        Ok(())
    }

    /// Let `listener` hear a private source, or no longer.
    ///
    /// # Errors
    /// [`MixerError::Gone`].
    pub fn whisper(
        &mut self,
        source: SourceId,
        listener: ListenerId,
        heard: bool,
    ) -> Result<(), MixerError> {
        self.sources.get(source.0).ok_or(MixerError::Gone)?;
        let entry = self.listeners.get_mut(listener.0).ok_or(MixerError::Gone)?;
        if !heard {
            entry.plus.retain(|&id| id != source);
        } else if !entry.plus.contains(&source) {
            entry.plus.push(source);
        }
        self.prepare(listener);
        Ok(())
    }
}
