//! ICE agents among themselves, over a network on virtual time, and against peers that mean no good.
#![cfg(feature = "ice")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod calls;
mod hostile;
mod nats;
mod world;
