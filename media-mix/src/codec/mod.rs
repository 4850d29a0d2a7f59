//! Codecs: what each one is ([`Description`]), how to run it ([`Decoder`], [`Encoder`]), and how to find it
//! ([`Registry`]).
//!
//! PCM is 16-bit, interleaved if there is more than one channel; payloads are what follows the RTP header.
//! A codec of your own implements [`Codec`] and is added with [`Registry::register`].
//!
//! ```
//! use media_mix::codec::{CodecOptions, Registry};
//!
//! let registry = Registry::default();
//! let pcmu = registry.by_payload_type(0).expect("PCMU is built in");
//! let mut encoder = pcmu.encoder(&CodecOptions::new())?;
//! let mut decoder = pcmu.decoder(&CodecOptions::new())?;
//! let (mut payload, mut pcm) = ([0; 160], [0; 160]);
//! let bytes = encoder.encode(&[1000; 160], &mut payload)?;
//! let samples = decoder.decode(&payload[..bytes], &mut pcm)?;
//! assert_eq!((bytes, samples), (160, 160));
//! assert!((pcm[0] - 1000).abs() < 32);
//! # Ok::<(), media_mix::CodecError>(())
//! ```

mod description;
pub mod g711;
pub mod g722;
mod options;
pub mod opus;
mod registry;

pub use description::Description;
pub use options::CodecOptions;
pub use registry::Registry;

use crate::error::CodecError;

/// A codec: its description, and a factory of decoders and encoders.
pub trait Codec: Send + Sync {
    /// What it is.
    fn description(&self) -> &Description;

    /// A fresh decoder, silent and without history.
    ///
    /// # Errors
    /// [`CodecError::Option`] if an option is out of range.
    fn decoder(&self, options: &CodecOptions) -> Result<Box<dyn Decoder>, CodecError>;

    /// A fresh encoder.
    ///
    /// # Errors
    /// [`CodecError::Option`] if an option is out of range.
    fn encoder(&self, options: &CodecOptions) -> Result<Box<dyn Encoder>, CodecError>;
}

/// Payloads in, PCM out, for one stream.
///
/// No call may panic, whatever the payload: it comes from the network.
pub trait Decoder: Send {
    /// Samples (all channels together) that [`Self::decode`] would give for this payload, without decoding it.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] if the payload is not one of this codec.
    fn samples(&self, payload: &[u8]) -> Result<usize, CodecError>;

    /// Decode one payload into the front of `out`; returns the samples written.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] for a bad payload, [`CodecError::OutputTooSmall`], [`CodecError::Internal`].
    /// After an error the decoder goes on; conceal the frame.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError>;

    /// Fill the whole of `out` in place of a frame that did not arrive.
    fn conceal(&mut self, out: &mut [i16]);

    /// Fill the whole of `out` in place of a lost frame from the copy of it in `next`, the payload that follows it.
    /// Returns whether there was a copy; if not, `out` is concealed.
    /// Call it before decoding `next`.
    fn recover(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        let _ = next;
        self.conceal(out);
        false
    }

    /// Forget the stream.
    fn reset(&mut self);
}

/// PCM in, payloads out, for one stream.
pub trait Encoder: Send {
    /// Encode one frame into the front of `out`; returns the bytes written, 0 when there is nothing to send (DTX).
    /// `pcm` is one frame of a duration in [`Description::frame_ms`], all channels interleaved.
    ///
    /// # Errors
    /// [`CodecError::FrameSize`], [`CodecError::OutputTooSmall`], [`CodecError::Internal`].
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError>;

    /// Bytes that `out` must have for a frame of `samples` samples.
    fn max_payload(&self, samples: usize) -> usize;

    /// Tell the encoder what the network does: loss in percent, as the peer's reports say. Codecs without FEC ignore it.
    fn set_expected_loss(&mut self, percent: u8) {
        let _ = percent;
    }

    /// Forget the stream.
    fn reset(&mut self);

    /// Take over the state of `other`, an encoder of the same codec and options, so that its stream goes on without
    /// a seam. Returns `false`, and changes nothing, where that is not possible.
    fn continue_from(&mut self, other: &dyn Encoder) -> bool {
        let _ = other;
        false
    }

    /// For [`Self::continue_from`]: `Some(self)` in encoders that support it.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
}
