//! Telling others over HTTP what happened, and asking them: a client for hooks and callbacks.
//!
//! [`HookClient::call`] posts once and hands back the answer, for those who ask. [`queue`] is for those who tell: a
//! bounded [`HookQueue`] that never waits, and a [`HookWorker`] that delivers from it, each address in order, with
//! time limits, retries and a signature. Nothing runs that the application does not await.
//!
//! ```no_run
//! use signaling::http::hooks::{Hook, HookClient, HookConfig, queue};
//! # async fn run(random: signaling::Random) -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = HookConfig::new(random);
//! config.secret = Some(b"shared with the receiver".to_vec());
//! let (events, mut worker) = queue(HookClient::new(config));
//! events.push(Hook::json("http://127.0.0.1:3000/events".parse()?, r#"{"event":"started"}"#))?;
//! drop(events);
//! while let Some(delivery) = worker.next().await {
//!     if let Err(error) = delivery.result {
//!         eprintln!("{}: {error}", delivery.url);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # On the wire
//!
//! A POST with two headers of ours. `Patchcord-Delivery` is random and the same in every try, so that a receiver can
//! tell a repetition. `Patchcord-Signature` is `t=SECONDS,v1=HEX`: HMAC-SHA256 with the shared secret over the seconds
//! since 1970, a dot, and the body; [`verify`] checks it. Redirects are not followed: whoever may choose where a hook
//! goes must not choose twice.
#![allow(clippy::disallowed_methods)] // This is a driver: it owns its sockets and its clock.

mod client;
mod exchange;
mod queue;
mod signature;
mod url;

pub use client::{Hook, HookAnswer, HookClient, HookConfig, HookError};
pub use queue::{Delivery, HookQueue, HookWorker, QueueFull, queue};
pub use signature::{SignatureError, verify};
pub use url::{HookUrl, HookUrlError};
