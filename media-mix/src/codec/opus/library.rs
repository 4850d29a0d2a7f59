//! Which library does the work, and what each is asked for.

use crate::Rate;

/// An Opus library. They understand one another: all write and read RFC 6716.
///
/// The default is libopus built from source under the feature `opus`, else the system's libopus under `audiopus`, else
/// `opus-pure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Library {
    /// `opus-pure`, in Rust: always there.
    Pure,
    /// libopus, built from source by cmake.
    #[cfg(feature = "opus")]
    Libopus,
    /// The system's libopus.
    #[cfg(feature = "audiopus")]
    System,
}

#[allow(
    clippy::derivable_impls,
    reason = "which one is the default depends on the features"
)]
impl Default for Library {
    fn default() -> Self {
        #[cfg(feature = "opus")]
        return Library::Libopus;
        #[cfg(all(feature = "audiopus", not(feature = "opus")))]
        return Library::System;
        #[cfg(not(any(feature = "opus", feature = "audiopus")))]
        return Library::Pure;
    }
}

impl Library {
    pub(super) fn decoder(self, rate: Rate, channels: u8) -> Option<Box<dyn DecoderLibrary>> {
        match self {
            Library::Pure => super::pure::decoder(rate, channels),
            #[cfg(feature = "opus")]
            Library::Libopus => super::libopus::decoder(rate, channels),
            #[cfg(feature = "audiopus")]
            Library::System => super::system::decoder(rate, channels),
        }
    }

    pub(super) fn encoder(self, settings: &Settings) -> Option<Box<dyn EncoderLibrary>> {
        match self {
            Library::Pure => super::pure::encoder(settings),
            #[cfg(feature = "opus")]
            Library::Libopus => super::libopus::encoder(settings),
            #[cfg(feature = "audiopus")]
            Library::System => super::system::encoder(settings),
        }
    }
}

/// What an encoder is to do; every value is in its range.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) rate: Rate,
    pub(super) channels: u8,
    pub(super) bitrate: u32,
    pub(super) complexity: u8,
    pub(super) cbr: bool,
    pub(super) fec: bool,
    pub(super) dtx: bool,
    /// Percent.
    pub(super) loss: u8,
    /// Highest sample rate that the far end plays.
    pub(super) most_hz: u32,
}

/// Why a library gave nothing.
pub(super) enum Failure {
    /// It refused what it was given.
    Refused,
    /// It failed in a way that it should not: make it anew.
    Broken,
}

/// `frames` are samples of one channel; what is returned are those written.
pub(super) trait DecoderLibrary: Send {
    fn decode(&mut self, payload: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure>;
    fn conceal(&mut self, frames: usize, out: &mut [i16]) -> Result<usize, Failure>;
    fn recover(&mut self, next: &[u8], frames: usize, out: &mut [i16]) -> Result<usize, Failure>;
    /// Whether it could.
    fn reset(&mut self) -> bool;
}

/// As above; returns bytes.
pub(super) trait EncoderLibrary: Send {
    fn encode(&mut self, pcm: &[i16], frames: usize, out: &mut [u8]) -> Result<usize, Failure>;
    fn set_loss(&mut self, percent: u8);
    fn reset(&mut self) -> bool;
}
