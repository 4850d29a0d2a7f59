//! UDP: one socket, one task that receives.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{Report, flow_error};
use crate::{Flow, FlowError, Input};

/// The largest datagram.
const DATAGRAM: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) local: SocketAddr,
    /// The same socket without the runtime's idea of when it is writable, which a socket that was
    /// just bound does not have yet.
    sender: std::net::UdpSocket,
    task: AbortHandle,
}

impl Socket {
    pub(crate) fn bind(at: SocketAddr, reporter: mpsc::Sender<Report>) -> io::Result<Self> {
        let sender = std::net::UdpSocket::bind(at)?;
        sender.set_nonblocking(true)?;
        let local = sender.local_addr()?;
        let socket = UdpSocket::from_std(sender.try_clone()?)?;
        let task = tokio::spawn(receive(socket, local, reporter)).abort_handle();
        Ok(Self {
            local,
            sender,
            task,
        })
    }

    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) -> Result<(), FlowError> {
        match self.sender.send_to(bytes, to) {
            Ok(_) => Ok(()),
            // A full socket buffer loses the datagram, as the network might; transactions repeat it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(flow_error(&error)),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(socket: UdpSocket, local: SocketAddr, reporter: mpsc::Sender<Report>) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let input = match socket.recv_from(&mut buffer).await {
            Ok((len, remote)) => {
                let flow = Flow::udp(local, remote);
                Input::Received {
                    flow,
                    bytes: Bytes::copy_from_slice(&buffer[..len]),
                }
            }
            // An ICMP error of some earlier send, without a word about which; the socket lives on.
            Err(_) => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        if reporter.send(Report::Network(input)).await.is_err() {
            return;
        }
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
