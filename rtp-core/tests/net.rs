//! Sockets that take and give many datagrams at once, on this machine's own addresses.
#![cfg(feature = "net")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Real sockets and a real clock.

#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
#[cfg(target_os = "linux")]
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSocketState};
use rtp_core::net::{BatchSocket, ReceiveBuffer, SendQueue, Sent, SocketOptions};
#[cfg(target_os = "linux")]
use socket2::SockRef;
#[cfg(target_os = "linux")]
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const HOMES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// The addresses of this machine that can be used here: not every container has IPv6.
fn homes() -> impl Iterator<Item = IpAddr> {
    HOMES
        .into_iter()
        .filter(|home| home.is_ipv4() || UdpSocket::bind((*home, 0)).is_ok())
}

fn open(home: IpAddr) -> BatchSocket {
    let mut options = SocketOptions::default();
    options.receive_buffer = Some(4 << 20);
    BatchSocket::bind((home, 0).into(), options).unwrap()
}

/// Everything that arrives until `count` datagrams have, or two seconds have passed without one.
fn hear(socket: &BatchSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut buffer, mut heard) = (ReceiveBuffer::new(), Vec::new());
    let mut last = Instant::now();
    while heard.len() < count && last.elapsed() < Duration::from_secs(2) {
        match socket.receive(&mut buffer).unwrap() {
            Some(datagrams) => {
                for datagram in datagrams {
                    assert!(datagram.to.is_none_or(|to| to == socket.local_addr().ip()));
                    heard.push((datagram.from, datagram.bytes.to_vec()));
                }
                last = Instant::now();
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    heard
}

/// A datagram that nobody confuses with another: its number, and bytes made of that.
fn datagram(number: usize, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|at| (number * 31 + at) as u8).collect();
    let name = (number as u32).to_be_bytes();
    let named = len.min(4);
    bytes[..named].copy_from_slice(&name[4 - named..]);
    bytes
}

#[test]
fn datagrams_of_every_length_arrive_whole_and_in_order() {
    for home in homes() {
        let (a, b) = (open(home), open(home));
        // Runs of one length that are joined and cut again, and lengths that change every time.
        let lengths = (0..300).map(|n| match n / 50 {
            0 => 172,
            1 => 1 + n * 7 % 1400,
            2 => 1200,
            3 => [1200, 1200, 1200, 1200, 300][n % 5],
            4 => 1400,
            _ => 4 + n % 3,
        });
        let sent: Vec<_> = lengths
            .enumerate()
            .map(|(n, len)| datagram(n, len))
            .collect();
        let (mut queue, mut total) = (SendQueue::new(400), Sent::default());
        for packet in &sent {
            assert!(queue.push(b.local_addr(), packet));
        }
        total.sent += a.send(&mut queue).sent;
        assert_eq!(total.sent, sent.len());
        let heard = hear(&b, sent.len());
        assert_eq!(heard.len(), sent.len());
        for ((from, heard), sent) in heard.iter().zip(&sent) {
            assert_eq!((*from, heard), (a.local_addr(), sent));
        }
    }
}

#[test]
fn many_senders_are_told_apart_and_many_receivers_get_theirs() {
    for home in homes() {
        let hub = open(home);
        let spokes: Vec<_> = (0..40).map(|_| open(home)).collect();
        let mut queue = SendQueue::new(100);
        for round in 0..20 {
            for (n, spoke) in spokes.iter().enumerate() {
                let packet = datagram(n * 100 + round, 60 + n);
                assert!(queue.push(hub.local_addr(), &packet));
                assert_eq!(spoke.send(&mut queue).sent, 1);
            }
        }
        let heard = hear(&hub, 800);
        assert_eq!(heard.len(), 800);
        for (n, spoke) in spokes.iter().enumerate() {
            let from = heard.iter().filter(|(from, _)| *from == spoke.local_addr());
            let theirs: Vec<_> = from.map(|(_, bytes)| bytes.clone()).collect();
            let sent: Vec<_> = (0..20)
                .map(|round| datagram(n * 100 + round, 60 + n))
                .collect();
            assert_eq!(theirs, sent);
        }
        // And back: one queue, a datagram for each.
        for (n, spoke) in spokes.iter().enumerate() {
            assert!(queue.push(spoke.local_addr(), &datagram(n, 172)));
        }
        assert_eq!(hub.send(&mut queue).sent, spokes.len());
        for (n, spoke) in spokes.iter().enumerate() {
            assert_eq!(hear(spoke, 1), [(hub.local_addr(), datagram(n, 172))]);
        }
    }
}

#[test]
fn the_longest_datagram_passes_among_short_ones() {
    for home in homes() {
        let (a, b) = (open(home), open(home));
        let sent = [datagram(1, 20), datagram(2, 60_000), datagram(3, 20)];
        let mut queue = SendQueue::new(100);
        for packet in &sent {
            assert!(queue.push(b.local_addr(), packet));
        }
        assert_eq!(a.send(&mut queue).sent, 3);
        let heard: Vec<_> = hear(&b, 3).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(heard, sent);
    }
}

#[test]
fn a_closed_port_and_an_unreachable_address_disturb_no_other() {
    for home in homes() {
        let (a, b) = (open(home), open(home));
        let closed = UdpSocket::bind((home, 0)).unwrap().local_addr().unwrap();
        let other: SocketAddr = match home {
            IpAddr::V4(_) => "[::1]:9".parse().unwrap(),
            IpAddr::V6(_) => "[ff3f::1%0]:0".parse().unwrap_or((home, 0).into()),
        };
        let (mut queue, mut buffer) = (SendQueue::new(100), ReceiveBuffer::new());
        for round in 0..20 {
            assert!(queue.push(closed, b"to nobody"));
            assert!(queue.push(other, b"to the other family, or to port 0"));
            assert!(queue.push(b.local_addr(), &datagram(round, 100)));
            let sent = a.send(&mut queue);
            assert_eq!((sent.sent, sent.refused, sent.full), (2, 1, 0), "{other}");
            // What ICMP says of the first is nothing that we hear of.
            assert!(a.receive(&mut buffer).unwrap().is_none());
        }
        assert_eq!(hear(&b, 20).len(), 20);
    }
}

#[test]
fn a_receiver_that_is_late_loses_what_had_no_room_and_goes_on() {
    let mut options = SocketOptions::default();
    options.receive_buffer = Some(4096);
    let home = (Ipv4Addr::LOCALHOST, 0).into();
    let (a, b) = (open(HOMES[0]), BatchSocket::bind(home, options).unwrap());
    let mut queue = SendQueue::new(500);
    for number in 0..500 {
        assert!(queue.push(b.local_addr(), &datagram(number, 500 + number % 2)));
    }
    let sent = a.send(&mut queue);
    assert_eq!(sent.sent + sent.full, 500);
    let mut heard = Vec::new();
    let mut buffer = ReceiveBuffer::new();
    while let Some(datagrams) = b.receive(&mut buffer).unwrap() {
        heard.extend(datagrams.map(|datagram| datagram.bytes.to_vec()));
    }
    assert!(!heard.is_empty() && heard.len() < 500, "{}", heard.len());
    for packet in &heard {
        let number = u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize;
        assert_eq!(*packet, datagram(number, 500 + number % 2));
    }
    assert!(queue.push(b.local_addr(), b"later"));
    assert_eq!(a.send(&mut queue).sent, 1);
    assert_eq!(hear(&b, 1)[0].1, b"later");
}

#[test]
fn they_may_be_moved_to_another_thread() {
    fn send<T: Send>() {}
    send::<BatchSocket>();
    send::<ReceiveBuffer>();
    send::<SendQueue>();
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_sent_in_a_batch_keeps_the_class_of_the_socket() {
    for home in homes() {
        let (a, b) = (open(home), UdpSocket::bind((home, 0)).unwrap());
        // Two bits of the class are told of each datagram that arrives; whoever overwrote it would overwrite these.
        let class = 46 << 2 | 0b10;
        let socket = SockRef::from(a.socket());
        match home {
            IpAddr::V4(_) => {
                assert_eq!(socket.tos_v4().unwrap(), 46 << 2);
                socket.set_tos_v4(class).unwrap();
            }
            IpAddr::V6(_) => {
                assert_eq!(socket.tclass_v6().unwrap(), 46 << 2);
                socket.set_tclass_v6(class).unwrap();
            }
        }
        let state = UdpSocketState::new((&b).into()).unwrap();
        // Of joined datagrams more is told than there is room for.
        setsockopt(&b, UdpGroSegment, &false).unwrap();
        let mut queue = SendQueue::new(100);
        for number in 0..10 {
            // Some are joined, some are not.
            let len = if number < 6 { 100 } else { 90 - number };
            assert!(queue.push(b.local_addr().unwrap(), &datagram(number, len)));
        }
        assert_eq!(a.send(&mut queue).sent, 10);
        let (mut bytes, mut metas, mut heard) = (vec![0; 65_536], [RecvMeta::default()], 0);
        while heard < 10 {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            if state.recv((&b).into(), &mut slices, &mut metas).is_ok() {
                assert_eq!(metas[0].ecn, Some(EcnCodepoint::Ect0));
                heard += 1;
            }
        }
    }
}
