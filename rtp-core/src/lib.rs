//! See README.md.
#![forbid(unsafe_code)]

pub mod negotiate;
pub mod rtcp;
pub mod rtp;
pub mod sdes;
pub mod sdp;
pub mod srtp;
