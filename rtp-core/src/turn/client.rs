//! The machine.

use super::config::Config;
use super::event::{Event, Failure, Received, Sent, TurnError};
use super::{ALLOCATE, DATA, DATA_INDICATION, XOR_PEER_ADDRESS};
use crate::stun::{Class, Message, TransactionId};
use crate::transport::PacketBuf;
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use turn_client_proto::api::{
    DelayedMessageOrChannelSend, Transmit, TransmitBuild, TurnConfig, TurnEvent, TurnPollRet,
    TurnRecvRet,
};
use turn_client_proto::prelude::{DelayedTransmitBuild, TurnClientApi};
use turn_client_proto::stun::Instant as Time;
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

/// Messages that wait to be sent. What is over is lost, as a network loses it.
const MAX_OUT: usize = 128;

/// Datagrams that wait for a permission, of all peers.
const MAX_WAITING: usize = 32;

/// Events kept until they are polled; the oldest goes first when more come.
const MAX_EVENTS: usize = 128;

/// Requests whose answer is awaited; the oldest is forgotten first.
const MAX_SENT: usize = 256;

/// How long a peer that was refused stays so before it is asked for again.
const DENIED_FOR: Duration = Duration::from_secs(10);

/// The least time to the next timer, so that one which never ends does not keep the caller busy.
const REST: Duration = Duration::from_millis(10);

/// Rounds of one call.
const MAX_ROUNDS: usize = 256;

/// The longest name, in bytes (RFC 8489 §14.3: fewer than 509).
const MAX_USERNAME: usize = 508;

/// The longest datagram to a peer, in bytes: a Send indication adds 36 to it, and padding.
const MAX_PAYLOAD: usize = PacketBuf::CAPACITY - 52;

/// The protocol's library compares addresses to find out whose a message is; here the caller knows.
const US: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asking,
    Ready,
    /// The server was told that the address is not needed any more.
    Closing,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    Asked,
    Granted,
    /// Until then it is not asked for again.
    Denied(Instant),
}

/// An address on a TURN server. See the [module](super).
pub struct Client {
    now: Instant,
    /// The library's time counts from here.
    origin: Instant,
    config: Config,
    turn: TurnClientUdp,
    phase: Phase,
    relayed: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    /// The server has asked for a password.
    challenged: bool,
    /// The last reason that the server gave.
    refused: Option<u16>,
    deadline: Instant,
    sent: VecDeque<TransactionId>,
    peers: Vec<(IpAddr, Permission)>,
    /// Peers that are to have a channel, and whether it was asked for.
    channels: Vec<(SocketAddr, bool)>,
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    wake: Option<Instant>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("phase", &self.phase)
            .field("relayed", &self.relayed)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Asks a server for an address.
    ///
    /// # Errors
    /// When the user name is of no use.
    pub fn new(now: Instant, config: Config) -> Result<Client, TurnError> {
        if config.username.is_empty() || config.username.len() > MAX_USERNAME {
            return Err(TurnError::Username);
        }
        let credentials = TurnCredentials::new(&config.username, &config.password);
        let mut asked = TurnConfig::new(credentials);
        if config.ipv6 {
            asked.set_address_family(AddressFamily::IPV6);
        }
        let ms = Duration::from_millis;
        if config.transport.is_stream() {
            // A stream repeats by itself (RFC 8489 §6.2.2).
            asked.set_request_retransmits(ms(39_500), ms(39_500), 1, ms(39_500));
        } else {
            asked.set_request_retransmits(ms(500), ms(8000), 7, ms(8000));
        }
        let mut client = Client {
            now,
            origin: now,
            deadline: now + config.timeout,
            config,
            turn: TurnClientUdp::allocate(US, SERVER, asked),
            phase: Phase::Asking,
            relayed: None,
            mapped: None,
            challenged: false,
            refused: None,
            sent: VecDeque::new(),
            peers: Vec::new(),
            channels: Vec::new(),
            waiting: VecDeque::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            wake: None,
        };
        client.settle();
        Ok(client)
    }

    /// The address that the server relays for us.
    #[must_use]
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed.filter(|_| self.phase == Phase::Ready)
    }

    /// Whether nothing will come any more: the client failed, was lost, or was closed and has said so to the server.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Takes a message from the server: a datagram, or what a [`Framer`](super::Framer) cut out of a stream. Whatever is
    /// not from the server's address must not get here.
    pub fn receive<'m>(&mut self, now: Instant, message: &'m [u8]) -> Received<'m> {
        self.advance(now);
        match message.first().map(|first| first >> 6) {
            Some(0) => self.stun(message),
            Some(1) => self.channel(message),
            _ => Received::Foreign,
        }
    }

    fn channel<'m>(&mut self, message: &'m [u8]) -> Received<'m> {
        let [_, _, high, low, rest @ ..] = message else {
            return Received::Foreign;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(payload) = rest.get(..length) else {
            return Received::Foreign;
        };
        match self.hand_over(message) {
            TurnRecvRet::PeerData(data) => Received::Data {
                peer: data.peer,
                payload,
            },
            _ => Received::Foreign,
        }
    }

    fn stun<'m>(&mut self, bytes: &'m [u8]) -> Received<'m> {
        let Ok(message) = Message::parse(bytes) else {
            return Received::Foreign;
        };
        match message.class() {
            Class::Indication if message.method() == DATA_INDICATION => self.data(&message),
            Class::Success | Class::Error => self.answered(&message, bytes),
            // Servers ask nothing of who relays UDP.
            _ => Received::Foreign,
        }
    }

    /// Data from a peer without a channel. It is not authenticated: the server is believed by its address, as RFC 8656
    /// §11.7 has it, and permission is looked up here once more.
    fn data<'m>(&self, message: &Message<'m>) -> Received<'m> {
        let permitted = |peer: &SocketAddr| self.permission(peer.ip()) == Some(Permission::Granted);
        let peer = message.address(XOR_PEER_ADDRESS).filter(permitted);
        match (peer, message.attribute(DATA)) {
            (Some(peer), Some(payload)) if self.phase == Phase::Ready => {
                Received::Data { peer, payload }
            }
            _ => Received::Handled,
        }
    }

    fn answered(&mut self, message: &Message<'_>, bytes: &[u8]) -> Received<'static> {
        // Refusals bring new nonces and are not authenticated: only who has seen the request can make one.
        let Some(at) = self.sent.iter().position(|id| *id == message.transaction()) else {
            return Received::Foreign;
        };
        if message.class() == Class::Success && message.method() == ALLOCATE {
            self.mapped = message.mapped_address();
        }
        self.sent.remove(at);
        if message.class() == Class::Error && self.is_final(message.error_code()) {
            self.end();
            return Received::Handled;
        }
        self.hand_over(bytes);
        self.settle();
        Received::Handled
    }

    /// Whether a refusal leaves nothing to be done. Asked for a password once, or for one with a new nonce, the library
    /// answers by itself; the second time the password is wrong.
    fn is_final(&mut self, code: Option<u16>) -> bool {
        match (self.phase, code) {
            (Phase::Asking, Some(438)) => false,
            (Phase::Asking, Some(401)) if !std::mem::replace(&mut self.challenged, true) => false,
            (Phase::Asking, _) => {
                self.refused = code;
                true
            }
            // The server has forgotten the address (RFC 8656 §7.3), or does not know the account any more.
            (Phase::Ready, Some(401 | 437 | 441)) => true,
            _ => false,
        }
    }

    fn hand_over<'m>(&mut self, message: &'m [u8]) -> TurnRecvRet<&'m [u8]> {
        let at = self.time();
        let transmit = Transmit::new(message, TransportType::Udp, SERVER, US);
        self.turn.recv(transmit, at)
    }

    /// Writes a datagram to `peer` into `out`, as it goes to the server. Until the peer is permitted it waits.
    ///
    /// # Errors
    /// When there is no address, the peer is not permitted, or the datagram is too large.
    pub fn send(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        payload: &[u8],
        out: &mut PacketBuf,
    ) -> Result<Sent, TurnError> {
        self.advance(now);
        if payload.len() > MAX_PAYLOAD {
            return Err(TurnError::TooLarge(payload.len()));
        }
        if self.ask(peer)? == Permission::Granted
            && let Some(to_server) = self.wrap(peer, payload)
        {
            let length = to_server.data.len();
            to_server.write_into(&mut out.bytes[..length]);
            // Channels in a stream are padded (RFC 8656 §12.5); other messages are long enough by themselves.
            out.len = if self.config.transport.is_stream() {
                length.next_multiple_of(4)
            } else {
                length
            };
            out.bytes[length..out.len].fill(0);
            return Ok(Sent::Now);
        }
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((peer, payload.to_vec()));
        self.settle();
        Ok(Sent::Later)
    }

    fn wrap<'p>(
        &mut self,
        peer: SocketAddr,
        payload: &'p [u8],
    ) -> Option<TransmitBuild<DelayedMessageOrChannelSend<&'p [u8]>>> {
        let at = self.time();
        let wrapped = self.turn.send_to(TransportType::Udp, peer, payload, at);
        wrapped.ok().flatten()
    }

    /// Lets a peer send to us: a permission for its IP address (RFC 8656 §9), which is kept. [`Client::send`] does it, too.
    ///
    /// # Errors
    /// When there is no address, or the peer cannot be permitted.
    pub fn permit(&mut self, now: Instant, peer: SocketAddr) -> Result<(), TurnError> {
        self.advance(now);
        self.ask(peer)?;
        self.settle();
        Ok(())
    }

    /// Gives a peer a channel (RFC 8656 §12), with which each datagram is 32 bytes shorter; until the server has agreed, and
    /// if it does not, they go without.
    ///
    /// # Errors
    /// When there is no address, or the peer cannot be permitted.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr) -> Result<(), TurnError> {
        self.advance(now);
        if self.channels.iter().any(|(known, _)| *known == peer) {
            return Ok(());
        }
        if self.channels.len() >= self.config.max_peers {
            return Err(TurnError::TooMany);
        }
        self.ask(peer)?;
        self.channels.push((peer, false));
        self.settle();
        Ok(())
    }

    fn permission(&self, ip: IpAddr) -> Option<Permission> {
        let mut peers = self.peers.iter();
        peers.find_map(|(known, permission)| (*known == ip).then_some(*permission))
    }

    /// How a peer's permission stands, which is asked for if it was not.
    fn ask(&mut self, peer: SocketAddr) -> Result<Permission, TurnError> {
        let relayed = self.relayed().ok_or(TurnError::NoAddress)?;
        if peer.is_ipv4() != relayed.is_ipv4() || peer.port() == 0 {
            return Err(TurnError::Address);
        }
        match self.permission(peer.ip()) {
            Some(Permission::Denied(until)) if until > self.now => return Err(TurnError::Denied),
            Some(Permission::Denied(_)) => {}
            Some(known) => return Ok(known),
            None if self.peers.len() >= self.config.max_peers => return Err(TurnError::TooMany),
            None => {}
        }
        let at = self.time();
        let asked = self
            .turn
            .create_permission(TransportType::Udp, peer.ip(), at);
        asked.map_err(|_| TurnError::NoAddress)?;
        if self.permission(peer.ip()).is_none() {
            self.peers.push((peer.ip(), Permission::Asked));
        }
        self.judge(peer.ip(), Permission::Asked);
        Ok(Permission::Asked)
    }

    /// Gives the address back: poll once more for what the server is to be told.
    pub fn close(&mut self, now: Instant) {
        self.advance(now);
        self.waiting.clear();
        let at = self.time();
        match self.phase {
            Phase::Ready if self.turn.delete(at).is_ok() => {
                self.phase = Phase::Closing;
                self.deadline = self.now + self.config.timeout;
                self.settle();
            }
            Phase::Ready | Phase::Asking => {
                self.phase = Phase::Over;
                self.out.clear();
            }
            Phase::Closing | Phase::Over => {}
        }
    }

    /// Lets timers expire. Harmless when none has.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.settle();
    }

    /// When to call [`Client::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Over => None,
            Phase::Ready => self.wake,
            Phase::Asking | Phase::Closing => {
                Some(self.wake.map_or(self.deadline, |at| at.min(self.deadline)))
            }
        }
    }

    /// The next message to the server: a datagram, or bytes of the stream.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does everything that is due.
    fn settle(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        let at = self.time();
        for _ in 0..MAX_ROUNDS {
            let mut moved = false;
            while let Some(event) = self.turn.poll_event() {
                self.heard(event);
                moved = true;
            }
            moved |= self.bind_channels();
            while self.out.len() < MAX_OUT
                && let Some(transmit) = self.turn.poll_transmit(at)
            {
                self.say(transmit.data.to_vec());
                moved = true;
            }
            match self.turn.poll(at) {
                TurnPollRet::WaitUntil(wait) if wait > at => {
                    self.wake = Some(self.now + (wait - at).max(REST));
                    if !moved {
                        break;
                    }
                }
                TurnPollRet::Closed => {
                    while let Some(event) = self.turn.poll_event() {
                        self.heard(event);
                    }
                    self.end();
                    return;
                }
                _ if moved => {}
                _ => {
                    self.wake = Some(self.now + REST);
                    break;
                }
            }
        }
        let is_late =
            matches!(self.phase, Phase::Asking | Phase::Closing) && self.deadline <= self.now;
        if is_late {
            self.end();
        }
    }

    /// Remembers which answers are awaited, and keeps what is to be sent.
    fn say(&mut self, message: Vec<u8>) {
        if let Ok(request) = Message::parse(&message)
            && request.class() == Class::Request
            && !self.sent.contains(&request.transaction())
        {
            if self.sent.len() == MAX_SENT {
                self.sent.pop_front();
            }
            self.sent.push_back(request.transaction());
        }
        self.out.push_back(message);
    }

    fn heard(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::AllocationCreated(_, relayed) if self.phase == Phase::Asking => {
                self.phase = Phase::Ready;
                self.relayed = Some(relayed);
                let mapped = self.mapped;
                self.push_event(Event::Allocated { relayed, mapped });
            }
            TurnEvent::PermissionCreated(_, ip) => {
                self.judge(ip, Permission::Granted);
                let (due, later) = std::mem::take(&mut self.waiting)
                    .into_iter()
                    .partition(|(peer, _)| peer.ip() == ip);
                self.waiting = later;
                let due: VecDeque<(SocketAddr, Vec<u8>)> = due;
                for (peer, payload) in due {
                    let Some(wrapped) = self.wrap(peer, &payload) else {
                        continue;
                    };
                    let mut message = wrapped.build().data;
                    if self.config.transport.is_stream() {
                        message.resize(message.len().next_multiple_of(4), 0);
                    }
                    if self.out.len() < MAX_OUT {
                        self.out.push_back(message);
                    }
                }
            }
            TurnEvent::PermissionCreateFailed(_, ip) => {
                self.judge(ip, Permission::Denied(self.now + DENIED_FOR));
                self.waiting.retain(|(peer, _)| peer.ip() != ip);
                self.push_event(Event::Denied(ip));
            }
            // Without a channel it goes on as before.
            _ => {}
        }
    }

    fn judge(&mut self, ip: IpAddr, permission: Permission) {
        if let Some(peer) = self.peers.iter_mut().find(|(known, _)| *known == ip) {
            peer.1 = permission;
        }
    }

    /// Asks for the channels of those who are permitted by now: both questions at once would be two for the same.
    fn bind_channels(&mut self) -> bool {
        let at = self.time();
        let mut asked = false;
        for (peer, is_asked) in self.channels.iter_mut().filter(|(_, is_asked)| !is_asked) {
            let granted = (peer.ip(), Permission::Granted);
            if self.peers.contains(&granted) {
                *is_asked = true;
                asked |= self
                    .turn
                    .bind_channel(TransportType::Udp, *peer, at)
                    .is_ok();
            }
        }
        asked
    }

    /// There is nothing, or nothing any more.
    fn end(&mut self) {
        match self.phase {
            Phase::Asking => {
                let why = self.refused.map_or(Failure::Silent, Failure::Refused);
                self.push_event(Event::Failed(why));
            }
            Phase::Ready => self.push_event(Event::Lost),
            Phase::Closing | Phase::Over => {}
        }
        self.phase = Phase::Over;
        self.wake = None;
        self.waiting.clear();
        self.out.clear();
        self.peers.clear();
        self.channels.clear();
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn time(&self) -> Time {
        let passed = self.now.saturating_duration_since(self.origin);
        Time::from_nanos(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX / 2))
    }

    /// Time only goes on: an earlier `now` counts as the last one.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}
