//! Ports that no other test uses, and whether a port is bound.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// UDP or TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// Datagrams.
    Udp,
    /// A listening stream socket.
    Tcp,
}

/// A block of [`Ports::SIZE`] consecutive ports on 127.0.0.1, below the range from which the system gives out
/// ephemeral ones.
///
/// The last port of a block stays bound (UDP) while the block lives, so that test programs that run at the same time
/// leave it alone.
#[derive(Debug)]
pub struct Ports {
    base: u16,
    _guard: UdpSocket,
}

impl Ports {
    /// How many ports a block has, that of the guard included.
    pub const SIZE: u16 = 60;
    const LOWEST: u16 = 12_000;
    const BLOCKS: u16 = (32_000 - Self::LOWEST) / Self::SIZE;

    /// Takes a block in which every port is free for UDP and TCP now.
    ///
    /// # Panics
    /// When there is none.
    pub fn take() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Test programs start at different places, so that they seldom look at the same block.
        let start = (std::process::id().wrapping_mul(7919) % u32::from(Self::BLOCKS)) as u16;
        for _ in 0..Self::BLOCKS {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let base = Self::LOWEST + start.wrapping_add(n) % Self::BLOCKS * Self::SIZE;
            let Ok(guard) = UdpSocket::bind((Ipv4Addr::LOCALHOST, base + Self::SIZE - 1)) else {
                continue;
            };
            let free = |port| {
                UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                    && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            };
            if (base..base + Self::SIZE - 1).all(free) {
                return Self {
                    base,
                    _guard: guard,
                };
            }
        }
        panic!("no block of {} free ports", Self::SIZE)
    }

    /// The `n`th port of the block.
    ///
    /// # Panics
    /// When `n` is the guard's or beyond.
    pub fn port(&self, n: u16) -> u16 {
        assert!(
            n < Self::SIZE - 1,
            "a block has {} ports to use",
            Self::SIZE - 1
        );
        self.base + n
    }
}

/// Whether something listens on `port` (looks into `/proc/net`, does not connect).
pub fn bound(proto: Proto, port: u16) -> bool {
    let (files, state) = match proto {
        Proto::Udp => (["/proc/net/udp", "/proc/net/udp6"], "07"),
        Proto::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], "0A"),
    };
    let wanted = format!(":{port:04X}");
    files
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok())
        .any(|table| {
            table.lines().any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                let local = fields.next().unwrap_or_default();
                let _remote = fields.next();
                local.ends_with(&wanted) && fields.next() == Some(state)
            })
        })
}
