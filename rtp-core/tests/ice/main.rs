//! ICE agents among themselves, over a network on virtual time, and against peers that mean no good.
#![cfg(feature = "ice")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod calls;
mod components;
mod hostile;
mod nats;
#[cfg(feature = "turn")]
mod relay;
mod shared;
#[cfg(feature = "turn")]
#[path = "../turn/server.rs"]
#[allow(dead_code)] // The tests of the client count more.
mod turn_server;
mod world;
