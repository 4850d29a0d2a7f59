//! WAV files: read what telephony meets, write 16-bit PCM whose header is right after every flush.
//!
//! The format is RIFF with a `fmt ` and a `data` chunk (Microsoft, "Multimedia Programming Interface and Data
//! Specifications 1.0"; `WAVE_FORMAT_EXTENSIBLE` as of 2001). Readers and writers take any `std::io` stream: opening
//! files is the caller's.

mod convert;
mod reader;
mod writer;

pub use reader::{WavReader, WavSpec};
pub use writer::WavWriter;

use thiserror::Error;

/// Why a WAV file could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WavError {
    /// It is not a WAV file, or is cut off within its headers.
    #[error("not a WAV file: {what} at byte {offset}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start of the stream.
        offset: u64,
    },
    /// It is a WAV file, but of a kind that is not read here. The text names what would be.
    #[error("unsupported WAV file: {what} {value} at byte {offset}; {supported}")]
    Unsupported {
        /// Which property.
        what: &'static str,
        /// Its value in the file.
        value: u32,
        /// Where it stands, in bytes from the start of the stream.
        offset: u64,
        /// What is read instead.
        supported: &'static str,
    },
    /// The file would grow over 4 GiB, which its header cannot say.
    #[error("a WAV file holds 4 GiB at most")]
    TooLong,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
