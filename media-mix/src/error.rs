//! What can go wrong, sorted by whose fault it is.

use thiserror::Error;

/// A sample rate that the crate does not carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{hz} Hz is not supported: use 8000, 12000, 16000, 24000, 32000 or 48000 (a `VariableResampler`: 4000 to 192000)"
)]
pub struct UnsupportedRate {
    /// The rate asked for, in Hz.
    pub hz: u32,
}

/// A codec refused its input, its options or its buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The peer's fault: the payload is not one of this codec. Conceal the frame and count it.
    #[error("malformed {codec} payload: {reason}")]
    Malformed {
        /// SDP encoding name.
        codec: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The caller's fault: `out` cannot hold the result. Nothing was decoded or encoded.
    #[error("the output holds {have} but {need} are needed")]
    OutputTooSmall {
        /// Samples or bytes needed.
        need: usize,
        /// Samples or bytes offered.
        have: usize,
    },
    /// The caller's fault: the encoder takes no frame of this many samples.
    #[error("{codec} takes no frame of {samples} samples")]
    FrameSize {
        /// SDP encoding name.
        codec: &'static str,
        /// Samples offered.
        samples: usize,
    },
    /// The caller's fault: an option is outside what the codec can do.
    #[error("{codec}: {reason}")]
    Option {
        /// SDP encoding name.
        codec: &'static str,
        /// Which option, and its range.
        reason: &'static str,
    },
    /// The codec library failed in a way that it should not: its state was made anew. Conceal the frame.
    #[error("{codec} failed and was reset")]
    Internal {
        /// SDP encoding name.
        codec: &'static str,
    },
}
