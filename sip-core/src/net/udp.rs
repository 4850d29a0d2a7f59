//! UDP: one socket, read by the driver itself.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::UdpSocket;

use super::backlog::Backlog;
use super::flow_error;
use crate::{FlowError, Target};

/// The largest datagram.
pub(crate) const DATAGRAM: usize = 65_536;

/// What is asked of the kernel for datagrams that wait, in bytes: about 4,000 requests, half a second of a busy server.
/// The kernel gives less where its own limit (`net.core.rmem_max`) is lower.
const WAITING: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) local: SocketAddr,
    pub(crate) backlog: Backlog,
    socket: UdpSocket,
    /// The same socket without the runtime's idea of when it is writable, which a socket that was
    /// just bound does not have yet.
    sender: Arc<std::net::UdpSocket>,
}

/// A socket to send from.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) local: SocketAddr,
    socket: Arc<std::net::UdpSocket>,
}

/// The socket from which something goes there.
pub(crate) fn from<'a, S>(
    sockets: &'a [S],
    to: &Target,
    local: impl Fn(&S) -> SocketAddr,
) -> Option<&'a S> {
    sockets.iter().find(|socket| match to {
        Target::Flow(flow) => local(socket) == flow.local,
        Target::Open { remote, .. } => local(socket).is_ipv4() == remote.is_ipv4(),
    })
}

impl Socket {
    pub(crate) fn bind(at: SocketAddr) -> io::Result<Self> {
        let sender = std::net::UdpSocket::bind(at)?;
        sender.set_nonblocking(true)?;
        // Less room is no reason not to run.
        let _ = socket2::SockRef::from(&sender).set_recv_buffer_size(WAITING);
        let local = sender.local_addr()?;
        let socket = UdpSocket::from_std(sender.try_clone()?)?;
        Ok(Self {
            local,
            backlog: Backlog::default(),
            socket,
            sender: Arc::new(sender),
        })
    }

    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) -> Result<(), FlowError> {
        send(&self.sender, to, bytes)
    }

    /// For those who send from this socket too.
    pub(crate) fn sender(&self) -> Sender {
        Sender {
            local: self.local,
            socket: Arc::clone(&self.sender),
        }
    }

    /// Whether there may be something to [`receive`](Self::receive); the task is woken when there is.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_recv_ready(cx).map(|_| ())
    }

    /// The next datagram and its sender; `Some(None)` for an ICMP error of some earlier send, without a word about
    /// which; `None` when nothing is there.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<Option<(SocketAddr, Bytes)>> {
        match self.socket.try_recv_from(buffer) {
            Ok((len, remote)) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                Some(Some((remote, Bytes::copy_from_slice(bytes))))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(None),
        }
    }
}

impl Sender {
    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) -> Result<(), FlowError> {
        send(&self.socket, to, bytes)
    }
}

fn send(socket: &std::net::UdpSocket, to: SocketAddr, bytes: &[u8]) -> Result<(), FlowError> {
    match socket.send_to(bytes, to) {
        Ok(_) => Ok(()),
        // A full socket buffer loses the datagram, as the network might; transactions repeat it.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(flow_error(&error)),
    }
}

/// The address of ours that the default route uses. Connecting a UDP socket sends nothing.
pub(crate) fn outward_address(like: SocketAddr) -> Option<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): routed like any other, and nobody's.
    let (bind, peer) = match like {
        SocketAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        SocketAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    let socket = std::net::UdpSocket::bind(bind).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
