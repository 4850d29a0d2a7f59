//! The media path of one call leg as one machine: what arrives on the sockets goes in, sound and reports come
//! out; what is to be sent goes in, packets come out. It owns no socket and no clock.
//!
//! It tells protocols apart by the first byte (RFC 7983), unprotects SRTP, decides which sender to believe
//! (see [`Latching`]), counts for RTCP (RFC 3550) and sends its reports, and notices when media stops.
//! Sequence numbers, timestamps, SSRC and rollover counters go on across hold, codec change, new keys and
//! new addresses: a peer that checks continuity hears one stream.
//!
//! ICE and DTLS join it from outside: with [`Config::stun`] and [`Config::dtls`] their datagrams come out of
//! [`MediaPath::receive`] as they came in, what they say goes out beside the path's own packets, and keys go in by
//! [`MediaPath::set_keys`]. Until then a path that waits for keys neither sends nor believes anything.
//!
//! Which payload type is which codec stays with the caller; the path knows only their clock rates.
//!
//! ```text
//! loop {
//!     path.receive(now, from, packet)          // for every datagram: Rtp | Rtcp | Stun | Dtls | Handled | Dropped(why)
//!     path.send(now, frame, &mut buffer)       // for every frame: Transmit says where `buffer` goes
//!     path.handle_timeout(now)                 // when poll_timeout() has passed
//!     while let Some(t) = path.poll_transmit(&mut buffer) { .. }   // RTCP
//!     while let Some(e) = path.poll_event() { .. }
//! }
//! ```

mod config;
mod feedback;
mod latch;
mod one_way;
mod path;
mod receive;
mod reports;
mod rtcp_keys;
mod send;
mod stats;

pub use config::{Config, Keys, Latching, RtcpMode};
pub use one_way::OneWay;
pub use path::{Event, MediaPath};
pub use receive::{Component, Path, Protocol, Reason, Received};
pub use send::{OutFrame, PacketBuf, SendError, Transmit};
pub use stats::{Dropped, PathStats, RemoteReport};
