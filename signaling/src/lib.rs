//! Sessions, participants and phone calls: the floor that joins SIP, RTP, sound and tokens.
//!
//! | module | what it is | sockets, clock, threads |
//! |---|---|---|
//! | [`session`] | who is in a session and what each may do | none |
//! | [`call`] | one phone call: a SIP dialog and what its sides agreed about sound | none |
//! | [`engine`] | a session's sound: packets in, a mix for each out | none, but for the threads behind `net` |
//! | [`capture`] | what crossed the wire, as a file for Wireshark or a ladder for people | none |
//! | `net` | all of it on real sockets: one `Gateway` | feature `net` |
//! | `metrics` | the gateway's figures for Prometheus | none, feature `metrics` |
//! | `http` | a router for an interface over HTTP, and hooks that tell others what happened | feature `http` |
//!
//! With the feature `net`, dialling a phone into a session is this:
//!
#![cfg_attr(feature = "net", doc = "```no_run")]
#![cfg_attr(not(feature = "net"), doc = "```ignore")]
//! use media_mix::{Rate, Tone};
//! use signaling::engine::Voice;
//! use signaling::net::{Event, Gateway, GatewayConfig};
//! use signaling::session::{Join, SessionOptions};
//! use signaling::{DialRequest, Random};
//! use sip_core::header::NameAddr;
//! use token::Role;
//!
//! # async fn run(random: Random) -> Result<(), Box<dyn std::error::Error>> {
//! let mut gateway = Gateway::bind(GatewayConfig::new("127.0.0.1:5060".parse()?, random)).await?;
//! let session = gateway.open_session("standup", SessionOptions::default())?;
//! let voice = Voice::tone(Tone::new(Rate::Khz48, 440.0, -12.0));
//! gateway.join(session, Join::new(Role::Publisher).name("Ada"), voice)?;
//!
//! let from = NameAddr::new(&"sip:desk@example.org".parse()?);
//! let request = DialRequest::new("sip:bob@192.0.2.7".parse()?, from).header("X-Room", "standup");
//! let call = gateway.dial(session, &request)?;
//! loop {
//!     match gateway.next_event().await {
//!         Event::Answered { .. } => gateway.send_dtmf(call, "1#")?,
//!         Event::Ended { end, .. } => break println!("{end}"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # What it deliberately leaves out
//!
//! Policy: who may dial whom, what a session is named, where recordings go. An application decides and calls; nothing
//! here reads a file, an environment or a database, installs a logger, or starts a thread that was not asked for
//! (`net` starts the media threads that its configuration names).
//!
//! # Features
//!
//! - `net`: the `Gateway`: SIP on UDP and TCP by tokio, media threads with their own sockets.
//! - `dtls-openssl`: DTLS handshakes by the system's OpenSSL, for phones that show RSA certificates (baresip, Linphone and
//!   FreeSWITCH do). Without it they are refused.
//! - `turn`: STUN and TURN servers for the calls of a `Gateway` (with `net`).
//! - `tracing`: a span a call, with its ids and what happens to it, for whoever installs a `tracing` subscriber (with
//!   `net`). Passwords, keys, headers and bodies are not told.
//! - `metrics`: the figures of a `Gateway` as Prometheus text (with `net`).
//! - `http`: a `Router` as a tower service over `http` types, with an OpenAPI description made from its table, and a
//!   client for hooks: time limits, retries, signatures. No web framework.
//!
//! None is on by default. Rust 1.89.
#![forbid(unsafe_code)]

pub mod call;
pub mod capture;
mod dial;
pub mod engine;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "net")]
pub mod net;
mod random;
pub mod session;

pub use dial::{DialRequest, Ice, Secure};
pub use random::Random;
pub use rtp_core::negotiate::Hold;
pub use sip_core::CallId;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
