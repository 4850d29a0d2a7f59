//! A TURN server on virtual time (RFC 8656), as strict as it must be and as odd as a test wants it.

use md5::{Digest, Md5};
use rtp_core::stun::{Builder, Class, Message, XOR_MAPPED_ADDRESS};
use rtp_core::turn::{
    ALLOCATE, CHANNEL_BIND, CHANNEL_NUMBER, CREATE_PERMISSION, DATA, DATA_INDICATION, LIFETIME,
    REFRESH, SEND, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const ERROR_CODE: u16 = 0x0009;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;

pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "secret";
const REALM_NAME: &str = "example.test";

struct Allocation {
    client: SocketAddr,
    relayed: SocketAddr,
    until: Instant,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<(u16, SocketAddr, Instant)>,
}

pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    /// Change it, and clients must take the new one.
    pub(crate) nonce: u32,
    pub(crate) is_silent: bool,
    pub(crate) quota: usize,
    /// Who may not be reached.
    pub(crate) denied: Vec<IpAddr>,
    /// Requests that were granted, by method.
    pub(crate) granted: Vec<u16>,
    /// Datagrams that came or went on channels, and as indications.
    pub(crate) on_channels: usize,
    pub(crate) as_indications: usize,
    allocations: Vec<Allocation>,
    next_port: u16,
}

/// From where, to where, what.
pub(crate) type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

impl Server {
    pub(crate) fn new(at: SocketAddr) -> Server {
        Server {
            at,
            nonce: 1,
            is_silent: false,
            quota: 10,
            denied: Vec::new(),
            granted: Vec::new(),
            on_channels: 0,
            as_indications: 0,
            allocations: Vec::new(),
            next_port: 50_000,
        }
    }

    /// As after a crash.
    pub(crate) fn forget(&mut self) {
        self.allocations.clear();
        self.nonce += 1;
    }

    pub(crate) fn count(&self, method: u16) -> usize {
        self.granted.iter().filter(|&&m| m == method).count()
    }

    pub(crate) fn addresses(&self) -> usize {
        self.allocations.len()
    }

    /// What a client sent: what goes where.
    pub(crate) fn by_client(
        &mut self,
        now: Instant,
        client: SocketAddr,
        bytes: &[u8],
    ) -> Option<Datagram> {
        if self.is_silent {
            return None;
        }
        self.allocations.retain(|allocation| allocation.until > now);
        if bytes[0] >> 6 == 1 {
            return self.channel(now, client, bytes);
        }
        let message = Message::parse(bytes).expect("a client sends STUN or channels");
        match message.class() {
            Class::Request => {
                let answer = self.asked(now, client, &message);
                Some((self.at, client, answer))
            }
            Class::Indication => {
                assert_eq!(message.method(), SEND);
                self.as_indications += 1;
                let peer = message.address(XOR_PEER_ADDRESS).unwrap();
                let payload = message.attribute(DATA).unwrap().to_vec();
                let allocation = self.of(client)?;
                let permitted = allocation.permits(now, peer.ip());
                permitted.then_some((allocation.relayed, peer, payload))
            }
            other => panic!("a client sends no {other:?}"),
        }
    }

    fn of(&mut self, client: SocketAddr) -> Option<&mut Allocation> {
        self.allocations.iter_mut().find(|a| a.client == client)
    }

    fn channel(&mut self, now: Instant, client: SocketAddr, bytes: &[u8]) -> Option<Datagram> {
        self.on_channels += 1;
        let number = u16::from_be_bytes([bytes[0], bytes[1]]);
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let payload = bytes[4..4 + length].to_vec();
        let allocation = self.of(client)?;
        let mut channels = allocation.channels.iter();
        let (_, peer, _) = channels.find(|(n, _, until)| *n == number && *until > now)?;
        let permitted = allocation.permits(now, peer.ip());
        permitted.then_some((allocation.relayed, *peer, payload))
    }

    /// What came to a relayed address: to which client it goes, and how.
    pub(crate) fn by_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Option<(SocketAddr, Vec<u8>)> {
        if self.is_silent {
            return None;
        }
        let mut all = self.allocations.iter();
        let allocation = all.find(|a| a.relayed == relayed && a.until > now)?;
        if !allocation.permits(now, peer.ip()) {
            return None;
        }
        let mut channels = allocation.channels.iter();
        let bound = channels.find(|(_, to, until)| *to == peer && *until > now);
        let bytes = match bound {
            Some((number, ..)) => {
                self.on_channels += 1;
                let mut bytes = number.to_be_bytes().to_vec();
                bytes.extend((payload.len() as u16).to_be_bytes());
                bytes.extend(payload);
                bytes
            }
            None => {
                self.as_indications += 1;
                let id = rtp_core::stun::TransactionId([9; 12]);
                Builder::new(Class::Indication, DATA_INDICATION, id)
                    .address(XOR_PEER_ADDRESS, peer)
                    .attribute(DATA, payload)
                    .finish(None)
            }
        };
        Some((allocation.client, bytes))
    }

    fn asked(&mut self, now: Instant, client: SocketAddr, message: &Message<'_>) -> Vec<u8> {
        let refuse = |code: u16| {
            let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
            Builder::new(Class::Error, message.method(), message.transaction())
                .attribute(ERROR_CODE, &value)
        };
        let nonce = format!("nonce-{}", self.nonce);
        let challenge = |code| {
            let answer = refuse(code).attribute(NONCE, nonce.as_bytes());
            answer.attribute(REALM, REALM_NAME.as_bytes()).finish(None)
        };
        let text = format!("{USER}:{REALM_NAME}:{PASSWORD}");
        let key = Md5::digest(text.as_bytes());
        if message.username() != Some(USER) || !message.verify(&key) {
            return challenge(401);
        }
        if message.attribute(NONCE) != Some(nonce.as_bytes()) {
            return challenge(438);
        }
        match self.grant(now, client, message) {
            Ok(answer) => {
                self.granted.push(message.method());
                answer.finish(Some(&key))
            }
            Err(code) => refuse(code).finish(Some(&key)),
        }
    }

    fn grant(
        &mut self,
        now: Instant,
        client: SocketAddr,
        message: &Message<'_>,
    ) -> Result<Builder, u16> {
        let yes = Builder::new(Class::Success, message.method(), message.transaction());
        let asked = message.attribute(LIFETIME);
        let asked = asked.map_or(600, |four| u32::from_be_bytes(four.try_into().unwrap()));
        let lifetime = asked.clamp(600, 3600);
        let until = now + Duration::from_secs(lifetime.into());
        let denied = self.denied.clone();
        let peer = |message: &Message<'_>| {
            let peer = message.address(XOR_PEER_ADDRESS).ok_or(400u16)?;
            if denied.contains(&peer.ip()) {
                return Err(403u16);
            }
            Ok(peer)
        };
        match message.method() {
            ALLOCATE => {
                if self.of(client).is_some() {
                    return Err(437);
                }
                if self.allocations.len() >= self.quota {
                    return Err(486);
                }
                let relayed = SocketAddr::new(self.at.ip(), self.next_port);
                self.next_port += 1;
                self.allocations.push(Allocation {
                    client,
                    relayed,
                    until,
                    permissions: Vec::new(),
                    channels: Vec::new(),
                });
                Ok(yes
                    .address(XOR_RELAYED_ADDRESS, relayed)
                    .address(XOR_MAPPED_ADDRESS, client)
                    .attribute(LIFETIME, &lifetime.to_be_bytes()))
            }
            REFRESH if asked == 0 => {
                self.of(client).ok_or(437u16)?;
                self.allocations.retain(|a| a.client != client);
                Ok(yes.attribute(LIFETIME, &[0; 4]))
            }
            REFRESH => {
                self.of(client).ok_or(437u16)?.until = until;
                Ok(yes.attribute(LIFETIME, &lifetime.to_be_bytes()))
            }
            CREATE_PERMISSION => {
                let peer = peer(message)?;
                self.of(client).ok_or(437u16)?.permit(now, peer.ip());
                Ok(yes)
            }
            CHANNEL_BIND => {
                let peer = peer(message)?;
                let number = message.attribute(CHANNEL_NUMBER).ok_or(400u16)?;
                let number = u16::from_be_bytes([number[0], number[1]]);
                let allocation = self.of(client).ok_or(437u16)?;
                let until = now + Duration::from_secs(600);
                let channels = &mut allocation.channels;
                if channels
                    .iter()
                    .any(|(n, p, _)| (*n == number) != (*p == peer))
                {
                    return Err(400);
                }
                channels.retain(|(n, ..)| *n != number);
                channels.push((number, peer, until));
                allocation.permit(now, peer.ip());
                Ok(yes)
            }
            _ => Err(400),
        }
    }
}

impl Allocation {
    fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.any(|(known, until)| *known == ip && *until > now)
    }

    fn permit(&mut self, now: Instant, ip: IpAddr) {
        self.permissions.retain(|(known, _)| *known != ip);
        let until = now + Duration::from_secs(300);
        self.permissions.push((ip, until));
    }
}
