//! The client of a registrar: what to register, and what the rules say about when.
//!
//! An [`Endpoint`](crate::Endpoint) keeps any number of registrations alive. Each
//!
//! * refreshes early, answers challenges, takes a longer expiry when asked (423), and goes back with growing waits
//!   when nothing answers (RFC 5626 section 4.5);
//! * may hold several flows to the registrar at once, through as many proxies (outbound, RFC 5626), keeps them alive
//!   with CRLF on streams and STUN on UDP, and registers again over a new one when one fails;
//! * keeps its Service-Route (RFC 3608) and GRUUs (RFC 5627), and calls made through it use both
//!   ([`Invite::through`](crate::Invite::through)).
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use sip_core::auth::Account;
//! use sip_core::{Config, Endpoint, Epoch, Local, Registration, Transport, header::NameAddr};
//!
//! let local = Local::new(Transport::Udp, "192.0.2.4:5060".parse()?);
//! # #[allow(clippy::disallowed_methods)]
//! let (now, wall) = (Instant::now(), SystemTime::now());
//! let chance = Box::new(|bytes: &mut [u8]| bytes.fill(7)); // a cryptographic generator in real life
//! let mut endpoint = Endpoint::new(Config::new(local), Epoch { instant: now, wall }, chance);
//!
//! let registration = Registration::new(
//!     "sip:192.0.2.1".parse()?,
//!     NameAddr::parse("\"Bob\" <sip:bob@example.org>")?,
//! )
//! .account(Account::with_password("bob", "zanzibar"));
//! let id = endpoint.register(now, registration)?;
//! // Now `Event::Registration` tells how it goes; `unregister` ends it.
//! assert!(endpoint.poll_transmit().is_some());
//! assert!(!endpoint.registration(id)?.is_registered());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out: redirects (3xx counts as a failure), the `reg` event package, and registering others than oneself.

mod backoff;
mod command;
mod granted;
mod state;
pub mod stun;

pub use backoff::Backoff;
pub use command::{KeepAlive, Outbound, Proxy, Registration};
pub use state::{RegistrationId, RegistrationState, RegistrationStatus};

pub(crate) use command::MAX_FLOWS;
pub(crate) use granted::{Granted, refresh_after};
pub(crate) use state::{FlowState, Registered, Stage};
