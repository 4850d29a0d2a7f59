//! A client against a server that is right, wrong, forgetful or silent.
#![cfg(feature = "turn")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod hostile;
mod life;
mod link;
mod server;
