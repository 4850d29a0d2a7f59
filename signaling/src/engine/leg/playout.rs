//! The phone's sound on its way into the mixer: what the jitter buffer says to play, decoded, stretched or made up.

use super::{COMFORT_NOISE, Incoming, Leg};
use media_mix::codec::{CodecOptions, Decoder};
use media_mix::{ComfortNoise, Mixer, Rate};
use rtp_core::jitter::{Frame, Playout};
use std::time::Instant;

/// The most frames that one tick takes from a jitter buffer: 20 ms of tick in frames of 2.5 ms.
const MAX_PULLS: usize = 8;

impl Leg {
    /// Gives the mixer a tick of the phone's sound, as far as there is any.
    pub(in crate::engine) fn fill(&mut self, now: Instant, mixer: &mut Mixer) {
        if std::mem::take(&mut self.reported)
            && let Some(report) = self
                .path
                .as_ref()
                .and_then(|path| path.stats().remote_report)
        {
            // What the phone lost of late is what an encoder with FEC should expect.
            let percent = (report.loss * 100.0).round().clamp(0.0, 100.0) as u8;
            let _ = mixer.expect_loss(self.listener, percent);
        }
        if self.is_left_out(mixer) {
            return;
        }
        for _ in 0..MAX_PULLS {
            if mixer.buffered(self.source) >= mixer.wanted(self.source) {
                break;
            }
            let playout = self.jitter.pull(now, &mut self.payload);
            if let Playout::Frame(frame)
            | Playout::Stretch { frame, .. }
            | Playout::Shrink { frame, .. } = &playout
                && self.leave_out(frame.sequence, frame.samples, mixer)
            {
                if self.is_left_out(mixer) {
                    return;
                }
                continue;
            }
            let samples = match playout {
                Playout::Frame(frame) => self.play(frame, mixer),
                Playout::Stretch { frame, by } => {
                    let samples = self.play(frame, mixer);
                    self.bend(samples, by, mixer, media_mix::stretch)
                }
                Playout::Shrink { frame, by } => {
                    let samples = self.play(frame, mixer);
                    self.bend(samples, by, mixer, media_mix::shrink)
                }
                Playout::Recover(next) => {
                    self.recover(next.payload_type, next.len, next.samples, mixer)
                }
                Playout::Conceal { samples } => self.conceal(samples, mixer),
                Playout::Comfort { samples } => self.rest(samples, mixer),
                _ => {
                    self.stopped();
                    break;
                }
            };
            if samples == 0 {
                break;
            }
            let _ = mixer.push(self.source, &self.pcm[..samples]);
        }
    }

    /// The phone's stream has stopped. What comes next is likely to come from a fresh encoder, whose first frames a
    /// decoder with a memory of its own (Opus in its speech mode) would blow up: it starts from silence, too.
    pub(super) fn stopped(&mut self) {
        if std::mem::take(&mut self.playing) {
            for decoder in self
                .incoming
                .iter_mut()
                .filter_map(|incoming| incoming.decoder.as_mut())
            {
                decoder.reset();
            }
        }
    }

    /// Ticks of the RTP clock as samples at the source's rate.
    fn pcm_samples(&self, ticks: u32, mixer: &Mixer) -> usize {
        let tick_ms = mixer.tick_length().ms() as u64;
        let hz = mixer.wanted(self.source) as u64 * 1000 / tick_ms;
        let samples = u64::from(ticks) * hz / u64::from(self.jitter.config().clock_rate);
        (samples as usize).min(self.pcm.len())
    }

    /// A frame of sound, or of how the silence sounds.
    fn play(&mut self, frame: Frame, mixer: &mut Mixer) -> usize {
        if frame.payload_type == COMFORT_NOISE {
            let noise = self.comfort.get_or_insert_with(ComfortNoise::new);
            noise.update(&self.payload[..frame.len]);
            return self.rest(frame.samples, mixer);
        }
        self.playing = true;
        let decoded = match decoder(&mut self.incoming, frame.payload_type) {
            None => None,
            Some((decoder, rate)) => {
                let _ = mixer.set_source_rate(self.source, rate);
                decoder
                    .decode(&self.payload[..frame.len], &mut self.pcm)
                    .ok()
            }
        };
        decoded.unwrap_or_else(|| {
            self.undecodable += 1;
            self.conceal(frame.samples, mixer)
        })
    }

    /// Plays the frame a pitch period longer or shorter, if that is no more than `by` ticks.
    fn bend(
        &mut self,
        samples: usize,
        by: u32,
        mixer: &Mixer,
        how: fn(Rate, &[i16], &mut [i16]) -> usize,
    ) -> usize {
        let most = self.pcm_samples(by, mixer);
        let rate = mixer.wanted(self.source) / mixer.tick_length().ms() * 1000;
        let Ok(rate) = Rate::try_from(rate as u32) else {
            return samples;
        };
        let bent = how(rate, &self.pcm[..samples], &mut self.bent);
        if bent.abs_diff(samples) > most {
            return samples;
        }
        self.pcm[..bent].copy_from_slice(&self.bent[..bent]);
        bent
    }

    /// The phone is silent on purpose: its own description of that silence (RFC 3389), or its codec's idea of it.
    fn rest(&mut self, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        match &mut self.comfort {
            Some(noise) => {
                noise.fill(&mut self.pcm[..samples]);
                samples
            }
            None => self.conceal(ticks, mixer),
        }
    }

    fn recover(&mut self, payload_type: u8, len: usize, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        match decoder(&mut self.incoming, payload_type) {
            Some((decoder, _)) => {
                decoder.recover(&self.payload[..len], &mut self.pcm[..samples]);
                samples
            }
            None => 0,
        }
    }

    fn conceal(&mut self, ticks: u32, mixer: &Mixer) -> usize {
        let samples = self.pcm_samples(ticks, mixer);
        let out = &mut self.pcm[..samples];
        // The decoder that ran last knows best what to make up.
        match self
            .incoming
            .iter_mut()
            .find_map(|incoming| incoming.decoder.as_mut())
        {
            Some(decoder) => decoder.conceal(out),
            None => out.fill(0),
        }
        samples
    }
}

/// The decoder of a payload type, made when its first frame is played.
fn decoder(incoming: &mut [Incoming], payload_type: u8) -> Option<(&mut Box<dyn Decoder>, Rate)> {
    let entry = incoming
        .iter_mut()
        .find(|entry| entry.payload_type == payload_type)?;
    let rate = entry.codec.description().rate;
    if entry.decoder.is_none() {
        entry.decoder = entry.codec.decoder(&CodecOptions::new()).ok();
    }
    entry.decoder.as_mut().map(|decoder| (decoder, rate))
}
