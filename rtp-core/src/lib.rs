//! See README.md.
#![forbid(unsafe_code)]

pub mod dtmf;
pub mod jitter;
pub mod negotiate;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdes;
pub mod sdp;
pub mod srtp;
pub mod transport;

/// A source of random bytes, handed in so that a test can replay a run exactly. In production it must be
/// cryptographic: SSRCs, sequence numbers and CNAMEs come from it.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;
