//! Offer and answer (RFC 3264) that cannot answer wrongly.
//!
//! A [`Negotiation`] is one side of a call. Its exchanges are values: [`Negotiation::offer`] makes a
//! [`SentOffer`], which only [`Negotiation::answered`] completes; [`Negotiation::receive_offer`] makes a
//! [`ReceivedOffer`], which only [`Negotiation::answer`] turns into an [`Answer`]. Either way the result is
//! an [`Agreement`]: where to send, with which codec and payload type, what may come in, with which keys,
//! and who holds. Dropping an offer ends its exchange with nothing changed.
//!
//! ```
//! use rtp_core::negotiate::{Capabilities, Codec, Negotiation, Sdes, SdesPolicy};
//! use std::net::SocketAddr;
//! # fn operating_system() -> rtp_core::negotiate::KeySource { Box::new(|key| key.fill(7)) }
//!
//! // The caller has Opus and µ-law and encrypts when the other side does.
//! let codecs = vec![Codec::new("opus", 48_000).with_channels(2), Codec::new("PCMU", 8_000)];
//! let mut can = Capabilities::new(codecs, SocketAddr::from(([192, 0, 2, 1], 4000)));
//! can.sdes = Sdes::new(SdesPolicy::Allow);
//! let mut caller = Negotiation::new(1, can, operating_system());
//!
//! // The callee has A-law and µ-law only.
//! let codecs = vec![Codec::new("PCMA", 8_000), Codec::new("PCMU", 8_000)];
//! let mut can = Capabilities::new(codecs, SocketAddr::from(([192, 0, 2, 2], 5000)));
//! can.sdes = Sdes::new(SdesPolicy::Allow);
//! let mut callee = Negotiation::new(2, can, operating_system());
//!
//! // INVITE and 200.
//! let offer = caller.offer()?;
//! let received = callee.receive_offer(offer.to_bytes())?;
//! let answer = callee.answer(received)?;
//! let agreed = caller.answered(&offer, answer.to_bytes())?;
//!
//! let ours = agreed.audio().next().expect("one stream");
//! assert_eq!((ours.send.payload_type, ours.send.codec.name.as_str()), (0, "PCMU"));
//! assert_eq!(ours.remote_rtp, Some(SocketAddr::from(([192, 0, 2, 2], 5000))));
//! assert_eq!(ours.send_dtmf.as_ref().map(|event| event.payload_type), Some(101));
//!
//! let theirs = answer.agreement().audio().next().expect("one stream");
//! let (ours, theirs) = (ours.srtp.as_ref().expect("keys"), theirs.srtp.as_ref().expect("keys"));
//! assert_eq!((&ours.local, &ours.remote), (&theirs.remote, &theirs.local));
//! # Ok::<(), rtp_core::negotiate::NegotiationError>(())
//! ```
//!
//! # What holds from one exchange to the next
//!
//! - An `m=` line stays where it is; a refused or closed one keeps its place with port 0.
//! - A payload type that we declared never changes its meaning on its line (RFC 3264 §8.3.2). The peer's
//!   may: a gateway that transfers a call puts another machine behind the same dialog.
//! - The codec in use stays while both still have it, unless [`Preference::Offerer`] lets the peer's order
//!   decide or our list of codecs changes.
//! - The `o=` version rises by one when the description differs from the last, and only then.
//! - Our SRTP key stays, unless the peer's changes in an offer: see `AudioStream::srtp` after each exchange.
//!
//! # Hold
//!
//! [`Negotiation::offer_hold`] and [`Negotiation::offer_resume`]; while we hold, our answers keep holding.
//!
//! ```
//! # use rtp_core::negotiate::{Capabilities, Codec, Negotiation};
//! # use std::net::SocketAddr;
//! # let side = |n: u8| Negotiation::new(u64::from(n), Capabilities::new(vec![Codec::new("PCMU", 8_000)],
//! #     SocketAddr::from(([192, 0, 2, n], 4000))), Box::new(|key| key.fill(7)));
//! # let (mut caller, mut callee) = (side(1), side(2));
//! # let offer = caller.offer()?;
//! # let received = callee.receive_offer(offer.to_bytes())?;
//! # caller.answered(&offer, callee.answer(received)?.to_bytes())?;
//! use rtp_core::negotiate::{Hold, PeerHold};
//!
//! let offer = caller.offer_hold(Hold::SendOnly)?;         // the re-INVITE
//! let received = callee.receive_offer(offer.to_bytes())?;
//! let answer = callee.answer(received)?;                  // its 200 says recvonly
//! let held = answer.agreement().audio().next().expect("one stream");
//! assert_eq!(held.held_by_peer, Some(PeerHold::SendOnly));
//! assert!(!held.direction.sends());
//!
//! caller.answered(&offer, answer.to_bytes())?;
//! assert_eq!(caller.held(), Some(Hold::SendOnly));
//! # Ok::<(), rtp_core::negotiate::NegotiationError>(())
//! ```
//!
//! The peer's hold is read in its four forms ([`PeerHold`]) and mirrored as RFC 3264 §6.1 wants it. A
//! refresh of ours says what we want ourselves, not the peer's hold back at it (RFC 6337 §5.3).
//!
//! # Video
//!
//! Is relayed: [`Capabilities::relays`] has a line for each stream whose formats the other leg of a call described.
//! Without, video and everything else that is not audio is refused with port 0.
//!
//! # Left out
//!
//! DTLS and ICE are negotiated as values; the handshake and the checks are
//! somebody else's. Multicast (RFC 3264 §5, §6.2), and preconditions (RFC 3312).

mod agreement;
mod answer;
mod answered;
mod bindings;
mod bundle;
mod capabilities;
mod codec;
mod error;
mod feedback;
mod fmtp;
mod ice;
mod offer;
mod profile;
mod relay;
mod remote;
mod section;
mod security;
mod state;
mod streams;
mod take;

pub use agreement::{
    AgreedLine, Agreement, AudioStream, DtlsPeer, Hold, Payload, PeerHold, SrtpKeys,
};
pub use answer::{Answer, ReceivedOffer};
pub use capabilities::{
    Capabilities, Dtls, DtlsPolicy, LocalAddress, Preference, RtcpMux, Sdes, SdesPolicy,
};
pub use codec::Codec;
pub use error::{LocalError, NegotiationError, PeerIncompatible, PeerMisbehaved, Refusal};
pub use ice::{IceAgreed, IceDescription};
pub use offer::SentOffer;
pub use profile::MediaProfile;
pub use relay::{Relay, RelayedStream};
pub use state::{KeySource, Negotiation};
