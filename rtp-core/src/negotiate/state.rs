//! What a call remembers from one exchange to the next.

use super::bindings::Bindings;
use super::{
    AgreedLine, Agreement, AudioStream, Capabilities, Codec, DtlsPeer, Hold, IceAgreed,
    LocalAddress, LocalError, PeerHold,
};
use crate::sdp::{Address, Attribute, Description, Direction, ExtMap, Media, Origin};
use crate::srtp::{MasterKey, Suite};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};

/// Fills a slice with bytes for SRTP keys. It must be cryptographic (the operating system's generator),
/// and not the one that a test seeds for identifiers.
pub type KeySource = Box<dyn FnMut(&mut [u8]) + Send>;

/// One side of a call's offers and answers (RFC 3264), from the first to the last.
///
/// It holds what must survive from one exchange to the next: the place of every `m=` line, the meaning of
/// every payload type, the keys, the session's id and version, and who holds. The exchanges themselves are
/// values: [`SentOffer`](super::SentOffer) and [`ReceivedOffer`](super::ReceivedOffer). Dropping one ends
/// its exchange with nothing changed.
pub struct Negotiation {
    pub(super) capabilities: Capabilities,
    session_id: u64,
    version: u64,
    /// The last description that we gave out, to tell whether the next differs.
    given: Option<Description>,
    pub(super) lines: Vec<Line>,
    pub(super) agreed: Option<Agreement>,
    pub(super) hold: Option<Hold>,
    /// Streams that the next offer brings with it.
    pub(super) added: Vec<usize>,
    pub(super) keys: KeySource,
    /// Counts exchanges, so that an old value is told from the current one.
    exchange: u64,
    pub(super) open: Open,
}

/// The exchange that is under way, if any. It ends when its value is dropped.
#[derive(Clone)]
pub(super) enum Open {
    None,
    Sent(Weak<()>),
    Received(Weak<()>),
}

/// One `m=` line of ours.
#[derive(Clone)]
pub(super) struct Line {
    /// The address it has, of [`Capabilities::streams`].
    pub(super) stream: Option<usize>,
    /// Which of [`Capabilities::relays`] it is.
    pub(super) relay: Option<usize>,
    pub(super) bindings: Bindings,
    /// Our key for each suite that was ever offered or answered on this line.
    keys: Vec<MasterKey>,
    /// The peer's key of the last exchange.
    remote_key: Option<MasterKey>,
    /// The suite in use, which leads until another order is wanted.
    suite: Option<Suite>,
    /// What we send with.
    pub(super) current: Option<Codec>,
    /// The DTLS association of the last exchange.
    pub(super) dtls: Option<DtlsPeer>,
    /// ICE of the last exchange.
    pub(super) ice: Option<IceAgreed>,
    /// Whether RTCP shared the port when ICE was last agreed on.
    pub(super) muxed: bool,
    /// Header extensions of the last exchange, with their ids.
    pub(super) extensions: Vec<ExtMap>,
    /// The peer set port 0: we do not open the line again, the peer may.
    pub(super) closed_by_peer: bool,
    /// We closed the stream for good; the peer may not open it either.
    pub(super) closed_by_us: bool,
    /// The last section that we gave out for this line.
    pub(super) section: Media,
}

impl Line {
    pub(super) fn new(section: Media) -> Line {
        Line {
            stream: None,
            relay: None,
            bindings: Bindings::default(),
            keys: Vec::new(),
            remote_key: None,
            suite: None,
            current: None,
            dtls: None,
            ice: None,
            muxed: false,
            extensions: Vec::new(),
            closed_by_peer: false,
            closed_by_us: false,
            section,
        }
    }

    /// Our key for a suite: the one in use, so that an exchange about something else does not rekey.
    pub(super) fn key(&mut self, suite: Suite, source: &mut KeySource) -> MasterKey {
        if let Some(key) = self.keys.iter().find(|key| key.suite() == suite) {
            return key.clone();
        }
        let key = MasterKey::generate(suite, source);
        self.keys.push(key.clone());
        key
    }

    /// Takes the peer's new key. When it is another than before, the peer may be another machine, behind
    /// the same dialog, that knows nothing of our rollover counter: SDES cannot tell it, but a new key
    /// starts from 0 on both sides (RFC 4568 §6.4).
    pub(super) fn set_remote_key(&mut self, key: &MasterKey) {
        if self.remote_key.as_ref().is_some_and(|before| before != key) {
            self.keys.clear();
        }
        self.keep_remote_key(key);
    }

    /// Takes the peer's key out of its answer: our own stays, it is in the offer that the peer has just taken.
    pub(super) fn keep_remote_key(&mut self, key: &MasterKey) {
        self.suite = Some(key.suite());
        self.remote_key = Some(key.clone());
    }

    /// The suites in our order, but for the one in use: who holds a call or refreshes it does not mean to change it.
    pub(super) fn suites(&self, capabilities: &Capabilities) -> Vec<Suite> {
        let mut suites = capabilities.sdes.suites.clone();
        suites.sort_by_key(|suite| Some(*suite) != self.suite);
        suites
    }
}

impl Negotiation {
    /// A call without an exchange yet.
    ///
    /// `session_id` is the `o=` session id: unique for this host, a random number or the NTP time
    /// (RFC 8866 §5.2). `keys` is asked for bytes when a line encrypts.
    #[must_use]
    pub fn new(session_id: u64, capabilities: Capabilities, keys: KeySource) -> Negotiation {
        Negotiation {
            capabilities,
            session_id,
            version: 0,
            given: None,
            lines: Vec::new(),
            agreed: None,
            hold: None,
            added: Vec::new(),
            keys,
            exchange: 0,
            open: Open::None,
        }
    }

    /// What our side can do and wants.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Changes what our side can do and wants, from the next exchange on: another address, other codecs,
    /// another direction. Each line keeps its index into [`Capabilities::streams`]; a line whose stream is
    /// gone is closed with port 0.
    ///
    /// As long as the list of codecs is the same, the codec in use leads in offers and, when our order
    /// decides, in answers. Another list, or another order, lets the codec change. The same goes for
    /// [`Sdes::suites`](super::Sdes::suites).
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        if capabilities.sdes.suites != self.capabilities.sdes.suites {
            self.lines.iter_mut().for_each(|line| line.suite = None);
        }
        if capabilities.codecs != self.capabilities.codecs {
            self.lines.iter_mut().for_each(|line| line.current = None);
        }
        self.capabilities = capabilities;
    }

    /// Adds a stream that the next offer brings as an `m=` line of its own (RFC 3264 §8.1), and returns its
    /// index into [`Capabilities::streams`]. The peer may refuse it, and keep the others.
    pub fn add_stream(&mut self, address: impl Into<LocalAddress>) -> usize {
        let stream = self.capabilities.streams.len();
        self.capabilities.streams.push(address.into());
        self.added.push(stream);
        stream
    }

    /// Closes a stream for good: the next offer sets port 0 on its line (RFC 3264 §8.2), and answers refuse
    /// to open it. The others keep their places.
    pub fn close_stream(&mut self, stream: usize) {
        self.added.retain(|added| *added != stream);
        for line in self
            .lines
            .iter_mut()
            .filter(|line| line.stream == Some(stream))
        {
            line.closed_by_us = true;
        }
    }

    /// Closes a relayed line for good, as [`Negotiation::close_stream`] does one of ours; `relay` is its index into
    /// [`Capabilities::relays`].
    pub fn close_relay(&mut self, relay: usize) {
        for line in &mut self.lines {
            line.closed_by_us |= line.relay == Some(relay);
        }
    }

    /// Draws new SDES keys for the next offer or answer, for instance when the lifetime of the old ones is
    /// nearly used up (RFC 4568 §6.1).
    pub fn renew_keys(&mut self) {
        self.lines.iter_mut().for_each(|line| line.keys.clear());
    }

    /// What the last completed exchange agreed on.
    #[must_use]
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreed.as_ref()
    }

    /// How we hold the call, by the last completed exchange.
    #[must_use]
    pub fn held(&self) -> Option<Hold> {
        self.hold
    }

    /// A copy for another dialog of the same INVITE: a forked call gets an answer from each branch
    /// (RFC 3261 §13.2.2.4). An offer that is out is good for both.
    #[must_use]
    pub fn fork(&self, keys: KeySource) -> Negotiation {
        Negotiation {
            capabilities: self.capabilities.clone(),
            session_id: self.session_id,
            version: self.version,
            given: self.given.clone(),
            lines: self.lines.clone(),
            agreed: self.agreed.clone(),
            hold: self.hold,
            added: self.added.clone(),
            keys,
            exchange: self.exchange,
            open: self.open.clone(),
        }
    }

    /// Starts an exchange unless one is under way, and forgets lines that an abandoned one had added.
    pub(super) fn begin(&mut self) -> Result<(u64, Arc<()>), LocalError> {
        match &self.open {
            Open::Sent(value) if value.strong_count() > 0 => return Err(LocalError::OfferPending),
            Open::Received(value) if value.strong_count() > 0 => {
                return Err(LocalError::OfferUnanswered);
            }
            _ => {}
        }
        self.lines
            .truncate(self.agreed.as_ref().map_or(0, |agreed| agreed.lines.len()));
        self.exchange += 1;
        Ok((self.exchange, Arc::new(())))
    }

    pub(super) fn is_current(&self, exchange: u64) -> bool {
        self.exchange == exchange
    }

    /// The key source beside the lines, for loops that need both.
    pub(super) fn lines_and_keys(&mut self) -> (&mut Vec<Line>, &mut KeySource) {
        (&mut self.lines, &mut self.keys)
    }

    /// What we want of a line while this hold is in force.
    pub(super) fn wanted(&self, hold: Option<Hold>) -> Direction {
        self.capabilities.direction.and(match hold {
            None => Direction::SendRecv,
            Some(Hold::SendOnly) => Direction::SendOnly,
            Some(Hold::Inactive | Hold::PortZero) => Direction::Inactive,
        })
    }

    /// The address for the session's `c=` and `o=`.
    pub(super) fn session_ip(&self) -> IpAddr {
        self.capabilities
            .streams
            .first()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |stream| stream.ip())
    }

    /// A description of ours without media.
    pub(super) fn description(&self) -> Description {
        let ip = self.session_ip();
        let mut description = Description::new(Origin::new(self.session_id, self.version, ip));
        description.connection = Some(Address::from(ip));
        if self.capabilities.ice.iter().any(|ice| ice.lite) {
            description.attributes.push(Attribute::flag("ice-lite"));
        }
        description
    }

    /// Gives it its version: one higher than the last, or the same when nothing changed (RFC 3264 §8).
    pub(super) fn give(&mut self, description: &mut Description) {
        if self.given.as_ref() != Some(&*description) {
            self.version += 1;
            description.origin.version = self.version.to_string();
        }
        self.given = Some(description.clone());
    }
}

/// The stream that a line had, as it is while a port of 0 keeps the line closed.
pub(super) fn closed_stream(
    agreed: Option<&Agreement>,
    line: usize,
    hold: Option<Hold>,
    by_peer: bool,
) -> Option<AgreedLine> {
    let before = match agreed?.lines.get(line)? {
        AgreedLine::Audio(before) => before,
        AgreedLine::Relayed(before) => {
            let closed = super::relay::closed(before, by_peer);
            return Some(AgreedLine::Relayed(Box::new(closed)));
        }
        _ => return None,
    };
    Some(AgreedLine::Audio(Box::new(AudioStream {
        remote_rtp: None,
        remote_rtcp: None,
        remote_rtp_port: 0,
        direction: Direction::Inactive,
        held_by_us: hold,
        held_by_peer: by_peer.then_some(PeerHold::PortZero),
        ..(**before).clone()
    })))
}

impl fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiation")
            .field("session_id", &self.session_id)
            .field("version", &self.version)
            .field("hold", &self.hold)
            .field("agreed", &self.agreed)
            .finish_non_exhaustive()
    }
}
