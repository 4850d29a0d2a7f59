//! Sound and pictures by way of us: everybody in a conversation has his own way to us, a browser by ICE and DTLS-SRTP, a
//! phone by SRTP with keys in the SDP or by RTP in the clear, and packets go from one to the other as they are, so both
//! need a codec in common. Video and its feedback (PLI, FIR, NACK) pass in the same way.
//!
//! How a caller is spoken to its offer says. Whoever is called is a browser when it registered over WebSocket; a phone is
//! offered the strongest first, and what it refuses (488) is offered weaker: DTLS, keys in the SDP, the clear, as far as
//! `--relay-secure` lets it. Everybody has ports and keys of his own, so that a group may be of both kinds, and whoever
//! takes another's place is described to the one who stays as if nobody had gone.
//! Left out: a call without an offer that takes another's place (488).

mod browser;
mod leg;
mod line;
mod rewrite;
mod seat;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Instant;

use rtp_core::dtls::Certificate;
use rtp_core::net::{PortAllocator, RtpSockets};
use rtp_core::sdp::{Description, Protocol};
use sip_core::{Body, CallId, Event, StatusCode, Transport};
use tokio::sync::mpsc::UnboundedSender;

use browser::Browser;
use leg::{Kind, Leg, Peer, Phone};
use line::Update;
use rewrite::Way;
use seat::{Seat, Side};

use crate::args::Secrecy;

/// Lines of one conversation that are carried: sound, a camera, a screen, and one more.
const MAX_LINES: usize = 4;

const NOT_ACCEPTABLE: StatusCode = StatusCode::NOT_ACCEPTABLE_HERE;

/// What conversations draw from.
pub(crate) struct Relays {
    ports: PortAllocator,
    /// Even ports that are open.
    open: BTreeSet<u16>,
    /// The address that phones are told.
    told: IpAddr,
    certificate: Certificate,
    secrecy: Secrecy,
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
        secrecy: Secrecy,
    ) -> Result<Self, String> {
        let ports = PortAllocator::new(bind, ports);
        let certificate = Certificate::generate();
        Ok(Self {
            ports: ports.map_err(|error| format!("--relay-ports: {error}"))?,
            open: BTreeSet::new(),
            told,
            certificate: certificate.map_err(|error| error.to_string())?,
            secrecy,
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

    /// How whoever offers this is spoken to.
    fn kind(&self, offer: &Description) -> Result<Kind, StatusCode> {
        let kind = rewrite::first_kind(offer);
        kind.filter(|kind| self.lets(*kind)).ok_or(NOT_ACCEPTABLE)
    }

    fn lets(&self, kind: Kind) -> bool {
        kind != Kind::Clear || self.secrecy != Secrecy::Require
    }

    /// How a phone on this transport may be spoken to, the strongest first.
    fn ladder(&self, over: Transport) -> Vec<Kind> {
        match (over, self.secrecy) {
            (Transport::Ws | Transport::Wss, _) => vec![Kind::Browser],
            (_, Secrecy::Off) => vec![Kind::Clear],
            (_, Secrecy::Allow) => vec![Kind::Browser, Kind::Sdes, Kind::Clear],
            (_, Secrecy::Require) => vec![Kind::Browser, Kind::Sdes],
        }
    }

    /// Whether packets to there would come back to us: a phone that says so would make them go round for ever.
    fn is_ours(&self, at: SocketAddr) -> bool {
        let is_here = at.ip() == self.told || at.ip() == self.ports.ip() || at.ip().is_loopback();
        is_here && self.open.contains(&(at.port() & !1))
    }
}

/// A seat of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// One conversation's lines, and who sits at them.
pub(crate) struct Relay {
    lines: Vec<Option<UnboundedSender<Update>>>,
    seats: BTreeMap<usize, Seat>,
    next: usize,
    /// Whose seat is which.
    places: HashMap<CallId, usize>,
    caller: usize,
    /// What the caller offered; `None` when his INVITE had no offer, so the phones' answers have.
    offer: Option<Description>,
    /// Who is about to take the place of whom.
    newcomer: Option<[CallId; 2]>,
}

impl Relay {
    /// For a caller with this offer.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(crate) fn new(
        now: Instant,
        relays: &mut Relays,
        (caller, over): (CallId, Transport),
        offer: Option<&Body>,
    ) -> Result<Self, StatusCode> {
        let offer = offer.map(parse).transpose()?;
        let kinds = match &offer {
            Some(offer) => vec![relays.kind(offer)?],
            // An offer in a 200 is not made twice.
            None => relays.ladder(over).split_off(relays.ladder(over).len() - 1),
        };
        let mut relay = Self {
            lines: Vec::new(),
            seats: BTreeMap::from([(0, Seat::new(kinds))]),
            next: 1,
            places: HashMap::from([(caller, 0)]),
            caller: 0,
            offer: None,
            newcomer: None,
        };
        if let Some(offer) = &offer
            && let Err(status) = relay.hear(now, relays, 0, offer, true)
        {
            relay.close(now, relays);
            return Err(status);
        }
        relay.offer = offer;
        Ok(relay)
    }

    /// A seat for a phone that is to ring, and what it is offered, one after the other: nothing when the caller has
    /// offered nothing.
    ///
    /// # Errors
    /// The status when there is no way for it.
    pub(crate) fn invite(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        over: Transport,
    ) -> Result<(Place, Vec<Body>), StatusCode> {
        let place = self.next;
        self.next += 1;
        let steps = relays.ladder(over);
        self.seats.insert(place, Seat::new(steps.clone()));
        let Some(offer) = self.offer.clone() else {
            return Ok((Place(place), Vec::new()));
        };
        let mut offers = Vec::new();
        for kind in steps {
            self.become_kind(now, relays, place, kind);
            match self.told(now, relays, (self.caller, place), &offer, true) {
                Ok(told) => offers.push(told),
                Err(status) => {
                    self.vacate(now, relays, place);
                    return Err(status);
                }
            }
        }
        if let Some(first) = relays.ladder(over).first() {
            self.become_kind(now, relays, place, *first);
        }
        Ok((Place(place), offers))
    }

    /// The call by which a seat's phone is called.
    pub(crate) fn sits(&mut self, place: Place, call: CallId) {
        self.places.insert(call, place.0);
    }

    /// A phone that could not be called leaves its seat.
    pub(crate) fn give_up(&mut self, now: Instant, relays: &mut Relays, place: Place) {
        self.vacate(now, relays, place.0);
    }

    /// A phone has refused what it was offered, and is offered the next.
    fn fell_back(&mut self, now: Instant, relays: &mut Relays, call: CallId) {
        let Some(&place) = self.places.get(&call) else {
            return;
        };
        let seat = self.seats.get_mut(&place);
        let next = seat.and_then(|seat| {
            seat.ladder.rotate_left(1);
            seat.kind()
        });
        if let Some(kind) = next {
            self.become_kind(now, relays, place, kind);
        }
    }

    /// Somebody comes with this offer to take the place of `old`, one of the two ends: what the other end is offered.
    ///
    /// # Errors
    /// The status to refuse him with.
    pub(crate) fn comes(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        (call, old): (CallId, CallId),
        (caller, callee): (CallId, Option<CallId>),
        offer: &Body,
    ) -> Result<Body, StatusCode> {
        const GONE: StatusCode = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let other = match old == caller {
            true => callee,
            false => Some(caller),
        };
        let other = other.and_then(|other| self.places.get(&other));
        let other = *other.ok_or(GONE)?;
        let said = parse(offer)?;
        let kind = relays.kind(&said)?;
        let place = self.next;
        self.next += 1;
        self.seats.insert(place, Seat::new(vec![kind]));
        self.places.insert(call, place);
        self.newcomer = Some([call, old]);
        let told = self
            .hear(now, relays, place, &said, true)
            .and_then(|()| self.told(now, relays, (place, other), &said, true));
        if told.is_err() {
            self.leaves(now, relays, call);
        }
        told
    }

    /// An event of one with what the other shall be told in place of what it says.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(crate) fn cross(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        (caller, callee): (CallId, Option<CallId>),
        event: &mut Event,
    ) -> Result<(), StatusCode> {
        let asked = self.offer.is_none();
        let (call, body, is_offer) = match event {
            Event::Progress { call, preview, .. } => (*call, preview, asked),
            Event::Answered { call, body, .. } => (*call, body, asked),
            Event::Confirmed { call, answer, .. } => (*call, answer, false),
            Event::Offered { call, offer, .. } => (*call, offer, true),
            Event::ReinviteAnswered { call, answer, .. } => {
                // What the newcomer offered is answered to him.
                if let Some([newcomer, old]) = self.newcomer.take()
                    && ![newcomer, old].contains(call)
                {
                    if let Some(answer) = answer {
                        let ends = (*call, newcomer);
                        *answer = self.pass(now, relays, ends, answer, false)?;
                    }
                    return Ok(());
                }
                (*call, answer, false)
            }
            Event::ReinviteFailed { status, .. } => {
                // After 491 the offer is made once more.
                if *status != StatusCode::REQUEST_PENDING {
                    self.newcomer = None;
                }
                return Ok(());
            }
            Event::OfferedAgain { call, .. } => {
                self.fell_back(now, relays, *call);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let other = match call == caller {
            true => callee,
            false => Some(caller),
        };
        if let (Some(body), Some(other)) = (body, other) {
            *body = self.pass(now, relays, (call, other), body, is_offer)?;
        }
        Ok(())
    }

    /// Somebody has left, or is not let in.
    pub(crate) fn leaves(&mut self, now: Instant, relays: &mut Relays, call: CallId) {
        if self.newcomer.is_some_and(|[newcomer, _]| newcomer == call) {
            self.newcomer = None;
        }
        if let Some(place) = self.places.remove(&call) {
            self.vacate(now, relays, place);
        }
    }

    /// Ends it.
    pub(crate) fn close(mut self, now: Instant, relays: &mut Relays) {
        self.lines.clear();
        let places: Vec<usize> = self.seats.keys().copied().collect();
        for place in places {
            self.vacate(now, relays, place);
        }
    }

    /// What one says to the other, as it is to be told; an answer joins the two.
    fn pass(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        (from, to): (CallId, CallId),
        body: &Body,
        is_offer: bool,
    ) -> Result<Body, StatusCode> {
        const GONE: StatusCode = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let place = |call| self.places.get(&call).copied().ok_or(GONE);
        let (from, to) = (place(from)?, place(to)?);
        let said = parse(body)?;
        self.hear(now, relays, from, &said, is_offer)?;
        let told = self.told(now, relays, (from, to), &said, is_offer)?;
        if !is_offer {
            for line in self.lines.iter().flatten() {
                // The task is there for as long as the line.
                let _ = line.send(Update::Joins([from, to]));
            }
        }
        Ok(told)
    }

    /// Takes what somebody says of himself.
    fn hear(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        place: usize,
        said: &Description,
        is_offer: bool,
    ) -> Result<(), StatusCode> {
        for (index, media) in said.media.iter().enumerate().take(MAX_LINES) {
            if self.lines.len() == index {
                self.lines.push(None);
            }
            let kind = rewrite::carried(media, said);
            let Some(kind) = kind.filter(|kind| relays.lets(*kind)) else {
                continue;
            };
            self.open(now, relays, (place, index), kind, &media.protocol)?;
            let side = self.seats.get_mut(&place);
            let Some(side) = side.and_then(|seat| seat.side(index)) else {
                continue;
            };
            let goes_round = |peer: &Peer| match peer {
                Peer::Phone { at, .. } => at.iter().any(|at| relays.is_ours(*at)),
                Peer::Browser(found) => found.ice.is_none() && relays.is_ours(found.at),
            };
            let peer = side.learn(kind, said, index, is_offer)?;
            if let Some(peer) = peer.filter(|peer| !goes_round(peer)) {
                self.update(index, Update::Says { place, peer });
            }
        }
        if let Some(seat) = self.seats.get_mut(&place) {
            seat.known.clone_from(&said.media);
        }
        // An answer that takes nothing is no answer.
        match is_offer || rewrite::first_kind(said).is_some() {
            true => Ok(()),
            false => Err(NOT_ACCEPTABLE),
        }
    }

    /// What somebody else is told of that.
    fn told(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        (from, to): (usize, usize),
        said: &Description,
        is_offer: bool,
    ) -> Result<Body, StatusCode> {
        let kind = |seat: usize| self.seats.get(&seat).and_then(Seat::kind);
        let kinds = kind(from).zip(kind(to)).ok_or(NOT_ACCEPTABLE)?;
        let known = self.seats.get(&to).map(|seat| seat.known.clone());
        let said = rewrite::fitted(said, &known.unwrap_or_default(), is_offer);
        let mut ways: Vec<Option<Way>> = Vec::new();
        for (index, media) in said.media.iter().enumerate() {
            let carried = rewrite::carried(media, &said).is_some();
            let is_open = self.lines.get(index).is_some_and(Option::is_some);
            if !(carried && is_open) {
                ways.push(None);
                continue;
            }
            self.open(now, relays, (to, index), kinds.1, &media.protocol)?;
            let side = self.seats.get_mut(&to).and_then(|seat| seat.side(index));
            ways.push(side.map(|side| side.way(&relays.certificate, is_offer)));
        }
        let told = rewrite::rewrite(&said, kinds, relays.told, &ways);
        let seat = self.seats.get_mut(&to).ok_or(NOT_ACCEPTABLE)?;
        Ok(Body::sdp(seat.tell(told, relays.told).to_bytes()))
    }

    /// Gives somebody a side of a line, unless he has one.
    fn open(
        &mut self,
        now: Instant,
        relays: &mut Relays,
        (place, index): (usize, usize),
        kind: Kind,
        like: &Protocol,
    ) -> Result<(), StatusCode> {
        const FULL: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let Some(seat) = self.seats.get_mut(&place) else {
            return Ok(());
        };
        if seat.side(index).is_some() {
            return Ok(());
        }
        let sockets = relays.allocate(now).ok_or(FULL)?;
        let side = Side::new(sockets, relays.told, kind, like);
        let made = leg(now, &side, &relays.certificate).zip(line::open(&side.sockets).ok());
        let Some((leg, sockets)) = made else {
            relays.release(now, side.sockets);
            return Err(FULL);
        };
        if seat.sides.len() <= index {
            seat.sides.resize_with(index + 1, || None);
        }
        seat.sides[index] = Some(side);
        if let Some(line) = self.lines.get_mut(index) {
            line.get_or_insert_with(line::start);
        }
        self.update(
            index,
            Update::Sits {
                place,
                leg,
                sockets,
            },
        );
        Ok(())
    }

    /// Speaks to somebody in another way.
    fn become_kind(&mut self, now: Instant, relays: &Relays, place: usize, kind: Kind) {
        let Some(seat) = self.seats.get_mut(&place) else {
            return;
        };
        while seat.ladder.contains(&kind) && seat.kind() != Some(kind) {
            seat.ladder.rotate_left(1);
        }
        let sides = seat.sides.iter_mut().enumerate();
        let become_it = |(index, side): (usize, &mut Option<Side>)| {
            let side = side.as_mut()?;
            side.becomes(kind);
            let leg = leg(now, side, &relays.certificate)?;
            Some((index, Update::Becomes { place, leg }))
        };
        let updates: Vec<_> = sides.filter_map(become_it).collect();
        for (index, update) in updates {
            self.update(index, update);
        }
    }

    fn vacate(&mut self, now: Instant, relays: &mut Relays, place: usize) {
        let Some(seat) = self.seats.remove(&place) else {
            return;
        };
        for (index, side) in seat.sides.into_iter().enumerate() {
            let Some(side) = side else { continue };
            self.update(index, Update::Leaves(place));
            relays.release(now, side.sockets);
        }
    }

    fn update(&self, index: usize, update: Update) {
        if let Some(line) = self.lines.get(index).and_then(Option::as_ref) {
            // The task is there for as long as the line.
            let _ = line.send(update);
        }
    }
}

fn parse(body: &Body) -> Result<Description, StatusCode> {
    let session = body.session().ok_or(NOT_ACCEPTABLE)?;
    Description::parse(&session.bytes).map_err(|_| NOT_ACCEPTABLE)
}

/// The machine for a side; `None` when nobody can be found at its address.
fn leg(now: Instant, side: &Side, certificate: &Certificate) -> Option<Leg> {
    Some(match side.kind {
        Kind::Clear => Leg::Phone(Box::new(Phone::new(false))),
        Kind::Sdes => Leg::Phone(Box::new(Phone::new(true))),
        Kind::Browser => {
            let browser = Browser::new(now, side.at, &side.ours, certificate)?;
            Leg::Browser(Box::new(browser))
        }
    })
}
