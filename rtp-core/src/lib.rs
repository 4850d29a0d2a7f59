//! See README.md.
#![forbid(unsafe_code)]

pub mod srtp;
