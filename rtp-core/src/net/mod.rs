//! UDP sockets for media paths, behind the feature `net`: non-blocking pairs and the ports that they take, and one socket
//! for many paths.
//!
//! No thread, no runtime and no protocol: [`RtpSockets`] moves datagrams of one path, [`PortAllocator`] keeps a range of
//! ports, [`BatchSocket`] moves many datagrams a system call, for paths that share a port: a
//! `Router` of the module `ice` says whose they are. Register the sockets with any poller by their descriptors
//! ([`RtpSockets::socket`] and [`BatchSocket::socket`] give the `std` socket).

mod batch;
mod ports;
mod queue;
mod sockets;
mod system;

pub use batch::{BatchSocket, Datagram, Datagrams, ReceiveBuffer};
pub use ports::{PortAllocator, PortError};
pub use queue::{SendQueue, Sent};
pub use sockets::{RtpSockets, SocketOptions};
