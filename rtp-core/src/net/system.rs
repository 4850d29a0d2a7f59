//! What systems have for sending many datagrams at once.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::{segments, send};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use elsewhere::{segments, send};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use crate::net::queue::{BATCH, Packets};
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
    use quinn_udp::UdpSocketState;
    use socket2::{MsgHdr, SockAddr, SockRef};
    use std::cell::RefCell;
    use std::io::{self, IoSlice};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    /// `SOL_UDP` and `UDP_SEGMENT` (linux/udp.h).
    const UDP_SEGMENT: (i32, i32) = (17, 103);

    /// What the kernel's `cmsghdr` takes, and its data of two bytes with what follows them.
    const HEADER: usize = size_of::<usize>() + 8;
    const CONTROL: usize = HEADER + size_of::<usize>();

    thread_local! {
        // They hold addresses of memory between calls, and so cannot go from thread to thread with a socket.
        static HEADERS: RefCell<MultiHeaders<SockaddrStorage>> =
            RefCell::new(MultiHeaders::preallocate(BATCH, None));
    }

    pub(in crate::net) fn segments(state: &UdpSocketState) -> usize {
        state.max_gso_segments()
    }

    /// How many the system has taken.
    pub(in crate::net) fn send(socket: &UdpSocket, packets: &Packets<'_>) -> io::Result<usize> {
        match packets.cut {
            Some(length) => send_joined(socket, packets, length),
            None => send_each(socket, packets),
        }
    }

    fn send_joined(socket: &UdpSocket, packets: &Packets<'_>, length: u16) -> io::Result<usize> {
        let mut all = packets.iter();
        let count = all.len();
        let Some((to, _)) = all.next() else {
            return Ok(0);
        };
        let mut control = [0; CONTROL];
        let (size, rest) = control.split_at_mut(size_of::<usize>());
        size.copy_from_slice(&(HEADER + 2).to_ne_bytes());
        rest[..4].copy_from_slice(&UDP_SEGMENT.0.to_ne_bytes());
        rest[4..8].copy_from_slice(&UDP_SEGMENT.1.to_ne_bytes());
        rest[8..10].copy_from_slice(&length.to_ne_bytes());
        let to = SockAddr::from(to);
        let bytes = [IoSlice::new(packets.joined())];
        let message = MsgHdr::new()
            .with_addr(&to)
            .with_buffers(&bytes)
            .with_control(&control);
        SockRef::from(socket).sendmsg(&message, 0)?;
        Ok(count)
    }

    fn send_each(socket: &UdpSocket, packets: &Packets<'_>) -> io::Result<usize> {
        let mut slices = [[IoSlice::new(&[])]; BATCH];
        let mut addresses = [None; BATCH];
        let mut count = 0;
        for ((to, bytes), (slice, address)) in
            packets.iter().zip(slices.iter_mut().zip(&mut addresses))
        {
            *slice = [IoSlice::new(bytes)];
            *address = Some(SockaddrStorage::from(to));
            count += 1;
        }
        HEADERS.with_borrow_mut(|headers| {
            let sent = sendmmsg(
                socket.as_raw_fd(),
                headers,
                &slices[..count],
                &addresses[..count],
                [],
                MsgFlags::empty(),
            )?;
            Ok(sent.count())
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere {
    use crate::net::queue::Packets;
    use quinn_udp::UdpSocketState;
    use std::io;
    use std::net::UdpSocket;

    pub(in crate::net) fn segments(_: &UdpSocketState) -> usize {
        1
    }

    /// One at a time.
    pub(in crate::net) fn send(socket: &UdpSocket, packets: &Packets<'_>) -> io::Result<usize> {
        match packets.iter().next() {
            Some((to, bytes)) => socket.send_to(bytes, to).map(|_| 1),
            None => Ok(0),
        }
    }
}
