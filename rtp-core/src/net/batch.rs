//! One socket for the datagrams of many paths, many a system call.

use super::queue::{SendQueue, Sent};
use super::sockets::{SocketOptions, open, patient};
use super::system;
use quinn_udp::{RecvMeta, UdpSocketState};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::slice::{ChunksMut, Iter};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for what one system call gives. Each may hold many datagrams that the system has joined (GRO).
const PLACES: usize = 16;

/// Bytes a place: the most that the system joins, and the longest datagram.
const PLACE: usize = 65_536;

/// A non-blocking UDP socket that takes and gives many datagrams a system call, where the system can: `recvmmsg`,
/// `sendmmsg` and joined datagrams (GRO, GSO) on Linux and Android, what there is elsewhere; one by one at worst.
///
/// Datagrams are never fragmented where the system lets us say so: one that is longer than the way takes is refused.
///
/// ```
/// use rtp_core::net::{BatchSocket, ReceiveBuffer, SendQueue, SocketOptions};
///
/// # fn main() -> std::io::Result<()> {
/// let home = "127.0.0.1:0".parse().expect("an address");
/// let (a, b) = (BatchSocket::bind(home, SocketOptions::default())?, BatchSocket::bind(home, SocketOptions::default())?);
/// let mut queue = SendQueue::new(64);
/// for packet in [&b"one"[..], b"three", b"five"] {
///     assert!(queue.push(b.local_addr(), packet));
/// }
/// assert_eq!(a.send(&mut queue).sent, 3);
///
/// let (mut buffer, mut heard) = (ReceiveBuffer::new(), Vec::new());
/// while heard.len() < 3 {
///     if let Some(datagrams) = b.receive(&mut buffer)? { // `None`: wait with a poller
///         heard.extend(datagrams.map(|datagram| datagram.bytes.to_vec()));
///     }
/// }
/// assert_eq!(heard, [&b"one"[..], b"three", b"five"]);
/// # Ok(()) }
/// ```
pub struct BatchSocket {
    socket: UdpSocket,
    local: SocketAddr,
    state: UdpSocketState,
    /// Datagrams that may be given to the system as one; 1 where it cannot cut them.
    segments: AtomicUsize,
}

impl fmt::Debug for BatchSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSocket")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl BatchSocket {
    /// Binds `addr`, IPv4 or IPv6; port 0 takes one that is free. Both families need two sockets.
    ///
    /// # Errors
    /// When the port is taken or not allowed, or the address is not ours.
    pub fn bind(addr: SocketAddr, options: SocketOptions) -> io::Result<BatchSocket> {
        let socket = open(addr, options)?;
        let state = UdpSocketState::new((&socket).into())?;
        let segments = AtomicUsize::new(system::segments(&state));
        Ok(BatchSocket {
            local: socket.local_addr()?,
            socket,
            state,
            segments,
        })
    }

    /// The address that it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The socket, for registering it with a poller.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Takes what waits, as much as one system call gives; `None` when nothing does. With a poller that tells of news
    /// alone (edge-triggered), call it until then.
    ///
    /// What another host's ICMP says of packets that were sent before is no error here. Empty datagrams are passed over.
    ///
    /// # Errors
    /// What the operating system says otherwise.
    pub fn receive<'b>(&self, buffer: &'b mut ReceiveBuffer) -> io::Result<Option<Datagrams<'b>>> {
        let count = patient(|| {
            let mut places = buffer.bytes.chunks_mut(PLACE);
            let mut slices: [_; PLACES] =
                std::array::from_fn(|_| IoSliceMut::new(places.next().unwrap_or_default()));
            self.state
                .recv((&self.socket).into(), &mut slices, &mut buffer.metas)
        })?;
        Ok(count.map(|count| buffer.datagrams(count)))
    }

    /// Sends everything in `queue`, in its order, and empties it. It never waits: what the system has no room for, or
    /// refuses, is lost, as it would be on the way, and counted.
    pub fn send(&self, queue: &mut SendQueue) -> Sent {
        let mut segments = self.segments.load(Ordering::Relaxed);
        let before = segments;
        let sent = queue.drain(&mut segments, |packets| system::send(&self.socket, packets));
        if segments != before {
            self.segments.store(segments, Ordering::Relaxed);
        }
        sent
    }
}

/// Where [`BatchSocket::receive`] puts what it takes: 1 MiB of address space, of which the system gives what is used. One
/// serves all the sockets of a thread.
pub struct ReceiveBuffer {
    bytes: Box<[u8]>,
    metas: [RecvMeta; PLACES],
}

impl fmt::Debug for ReceiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveBuffer").finish_non_exhaustive()
    }
}

impl Default for ReceiveBuffer {
    fn default() -> ReceiveBuffer {
        ReceiveBuffer::new()
    }
}

impl ReceiveBuffer {
    /// An empty one.
    #[must_use]
    pub fn new() -> ReceiveBuffer {
        ReceiveBuffer {
            bytes: vec![0; PLACES * PLACE].into(),
            metas: [RecvMeta::default(); PLACES],
        }
    }

    fn datagrams(&mut self, count: usize) -> Datagrams<'_> {
        let count = count.min(PLACES);
        Datagrams {
            places: self.bytes.chunks_mut(PLACE),
            metas: self.metas[..count].iter(),
            from: None,
            joined: [][..].chunks_mut(1),
        }
    }
}

/// A datagram that arrived.
#[derive(Debug)]
#[non_exhaustive]
pub struct Datagram<'b> {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address of ours that it was sent to, where the system says it: for sockets bound to every address.
    pub to: Option<IpAddr>,
    /// What is in it; it may be worked on in place.
    pub bytes: &'b mut [u8],
}

/// The datagrams of one [`BatchSocket::receive`], in the order of their arrival.
pub struct Datagrams<'b> {
    places: ChunksMut<'b, u8>,
    metas: Iter<'b, RecvMeta>,
    from: Option<(SocketAddr, Option<IpAddr>)>,
    /// What is left of a place.
    joined: ChunksMut<'b, u8>,
}

impl fmt::Debug for Datagrams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").finish_non_exhaustive()
    }
}

impl<'b> Iterator for Datagrams<'b> {
    type Item = Datagram<'b>;

    fn next(&mut self) -> Option<Datagram<'b>> {
        loop {
            if let (Some((from, to)), Some(bytes)) = (self.from, self.joined.next()) {
                return Some(Datagram { from, to, bytes });
            }
            let (place, meta) = (self.places.next()?, self.metas.next()?);
            let (bytes, _) = place.split_at_mut(meta.len.min(PLACE));
            self.from = Some((meta.addr, meta.dst_ip));
            self.joined = bytes.chunks_mut(meta.stride.max(1));
        }
    }
}
