//! See README.md.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod codec;
mod error;
mod level;
mod math;
pub mod plc;
mod rate;
mod resample;
mod tone;

pub use codec::{Codec, CodecOptions, Decoder, Description, Encoder, Registry};
pub use error::{CodecError, UnsupportedRate};
pub use level::Level;
pub use rate::Rate;
pub use resample::Resampler;
pub use tone::Tone;
