//! Reliable provisional responses (RFC 3262): the 183 with early media that cannot get lost.
//!
//! As callee, one reliable response is out at a time; a further one waits for its PRACK, and so
//! does the 200 (section 3). As caller, each is acknowledged by PRACK in its own early dialog, in
//! order (section 4); the first body in answer to our offer is the answer, no preview.
//!
//! Offers and answers (section 5, RFC 6337 section 2.2):
//!
//! | INVITE | reliable response | PRACK | its 200 |
//! |---|---|---|---|
//! | offer | answer | | |
//! | offer | answer | offer | answer |
//! | | offer | answer | |
//!
//! The offer in a PRACK is told as [`Event::Offered`] and answered by `accept`; our 200 to the
//! INVITE waits for that. What our own PRACKs bear is the application's, where it asked for that
//! with [`Invite::early_offers`](crate::Invite::early_offers); otherwise they go out by themselves
//! and bear nothing, and an INVITE without an offer does not offer `100rel`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::body::Body;
use super::call::{Call, CallState, Reinvite};
use super::clients::{Purpose, Reply};
use super::command::CommandError;
use super::event::{CallId, Event};
use super::flow::Target;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::dialog::{OfferAnswer, OfferAnswerState, OfferError};
use crate::header::{RAck, RSeq};
use crate::transaction::after;
use crate::{HeaderName, Message, Method, StatusCode};

/// When provisional responses are sent reliably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reliable {
    /// Never; an INVITE that requires it gets 420, and our own do not offer it.
    Never,
    /// When the caller requires it, and for responses with a body when it can.
    #[default]
    Bodies,
}

/// A reliable response until its PRACK.
#[derive(Debug)]
struct Unacked {
    sequence: u32,
    bytes: Bytes,
    to: Target,
    next: Instant,
    interval: Duration,
    until: Instant,
}

/// Our reliable responses to one INVITE.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    last: Option<u32>,
    unacked: Option<Unacked>,
    /// The next response of the application's.
    queued: Option<(StatusCode, Option<Body>)>,
    /// The 200 that waits.
    answer: Option<Option<Body>>,
    /// Whether a reliable response carried the answer, or the offer.
    pub(crate) answered: bool,
    /// Whether it was the offer.
    pub(crate) offered: bool,
}

impl Sent {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unacked
            .as_ref()
            .map(|unacked| unacked.next.min(unacked.until))
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.unacked.is_some()
    }

    /// Holds a response back until the PRACK.
    pub(crate) fn queue(&mut self, status: StatusCode, body: Option<Body>) {
        let body = body.or_else(|| self.queued.take().and_then(|(_, body)| body));
        self.queued = Some((status, body));
    }

    pub(crate) fn hold_answer(&mut self, body: Option<Body>) {
        self.answer = Some(body);
    }

    /// The number of the next response.
    pub(crate) fn next(&self, first: u32) -> u32 {
        self.last.map_or(first, |last| last.saturating_add(1))
    }

    pub(crate) fn sent(
        &mut self,
        now: Instant,
        sequence: u32,
        bytes: Bytes,
        to: Target,
        t1: Duration,
    ) {
        self.last = Some(sequence);
        self.unacked = Some(Unacked {
            sequence,
            bytes,
            to,
            next: after(now, t1),
            interval: t1,
            until: after(now, t1.saturating_mul(64)),
        });
    }
}

/// The peer's reliable responses in one early dialog.
#[derive(Debug)]
pub(crate) struct Early {
    tag: Box<str>,
    last: u32,
    /// Whose turn it is in this dialog.
    pub(crate) offers: OfferAnswer,
    /// What the peer answered to the offer of our INVITE.
    pub(crate) answer: Option<Body>,
    /// Until when the application may write the PRACK.
    owed: Option<Instant>,
    /// The PRACK that is out: until it is answered nothing else may overtake it.
    prack: Option<Key>,
}

impl Early {
    pub(crate) fn is(&self, tag: &str) -> bool {
        *self.tag == *tag
    }

    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.owed
    }

    /// Whether an UPDATE with an offer may go out here (RFC 3311 section 5.1).
    pub(crate) fn may_offer(&self) -> bool {
        let agreed = self.offers.completed() > 0 && self.offers.may_offer().is_ok();
        agreed && self.owed.is_none() && self.prack.is_none()
    }
}

/// What to do with a provisional response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provisional {
    /// Not reliable.
    Plain,
    /// Reliable and next in order.
    Fresh,
    /// Seen, or out of order: dropped (section 4).
    Old,
}

impl Endpoint {
    /// Whether a response with such a body goes out reliably.
    pub(crate) fn is_reliable(&self, request: &Message, body: bool) -> bool {
        self.config.reliable != Reliable::Never
            && (wire::lists(request, HeaderName::REQUIRE, "100rel")
                || (body && wire::lists(request, HeaderName::SUPPORTED, "100rel")))
    }

    /// Judges a provisional response to our INVITE and acknowledges it.
    pub(crate) fn provisional(
        &mut self,
        now: Instant,
        call: &mut Call,
        at: Option<usize>,
        reply: &Reply<'_>,
    ) -> Provisional {
        let sequence = reply
            .response
            .typed::<RSeq>()
            .ok()
            .map(|sequence| sequence.0);
        let required = wire::lists(reply.response, HeaderName::REQUIRE, "100rel");
        let (Some(sequence), true, Some(at)) = (sequence, required, at) else {
            return Provisional::Plain;
        };
        let (Some(outgoing), Some(dialog)) = (call.outgoing.as_deref_mut(), call.dialogs.get(at))
        else {
            return Provisional::Plain;
        };
        let tag = dialog.remote_tag();
        let body = wire::session(reply.response);
        let ours = outgoing.invite.early_offers;
        let at = match outgoing.early.iter().position(|early| early.is(tag)) {
            Some(at) if sequence != outgoing.early[at].last.saturating_add(1) => {
                return Provisional::Old;
            }
            Some(at) => at,
            // As many as there are dialogs, which are bounded.
            None => {
                outgoing.early.push(Early {
                    tag: tag.into(),
                    last: sequence,
                    offers: call.offers,
                    answer: None,
                    owed: None,
                    prack: None,
                });
                outgoing.early.len() - 1
            }
        };
        let early = &mut outgoing.early[at];
        early.last = sequence;
        let first = early.offers.completed() == 0;
        match early.offers.state() {
            OfferAnswerState::LocalOffer if first && body.is_some() => {
                // The state was just seen to be right.
                let _ = early.offers.remote_answer();
                early.answer = body;
            }
            OfferAnswerState::Idle if first && ours && body.is_some() => {
                let _ = early.offers.remote_offer();
            }
            _ => {}
        }
        if ours {
            // Half of the time for which the peer repeats its response.
            early.owed = Some(after(now, self.config.timers.h / 2));
        } else {
            let tag = early.tag.clone();
            // Without room for a transaction the peer repeats its response, and then gives up.
            let _ = self.send_prack(now, call, &tag, None);
        }
        Provisional::Fresh
    }

    fn send_prack(
        &mut self,
        now: Instant,
        call: &mut Call,
        tag: &str,
        body: Option<&Body>,
    ) -> Result<(Key, u32), CommandError> {
        const NO: CommandError = CommandError::State("a reliable response without its PRACK");
        let at = call.dialog_at(tag).ok_or(NO)?;
        let invite = call.outgoing.as_deref().ok_or(NO)?.seq;
        let sequence = call.early(tag).ok_or(NO)?.last;
        let rack = format!("{sequence} {invite} {}", Method::Invite);
        let (method, purpose) = (Method::Prack, Purpose::Prack);
        let sent = self.send_request_at(now, call, at, method, purpose, |builder| {
            let builder = builder.header(HeaderName::RACK, rack);
            match body {
                Some(body) => wire::with_body(builder, body),
                None => builder,
            }
        })?;
        if let Some(early) = call.early(tag) {
            early.prack = Some(sent.0);
            early.owed = None;
        }
        Ok(sent)
    }

    /// The application's PRACK.
    pub(crate) fn prack(
        &mut self,
        now: Instant,
        call: &mut Call,
        tag: &str,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        const NO: CommandError = CommandError::State("a reliable response without its PRACK");
        if call.state != CallState::Calling {
            return Err(NO);
        }
        let idle = call.reinvite.is_none() && call.update.is_none();
        let early = call.early(tag).filter(|early| early.owed.is_some());
        let mut offers = early.ok_or(NO)?.offers;
        // An UPDATE's offer is answered in its own 200.
        let asked = offers.state() == OfferAnswerState::RemoteOffer && offers.completed() == 0;
        let offers_anew = match &body {
            None if asked => return Err(OfferError::AnswerMissing.into()),
            Some(_) if asked => {
                offers.local_answer()?;
                false
            }
            None => false,
            Some(_) if !idle => {
                return Err(CommandError::State("the last offer to be answered"));
            }
            Some(_) => {
                offers.local_offer()?;
                true
            }
        };
        let (client, seq) = self.send_prack(now, call, tag, body.as_ref())?;
        if let Some(early) = call.early(tag) {
            early.offers = offers;
        }
        if offers_anew {
            call.reinvite = Some(Box::new(Reinvite::Out {
                client,
                seq,
                offer: true,
                refresh: false,
                early: Some(tag.into()),
            }));
        }
        if body.is_some() {
            call.sent_body = body;
        }
        Ok(())
    }

    /// PRACKs that the application did not write in time.
    pub(crate) fn pracks_due(&mut self, now: Instant, call: &mut Call) {
        let Some(outgoing) = call.outgoing.as_deref_mut() else {
            return;
        };
        let due = |early: &Early| early.owed.is_some_and(|at| at <= now);
        let Some(early) = outgoing.early.iter_mut().find(|early| due(early)) else {
            return;
        };
        early.owed = None;
        if call.state != CallState::Calling {
            return;
        }
        let asked = early.offers.state() == OfferAnswerState::RemoteOffer;
        if asked && early.offers.completed() == 0 {
            let kind = EndKind::Protocol("the offer in a reliable response was never answered");
            let _ = self.leave(now, call, EndCause::new(EndedBy::Local, kind), None);
        } else {
            let tag = early.tag.clone();
            let _ = self.send_prack(now, call, &tag, None);
        }
    }

    /// A PRACK of ours was answered, or nothing answered it.
    pub(crate) fn prack_over(&mut self, call: &mut Call, client: Key) {
        if let Some(outgoing) = call.outgoing.as_deref_mut() {
            let mut early = outgoing.early.iter_mut();
            if let Some(early) = early.find(|early| early.prack == Some(client)) {
                early.prack = None;
            }
        }
    }

    /// The same transaction once more, with credentials.
    pub(crate) fn prack_again(&mut self, call: &mut Call, before: Key, client: Key) {
        if let Some(outgoing) = call.outgoing.as_deref_mut() {
            let mut early = outgoing.early.iter_mut();
            if let Some(early) = early.find(|early| early.prack == Some(before)) {
                early.prack = Some(client);
            }
        }
    }

    /// A PRACK came.
    pub(crate) fn pracked(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
    ) {
        let rack = request.typed::<RAck<'_>>().ok();
        let acknowledged = match (call.arrival.as_deref_mut(), &rack) {
            (Some(arrival), Some(rack)) => {
                let invite = wire::cseq(&arrival.request);
                let fits = arrival.sent.unacked.as_ref().is_some_and(|unacked| {
                    unacked.sequence == rack.response()
                        && invite == Some((rack.sequence(), rack.method()))
                });
                if fits {
                    arrival.sent.unacked = None;
                }
                fits
            }
            _ => false,
        };
        let offer = wire::session(request);
        let owes = call.offers.state() == OfferAnswerState::LocalOffer
            && call.offers.completed() == 0
            && acknowledged;
        if owes {
            self.answered_in_prack(now, server, call, request, offer);
            return;
        }
        let status = match (acknowledged, &offer) {
            (false, _) => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            (true, None) => StatusCode::OK,
            // RFC 3262 section 5: an offer, now that the first one is answered.
            (true, Some(_)) if call.offers.state() == OfferAnswerState::Idle => {
                self.offered_in_prack(now, server, call, request, offer);
                return;
            }
            (true, Some(_)) => StatusCode::NOT_ACCEPTABLE_HERE,
        };
        self.respond_status(now, server, request, status, |builder| builder);
        if acknowledged {
            self.send_held(now, call);
        }
    }

    /// The offer was ours, in the response that this PRACK acknowledges: section 5 wants the answer
    /// here.
    fn answered_in_prack(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
        answer: Option<Body>,
    ) {
        self.respond_status(now, server, request, StatusCode::OK, |builder| builder);
        let Some(answer) = answer else {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            let _ = self.refuse_invite(now, call, status, None);
            let kind = EndKind::Protocol("a PRACK without the answer to our offer");
            let cause = EndCause::new(EndedBy::Remote, kind);
            self.end(call, cause, Some(request.clone()));
            return;
        };
        call.got(Some(&answer));
        // Seen to be possible by the caller.
        let _ = call.offers.remote_answer();
        if let Some(key) = call.key {
            self.out.tell(Event::EarlyAnswer {
                call: CallId(key),
                answer,
                request: request.clone(),
            });
        }
        self.send_held(now, call);
    }

    /// The application answers in the 200 of the PRACK, and only then in that of the INVITE.
    fn offered_in_prack(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
        offer: Option<Body>,
    ) {
        call.got(offer.as_ref());
        // Seen to be possible by the caller.
        let _ = call.offers.remote_offer();
        let mut arrival = self.arrival(now, server, request);
        arrival.grant = None;
        // The client gives up after timer F; half of that is left for the way.
        arrival.until = arrival.until.min(after(now, self.config.timers.f / 2));
        call.update = Some(Box::new(arrival));
        if let Some(key) = call.key {
            self.out.tell(Event::Offered {
                call: CallId(key),
                offer,
                request: request.clone(),
            });
        }
    }

    /// Sends what waited for a PRACK, or for the answer to the offer in it.
    pub(crate) fn send_held(&mut self, now: Instant, call: &mut Call) {
        let Some(arrival) = call.arrival.as_deref_mut() else {
            return;
        };
        let (queued, answer) = (arrival.sent.queued.take(), arrival.sent.answer.take());
        // Both were accepted when they were given; only the call's end could stand in their way.
        if let Some(body) = answer {
            let _ = self.accept_invite(now, call, body);
        } else if let Some((status, body)) = queued {
            let _ = self.ring(now, call, status, body);
        }
    }

    /// Repeats what has no PRACK yet; gives the call up after 64 × T1 (section 3).
    pub(crate) fn reliable_due(&mut self, now: Instant, call: &mut Call) {
        let Some(arrival) = call.arrival.as_deref_mut() else {
            return;
        };
        let Some(unacked) = arrival.sent.unacked.as_mut() else {
            return;
        };
        if unacked.until <= now {
            let status = StatusCode::SERVER_TIMEOUT;
            let _ = self.refuse_invite(now, call, status, None);
            if call.state == CallState::Incoming {
                let kind = EndKind::Protocol("a reliable response was never acknowledged");
                self.end(call, EndCause::new(EndedBy::Timer, kind), None);
            }
        } else if unacked.next <= now {
            unacked.interval = unacked.interval.saturating_mul(2);
            unacked.next = after(now, unacked.interval);
            let (to, bytes) = (unacked.to.clone(), unacked.bytes.clone());
            self.out.send(to, bytes);
        }
    }
}
