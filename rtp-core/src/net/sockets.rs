//! A pair of non-blocking UDP sockets: RTP on an even port, RTCP on the next (RFC 3550 §11).

use crate::transport::{Component, Transmit};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Errors of earlier packets that a receive call may pass on before it blocks.
pub(super) const MAX_PENDING_ERRORS: usize = 16;

/// What to ask the operating system for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketOptions {
    /// Bytes of receive buffer; `None` leaves the system's default. Default: 256 KiB, a second of many
    /// streams, so that a thread that is late loses nothing.
    pub receive_buffer: Option<usize>,
    /// Bytes of send buffer. Default: `None`.
    pub send_buffer: Option<usize>,
    /// The DSCP value, 0–63. Default: 46, expedited forwarding (RFC 3246, RFC 8837 for voice).
    pub dscp: Option<u8>,
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        SocketOptions {
            receive_buffer: Some(256 * 1024),
            send_buffer: None,
            dscp: Some(46),
        }
    }
}

/// The sockets of one media path.
#[derive(Debug)]
pub struct RtpSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    rtp_addr: SocketAddr,
    rtcp_addr: SocketAddr,
}

impl RtpSockets {
    /// Binds `port` and `port + 1` on `ip`.
    ///
    /// # Errors
    /// When either is taken or not allowed, and for port 65535, which has no successor.
    pub fn bind(ip: IpAddr, port: u16, options: SocketOptions) -> io::Result<RtpSockets> {
        let next = port
            .checked_add(1)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let rtp = open(SocketAddr::new(ip, port), options)?;
        let rtcp = open(SocketAddr::new(ip, next), options)?;
        let (rtp_addr, rtcp_addr) = (rtp.local_addr()?, rtcp.local_addr()?);
        Ok(RtpSockets {
            rtp,
            rtcp,
            rtp_addr,
            rtcp_addr,
        })
    }

    /// The address of the RTP socket.
    #[must_use]
    pub fn rtp_addr(&self) -> SocketAddr {
        self.rtp_addr
    }

    /// The address of the RTCP socket.
    #[must_use]
    pub fn rtcp_addr(&self) -> SocketAddr {
        self.rtcp_addr
    }

    /// One of the sockets, for registering it with a poller.
    #[must_use]
    pub fn socket(&self, component: Component) -> &UdpSocket {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }

    /// Takes one datagram into `buffer`: its length and its sender, or `None` when none waits.
    ///
    /// That the peer's host refused an earlier packet (ICMP) is no error here: it may be about to listen.
    ///
    /// # Errors
    /// What the operating system says otherwise.
    pub fn receive(
        &self,
        component: Component,
        buffer: &mut [u8],
    ) -> io::Result<Option<(usize, SocketAddr)>> {
        patient(|| self.socket(component).recv_from(buffer))
    }

    /// Sends a packet; `false` when the system had no room for it: it is lost, as it would be on the way.
    ///
    /// # Errors
    /// What the operating system says otherwise, for instance that the network is unreachable.
    pub fn send(&self, transmit: Transmit, packet: &[u8]) -> io::Result<bool> {
        let socket = self.socket(transmit.component);
        let sent = patient(|| socket.send_to(packet, transmit.to))?;
        Ok(sent.is_some())
    }
}

/// Calls the system again where it answers with what became of an earlier packet (ICMP); `None` when it would block.
pub(super) fn patient<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    for _ in 0..MAX_PENDING_ERRORS {
        match call() {
            Ok(got) => return Ok(Some(got)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(None),
                io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset => {}
                _ => return Err(error),
            },
        }
    }
    Ok(None)
}

pub(super) fn open(addr: SocketAddr, options: SocketOptions) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // The system may grant less, or refuse: a call works without.
    if let Some(size) = options.receive_buffer {
        let _ = socket.set_recv_buffer_size(size);
    }
    if let Some(size) = options.send_buffer {
        let _ = socket.set_send_buffer_size(size);
    }
    if let Some(dscp) = options.dscp {
        mark(&socket, addr, u32::from(dscp.min(63)) << 2);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn mark(socket: &Socket, addr: SocketAddr, class: u32) {
    match addr {
        SocketAddr::V4(_) => {
            let _ = socket.set_tos_v4(class);
        }
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
        SocketAddr::V6(_) => {
            let _ = socket.set_tclass_v6(class);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
        SocketAddr::V6(_) => {}
    }
}
