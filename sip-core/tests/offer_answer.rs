//! Offers and answers over random interleavings of INVITE, PRACK, UPDATE and re-INVITE, before the
//! call is answered and after, in good weather and bad: RFC 3261 section 13.2.1 and 14, RFC 3262 section 5, RFC 3311 section 5, RFC
//! 3264 section 4, RFC 6337 section 2.
//!
//! Each body that is sent says who offers and which offer it is, or which offer it answers. What is
//! heard must fit: an answer answers the offer that is out, nobody offers while one is out, nobody
//! answers twice, and both sides agree on the last exchange when all is quiet.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use proptest::prelude::*;
use sip_core::dialog::OfferAnswerState;
use sip_core::{Body, CallId, CallState, Config, Event, Message, Method, Reliable, StatusCode};
use support::*;

/// What somebody does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ring,
    Early,
    Answer,
    Reinvite,
    Update,
    Accept,
    Refuse,
    Info,
    /// Acknowledges a reliable response, with an offer or without.
    Prack(bool),
    /// Lets so many things happen.
    Steps(u8),
    /// Lets so much time pass, in ms.
    Wait(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Ring),
        2 => Just(Act::Early),
        2 => Just(Act::Answer),
        3 => Just(Act::Reinvite),
        3 => Just(Act::Update),
        4 => Just(Act::Accept),
        1 => Just(Act::Refuse),
        1 => Just(Act::Info),
        3 => any::<bool>().prop_map(Act::Prack),
        4 => (1u8..8).prop_map(Act::Steps),
        2 => (1u16..4000).prop_map(Act::Wait),
    ]
}

/// The same while nobody has answered.
fn early_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Ring),
        4 => Just(Act::Early),
        5 => any::<bool>().prop_map(Act::Prack),
        5 => Just(Act::Update),
        4 => Just(Act::Accept),
        1 => Just(Act::Refuse),
        6 => (1u8..5).prop_map(Act::Steps),
        1 => (1u16..600).prop_map(Act::Wait),
    ]
}

fn body(side: usize, kind: &str, number: u32) -> Body {
    Body::sdp(format!("{kind} {side} {number}"))
}

fn read(body: &Body) -> (String, usize, u32) {
    let text = String::from_utf8_lossy(&body.bytes).into_owned();
    let mut words = text.split(' ');
    (
        words.next().unwrap().to_owned(),
        words.next().unwrap().parse().unwrap(),
        words.next().unwrap().parse().unwrap(),
    )
}

/// One side, as its application sees the session.
#[derive(Default)]
struct Side {
    call: Option<CallId>,
    up: bool,
    over: bool,
    /// The peer's offer that waits for us.
    asked: Option<u32>,
    /// Our offer that is out.
    out: Option<u32>,
    /// The last exchange: who offered and which.
    agreed: Option<(usize, u32)>,
    /// What went out before the 200, which must be the same there.
    early: Option<Body>,
    /// Whether the 200 was given.
    answered: bool,
    /// The branch whose reliable response waits for our PRACK.
    owed: Option<String>,
}

struct World {
    net: Network,
    sides: [Side; 2],
    number: u32,
    /// Whether what goes out before the 200 goes out reliably.
    reliable: bool,
    /// Whether the caller writes its PRACKs.
    early_offers: bool,
}

impl World {
    fn new(seed: u64, storm: bool, reliable: bool, offerless: bool, early_offers: bool) -> Self {
        let mut configs = vec![Config::default(), Config::default()];
        if !reliable {
            configs[1].reliable = Reliable::Never;
        }
        let mut net = Network::new(seed, configs);
        net.weather = if storm { STORM } else { CLEAR };
        let mut world = Self {
            net,
            sides: Default::default(),
            number: 1,
            reliable: reliable && (early_offers || !offerless),
            early_offers,
        };
        let call = world.net.invite(0, 1, |mut invite| {
            invite.body = (!offerless).then(|| body(0, "offer", 1));
            invite.early_offers = early_offers;
            invite
        });
        world.sides[0].call = Some(call);
        world.sides[0].out = (!offerless).then_some(1);
        world
    }

    fn heard_answer(&mut self, at: usize, heard: &Body) {
        let (kind, side, number) = read(heard);
        assert_eq!(
            (kind.as_str(), side),
            ("answer", 1 - at),
            "an answer of the peer's"
        );
        assert_eq!(
            self.sides[at].out.take(),
            Some(number),
            "to the offer that is out"
        );
        self.sides[at].agreed = Some((at, number));
    }

    fn heard_offer(&mut self, at: usize, heard: &Body) {
        let (kind, side, number) = read(heard);
        assert_eq!(
            (kind.as_str(), side),
            ("offer", 1 - at),
            "an offer of the peer's"
        );
        // Ours met another and was refused with 491; the wait after that is not over. Were it not
        // refused, its answer would find none out.
        self.sides[at].out = None;
        assert_eq!(self.sides[at].asked, None, "one at a time");
        self.sides[at].asked = Some(number);
    }

    fn listen(&mut self) {
        for at in 0..2 {
            for event in std::mem::take(&mut self.net.events[at]) {
                match event {
                    Event::Incoming { call, offer, .. } => {
                        self.sides[at].call = Some(call);
                        if let Some(offer) = offer {
                            self.heard_offer(at, &offer);
                        }
                    }
                    Event::Progress {
                        preview,
                        reliable,
                        branch,
                        ..
                    } => {
                        if reliable && self.early_offers {
                            self.sides[at].owed = Some(branch);
                        }
                        let Some(preview) = preview else { continue };
                        let (kind, _, number) = read(&preview);
                        match (kind.as_str(), reliable) {
                            ("answer", true) if self.sides[at].agreed == Some((at, number)) => {}
                            ("answer", true) => self.heard_answer(at, &preview),
                            ("answer", false) => assert_eq!(self.sides[at].out, Some(number)),
                            (_, true) => self.heard_offer(at, &preview),
                            other => panic!("{other:?}"),
                        }
                    }
                    Event::Answered { body, .. } => {
                        self.sides[at].up = true;
                        self.sides[at].owed = None;
                        let Some(heard) = body else {
                            assert!(self.sides[at].agreed.is_some(), "an agreed session");
                            continue;
                        };
                        let (kind, _, number) = read(&heard);
                        match (kind.as_str(), self.sides[at].agreed) {
                            ("answer", Some(agreed)) => assert_eq!(agreed, (at, number)),
                            ("answer", None) => self.heard_answer(at, &heard),
                            _ => self.heard_offer(at, &heard),
                        }
                    }
                    Event::EarlyAnswer { answer, .. } => self.heard_answer(at, &answer),
                    Event::Confirmed { answer, .. } => {
                        if let Some(answer) = answer {
                            self.heard_answer(at, &answer);
                        }
                        self.sides[at].up = true;
                    }
                    Event::Offered {
                        offer: Some(offer), ..
                    } => self.heard_offer(at, &offer),
                    Event::OfferWithdrawn { .. } => self.sides[at].asked = None,
                    Event::ReinviteAnswered { answer, .. } => {
                        self.heard_answer(at, &answer.expect("an answer to an offer"));
                    }
                    Event::ReinviteFailed { .. } => self.sides[at].out = None,
                    Event::Ended { .. } => self.sides[at].over = true,
                    _ => {}
                }
            }
        }
    }

    fn act(&mut self, at: usize, act: Act) {
        self.net.drain();
        self.listen();
        let now = self.net.now;
        match act {
            Act::Steps(count) => {
                for _ in 0..count {
                    self.net.step();
                    self.listen();
                }
                return;
            }
            Act::Wait(span) => {
                self.net.run(Duration::from_millis(span.into()));
                self.listen();
                return;
            }
            _ => {}
        }
        let (Some(call), false) = (self.sides[at].call, self.sides[at].over) else {
            return;
        };
        let Ok(handle) = self.net.endpoints[at].call(call) else {
            return;
        };
        let (before, state) = (handle.offer_state(), handle.state());
        let next = self.number + 1;
        let side = &mut self.sides[at];
        let reply = side.asked.map(|number| body(at, "answer", number));
        match act {
            Act::Ring => {
                let _ = handle.ring(now, StatusCode::RINGING, None);
            }
            Act::Early => {
                let first = side.early.is_none();
                let offers = self.reliable && first && side.asked.is_none();
                let anew = offers.then(|| body(at, "offer", next));
                let body = side.early.clone().or(reply).or(anew);
                if let Some(body) = body
                    && handle
                        .ring(now, StatusCode::SESSION_PROGRESS, Some(body.clone()))
                        .is_ok()
                {
                    side.early = Some(body);
                    if offers {
                        self.number = next;
                        side.out = Some(next);
                    } else if first && self.reliable {
                        let number = side.asked.take().expect("an offer to answer");
                        side.agreed = Some((1 - at, number));
                    }
                }
            }
            Act::Prack(offers) => {
                let Some(branch) = side.owed.clone() else {
                    return;
                };
                let idle = side.asked.is_none() && side.out.is_none();
                let offer = (offers && idle).then(|| body(at, "offer", next));
                // The offer of an UPDATE is answered there.
                let reply = reply.filter(|_| side.agreed.is_none());
                let sent = reply.clone().or(offer);
                if handle.prack(now, &branch, sent.clone()).is_ok() {
                    side.owed = None;
                    if let Some(number) = reply.and_then(|_| side.asked.take()) {
                        side.agreed = Some((1 - at, number));
                    } else if sent.is_some() {
                        self.number = next;
                        side.out = Some(next);
                    }
                }
            }
            Act::Answer => {
                if side.answered {
                    return;
                }
                let done = self.reliable && side.early.is_some();
                let offered = side.asked.is_some() || side.early.is_some();
                let body = match side.early.clone().or(reply) {
                    Some(body) => body,
                    None => body(at, "offer", next),
                };
                if handle.answer(now, Some(body)).is_ok() {
                    side.answered = true;
                    if done {
                        // What a reliable response bore is the session, or PRACK answers it.
                    } else if offered {
                        let number = side.asked.take().expect("what the early answer answered");
                        side.agreed = Some((1 - at, number));
                    } else {
                        self.number = next;
                        side.out = Some(next);
                    }
                }
            }
            Act::Reinvite | Act::Update => {
                let offer = body(at, "offer", next);
                let result = match act {
                    Act::Reinvite => handle.reinvite(now, offer),
                    _ => handle.update(now, offer),
                };
                if result.is_ok() {
                    let early = matches!(state, CallState::Calling | CallState::Incoming);
                    if early {
                        assert!(
                            matches!(act, Act::Update) && side.agreed.is_some(),
                            "{act:?}"
                        );
                    } else {
                        assert_eq!(before, OfferAnswerState::Idle, "no offer while one is out");
                        assert_eq!(state, CallState::Established);
                    }
                    assert_eq!((side.asked, side.out), (None, None));
                    self.number = next;
                    side.out = Some(next);
                }
            }
            Act::Accept => {
                let Some(reply) = reply else {
                    let late = handle.accept(now, body(at, "answer", 0));
                    assert!(
                        late.is_err() || before == OfferAnswerState::RemoteOffer,
                        "nothing to answer"
                    );
                    assert!(late.is_err(), "nobody offered: {state:?}");
                    return;
                };
                if handle.accept(now, reply.clone()).is_ok() {
                    let number = side.asked.take().unwrap();
                    side.agreed = Some((1 - at, number));
                    if let Ok(handle) = self.net.endpoints[at].call(call) {
                        assert!(handle.accept(now, reply).is_err(), "nobody answers twice");
                    }
                }
            }
            Act::Refuse => {
                if handle.refuse(now, StatusCode::NOT_ACCEPTABLE_HERE).is_ok() {
                    side.asked = None;
                }
            }
            Act::Info => {
                let _ = handle.info(now, Body::new("text/plain", "x"));
            }
            Act::Steps(_) | Act::Wait(_) => {}
        }
    }

    /// Every message that bears a session description is one that may (RFC 6337 table 1).
    fn check_the_wire(&mut self) {
        self.net.lose = Box::new(|_, message: &Message| {
            let described = message
                .header("Content-Type")
                .is_some_and(|value| value.value() == b"application/sdp");
            if !described {
                return false;
            }
            let method = match message.method() {
                Some(method) => method,
                None => {
                    let status = message.status().unwrap();
                    let reliable = message.header("RSeq").is_some();
                    let sequence = message.header("CSeq").unwrap().to_str().into_owned();
                    assert!(
                        status.is_success()
                            || (status.is_provisional() && sequence.ends_with("INVITE")),
                        "{status}, reliable: {reliable}"
                    );
                    return false;
                }
            };
            assert!(
                matches!(
                    method,
                    Method::Invite | Method::Ack | Method::Update | Method::Prack
                ),
                "{method}"
            );
            false
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offers_and_answers_fit_in_any_order(
        seed in any::<u64>(),
        storm in any::<bool>(),
        reliable in any::<bool>(),
        offerless in prop::bool::weighted(0.3),
        early_offers in any::<bool>(),
        early in prop::collection::vec((0usize..2, early_act()), 0..30),
        acts in prop::collection::vec((0usize..2, act()), 1..60),
    ) {
        let mut world = World::new(seed, storm, reliable, offerless, early_offers);
        world.check_the_wire();
        world.act(1, Act::Wait(100));
        for (at, act) in early.into_iter().chain(acts) {
            world.act(at, act);
        }
        // Everything that waits is decided, and both have the same session.
        for _ in 0..6 {
            for at in 0..2 {
                world.act(at, Act::Prack(false));
                world.act(at, Act::Answer);
                world.act(at, Act::Accept);
                world.act(at, Act::Wait(3000));
            }
        }
        world.act(0, Act::Wait(40_000));
        let [a, b] = std::mem::take(&mut world.sides);
        let ends = [a.call, b.call];
        if a.up && b.up && !a.over && !b.over {
            prop_assert_eq!((a.asked, a.out, b.asked, b.out), (None, None, None, None));
            prop_assert_eq!(a.agreed, b.agreed, "{}", world.net.show());
            for (at, call) in ends.into_iter().enumerate() {
                let state = world.net.call(at, call.unwrap()).offer_state();
                prop_assert_eq!(state, OfferAnswerState::Idle);
            }
        }
        for (at, call) in ends.into_iter().enumerate() {
            let now = world.net.now;
            if let Some(call) = call
                && let Ok(handle) = world.net.endpoints[at].call(call)
            {
                let _ = handle.hang_up(now);
            }
        }
        world.net.assert_forgotten();
    }
}
