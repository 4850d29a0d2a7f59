//! See README.md.
#![forbid(unsafe_code)]
