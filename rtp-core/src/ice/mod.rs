//! Which way packets reach the peer, and whether it still wants them: ICE (RFC 8445) with consent (RFC 7675).
//!
//! Each side tells the other where it might be found: its *candidates*. An [`Agent`] tries every way between ours and
//! the peer's with STUN requests that only the two can make, until one side, the *controlling* one, nominates a pair that
//! works both ways. It is a machine: datagrams, candidates and the time go in; datagrams and [`Event`]s come out.
//!
//! Media goes where [`Agent::selected`] says. It says nothing before a pair has proved itself, and nothing after 30 s
//! without a verified answer from the peer: no media is sent to who has not agreed to it of late.
//!
//! ```
//! use rtp_core::ice::{Agent, Config, Role};
//! # use std::time::{Duration, Instant};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[allow(clippy::disallowed_methods)]
//! let mut now = Instant::now(); // the application's clock
//! let random = |seed: u64| {
//!     let mut state = seed; // an application hands in a cryptographic generator
//!     Box::new(move |out: &mut [u8]| {
//!         for byte in out {
//!             state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
//!             *byte = (state >> 56) as u8;
//!         }
//!     })
//! };
//! let (a, b) = ("192.0.2.1:4000".parse()?, "192.0.2.2:5000".parse()?);
//! let mut alice = Agent::new(now, Config::default(), random(1));
//! alice.add_host(now, a)?;
//! let mut bob = Agent::new(now, Config::default(), random(2));
//! bob.add_host(now, b)?;
//!
//! // The descriptions travel in an offer and its answer; who offers controls.
//! let (offer, answer) = (alice.description(), bob.description());
//! bob.set_remote(now, &offer, Role::Controlled)?;
//! alice.set_remote(now, &answer, Role::Controlling)?;
//!
//! // The network carries datagrams, and time passes.
//! while alice.selected().is_none() || bob.selected().is_none() {
//!     now += Duration::from_millis(10);
//!     alice.handle_timeout(now); // when poll_timeout() says so; too often is harmless
//!     bob.handle_timeout(now);
//!     while let Some(transmit) = alice.poll_transmit() {
//!         bob.receive(now, transmit.to, transmit.local, &transmit.bytes);
//!     }
//!     while let Some(transmit) = bob.poll_transmit() {
//!         alice.receive(now, transmit.to, transmit.local, &transmit.bytes);
//!     }
//! }
//! assert_eq!(alice.selected().map(|pair| (pair.local, pair.remote)), Some((a, b)));
//! assert_eq!(bob.selected().map(|pair| (pair.local, pair.remote)), Some((b, a)));
//! # Ok(()) }
//! ```
//!
//! # What stands behind it
//!
//! The checklist is the crate `is`'s: full and lite agents, trickled candidates (RFC 8838), peer-reflexive ones, role
//! conflicts. Around it are, here: our own reading of STUN before it sees a byte, bounds on everything that a peer can make
//! grow, the rule that an answer comes from where the question went (§7.2.5.2.1), consent, the questions to STUN
//! servers, names, a time limit. Credentials and tie-breaker come from the generator that is handed in. The transaction
//! ids of checks do not: `is` draws them from a generator that is not cryptographic; a check is believed by its
//! MESSAGE-INTEGRITY alone.
//!
//! # Many agents behind one port
//!
//! A [`Router`] says whose each datagram is that came to a port which many agents share: checks by the names in them, answers
//! by who asked, and the rest by the addresses that the agents have found good.
//!
//! # Two components
//!
//! RTCP on a port of its own has a way of its own (RFC 8445 §4), and an agent of its own that looks for it: with the
//! credentials and the tie-breaker of the first one ([`Agent::with_credentials`], [`Config::tie_breaker`]) and
//! [`Config::component`] set. One description has the candidates of both. Each component is checked, nominated and consented
//! to by itself. By RFC 8445 §8.1.2 a stream fails with any of its components; here nothing ties the agents together, so that who
//! owns them may let sound go on without reports.
//!
//! # What is left out
//!
//! ICE over TCP. Candidates of the kind `relay` are told ([`Agent::add_relayed`]); the module `turn` makes them, behind its
//! feature.

mod agent;
mod candidate;
mod config;
mod consent;
mod error;
mod event;
mod gather;
mod names;
mod router;

pub use agent::Agent;
pub use config::{Config, Names, Role};
pub use error::IceError;
pub use event::{Event, Pair, State, Transmit};
pub use names::QuestionId;
pub use router::{Proof, Router, RouterError};
