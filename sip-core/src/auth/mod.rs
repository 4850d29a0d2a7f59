//! Digest authentication, both sides, as values and plain functions: no clock, no socket, no store.
//!
//! Implements RFC 3261 section 22 with the algorithms and the rules for several challenges of RFC 8760, and the
//! computation of RFC 7616 section 3.4. The grammar of the header fields is [`crate::header::digest`].
//!
//! * A client keeps one [`ClientAuth`] for an account (or for a dialog). [`ClientAuth::attempt`] gives the header
//!   fields of a new request, [`ClientAuth::retry`] those of the same request after a 401 or 407, or says why there
//!   is no point in another try.
//! * A server keeps one [`ServerAuth`]. It makes challenges, says whose [`Ha1`] it needs, and judges the response once
//!   the application has found that HA1, in a database or by asking another program. Its nonces carry their own
//!   expiry under a key, so every node with the key accepts them; only the window of request counts is local.
//! * An [`Ha1`] is all that a store has to keep: the hash of user, realm and password. It never shows itself.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use sip_core::auth::{
//!     Account, Challenger, ClientAuth, DigestRequest, Ha1, ServerAuth, ServerAuthConfig, Verdict,
//! };
//! use sip_core::header::digest::{Challenge, Credentials, HashAlgorithm};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
//! let mut chance = |bytes: &mut [u8]| bytes.fill(7); // a cryptographic generator in real life
//! let mut server = ServerAuth::new([0x42; 32], ServerAuthConfig::default());
//! let mut client = ClientAuth::new(Account::with_password("bob", "zanzibar"));
//! let request = DigestRequest { method: "INVITE", uri: "sip:alice@biloxi.com", body: b"v=0\r\n" };
//!
//! // The first INVITE carries nothing, and the server challenges it.
//! let attempt = client.attempt(&request);
//! assert!(attempt.is_empty());
//! let challenges = server.challenge("biloxi.com", &[HashAlgorithm::Sha256], false, now, &mut chance);
//! let on_wire = challenges[0].to_string();
//!
//! // The second carries credentials.
//! let received = [(Challenger::Server, Challenge::parse(on_wire.as_bytes())?)];
//! let attempt = client.retry(&attempt, &received, &request, &mut chance)?;
//! let (name, value) = attempt.headers().next().expect("one challenge was answered");
//! assert_eq!(name, "Authorization");
//!
//! // The server says whose HA1 it needs, and judges.
//! let credentials = Credentials::parse(value.as_bytes())?;
//! let needed = server.lookup(&credentials, &request, now).expect("a nonce of ours, not expired");
//! assert_eq!((needed.username, needed.realm, needed.hash), ("bob", "biloxi.com", HashAlgorithm::Sha256));
//! let stored = Ha1::from_password(needed.hash, "bob", "biloxi.com", "zanzibar");
//! assert_eq!(server.verify(&credentials, Some(&stored), &request, now), Verdict::Ok);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Beside digest there is `Bearer` (RFC 8898), for tokens that another crate mints and verifies: [`bearer_token`] takes
//! one out of a request, [`BearerChallenge`] asks for one.
//!
//! Left out: `Authentication-Info` (nothing here proves the server to the client), `userhash`, and AKA.

mod account;
mod bearer;
mod client;
mod ha1;
mod nonce;
mod response;
mod server;

pub use account::{Account, Challenger};
pub use bearer::{BearerChallenge, BearerError, bearer_token};
pub use client::{Attempt, AuthError, ClientAuth, ClientAuthOptions, Preference};
pub use ha1::{Ha1, Ha1Error};
pub use response::DigestRequest;
pub use server::{Lookup, Malformed, ServerAuth, ServerAuthConfig, StaleReason, UriCheck, Verdict};

#[cfg(test)]
mod exchange;
#[cfg(test)]
mod vectors;
