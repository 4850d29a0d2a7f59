//! Keys for SRTP by a DTLS handshake on the media path (DTLS-SRTP, RFC 5763 and RFC 5764).
//!
//! The SDP of each side names the hash of a certificate and who starts; the handshake proves that whoever is at the
//! other end of the path holds that certificate, and both ends draw the same SRTP keys from it. A [`Handshake`] is that
//! as a machine: datagrams whose first byte says DTLS ([`Protocol::Dtls`](crate::transport::Protocol::Dtls)) go in,
//! datagrams and [`Event`]s come out. **Keys come out only after the peer's certificate matched a fingerprint of its
//! SDP**; a handshake that ends before that SDP has arrived waits for it.
//!
//! ```
//! use rtp_core::dtls::{Certificate, Event, Handshake, HandshakeConfig, Role};
//! # use std::time::Instant;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now(); // the application's clock
//! let (ours, theirs) = (Certificate::generate()?, Certificate::generate()?); // once a process, not once a call
//!
//! let mut server = Handshake::new(now, &ours, Role::Server, HandshakeConfig::default())?;
//! server.expect(&[theirs.fingerprint()]); // from `a=fingerprint` of the peer's SDP
//! let mut client = Handshake::new(now, &theirs, Role::Client, HandshakeConfig::default())?;
//! client.expect(&[ours.fingerprint()]);
//!
//! // The network carries datagrams until nobody has one.
//! loop {
//!     let there: Vec<_> = std::iter::from_fn(|| client.poll_transmit()).collect();
//!     there.iter().for_each(|datagram| server.receive(now, datagram));
//!     let back: Vec<_> = std::iter::from_fn(|| server.poll_transmit()).collect();
//!     back.iter().for_each(|datagram| client.receive(now, datagram));
//!     if there.is_empty() && back.is_empty() {
//!         break;
//!     }
//! }
//! let (Some(Event::Keys(client)), Some(Event::Keys(server))) = (client.poll_event(), server.poll_event()) else {
//!     panic!("both ends have keys");
//! };
//! assert_eq!((client.send, client.receive), (server.receive, server.send));
//! # Ok(()) }
//! ```
//!
//! # What stands behind it
//!
//! A [`Backend`]: the crate `dimpl`, pure Rust, DTLS 1.2 and 1.3, certificates on the curves P-256 and P-384. Peers that
//! show an RSA certificate (baresip, Linphone, FreeSWITCH as they come) want the system's OpenSSL, behind the feature
//! `dtls-openssl`; it speaks DTLS 1.2 and keeps its own time. Neither renegotiates or resumes. Random numbers come from
//! the operating system, so a run cannot be replayed byte for byte. The time limit, the check of the fingerprint and the
//! keys' way to SRTP are here, the same for both.

mod certificate;
mod dimpl_engine;
mod engine;
mod error;
mod fingerprint;
mod handshake;
#[cfg(feature = "dtls-openssl")]
mod openssl_engine;

pub use certificate::Certificate;
pub use engine::Backend;
pub use error::{CertificateError, DtlsError};
pub use handshake::{Event, Handshake, HandshakeConfig, Role};
