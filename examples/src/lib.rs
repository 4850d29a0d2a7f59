//! What the example applications share: arguments of one name everywhere, randomness, captures, one writer for the terminal, a
//! table of checks, and an ear for tones.
//!
//! Nothing here is part of the library: an application would bring its own.
#![forbid(unsafe_code)]

pub mod args;
pub mod capture;
pub mod chance;
pub mod checks;
pub mod ice;
pub mod interrupt;
pub mod live;
#[cfg(feature = "http")]
pub mod opentok;
pub mod program;
pub mod screen;
pub mod settings;
pub mod spectrum;
pub mod tls;
pub mod verdict;
pub mod written;

/// The code in the README of the repository compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
