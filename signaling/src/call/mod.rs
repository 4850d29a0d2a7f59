//! One phone call: a SIP dialog, what its two sides agreed about sound, and when it must end.
//!
//! [`Call`] is a machine without sockets. It sits on a [`sip_core::Endpoint`]: the owner of both hands it the
//! endpoint's events for its id, and it answers with commands to the endpoint and with [`CallEvent`]s. Bodies are
//! negotiated here (RFC 3264), so that the endpoint need not know SDP and the media engine need not know SIP.
//!
//! Left out: forked calls are followed on the first branch that answers.

mod capabilities;
mod change;
mod end;
mod fallback;
mod info;
mod transfer;

pub use capabilities::{capabilities, with_ice, with_levels};
pub use end::{CallEnd, EndReason};
pub use info::Info;
pub use transfer::{Transfer, TransferRequest};

use change::Change;

use crate::dial::DialRequest;
#[cfg(doc)]
use crate::dial::Secure;
use crate::random::Random;
use rtp_core::dtls::DtlsError;
use rtp_core::dtmf::DtmfError;
use rtp_core::negotiate::{
    AudioStream, Capabilities, LocalError, MediaProfile, Negotiation, NegotiationError, PeerHold,
    ReceivedOffer, SentOffer,
};
use sip_core::{
    Body, CallHandle, CallId, CommandError, Endpoint, Event, Invite, Message, Method, StatusCode,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallState {
    /// The INVITE is out, or has come, and nothing has been heard of it yet.
    Calling,
    /// The phone rings (180).
    Ringing,
    /// The phone sends sound before it answers (183 with SDP), and the dial allows that.
    EarlyMedia,
    /// Answered.
    Up,
    /// A BYE or CANCEL is out; [`CallEvent::Ended`] follows.
    Ending,
}

/// Which side did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// This one.
    Us,
    /// The phone.
    Peer,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEvent {
    /// A provisional answer: 180 Ringing, 183 Session Progress.
    Progress {
        /// The status.
        status: StatusCode,
        /// The phone's own reason phrase.
        reason: String,
    },
    /// Sound flows as this says from now on; `None` while the line is closed with port 0.
    Media(Option<Box<AudioStream>>),
    /// The call is up.
    Answered,
    /// A side holds the call.
    Held(Side),
    /// A side that held the call no longer does.
    Resumed(Side),
    /// The phone refused the protection that we offered, and we offer the next weaker one that [`Secure::Allow`] allows.
    FellBack {
        /// The status.
        status: StatusCode,
        /// What is offered now.
        profile: MediaProfile,
    },
    /// A hold or resume of ours was refused; the call goes on as before.
    ChangeRefused {
        /// The status.
        status: StatusCode,
        /// The phone's own reason phrase.
        reason: String,
    },
    /// An INFO came: a key press of a phone without RFC 4733, for instance ([`Info::key`]).
    Info(Info),
    /// An INFO of ours was answered.
    InfoAnswered {
        /// The status: 408 when nobody answered.
        status: StatusCode,
    },
    /// The phone refused a key that we pressed by INFO; those after it are dropped.
    KeysRefused {
        /// The status: 408 when nobody answered.
        status: StatusCode,
    },
    /// How a transfer that we asked for goes.
    Transfer(Transfer),
    /// The phone asks us to call somebody else.
    TransferAsked(Box<TransferRequest>),
    /// Over. The call's id means nothing any more.
    Ended(CallEnd),
}

/// Why a command was refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The endpoint refused it.
    #[error(transparent)]
    Sip(#[from] CommandError),
    /// The SDP could not be negotiated.
    #[error(transparent)]
    Media(#[from] NegotiationError),
    /// Our own description cannot be offered now.
    #[error("cannot offer now: {0}")]
    Offer(#[from] LocalError),
    /// It needs a call in another state.
    #[error("the call is not {0}")]
    State(&'static str),
    /// A change of the call is under way; wait for [`CallEvent::Media`] or [`CallEvent::ChangeRefused`].
    #[error("another change of the call is under way")]
    Busy,
    /// Keys that cannot be pressed.
    #[error(transparent)]
    Keys(#[from] DtmfError),
    /// The phone has not said that it takes this Info package (RFC 6086).
    #[error("the phone does not take the Info package \"{0}\"")]
    Package(String),
    /// A limit of zero would end the call before it began.
    #[error("{0} must be longer than zero")]
    ZeroLimit(&'static str),
}

/// One call, in either direction.
pub struct Call {
    id: CallId,
    outgoing: bool,
    state: CallState,
    negotiation: Negotiation,
    random: Random,
    /// Our offer that waits for its answer.
    offer: Option<SentOffer>,
    /// What the endpoint offers when that is refused, and who made it.
    weaker: VecDeque<(Negotiation, SentOffer)>,
    /// The hold or resume that is under way, and how often it met glare.
    change: Option<(Change, u8)>,
    infos: info::Outbox,
    transfer: Option<transfer::UnderWay>,
    /// The peer's first offer, until the application answers the call.
    waiting: Option<ReceivedOffer>,
    held_by_us: bool,
    held_by_peer: Option<PeerHold>,
    early_media: bool,
    max_duration: Duration,
    since: Instant,
    answered: Option<Instant>,
    /// Why we hang up, when it is not the application's wish.
    reason: Option<EndReason>,
    events: VecDeque<CallEvent>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("outgoing", &self.outgoing)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Sends the INVITE of `request` with an offer of `capabilities`.
    ///
    /// # Errors
    /// When a limit is zero, there is nothing to offer, or the endpoint refuses the INVITE: a reserved header, a URI
    /// that cannot be called, a full table.
    pub fn dial(
        now: Instant,
        endpoint: &mut Endpoint,
        request: &DialRequest,
        capabilities: Capabilities,
        random: Random,
    ) -> Result<Self, CallError> {
        for (limit, name) in [
            (request.ring_timeout, "the ring timeout"),
            (request.max_duration, "the longest duration"),
            (request.media_timeout, "the media timeout"),
        ] {
            if limit.is_zero() {
                return Err(CallError::ZeroLimit(name));
            }
        }
        let negotiation = Negotiation::new(random.number(), capabilities, random.boxed());
        let mut weaker = fallback::offers(negotiation, request.secure, &random)?;
        let Some((negotiation, offer)) = weaker.pop_front() else {
            return Err(LocalError::NothingToOffer.into());
        };
        let mut invite = Invite::new(request.uri.clone(), request.from.clone())
            .ring_timeout(request.ring_timeout)
            .body(Body::sdp(offer.to_bytes()));
        for (_, offer) in &weaker {
            invite = invite.or(Body::sdp(offer.to_bytes()));
        }
        invite.headers.clone_from(&request.headers);
        invite.account.clone_from(&request.account);
        invite.target.clone_from(&request.target);
        invite.route.clone_from(&request.route);
        invite.registration = request.registration;
        let id = match request.refer {
            Some(refer) => endpoint.follow(now, refer, invite)?,
            None => endpoint.invite(now, invite)?,
        };
        let mut call = Self::new(now, id, true, negotiation, random);
        call.offer = Some(offer);
        call.weaker = weaker;
        call.early_media = request.early_media;
        call.max_duration = request.max_duration;
        Ok(call)
    }

    /// Takes an [`Event::Incoming`]. An offer that can never be answered is rejected at once, and `None` comes back.
    pub fn incoming(
        now: Instant,
        endpoint: &mut Endpoint,
        id: CallId,
        offer: Option<&Body>,
        capabilities: Capabilities,
        random: Random,
    ) -> Option<Self> {
        let mut negotiation = Negotiation::new(random.number(), capabilities, random.boxed());
        let waiting = match offer {
            None => None,
            Some(body) => match read_offer(&mut negotiation, body) {
                Ok(offer) => Some(offer),
                Err(status) => {
                    if let Ok(handle) = endpoint.call(id) {
                        let _ = handle.reject(now, status, None);
                    }
                    return None;
                }
            },
        };
        let mut call = Self::new(now, id, false, negotiation, random);
        call.waiting = waiting;
        Some(call)
    }

    fn new(
        now: Instant,
        id: CallId,
        outgoing: bool,
        negotiation: Negotiation,
        random: Random,
    ) -> Self {
        Self {
            id,
            outgoing,
            state: CallState::Calling,
            negotiation,
            random,
            offer: None,
            weaker: VecDeque::new(),
            change: None,
            infos: info::Outbox::default(),
            transfer: None,
            waiting: None,
            held_by_us: false,
            held_by_peer: None,
            early_media: false,
            max_duration: Duration::from_secs(6 * 3600),
            since: now,
            answered: None,
            reason: None,
            events: VecDeque::new(),
        }
    }

    /// Its id in the endpoint.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        self.state
    }

    /// Whether we dialled it.
    pub fn is_outgoing(&self) -> bool {
        self.outgoing
    }

    /// When the INVITE was sent or came.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// When it was answered.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered
    }

    /// Whether a side holds it.
    pub fn is_held(&self, side: Side) -> bool {
        match side {
            Side::Us => self.held_by_us,
            Side::Peer => self.held_by_peer.is_some(),
        }
    }

    /// Changes what our side can do, from the next exchange of descriptions on: before an incoming call is answered, where its
    /// sound is to go; see [`Negotiation::set_capabilities`].
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.negotiation.set_capabilities(capabilities);
    }

    /// Says 180 Ringing to an incoming call.
    ///
    /// # Errors
    /// When it is not an incoming call that waits.
    pub fn ring(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.incoming_only()?;
        endpoint
            .call(self.id)
            .map_err(CommandError::from)?
            .ring(now, StatusCode::RINGING, None)?;
        self.state = CallState::Ringing;
        Ok(())
    }

    /// Answers an incoming call with 200. When nothing in common is left to answer with, the call is refused with the
    /// status that says so (488), and [`CallEvent::Ended`] follows.
    ///
    /// # Errors
    /// When it is not an incoming call that waits, or there is nothing in common.
    pub fn answer(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.incoming_only()?;
        let handle = endpoint.call(self.id).map_err(CommandError::from)?;
        match self.waiting.take() {
            Some(offer) => {
                let answer = match self.negotiation.answer(offer) {
                    Ok(answer) => answer,
                    Err(error) => {
                        handle.reject(now, status_of(&error), None)?;
                        self.state = CallState::Ending;
                        return Err(error.into());
                    }
                };
                handle.answer(now, Some(Body::sdp(answer.to_bytes())))?;
                self.up(now);
                self.agreed();
            }
            None => {
                let offer = self.negotiation.offer()?;
                handle.answer(now, Some(Body::sdp(offer.to_bytes())))?;
                self.offer = Some(offer);
                self.up(now);
            }
        }
        Ok(())
    }

    /// Refuses an incoming call.
    ///
    /// # Errors
    /// When it is not an incoming call that waits, or the status is none of 300 to 699.
    pub fn reject(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: StatusCode,
        phrase: Option<&str>,
    ) -> Result<(), CallError> {
        self.incoming_only()?;
        endpoint
            .call(self.id)
            .map_err(CommandError::from)?
            .reject(now, status, phrase)?;
        self.state = CallState::Ending;
        Ok(())
    }

    /// Hangs up: CANCEL or BYE, whichever fits.
    ///
    /// # Errors
    /// When the call is over.
    pub fn hang_up(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.leave(now, endpoint, None)
    }

    /// Hangs up because the phone's sound stopped for longer than allowed.
    ///
    /// # Errors
    /// When the call is over.
    pub fn media_lost(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.leave(now, endpoint, Some(EndReason::MediaTimeout))
    }

    /// Hangs up because the handshake that was to give the sound its keys failed.
    ///
    /// # Errors
    /// When the call is over.
    pub fn unsecured(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        error: DtlsError,
    ) -> Result<(), CallError> {
        self.leave(now, endpoint, Some(EndReason::Unsecured(error)))
    }

    /// Hangs up because no packet finds its way.
    ///
    /// # Errors
    /// When the call is over.
    pub fn unreachable(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CallError> {
        self.leave(now, endpoint, Some(EndReason::Unreachable))
    }

    /// Takes an event of the endpoint that names this call.
    pub fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: Event) {
        match event {
            Event::Progress {
                status,
                reason,
                preview,
                ..
            } => {
                self.progress(status, reason, preview.as_ref());
            }
            Event::OfferedAgain { status, .. } => self.fall_back(status),
            Event::Answered { body, response, .. } => {
                self.first_answer(now, endpoint, body.as_ref(), &response);
            }
            Event::Confirmed { answer, .. } => self.confirmed(now, endpoint, answer.as_ref()),
            Event::Offered { offer, .. } => self.offered(now, endpoint, offer.as_ref()),
            Event::ReinviteAnswered { answer, .. } => {
                self.change_answered(now, endpoint, answer.as_ref());
            }
            Event::ReinviteFailed { status, reason, .. } => {
                self.change_refused(now, endpoint, status, reason);
            }
            Event::Info { package, body, .. } => {
                self.events
                    .push_back(CallEvent::Info(Info { package, body }));
            }
            Event::RequestAnswered {
                method: Method::Info,
                status,
                ..
            } => self.answer_came(now, endpoint, status),
            Event::ReferRequested { .. }
            | Event::Notified { .. }
            | Event::SubscriptionEnded { .. } => self.referral(now, endpoint, event),
            Event::Ended { cause, .. } => {
                let why = self.reason.take();
                self.state = CallState::Ending;
                self.events
                    .push_back(CallEvent::Ended(CallEnd::new(why, cause)));
            }
            _ => {}
        }
    }

    /// When to call [`Call::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            CallState::Up => {
                let end = self.answered?.checked_add(self.max_duration);
                end.into_iter().chain(self.infos.poll_timeout()).min()
            }
            _ => None,
        }
    }

    /// Does what is due: ends the call when it has lasted as long as it may, presses the next key.
    pub fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        self.send_infos(now, endpoint);
        let end = self
            .answered
            .and_then(|at| at.checked_add(self.max_duration));
        if self.state == CallState::Up && end.is_some_and(|at| at <= now) {
            // Only fails when the endpoint has no such call any more; its end is then on the way.
            let _ = self.leave(now, endpoint, Some(EndReason::MaxDuration));
        }
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    fn incoming_only(&self) -> Result<(), CallError> {
        match (self.outgoing, self.state) {
            (false, CallState::Calling | CallState::Ringing | CallState::EarlyMedia) => Ok(()),
            _ => Err(CallError::State("an incoming one that waits for an answer")),
        }
    }

    /// The endpoint's side of a call that is up.
    fn on_line<'e>(&self, endpoint: &'e mut Endpoint) -> Result<CallHandle<'e>, CallError> {
        if self.state != CallState::Up {
            return Err(CallError::State("answered"));
        }
        Ok(endpoint.call(self.id).map_err(CommandError::from)?)
    }

    fn up(&mut self, now: Instant) {
        self.state = CallState::Up;
        self.answered = Some(now);
        self.events.push_back(CallEvent::Answered);
    }

    fn leave(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        why: Option<EndReason>,
    ) -> Result<(), CallError> {
        let handle = endpoint.call(self.id).map_err(CommandError::from)?;
        match &why {
            Some(why) => handle.hang_up_because(now, &why.header())?,
            None => handle.hang_up(now)?,
        }
        self.state = CallState::Ending;
        self.reason = why;
        self.events.push_back(CallEvent::Media(None));
        Ok(())
    }

    /// A call that cannot go on is ended; it may be gone already.
    fn give_up(&mut self, now: Instant, endpoint: &mut Endpoint, why: EndReason) {
        let _ = self.leave(now, endpoint, Some(why));
    }

    fn progress(&mut self, status: StatusCode, reason: String, preview: Option<&Body>) {
        if matches!(self.state, CallState::Up | CallState::Ending) {
            return;
        }
        if self.state == CallState::Calling && status == StatusCode::RINGING {
            self.state = CallState::Ringing;
        }
        self.events
            .push_back(CallEvent::Progress { status, reason });
        let (Some(offer), Some(body), true) = (&self.offer, preview, self.early_media) else {
            return;
        };
        // A preview binds nobody: it is read by a copy, and the 200 decides (RFC 3261 13.2.1).
        let mut copy = self.negotiation.fork(self.random.boxed());
        if let Ok(agreement) = copy.answered(offer, body.bytes.clone()) {
            self.state = CallState::EarlyMedia;
            let stream = agreement.audio().next().cloned().map(Box::new);
            self.events.push_back(CallEvent::Media(stream));
        }
    }

    fn first_answer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        body: Option<&Body>,
        _response: &Message,
    ) {
        let Some(offer) = self.offer.take() else {
            return;
        };
        self.weaker.clear();
        match read_answer(&mut self.negotiation, &offer, body) {
            Ok(()) => {
                self.up(now);
                self.agreed();
            }
            Err(why) => self.give_up(now, endpoint, why),
        }
    }

    /// The ACK may carry the answer to an offer of ours in a 200.
    fn confirmed(&mut self, now: Instant, endpoint: &mut Endpoint, answer: Option<&Body>) {
        let Some(offer) = self.offer.take_if(|_| self.change.is_none()) else {
            return;
        };
        match read_answer(&mut self.negotiation, &offer, answer) {
            Ok(()) => self.agreed(),
            Err(why) => self.give_up(now, endpoint, why),
        }
    }

    /// Tells the outcome of the last exchange: where sound flows, and who holds.
    fn agreed(&mut self) {
        let stream = self
            .negotiation
            .agreement()
            .and_then(|agreement| agreement.audio().next())
            .cloned();
        let by_us = self.negotiation.held().is_some();
        let by_peer = stream.as_ref().and_then(|stream| stream.held_by_peer);
        self.events
            .push_back(CallEvent::Media(stream.map(Box::new)));
        let was = [
            (Side::Us, self.held_by_us, by_us),
            (Side::Peer, self.held_by_peer.is_some(), by_peer.is_some()),
        ];
        for (side, before, after) in was {
            match (before, after) {
                (false, true) => self.events.push_back(CallEvent::Held(side)),
                (true, false) => self.events.push_back(CallEvent::Resumed(side)),
                _ => {}
            }
        }
        self.held_by_us = by_us;
        self.held_by_peer = by_peer;
    }
}

fn read_answer(
    negotiation: &mut Negotiation,
    offer: &SentOffer,
    body: Option<&Body>,
) -> Result<(), EndReason> {
    let body = body
        .filter(|body| body.is_sdp())
        .ok_or(EndReason::NoAnswer)?;
    negotiation
        .answered(offer, body.bytes.clone())
        .map(|_| ())
        .map_err(EndReason::BadAnswer)
}

fn read_offer(negotiation: &mut Negotiation, body: &Body) -> Result<ReceivedOffer, StatusCode> {
    if !body.is_sdp() {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    negotiation
        .receive_offer(body.bytes.clone())
        .map_err(|error| status_of(&error))
}

/// The status that refuses an offer for this reason.
fn status_of(error: &NegotiationError) -> StatusCode {
    match error {
        NegotiationError::Parse(_) => StatusCode::BAD_REQUEST,
        NegotiationError::Local(_) => StatusCode::REQUEST_PENDING,
        _ => StatusCode::NOT_ACCEPTABLE_HERE,
    }
}
