//! Opus in Ogg files (RFC 3533, RFC 7845): [`OggOpusWriter`] takes packets as they came or were encoded,
//! [`OggOpusRecorder`] takes PCM.
//!
//! A file is written from front to back and never sought in, so any `std::io::Write` will do, a pipe too. Sound goes out
//! in pages of about a second, each whole and with its checksum: a program that is killed loses what came after the last
//! page, and every player reads the rest.

mod page;
mod recorder;
mod writer;

pub use recorder::OggOpusRecorder;
pub use writer::{OggOpusWriter, OpusHead};

use thiserror::Error;

use crate::error::CodecError;

/// Why an Ogg file could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OggError {
    /// It is no Opus packet, or the encoder cannot be had so.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A packet longer than a page holds, 65,024 bytes; no Opus packet from RTP is.
    #[error("an Opus packet of {0} bytes does not fit a page")]
    PacketTooLong(usize),
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
