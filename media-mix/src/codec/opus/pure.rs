//! `opus-pure`, fenced.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder, RateControl};

use super::library::{DecoderLibrary, EncoderLibrary, Failure, Settings};
use crate::Rate;

pub(super) fn decoder(rate: Rate, channels: u8) -> Option<Box<dyn DecoderLibrary>> {
    let inner = OpusDecoder::new(rate.hz() as i32, usize::from(channels)).ok()?;
    Some(Box::new(Decode { inner }))
}

pub(super) fn encoder(settings: &Settings) -> Option<Box<dyn EncoderLibrary>> {
    let channels = usize::from(settings.channels);
    let mut inner =
        OpusEncoder::new(settings.rate.hz() as i32, channels, Application::Voip).ok()?;
    inner.bitrate_bps = settings.bitrate as i32;
    inner.complexity = i32::from(settings.complexity);
    inner.rate_control = if settings.cbr {
        RateControl::Cbr
    } else {
        RateControl::ConstrainedVbr
    };
    inner.use_inband_fec = settings.fec;
    inner.use_dtx = settings.dtx;
    inner.packet_loss_perc = i32::from(settings.loss);
    inner.max_bandwidth = match settings.most_hz {
        ..=8_000 => Bandwidth::Narrowband,
        8_001..=12_000 => Bandwidth::Mediumband,
        12_001..=16_000 => Bandwidth::Wideband,
        16_001..=24_000 => Bandwidth::Superwideband,
        _ => Bandwidth::Fullband,
    };
    Some(Box::new(Encode { inner }))
}

fn fenced(call: impl FnOnce() -> opus_pure::Result<usize>) -> Result<usize, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(_)) => Err(Failure::Refused),
        Err(_) => Err(Failure::Broken),
    }
}

struct Decode {
    inner: OpusDecoder,
}

impl DecoderLibrary for Decode {
    fn decode(&mut self, payload: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        fenced(|| self.inner.decode_s16(payload, frames, out))
    }

    fn conceal(&mut self, frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        fenced(|| self.inner.decode_s16(&[], frames, out))
    }

    fn recover(&mut self, next: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure> {
        fenced(|| self.inner.decode_fec_s16(next, frames, out))
    }

    fn reset(&mut self) -> bool {
        fenced(|| self.inner.reset_state().map(|()| 0)).is_ok()
    }
}

struct Encode {
    inner: OpusEncoder,
}

impl EncoderLibrary for Encode {
    fn encode(&mut self, pcm: &[i16], frames: usize, out: &mut [u8]) -> Result<usize, Failure> {
        fenced(|| self.inner.encode_s16(pcm, frames, out))
    }

    fn set_loss(&mut self, percent: u8) {
        self.inner.packet_loss_perc = i32::from(percent);
    }

    fn reset(&mut self) -> bool {
        fenced(|| self.inner.reset_state().map(|()| 0)).is_ok()
    }
}
