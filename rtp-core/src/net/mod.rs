//! UDP sockets for media paths, behind the feature `net`: non-blocking pairs and the ports that they take.
//!
//! No thread, no runtime and no protocol: [`RtpSockets`] moves datagrams, [`PortAllocator`] keeps a range of
//! ports. Register the sockets with any poller by their descriptors ([`RtpSockets::socket`] gives the
//! `std` socket).

mod ports;
mod sockets;

pub use ports::{PortAllocator, PortError};
pub use sockets::{RtpSockets, SocketOptions};
