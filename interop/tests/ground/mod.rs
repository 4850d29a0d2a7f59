//! A phone of the ground floor alone: `sip-core`, `rtp-core` and `media-mix` joined by hand, without `signaling`.
#![allow(dead_code, reason = "each test program uses a part of it")]

mod media;

pub(crate) use media::Media;

use interop::{Codec, Ports, Security, Ua};
use media_mix::{Description, Registry};
use rtp_core::negotiate::{Capabilities, Hold, Negotiation, Sdes, SdesPolicy, SentOffer};
use rtp_core::srtp::Suite;
use sip_core::header::NameAddr;
use sip_core::{Body, CallId, EndKind, EndedBy, Event, Invite};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What we say, in Hz.
pub(crate) const OURS: f64 = 440.0;
/// What the peer says, in Hz.
pub(crate) const THEIRS: f64 = 1020.0;

pub(crate) fn random() -> rtp_core::Random {
    let mut file = std::fs::File::open("/dev/urandom").expect("randomness");
    Box::new(move |out| file.read_exact(out).expect("randomness"))
}

/// What the registry says of a codec, as the negotiator wants it.
fn offer(codec: &Description) -> rtp_core::negotiate::Codec {
    let offered = rtp_core::negotiate::Codec::new(codec.name, codec.clock_rate)
        .with_channels(codec.rtp_channels);
    if codec.fmtp.is_empty() {
        offered
    } else {
        offered.with_fmtp(codec.fmtp)
    }
}

/// Where its packets come and go: RTP, then RTCP.
struct Room {
    sockets: [UdpSocket; 2],
    address: SocketAddr,
    _ports: Ports,
}

impl Room {
    fn new() -> Self {
        let ports = Ports::take();
        let address = |n| SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port(n)));
        let sockets = [0, 1].map(|n| {
            let socket = UdpSocket::bind(address(n)).expect("a free port");
            socket
                .set_nonblocking(true)
                .expect("a socket that does not block");
            socket
        });
        Self {
            sockets,
            address: address(0),
            _ports: ports,
        }
    }
}

/// A phone of ours with one call.
pub(crate) struct Phone {
    pub(crate) ua: Ua,
    pub(crate) call: Option<CallId>,
    negotiation: Negotiation,
    offer: Option<SentOffer>,
    pub(crate) media: Option<Media>,
    room: Room,
    pub(crate) over: Option<(EndedBy, EndKind)>,
}

impl Phone {
    /// All that we have, the wanted codec first.
    pub(crate) fn new(codec: Codec, security: Security) -> Self {
        let room = Room::new();
        let registry = Registry::default();
        let mut offered: Vec<_> = registry.descriptions().map(offer).collect();
        offered.sort_by_key(|c| !c.name.eq_ignore_ascii_case(codec.name()));
        let mut capabilities = Capabilities::new(offered, room.address);
        capabilities.sdes = Sdes::new(match security {
            Security::Clear => SdesPolicy::Off,
            Security::Sdes => SdesPolicy::Require,
            Security::SdesOffered => SdesPolicy::Allow,
            Security::Dtls => unreachable!("no row asks for it"),
        });
        Self {
            ua: Ua::start(|_| {}),
            call: None,
            negotiation: Negotiation::new(7, capabilities, random()),
            offer: None,
            media: None,
            room,
            over: None,
        }
    }

    /// Only the first of its codecs, and of the suites this one.
    pub(crate) fn only(&mut self, suite: Suite) {
        let mut capabilities = self.negotiation.capabilities().clone();
        capabilities.codecs.truncate(1);
        capabilities.sdes.suites = vec![suite];
        self.negotiation.set_capabilities(capabilities);
    }

    pub(crate) fn dial(&mut self, uri: &str) {
        let offer = self.negotiation.offer().expect("an offer");
        let from = NameAddr::parse("<sip:room7@example.org>").expect("an address");
        let invite =
            Invite::new(uri.parse().expect("a URI"), from).body(Body::sdp(offer.to_bytes()));
        self.offer = Some(offer);
        self.call = Some(
            self.ua
                .endpoint()
                .invite(Instant::now(), invite)
                .expect("a call"),
        );
    }

    pub(crate) fn hold(&mut self, hold: Option<Hold>) {
        let offer = match hold {
            Some(hold) => self.negotiation.offer_hold(hold),
            None => self.negotiation.offer_resume(),
        }
        .expect("an offer");
        self.reinvite(offer);
    }

    /// Another machine behind the same dialog takes the call over, as when a gateway moves it: another address, other
    /// payload types and other keys, in one re-INVITE. Packets go on in the same stream.
    pub(crate) fn move_away(&mut self, payload_types: std::ops::Range<u8>) {
        let room = Room::new();
        let mut capabilities = self.negotiation.capabilities().clone();
        capabilities.streams = vec![room.address.into()];
        for (codec, number) in capabilities.codecs.iter_mut().zip(payload_types) {
            codec.payload_type = Some(number);
        }
        self.negotiation = Negotiation::new(7, capabilities, random());
        let offer = self.negotiation.offer().expect("an offer");
        let before = std::mem::replace(&mut self.room, room);
        self.reinvite(offer);
        // What the peer sent before it knew.
        drop(before);
    }

    fn reinvite(&mut self, offer: SentOffer) {
        let (call, body) = (self.call.expect("a call"), Body::sdp(offer.to_bytes()));
        self.offer = Some(offer);
        self.ua
            .call(call)
            .reinvite(Instant::now(), body)
            .expect("a re-INVITE");
        self.run_until("the answer to the re-INVITE", |p| p.offer.is_none());
    }

    pub(crate) fn hang_up(&mut self) {
        let call = self.call.expect("a call");
        self.ua.call(call).hang_up(Instant::now()).expect("a BYE");
        self.run_until("the end of the call", |p| p.over.is_some());
    }

    pub(crate) fn media(&mut self) -> &mut Media {
        self.media.as_mut().expect("an agreed stream")
    }

    pub(crate) fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < end, "not within {SOON:?}: {what}");
            self.turn();
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.ua.turn();
        while let Some(event) = self.ua.next_event() {
            self.event(event);
        }
        if let Some(media) = &mut self.media {
            media.turn(&self.room.sockets);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Answered {
                body: Some(body), ..
            }
            | Event::ReinviteAnswered {
                answer: Some(body), ..
            } => {
                let offer = self.offer.take().expect("an offer of ours");
                self.negotiation
                    .answered(&offer, &body.bytes)
                    .expect("an answer to our offer");
                self.agreed();
            }
            Event::Incoming {
                call,
                offer: Some(body),
                ..
            } => {
                self.call = Some(call);
                let body = self.answer(&body);
                self.ua
                    .call(call)
                    .answer(Instant::now(), Some(body))
                    .expect("a 200");
            }
            Event::Offered {
                call,
                offer: Some(body),
                ..
            } => {
                let body = self.answer(&body);
                self.ua
                    .call(call)
                    .accept(Instant::now(), body)
                    .expect("a 200");
            }
            Event::Ended { cause, .. } => self.over = Some((cause.by, cause.kind)),
            _ => {}
        }
    }

    fn answer(&mut self, offer: &Body) -> Body {
        let offer = self.negotiation.receive_offer(&offer.bytes);
        let answer = self.negotiation.answer(offer.expect("an offer"));
        let body = Body::sdp(answer.expect("an answer").to_bytes());
        self.agreed();
        body
    }

    fn agreed(&mut self) {
        let agreement = self.negotiation.agreement().expect("an agreement");
        let Some(stream) = agreement.audio().next().cloned() else {
            return;
        };
        let now = Instant::now();
        match &mut self.media {
            Some(media) => media.change(now, stream),
            None => self.media = Some(Media::new(now, stream)),
        }
    }
}
