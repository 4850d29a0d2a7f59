//! A relayed line: a task with the sockets of both sides, which carries packets from one to the other.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rtp_core::net::RtpSockets;
use rtp_core::transport::Component;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::leg::{Leg, Peer, index};
use crate::pbx::now;

/// Larger than any packet that a phone sends, with room for a tag.
const PACKET: usize = 2048;
const TAG: usize = 64;

/// Packets that are taken from a socket before the others have their turn.
const TURN: usize = 32;

/// What a side said anew.
pub(crate) struct Update {
    pub(crate) side: usize,
    pub(crate) peer: Peer,
}

/// Carries packets until the sender is dropped. It is told a few descriptions a call.
///
/// # Errors
/// When the system has no handles left.
pub(crate) fn start(
    legs: [Leg; 2],
    sockets: [&RtpSockets; 2],
) -> io::Result<UnboundedSender<Update>> {
    let open = |sockets: &RtpSockets, component| {
        UdpSocket::from_std(sockets.socket(component).try_clone()?)
    };
    let pair = |of: &RtpSockets| {
        Ok::<_, io::Error>([open(of, Component::Rtp)?, open(of, Component::Rtcp)?])
    };
    let line = Line {
        legs,
        sockets: [pair(sockets[0])?, pair(sockets[1])?],
        packet: vec![0; PACKET + TAG],
    };
    let (tell, updates) = unbounded_channel();
    tokio::spawn(line.run(updates));
    Ok(tell)
}

struct Line {
    legs: [Leg; 2],
    /// RTP and RTCP of each side.
    sockets: [[UdpSocket; 2]; 2],
    packet: Vec<u8>,
}

impl Line {
    async fn run(mut self, mut updates: UnboundedReceiver<Update>) {
        loop {
            self.flush();
            let wake = self.legs.iter().filter_map(Leg::poll_timeout).min();
            let [[a, b], [c, d]] = &self.sockets;
            let ready = tokio::select! {
                update = updates.recv() => match update {
                    Some(Update { side, peer }) => {
                        self.legs[side].update(now(), peer);
                        None
                    }
                    None => return,
                },
                _ = a.readable() => Some((0, Component::Rtp)),
                _ = b.readable() => Some((0, Component::Rtcp)),
                _ = c.readable() => Some((1, Component::Rtp)),
                _ = d.readable() => Some((1, Component::Rtcp)),
                () = until(wake) => {
                    self.legs.iter_mut().for_each(|leg| leg.handle_timeout(now()));
                    None
                }
            };
            if let Some((side, component)) = ready {
                self.read(side, component);
            }
        }
    }

    /// Takes what has come to a socket.
    fn read(&mut self, side: usize, component: Component) {
        for _ in 0..TURN {
            let socket = &self.sockets[side][index(component)];
            match socket.try_recv_from(&mut self.packet[..PACKET]) {
                Ok((len, from)) => self.carry(side, component, from, len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A peer's closed port answers with ICMP; what comes next is another matter.
                Err(_) => {}
            }
        }
    }

    fn carry(&mut self, side: usize, component: Component, from: SocketAddr, len: usize) {
        let opened = self.legs[side].receive(now(), component, from, &mut self.packet[..len]);
        let Some((component, len)) = opened else {
            return;
        };
        let far = 1 - side;
        if let Some((by, to, len)) = self.legs[far].seal(component, &mut self.packet, len) {
            // What does not go at once is late, and lost as on any network.
            let _ = self.sockets[far][index(by)].try_send_to(&self.packet[..len], to);
        }
    }

    /// Sends what the machines have to say themselves.
    fn flush(&mut self) {
        for (leg, sockets) in self.legs.iter_mut().zip(&self.sockets) {
            while let Some((to, datagram)) = leg.poll_transmit() {
                let _ = sockets[0].try_send_to(&datagram, to);
            }
        }
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
