//! The media half of a phone call, as parts: session descriptions and their negotiation, RTP, RTCP, SRTP, a
//! jitter buffer, DTMF and call quality.
//!
//! Everything here is a value or a state machine. Bytes and the time go in, bytes and answers come out; there
//! is no socket, no clock, no thread and no allocation for a packet. What plays sound, and what opens sockets,
//! is somebody else (the module `net`, behind its feature, has sockets for those who want them).
//!
//! # A call, in five steps
//!
//! 1. [`negotiate`] makes an offer or an answer, and says what was agreed: addresses, payload types, keys.
//! 2. A [`transport::MediaPath`] is made from that. Every datagram goes into [`receive`], every encoded frame
//!    into [`send`]; RTCP and its timers are polled.
//! 3. Sound goes into a [`jitter::JitterBuffer`]; each tick pulls what to play. Events go into a
//!    [`dtmf::DtmfReceiver`].
//! 4. A re-negotiation changes addresses, directions and keys on the same path: sequence numbers, timestamps
//!    and rollover counters go on.
//! 5. [`quality`] turns the counters into a score.
//!
//! [`receive`]: transport::MediaPath::receive
//! [`send`]: transport::MediaPath::send
//!
//! # Two paths
//!
//! One plain and one with SRTP; a frame goes from `alice` to `bob` and through his jitter buffer.
//!
//! ```
//! use rtp_core::jitter::{JitterBuffer, JitterConfig, Playout};
//! use rtp_core::rtcp::Epoch;
//! use rtp_core::srtp::{MasterKey, Suite};
//! use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Received};
//! use std::time::{Duration, Instant, SystemTime};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[allow(clippy::disallowed_methods)]
//! let (start, wall) = (Instant::now(), SystemTime::now()); // the application's clocks, read once
//! let random = |seed: u64| {
//!     let mut state = seed; // an application hands in a cryptographic generator
//!     Box::new(move |out: &mut [u8]| {
//!         for byte in out {
//!             state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
//!             *byte = (state >> 56) as u8;
//!         }
//!     })
//! };
//! let (a, b) = ("192.0.2.1:4000".parse()?, "192.0.2.2:4000".parse()?);
//! let a_key = MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut *random(1));
//! let b_key = MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut *random(2));
//!
//! for secure in [false, true] {
//!     let mut config = Config::new(b, Epoch::new(start, wall));
//!     config.keys = secure.then(|| Keys { send: a_key.clone(), receive: b_key.clone() });
//!     let mut alice = MediaPath::new(start, config, random(3));
//!
//!     let mut config = Config::new(a, Epoch::new(start, wall));
//!     config.keys = secure.then(|| Keys { send: b_key.clone(), receive: a_key.clone() });
//!     let mut bob = MediaPath::new(start, config, random(4));
//!     let mut jitter = JitterBuffer::new(JitterConfig::new(8000));
//!
//!     let (mut packet, mut payload) = (PacketBuf::new(), [0; 1500]);
//!     let mut heard = 0;
//!     for tick in 0..50u32 {
//!         let now = start + Duration::from_millis(20) * tick;
//!         let sound = [tick as u8; 160]; // 20 ms of G.711
//!         let frame = OutFrame { payload_type: 0, marker: tick == 0, timestamp: tick * 160, payload: &sound };
//!         let transmit = alice.send(now, frame, &mut packet)?;
//!         assert_eq!(transmit.to, b);
//!         assert_eq!(packet.len(), 12 + 160 + if secure { 10 } else { 0 });
//!
//!         // The network carries `packet` to bob.
//!         if let Received::Rtp(rtp) = bob.receive(now, Path::rtp(a), packet.as_mut_slice()) {
//!             jitter.push(now, rtp);
//!         }
//!         if let Playout::Frame(frame) = jitter.pull(now, &mut payload) {
//!             assert_eq!(payload[..frame.len], [heard as u8; 160]);
//!             heard += 1;
//!         }
//!     }
//!     assert!(heard > 45, "all but the first few, which wait in the buffer");
//!     assert_eq!(bob.stats().packets_lost, 0);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is left out
//!
//! Sound itself (codecs, mixing, concealment: `media-mix`), SIP (`sip-core`).
//!
//! # Features and versions
//!
//! - `dtls`: SRTP keys by a DTLS handshake; brings `ring`. Off by default.
//! - `dtls-openssl`: those handshakes by the system's OpenSSL, for peers with RSA certificates; building wants its headers
//!   and pkg-config. Off by default.
//! - `ice`: connectivity checks and consent, and STUN messages. Off by default.
//! - `net`: non-blocking UDP socket pairs, a port allocator, and sockets that move many datagrams a system call. Off by
//!   default.
//! - `turn`: an address on a TURN server, for ICE; brings `ice`. Off by default.
//! - `ring`: AES-GCM from `ring` instead of RustCrypto: faster, and needs a C compiler. Off by default.
//!
//! Edition 2024, Rust 1.89 or later.
#![forbid(unsafe_code)]

#[cfg(feature = "dtls")]
pub mod dtls;
pub mod dtmf;
#[cfg(feature = "ice")]
pub mod ice;
pub mod jitter;
pub mod negotiate;
#[cfg(feature = "net")]
pub mod net;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdes;
pub mod sdp;
pub mod srtp;
#[cfg(feature = "ice")]
pub mod stun;
pub mod transport;
#[cfg(feature = "turn")]
pub mod turn;

/// A source of random bytes, handed in so that a test can replay a run exactly. In production it must be
/// cryptographic: SSRCs, sequence numbers and CNAMEs come from it.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// The README's example runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeDoctests;
