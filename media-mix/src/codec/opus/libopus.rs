//! libopus, built from source (feature `opus`).

use opus::{Application, Bandwidth, Bitrate, Channels, Decoder, Encoder};

use super::library::{DecoderLibrary, EncoderLibrary, Failure, Settings};
use crate::Rate;

fn layout(channels: u8) -> Channels {
    match channels {
        2 => Channels::Stereo,
        _ => Channels::Mono,
    }
}

pub(super) fn decoder(rate: Rate, channels: u8) -> Option<Box<dyn DecoderLibrary>> {
    let inner = Decoder::new(rate.hz(), layout(channels)).ok()?;
    let channels = usize::from(channels);
    Some(Box::new(Decode { inner, channels }))
}

pub(super) fn encoder(settings: &Settings) -> Option<Box<dyn EncoderLibrary>> {
    let mut inner = Encoder::new(
        settings.rate.hz(),
        layout(settings.channels),
        Application::Voip,
    )
    .ok()?;
    let bandwidth = match settings.most_hz {
        ..=8_000 => Bandwidth::Narrowband,
        8_001..=12_000 => Bandwidth::Mediumband,
        12_001..=16_000 => Bandwidth::Wideband,
        16_001..=24_000 => Bandwidth::Superwideband,
        _ => Bandwidth::Fullband,
    };
    inner
        .set_bitrate(Bitrate::Bits(settings.bitrate as i32))
        .ok()?;
    inner.set_complexity(i32::from(settings.complexity)).ok()?;
    inner.set_vbr(!settings.cbr).ok()?;
    inner.set_inband_fec(settings.fec).ok()?;
    inner.set_dtx(settings.dtx).ok()?;
    inner.set_packet_loss_perc(i32::from(settings.loss)).ok()?;
    inner.set_max_bandwidth(bandwidth).ok()?;
    Some(Box::new(Encode { inner }))
}

struct Decode {
    inner: Decoder,
    channels: usize,
}

impl Decode {
    fn run(
        &mut self,
        payload: &[u8],
        frames: usize,
        out: &mut [i16],
        fec: bool,
    ) -> Result<usize, Failure> {
        let out = out
            .get_mut(..frames * self.channels)
            .ok_or(Failure::Refused)?;
        self.inner
            .decode(payload, out, fec)
            .map_err(|_| Failure::Refused)
    }
}

impl DecoderLibrary for Decode {
    fn decode(&mut self, payload: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        self.run(payload, frames, out, false)
    }

    fn conceal(&mut self, frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        self.run(&[], frames, out, false)
    }

    fn recover(&mut self, next: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        self.run(next, frames, out, true)
    }

    fn reset(&mut self) -> bool {
        self.inner.reset_state().is_ok()
    }
}

struct Encode {
    inner: Encoder,
}

impl EncoderLibrary for Encode {
    fn encode(&mut self, pcm: &[i16], _: usize, out: &mut [u8]) -> Result<usize, Failure> {
        self.inner.encode(pcm, out).map_err(|_| Failure::Broken)
    }

    fn set_loss(&mut self, percent: u8) {
        // In range, so it cannot be refused.
        let _ = self.inner.set_packet_loss_perc(i32::from(percent));
    }

    fn reset(&mut self) -> bool {
        self.inner.reset_state().is_ok()
    }
}
