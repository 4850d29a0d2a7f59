//! A way between two UDP ports on which RTP gets lost at will.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Smaller packets of RTP are probes and fillers.
const LARGE: usize = 150;

/// A port of 127.0.0.1 that passes on what comes to it: to the far side what comes from anybody else, and to whoever sent
/// last what comes from the far side.
#[derive(Debug)]
pub struct LossyWay {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The far side's port on 127.0.0.1; 0 while it is not known.
    far: AtomicU16,
    /// Which large packet of RTP towards the far side is lost: every one of so many; 0 is none.
    every: AtomicU32,
    lost: AtomicU32,
    over: AtomicBool,
}

impl LossyWay {
    /// One that loses nothing yet, and leads nowhere.
    ///
    /// # Panics
    /// When there is no port.
    pub fn open() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).expect("a socket");
        let port = socket.local_addr().expect("its address").port();
        let shared = Arc::new(Shared::default());
        let carried = shared.clone();
        let thread = std::thread::spawn(move || carry(&socket, &carried));
        Self {
            port,
            shared,
            thread: Some(thread),
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it leads.
    pub fn leads_to(&self, port: u16) {
        self.shared.far.store(port, Ordering::Relaxed);
    }

    /// From now on every `n`th large packet of RTP towards the far side is lost, of 1 all, of 0 none; gives how many
    /// were lost so far.
    pub fn lose_every(&self, n: u32) -> u32 {
        self.shared.every.store(n, Ordering::Relaxed);
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for LossyWay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(socket: &UdpSocket, shared: &Shared) {
    let mut bytes = [0; 2048];
    let mut near: Option<SocketAddr> = None;
    let mut large = 0_u32;
    while !shared.over.load(Ordering::Relaxed) {
        // Otherwise nothing came, or somebody who was sent to has left.
        let Ok((len, from)) = socket.recv_from(&mut bytes) else {
            continue;
        };
        let far = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.far.load(Ordering::Relaxed)));
        if from == far {
            if let Some(near) = near {
                let _ = socket.send_to(&bytes[..len], near);
            }
            continue;
        }
        near = Some(from);
        if is_rtp(&bytes[..len]) && len >= LARGE {
            large = large.wrapping_add(1);
            let every = shared.every.load(Ordering::Relaxed);
            if every != 0 && large.is_multiple_of(every) {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        if far.port() != 0 {
            let _ = socket.send_to(&bytes[..len], far);
        }
    }
}

/// RTP, and not RTCP on the same port (RFC 7983 section 7, RFC 5761 section 4).
fn is_rtp(packet: &[u8]) -> bool {
    let is_media = packet.first().is_some_and(|b| (128..=191).contains(b));
    is_media && !packet.get(1).is_some_and(|b| (192..=223).contains(b))
}
