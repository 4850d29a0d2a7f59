//! See README.md.
#![deny(unsafe_code)]
