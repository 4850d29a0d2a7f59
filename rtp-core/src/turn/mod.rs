//! An address on a server that relays (TURN, RFC 8656): what two peers use when neither can reach the other.
//!
//! A [`Client`] asks a server for such an address, keeps it, and says who may send to it. It is a machine: messages from
//! the server and the time go in, messages to the server and [`Event`]s come out. The way to the server is the caller's: UDP,
//! or a stream (TCP, or TLS made by the caller), whose bytes a [`Framer`] cuts into messages.
//!
//! ```
//! use rtp_core::stun::{Class, Message};
//! use rtp_core::transport::PacketBuf;
//! use rtp_core::turn::{ALLOCATE, Client, Config, Received, Transport, TurnError};
//! # use std::time::Instant;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now(); // the application's clock
//! let config = Config::new(Transport::Udp, "alice", "secret");
//! let mut client = Client::new(now, config)?;
//!
//! // What is to be sent to the server. It asks for a password at first; the client answers that by itself.
//! let asked = client.poll_transmit().expect("a question");
//! let asked = Message::parse(&asked)?;
//! assert_eq!((asked.class(), asked.method()), (Class::Request, ALLOCATE));
//!
//! // Nothing can be sent before the server has given an address.
//! let (peer, mut out) = ("192.0.2.2:5000".parse()?, PacketBuf::new());
//! assert_eq!(client.send(now, peer, b"sound", &mut out), Err(TurnError::NoAddress));
//! // What the server sends goes in here; what peers sent comes out of it.
//! assert_eq!(client.receive(now, b"noise"), Received::Foreign);
//! # Ok(()) }
//! ```
//!
//! # With ICE
//!
//! [`Event::Allocated`] brings an address for [`Agent::add_relayed`]. What the agent wants to send from that address goes
//! through [`Client::send`], which asks the server's permission first; what [`Client::receive`] finds from a peer goes to
//! [`Agent::receive`], with that address as `local`. When a pair with that address is selected, [`Client::bind`] makes
//! its packets 32 bytes shorter. An address that is lost is told ([`Event::Lost`]); its pairs die as others do, and ICE turns
//! to another.
//!
//! # What stands behind it
//!
//! Requests, their repetition and their authentication are the crate `turn-client-proto`'s. Around it are, here: our own
//! reading of every message before it sees a byte, streams (that crate knows no padding), bounds, datagrams that wait for
//! permission, and an address that the server has forgotten. A refusal is believed only if it names a request of ours that
//! is open. Transaction ids are drawn by that crate from the system's generator.
//!
//! # What is left out
//!
//! Servers without a password, ALTERNATE-SERVER, addresses for TCP peers (RFC 6062), mobility (RFC 8016), and DTLS to the
//! server.
//!
//! [`Agent::add_relayed`]: crate::ice::Agent::add_relayed
//! [`Agent::receive`]: crate::ice::Agent::receive

mod client;
mod config;
mod event;
mod framer;
mod uri;

pub use client::Client;
pub use config::{Config, Transport};
pub use event::{Event, Failure, Received, Sent, TurnError};
pub use framer::{Framer, FramingError};
pub use uri::{Uri, UriError};

/// The method Allocate (RFC 8656 §17).
pub const ALLOCATE: u16 = 0x003;
/// The method Refresh.
pub const REFRESH: u16 = 0x004;
/// The method Send, of indications to the server.
pub const SEND: u16 = 0x006;
/// The method Data, of indications from the server.
pub const DATA_INDICATION: u16 = 0x007;
/// The method CreatePermission.
pub const CREATE_PERMISSION: u16 = 0x008;
/// The method ChannelBind.
pub const CHANNEL_BIND: u16 = 0x009;
/// The attribute CHANNEL-NUMBER (RFC 8656 §18).
pub const CHANNEL_NUMBER: u16 = 0x000c;
/// The attribute LIFETIME, seconds.
pub const LIFETIME: u16 = 0x000d;
/// The attribute XOR-PEER-ADDRESS.
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// The attribute DATA.
pub const DATA: u16 = 0x0013;
/// The attribute XOR-RELAYED-ADDRESS.
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
