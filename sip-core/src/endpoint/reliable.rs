//! Reliable provisional responses (RFC 3262): the 183 with early media that cannot get lost.
//!
//! As callee, one reliable response is out at a time; a further one waits for its PRACK, and so
//! does the 200 (section 3). As caller, each is acknowledged by PRACK in its own early dialog, in
//! order (section 4); the first body in answer to our offer is the answer, no preview.
//!
//! An offer in a PRACK (section 5) is told as [`Event::Offered`] and answered by `accept` in the
//! 200 of the PRACK; our 200 to the INVITE waits for that.
//!
//! Left out: offers in PRACKs of ours, and reliable responses to an INVITE without an offer, for
//! which `100rel` is not offered.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::body::Body;
use super::call::{Call, CallState};
use super::clients::{Purpose, Reply};
use super::event::{CallId, Event};
use super::flow::Target;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::dialog::OfferAnswerState;
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
    /// Whether a reliable response carried the answer.
    pub(crate) answered: bool,
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
    answer: Option<Body>,
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
                || (body
                    && !request.body().is_empty()
                    && wire::lists(request, HeaderName::SUPPORTED, "100rel")))
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
        match outgoing.early.iter_mut().find(|early| *early.tag == *tag) {
            Some(early) if sequence != early.last.saturating_add(1) => return Provisional::Old,
            Some(early) => {
                early.last = sequence;
                if early.answer.is_none() {
                    early.answer = body;
                }
            }
            // As many as there are dialogs, which are bounded.
            None => outgoing.early.push(Early {
                tag: tag.into(),
                last: sequence,
                answer: body,
            }),
        }
        let (invite, method) = wire::cseq(reply.request).unwrap_or((1, Method::Invite));
        let rack = format!("{sequence} {invite} {method}");
        // Without room for a transaction the peer repeats its response, and then gives up.
        let _ = self.send_request_at(now, call, at, Method::Prack, Purpose::Prack, |builder| {
            builder.header(HeaderName::RACK, rack)
        });
        Provisional::Fresh
    }

    /// The answer that a reliable response of this branch carried.
    pub(crate) fn early_answer(call: &Call, tag: &str) -> Option<Body> {
        let outgoing = call.outgoing.as_deref()?;
        outgoing
            .early
            .iter()
            .find(|early| *early.tag == *tag)?
            .answer
            .clone()
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
