//! A relayed line: a task with the sockets of all who sit at it, which carries packets between those that are joined.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
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

const COMPONENTS: [Component; 2] = [Component::Rtp, Component::Rtcp];

/// What a line is told: a few times a call.
pub(crate) enum Update {
    /// Somebody sits down.
    Sits {
        place: usize,
        leg: Leg,
        sockets: [UdpSocket; 2],
    },
    /// Somebody is spoken to in another way from now on.
    Becomes { place: usize, leg: Leg },
    /// What somebody said anew.
    Says { place: usize, peer: Peer },
    /// These two hear each other, and nobody else does.
    Joins([usize; 2]),
    /// Somebody has left.
    Leaves(usize),
}

/// The sockets of a seat, for the line.
///
/// # Errors
/// When the system has no handles left.
pub(crate) fn open(sockets: &RtpSockets) -> io::Result<[UdpSocket; 2]> {
    let open = |component| UdpSocket::from_std(sockets.socket(component).try_clone()?);
    Ok([open(Component::Rtp)?, open(Component::Rtcp)?])
}

/// Carries packets until the sender is dropped.
pub(crate) fn start() -> UnboundedSender<Update> {
    let line = Line {
        legs: BTreeMap::new(),
        sockets: BTreeMap::new(),
        joined: None,
        turn: 0,
        packet: vec![0; PACKET + TAG],
    };
    let (tell, updates) = unbounded_channel();
    tokio::spawn(line.run(updates));
    tell
}

struct Line {
    legs: BTreeMap<usize, Leg>,
    /// RTP and RTCP of each.
    sockets: BTreeMap<usize, [UdpSocket; 2]>,
    joined: Option<[usize; 2]>,
    /// Whose socket is looked at first.
    turn: usize,
    packet: Vec<u8>,
}

/// What a line waits for.
enum Next {
    Told(Option<Update>),
    Came(usize),
    Late,
}

impl Line {
    async fn run(mut self, mut updates: UnboundedReceiver<Update>) {
        loop {
            self.flush();
            let wake = self.legs.values().filter_map(Leg::poll_timeout).min();
            let (sockets, turn) = (&self.sockets, self.turn);
            let next = tokio::select! {
                update = updates.recv() => Next::Told(update),
                place = poll_fn(|cx| poll_readable(sockets, turn, cx)) => Next::Came(place),
                () = until(wake) => Next::Late,
            };
            match next {
                Next::Told(Some(update)) => self.update(update),
                Next::Told(None) => return,
                Next::Came(place) => {
                    for component in COMPONENTS {
                        self.read(place, component);
                    }
                    // Then it is the next one's turn.
                    self.turn = place + 1;
                }
                Next::Late => {
                    let legs = self.legs.values_mut();
                    legs.for_each(|leg| leg.handle_timeout(now()));
                }
            }
        }
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Sits {
                place,
                leg,
                sockets,
            } => {
                self.legs.insert(place, leg);
                self.sockets.insert(place, sockets);
            }
            Update::Becomes { place, leg } => {
                self.legs.insert(place, leg);
            }
            Update::Says { place, peer } => {
                if let Some(leg) = self.legs.get_mut(&place) {
                    leg.update(now(), peer);
                }
            }
            Update::Joins(pair) => self.joined = Some(pair),
            Update::Leaves(place) => {
                self.legs.remove(&place);
                self.sockets.remove(&place);
            }
        }
    }

    /// Takes what has come to a socket.
    fn read(&mut self, place: usize, component: Component) {
        for _ in 0..TURN {
            let Some(sockets) = self.sockets.get(&place) else {
                return;
            };
            match sockets[index(component)].try_recv_from(&mut self.packet[..PACKET]) {
                Ok((len, from)) => self.carry(place, component, from, len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A peer's closed port answers with ICMP; what comes next is another matter.
                Err(_) => {}
            }
        }
    }

    fn carry(&mut self, place: usize, component: Component, from: SocketAddr, len: usize) {
        let Some(leg) = self.legs.get_mut(&place) else {
            return;
        };
        let packet = &mut self.packet[..len];
        let Some((component, len)) = leg.receive(now(), component, from, packet) else {
            return;
        };
        let far = match self.joined {
            Some([a, b]) if a == place => b,
            Some([a, b]) if b == place => a,
            _ => return,
        };
        let (leg, sockets) = (self.legs.get_mut(&far), self.sockets.get(&far));
        let Some((leg, sockets)) = leg.zip(sockets) else {
            return;
        };
        if let Some((by, to, len)) = leg.seal(component, &mut self.packet, len) {
            // What does not go at once is late, and lost as on any network.
            let _ = sockets[index(by)].try_send_to(&self.packet[..len], to);
        }
    }

    /// Sends what the machines have to say themselves.
    fn flush(&mut self) {
        for (place, leg) in &mut self.legs {
            while let Some((to, datagram)) = leg.poll_transmit() {
                if let Some([rtp, _]) = self.sockets.get(place) {
                    let _ = rtp.try_send_to(&datagram, to);
                }
            }
        }
    }
}

/// Somebody for whom something has come, from `turn` on.
fn poll_readable(
    sockets: &BTreeMap<usize, [UdpSocket; 2]>,
    turn: usize,
    cx: &mut Context<'_>,
) -> Poll<usize> {
    let mut places = sockets.range(turn..).chain(sockets.range(..turn));
    // A broken socket is readable, so that its error is taken.
    let ready = places.find(|(_, [rtp, rtcp])| {
        rtp.poll_recv_ready(cx).is_ready() || rtcp.poll_recv_ready(cx).is_ready()
    });
    ready.map_or(Poll::Pending, |(place, _)| Poll::Ready(*place))
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
