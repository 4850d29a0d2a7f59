//! Sound and pictures by way of us: each side of a conversation has its own way to us, a browser by ICE and DTLS-SRTP, a
//! phone by RTP in the clear, and packets go from side to side as they are, so both need a codec in common. Video and its
//! feedback (PLI, FIR, NACK) pass in the same way.
//!
//! How a caller is spoken to its offer says; whoever is called is taken for a browser when it registered over WebSocket.
//! Left out: keys in SDP (an offer of RTP/SAVP gets 488), and calls that take another's place (501).

mod leg;
mod line;
mod rewrite;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Instant;

use examples::chance::chance;
use rtp_core::dtls::{self, Certificate};
use rtp_core::ice;
use rtp_core::negotiate::IceDescription;
use rtp_core::net::{PortAllocator, RtpSockets};
use rtp_core::sdp::{Description, Fingerprint, Protocol, Setup};
use sip_core::{Body, CallId, Event, StatusCode, Transport};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use leg::Kind;
use leg::{Leg, Peer};
use line::Update;
use rewrite::Way;

/// Lines of one conversation that are carried: sound, a camera, a screen, and one more.
const MAX_LINES: usize = 4;

/// What conversations draw from.
pub(crate) struct Relays {
    ports: PortAllocator,
    /// Even ports that are open.
    open: BTreeSet<u16>,
    /// The address that phones are told.
    told: IpAddr,
    certificate: Certificate,
}

impl Relays {
    /// With these ports of `bind`, which phones reach at `told`.
    ///
    /// # Errors
    /// A line that says what cannot be.
    pub(crate) fn new(
        bind: IpAddr,
        told: IpAddr,
        ports: RangeInclusive<u16>,
    ) -> Result<Self, String> {
        let ports = PortAllocator::new(bind, ports);
        let certificate = Certificate::generate();
        Ok(Self {
            ports: ports.map_err(|error| format!("--relay-ports: {error}"))?,
            open: BTreeSet::new(),
            told,
            certificate: certificate.map_err(|error| error.to_string())?,
        })
    }

    fn allocate(&mut self, now: Instant) -> Option<RtpSockets> {
        let sockets = self.ports.allocate(now).ok()?;
        self.open.insert(sockets.rtp_addr().port());
        Some(sockets)
    }

    fn release(&mut self, now: Instant, sockets: RtpSockets) {
        self.open.remove(&sockets.rtp_addr().port());
        self.ports.release(now, sockets);
    }

    /// Whether packets to there would come back to us: a phone that says so would make them go round for ever.
    fn is_ours(&self, at: SocketAddr) -> bool {
        let is_here = at.ip() == self.told || at.ip() == self.ports.ip() || at.ip().is_loopback();
        is_here && self.open.contains(&(at.port() & !1))
    }
}

/// How a phone on this transport is spoken to when it has not said so itself.
pub(crate) fn kind_on(transport: Transport) -> Kind {
    match transport {
        Transport::Ws | Transport::Wss => Kind::Browser,
        _ => Kind::Plain,
    }
}

/// How whoever offers this is spoken to; `None` for what cannot be carried.
pub(crate) fn kind_of(offer: &Body) -> Option<Kind> {
    let said = Description::parse(&offer.session()?.bytes).ok()?;
    said.media.iter().find_map(rewrite::kind_of)
}

/// The caller and the callee, as indices.
const CALLER: usize = 0;

/// One conversation's lines.
pub(crate) struct Relay {
    kinds: [Kind; 2],
    lines: Vec<Option<Line>>,
    /// The caller's INVITE had no offer, so the phone's answer has.
    asked: bool,
}

struct Line {
    sides: [Side; 2],
    tell: UnboundedSender<Update>,
}

/// One side of a line, as it was described.
struct Side {
    sockets: RtpSockets,
    /// Where the side reaches us.
    at: SocketAddr,
    protocol: Protocol,
    mid: Option<String>,
    ours: IceDescription,
    theirs: Option<IceDescription>,
    ice: Option<ice::Role>,
    fingerprints: Vec<Fingerprint>,
    dtls: Option<dtls::Role>,
}

impl Relay {
    /// Between a caller and a callee of these kinds.
    pub(crate) fn new(caller: Kind, callee: Kind, has_offer: bool) -> Self {
        Self {
            kinds: [caller, callee],
            lines: Vec::new(),
            asked: !has_offer,
        }
    }

    /// How whoever is called is spoken to.
    pub(crate) fn callee(&self) -> Kind {
        self.kinds[1]
    }

    /// The caller's offer, for the callee.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        offer: &Body,
    ) -> Result<Body, StatusCode> {
        self.pass(now, relays, CALLER, offer, true)
    }

    /// An event of one side with what the other shall be told in place of what it says.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(crate) fn cross(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        caller: CallId,
        event: &mut Event,
    ) -> Result<(), StatusCode> {
        let (call, body, is_offer) = match event {
            Event::Progress { call, preview, .. } => (call, preview, self.asked),
            Event::Answered { call, body, .. } => (call, body, self.asked),
            Event::Confirmed { call, answer, .. } => (call, answer, false),
            Event::Offered { call, offer, .. } => (call, offer, true),
            Event::ReinviteAnswered { call, answer, .. } => (call, answer, false),
            _ => return Ok(()),
        };
        let side = usize::from(*call != caller);
        if let Some(body) = body {
            *body = self.pass(now, relays, side, body, is_offer)?;
        }
        Ok(())
    }

    /// Ends it.
    pub(crate) fn close(self, now: Instant, relays: &mut Relays) {
        for line in self.lines.into_iter().flatten() {
            drop(line.tell);
            for side in line.sides {
                relays.release(now, side.sockets);
            }
        }
    }

    fn pass(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        from: usize,
        body: &Body,
        is_offer: bool,
    ) -> Result<Body, StatusCode> {
        const NOT_ACCEPTABLE: StatusCode = StatusCode::NOT_ACCEPTABLE_HERE;
        let session = body.session().ok_or(NOT_ACCEPTABLE)?;
        let said = Description::parse(&session.bytes).map_err(|_| NOT_ACCEPTABLE)?;
        self.open(now, relays, from, &said)?;
        if self.lines.iter().all(Option::is_none) {
            return Err(NOT_ACCEPTABLE);
        }
        let (kind, to) = (self.kinds[from], 1 - from);
        for (index, line) in self.lines.iter_mut().enumerate() {
            let Some(line) = line else { continue };
            let peer = line.sides[from].learn(kind, &said, index, is_offer);
            let goes_round = |peer: &Peer| match peer {
                Peer::Plain { rtp, rtcp } => relays.is_ours(*rtp) || relays.is_ours(*rtcp),
                Peer::Browser { .. } => false,
            };
            if let Some(peer) = peer.filter(|peer| !goes_round(peer)) {
                // The task is there for as long as the line.
                let _ = line.tell.send(Update { side: from, peer });
            }
        }
        let ways: Vec<Option<Way>> = (0..said.media.len())
            .map(|index| {
                let line = self.lines.get(index)?.as_ref()?;
                Some(line.sides[to].way(self.kinds[to], &relays.certificate, is_offer))
            })
            .collect();
        let told = rewrite::rewrite(&said, (kind, self.kinds[to]), relays.told, &ways);
        Ok(Body::sdp(told.to_bytes()))
    }

    /// Opens the lines that a description names for the first time.
    fn open(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        from: usize,
        said: &Description,
    ) -> Result<(), StatusCode> {
        let known = said.media.len().min(MAX_LINES);
        for (index, media) in said.media.iter().enumerate().take(known) {
            if self.lines.len() == index {
                self.lines.push(None);
            }
            let fits = media.port != 0
                && rewrite::is_carried(media)
                && rewrite::kind_of(media) == Some(self.kinds[from]);
            if self.lines[index].is_none() && fits {
                let line = Line::open(now, relays, self.kinds);
                let mut line = line.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
                if self.kinds[0] == self.kinds[1] {
                    line.sides[1 - from].protocol.clone_from(&media.protocol);
                }
                self.lines[index] = Some(line);
            }
        }
        Ok(())
    }
}

impl Line {
    /// `None` when there is no port left.
    fn open(now: Instant, relays: &mut Relays, kinds: [Kind; 2]) -> Option<Self> {
        let caller = Side::open(now, relays, kinds[0])?;
        let Some(callee) = Side::open(now, relays, kinds[1]) else {
            relays.release(now, caller.sockets);
            return None;
        };
        let leg = |side: &Side, kind| match kind {
            Kind::Plain => Some(Leg::plain()),
            Kind::Browser => Leg::browser(now, side.at, &side.ours, &relays.certificate),
        };
        let legs = leg(&caller, kinds[0]).zip(leg(&callee, kinds[1]));
        let tell =
            legs.and_then(|(a, b)| line::start([a, b], [&caller.sockets, &callee.sockets]).ok());
        let sides = [caller, callee];
        match tell {
            Some(tell) => Some(Self { sides, tell }),
            None => {
                for side in sides {
                    relays.release(now, side.sockets);
                }
                None
            }
        }
    }
}

impl Side {
    fn open(now: Instant, relays: &mut Relays, kind: Kind) -> Option<Self> {
        let sockets = relays.allocate(now)?;
        let at = SocketAddr::new(relays.told, sockets.rtp_addr().port());
        Some(Self {
            sockets,
            at,
            protocol: match kind {
                Kind::Plain => Protocol::RtpAvp,
                Kind::Browser => Protocol::UdpTlsRtpSavpf,
            },
            mid: None,
            ours: IceDescription::draw(&mut chance().boxed()),
            theirs: None,
            ice: None,
            fingerprints: Vec::new(),
            dtls: None,
        })
    }

    /// Takes what it says of its line, and gives it to the one who carries; `None` when it says nothing of use.
    fn learn(
        &mut self,
        kind: Kind,
        said: &Description,
        index: usize,
        is_offer: bool,
    ) -> Option<Peer> {
        let media = said.media.get(index)?;
        if media.port == 0 || rewrite::kind_of(media) != Some(kind) {
            return None;
        }
        self.protocol.clone_from(&media.protocol);
        self.mid = media.attributes.value("mid").map(str::to_owned);
        if kind == Kind::Plain {
            let [rtp, rtcp] = rewrite::addresses_of(said, index)?;
            return (!rtp.ip().is_unspecified()).then_some(Peer::Plain { rtp, rtcp });
        }
        let theirs = rewrite::ice_of(said, index)?;
        let before = self.theirs.replace(theirs.clone());
        if is_offer && before.is_some_and(|before| !before.same_credentials(&theirs)) {
            self.ours = self.ours.renewed(&mut chance().boxed());
        }
        // Who offered first controls (RFC 8445 section 6.1.1).
        let first = match is_offer && !theirs.lite {
            true => ice::Role::Controlled,
            false => ice::Role::Controlling,
        };
        let fingerprints = rewrite::fingerprints_of(said, index);
        if self.dtls.is_none() || self.fingerprints != fingerprints {
            // Left to us, we begin (RFC 5763 section 5).
            self.dtls = Some(match rewrite::setup_of(said, index) {
                Some(Setup::Active) => dtls::Role::Server,
                _ => dtls::Role::Client,
            });
            self.fingerprints.clone_from(&fingerprints);
        }
        Some(Peer::Browser {
            ours: self.ours.clone(),
            theirs,
            ice: *self.ice.get_or_insert(first),
            fingerprints,
            dtls: self.dtls?,
        })
    }

    /// How it reaches us.
    fn way(&self, kind: Kind, certificate: &Certificate, is_offer: bool) -> Way {
        let setup = match (is_offer, self.dtls) {
            (true, _) => Setup::ActPass,
            (false, Some(dtls::Role::Server)) => Setup::Passive,
            (false, _) => Setup::Active,
        };
        let secure = || (self.ours.clone(), certificate.fingerprint(), setup);
        Way {
            at: self.at,
            protocol: self.protocol.clone(),
            mid: self.mid.clone(),
            secure: (kind == Kind::Browser).then(secure),
        }
    }
}
