//! See README.md.
#![forbid(unsafe_code)]

pub mod sdes;
pub mod sdp;
pub mod srtp;
