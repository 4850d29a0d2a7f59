//! The legs of a coupling, from the first INVITE to the last BYE.

use std::collections::VecDeque;
use std::time::Instant;

use super::best;
use super::crossing;
use super::exchange::Exchange;
use super::plan::Plan;
use super::policy::{Bodies, Policy, Progress, Redirects};
use super::requests::Relayed;
use super::transfer::Transfer;
use crate::header::{Contact, From, MaxForwards, NameAddr};
use crate::{
    Body, CallId, CallState, CommandError, EndCause, EndKind, EndedBy, Endpoint, Event, Invite,
    Message, Scheme, StatusCode,
};

/// Redirections that are followed for one caller, and Contacts that are looked at of each.
const MOST_REDIRECTS: u8 = 5;
const MOST_CONTACTS: usize = 8;

/// A side of a coupling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whose call came in.
    Caller,
    /// Whom we called.
    Callee,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// What happened to a coupling.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CouplingEvent {
    /// A phone rings, and the caller was told if the policy says so.
    Progress {
        /// The phone's leg.
        call: CallId,
        /// 180, 183, …
        status: StatusCode,
    },
    /// A phone answered, and so was the caller's call; the others are called off.
    Connected {
        /// The phone's leg.
        call: CallId,
    },
    /// A phone's leg ended without being joined.
    PhoneFailed {
        /// The leg.
        call: CallId,
        /// Why.
        cause: EndCause,
    },
    /// Another call has taken the place of a side: by REFER, or by an INVITE with Replaces.
    Transferred {
        /// The side.
        side: Side,
        /// The leg that leaves.
        from: CallId,
        /// The one that stands in its place.
        to: CallId,
    },
    /// A transfer came to nothing; the conversation goes on.
    TransferFailed {
        /// The side that was to leave.
        side: Side,
        /// What became of the call in its place.
        cause: EndCause,
    },
    /// The conversation is over; what is left of its legs is being ended.
    Ended {
        /// The side that it began with; the callee's also when nobody answered.
        side: Side,
        /// Why.
        cause: EndCause,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Phones ring.
    Ringing,
    /// One has answered and is joined.
    Joined,
    /// The conversation is over.
    Over,
}

/// How a leg is left.
#[derive(Clone, Debug)]
enum Leave {
    HangUp(Option<String>),
    Reject(StatusCode, Option<String>),
    Redirect(Vec<NameAddr>),
}

/// A caller's call and the calls to those whom it is for, joined; see the [module](super).
#[derive(Debug)]
pub struct Coupling {
    pub(super) policy: Policy,
    pub(super) caller: CallId,
    /// The phone that answered.
    pub(super) callee: Option<CallId>,
    /// Legs that have not ended.
    pub(super) legs: Vec<CallId>,
    /// Phones that ring, or are tried, with what they were called by.
    phones: Vec<(CallId, Invite)>,
    plan: Plan,
    pub(super) stage: Stage,
    /// What was offered in the caller's INVITE, its headers, and the hops left to it.
    offer: Option<Body>,
    headers: Vec<(String, String)>,
    pub(super) hops: u8,
    /// Statuses that the caller has heard.
    told: Vec<StatusCode>,
    /// The best failure so far.
    best: Option<EndCause>,
    /// Commands that found the outbox full.
    leaving: Vec<(CallId, Leave)>,
    /// The last session description of each side.
    pub(super) said: [Option<Body>; 2],
    pub(super) exchange: Exchange,
    pub(super) relayed: [Option<Relayed>; 2],
    /// Legs with INFOs of ours out, and how many.
    pub(super) infos: Vec<(CallId, u32)>,
    pub(super) transfer: Option<Transfer>,
    /// Who stands at each side, as the other is told when it is transferred.
    pub(super) names: [Option<NameAddr>; 2],
    /// Who was called to take a place.
    pub(super) coming: Option<NameAddr>,
    /// A side that must still hear what the other said.
    pub(super) unsettled: Option<Side>,
    /// Where phones that were not answered sent us, and how often we may still follow that.
    redirected: Vec<NameAddr>,
    redirects: u8,
    pub(super) events: VecDeque<CouplingEvent>,
    now: Instant,
}

impl Coupling {
    /// Takes an [`Event::Incoming`] and calls whom the plan names. What goes wrong at once is the
    /// caller's answer: an empty plan gets 480, used up Max-Forwards 483, a body against the policy
    /// 415.
    pub fn new(
        now: Instant,
        endpoint: &mut Endpoint,
        caller: CallId,
        offer: Option<Body>,
        request: &Message,
        plan: Plan,
        policy: Policy,
    ) -> Self {
        let hops = request.typed::<MaxForwards>().map_or(70, |hops| hops.0);
        let headers = crossing::headers(request, &policy.headers);
        let mut coupling = Self {
            caller,
            callee: None,
            legs: vec![caller],
            phones: Vec::new(),
            plan,
            stage: Stage::Ringing,
            said: [offer.clone(), None],
            offer,
            headers,
            hops: hops.saturating_sub(1),
            told: Vec::new(),
            best: None,
            leaving: Vec::new(),
            exchange: Exchange::None,
            relayed: [None, None],
            infos: Vec::new(),
            transfer: None,
            names: [
                request
                    .typed::<From<'_>>()
                    .ok()
                    .map(|from| from.to_name_addr().without_tag()),
                None,
            ],
            coming: None,
            unsettled: None,
            redirected: Vec::new(),
            redirects: MOST_REDIRECTS,
            events: VecDeque::new(),
            policy,
            now,
        };
        let refused = if hops <= 1 {
            Some(StatusCode::TOO_MANY_HOPS)
        } else if coupling.policy.bodies == Bodies::Sdp
            && coupling.offer.as_ref().is_some_and(|body| !body.is_sdp())
        {
            Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        } else {
            None
        };
        match refused {
            Some(status) => {
                let cause = EndCause::new(EndedBy::Local, EndKind::Rejected);
                coupling.refuse(now, endpoint, cause.with_status(status, status.reason()));
            }
            None => coupling.next_round(now, endpoint),
        }
        coupling
    }

    /// The caller's leg.
    pub fn caller(&self) -> CallId {
        self.caller
    }

    /// The leg of the phone that answered.
    pub fn callee(&self) -> Option<CallId> {
        self.callee
    }

    /// Whether a call is one of its legs.
    pub fn has(&self, call: CallId) -> bool {
        self.legs.contains(&call)
    }

    /// Its legs that have not ended.
    pub fn legs(&self) -> &[CallId] {
        &self.legs
    }

    /// Whether every leg has ended, so that it can be forgotten.
    pub fn is_over(&self) -> bool {
        self.legs.is_empty()
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<CouplingEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): only when the endpoint's outbox had
    /// no room for a command, and then at once after draining it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.leaving.is_empty()).then_some(self.now)
    }

    /// Gives commands again for which there was no room.
    pub fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        self.now = self.now.max(now);
        for (call, how) in std::mem::take(&mut self.leaving) {
            self.leave(now, endpoint, call, how);
        }
    }

    /// Ends the conversation: BYE, CANCEL or 480, whatever fits each leg.
    pub fn hang_up(&mut self, now: Instant, endpoint: &mut Endpoint, reason: Option<&str>) {
        let cause = EndCause::new(EndedBy::Local, EndKind::HungUp).with_reason(reason);
        self.finish(now, endpoint, Side::Caller, cause);
    }

    /// Takes an event of the endpoint, and gives it back when it is not its own, or one that the
    /// policy leaves to the application.
    pub fn handle_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Option<Event> {
        self.handle_timeout(now, endpoint);
        match event {
            Event::Progress {
                call,
                status,
                ref preview,
                ..
            } if self.has(call) => {
                self.progress(now, endpoint, call, status, preview.clone());
            }
            Event::OfferedAgain { call, .. } if self.has(call) => {
                let phone = self.phones.iter_mut().find(|(phone, _)| *phone == call);
                if let Some((_, invite)) =
                    phone.filter(|(_, invite)| !invite.alternatives.is_empty())
                {
                    invite.body = Some(invite.alternatives.remove(0));
                }
                return Some(event);
            }
            Event::Answered { call, body, .. } if self.has(call) => {
                if !self.transfer_answered(now, endpoint, call, body.clone()) {
                    self.answered(now, endpoint, call, body);
                }
            }
            Event::Ended {
                call,
                cause,
                message,
            } if self.has(call) => {
                self.ended(now, endpoint, call, cause, message.as_ref());
            }
            event => return self.inside(now, endpoint, event),
        }
        None
    }

    /// The side of a joined leg.
    pub(super) fn side(&self, call: CallId) -> Option<Side> {
        if call == self.caller {
            Some(Side::Caller)
        } else if Some(call) == self.callee {
            Some(Side::Callee)
        } else {
            None
        }
    }

    pub(super) fn leg(&self, side: Side) -> Option<CallId> {
        let call = match side {
            Side::Caller => Some(self.caller),
            Side::Callee => self.callee,
        };
        call.filter(|call| self.has(*call))
    }

    /// Calls the next phones; when none can be called, the caller hears why.
    fn next_round(&mut self, now: Instant, endpoint: &mut Endpoint) {
        while self.phones.is_empty() {
            let Some(round) = self.plan.rounds.pop_front() else {
                let nobody = || {
                    let status = StatusCode::TEMPORARILY_UNAVAILABLE;
                    EndCause::new(EndedBy::Local, EndKind::Rejected)
                        .with_status(status, status.reason())
                };
                let cause = self.best.take().unwrap_or_else(nobody);
                self.refuse(now, endpoint, cause);
                return;
            };
            for invite in round {
                self.dial(now, endpoint, invite);
            }
        }
    }

    fn dial(&mut self, now: Instant, endpoint: &mut Endpoint, invite: Invite) -> Option<CallId> {
        match endpoint.invite(now, self.dress(invite.clone())) {
            Ok(call) => {
                self.legs.push(call);
                self.phones.push((call, invite));
                Some(call)
            }
            Err(error) => {
                self.note(uncallable(&error).0);
                None
            }
        }
    }

    /// An INVITE of the plan with what crosses.
    fn dress(&self, mut invite: Invite) -> Invite {
        if invite.body.is_none() {
            invite.body.clone_from(&self.offer);
        }
        invite.max_forwards = self.hops;
        invite.early_offers = false;
        invite.headers.extend_from_slice(&self.headers);
        invite
    }

    fn note(&mut self, cause: EndCause) {
        self.best = Some(match self.best.take() {
            Some(best) => best::better(best, cause),
            None => cause,
        });
    }

    fn progress(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: CallId,
        status: StatusCode,
        preview: Option<Body>,
    ) {
        if self.stage != Stage::Ringing {
            return;
        }
        self.events
            .push_back(CouplingEvent::Progress { call, status });
        let early = self.policy.progress == Progress::EarlyMedia && self.plan.phones() == 1;
        // An offerless INVITE's preview would be an offer, which no provisional answer may relay.
        let preview = preview.filter(|_| early && self.offer.is_some());
        if self.policy.progress == Progress::Nothing
            || (self.told.contains(&status) && preview.is_none())
        {
            return;
        }
        if let Ok(caller) = endpoint.call(self.caller)
            && caller.ring(now, status, preview).is_ok()
            && !self.told.contains(&status)
        {
            self.told.push(status);
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: CallId,
        body: Option<Body>,
    ) {
        let phone = self.phones.iter().position(|(phone, _)| *phone == call);
        let Some(phone) = phone.filter(|_| self.stage == Stage::Ringing) else {
            // Called off before its answer came, which has no effect on that any more.
            self.leave(now, endpoint, call, Leave::HangUp(None));
            return;
        };
        let joined = match endpoint.call(self.caller) {
            Ok(caller) => caller.answer(now, body.clone()),
            Err(gone) => Err(gone.into()),
        };
        if joined.is_err() {
            // The caller has left, and its end is on the way; or the answer does not fit what
            // was previewed.
            self.phones.remove(phone);
            self.leave(now, endpoint, call, Leave::HangUp(None));
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            let cause = EndCause::new(EndedBy::Local, EndKind::Rejected);
            self.refuse(now, endpoint, cause.with_status(status, status.reason()));
            return;
        }
        self.stage = Stage::Joined;
        self.callee = Some(call);
        endpoint.join(self.caller, call);
        let called = &self.phones[phone].1;
        let name = called.to.clone();
        let name = name.unwrap_or_else(|| NameAddr::new(&called.uri));
        if called.body.is_some() {
            // What this phone knows of the caller.
            self.said[Side::Caller.index()].clone_from(&called.body);
        }
        self.names[Side::Callee.index()] = Some(name.without_tag());
        self.said[Side::Callee.index()] = body;
        if self.offer.is_none() {
            self.exchange = Exchange::FirstAck;
        }
        // RFC 3326 section 2: so that the other phones do not show a missed call.
        let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
        for (phone, _) in std::mem::take(&mut self.phones) {
            if phone != call {
                self.leave(now, endpoint, phone, Leave::HangUp(Some(elsewhere.into())));
            }
        }
        self.events.push_back(CouplingEvent::Connected { call });
    }

    fn ended(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        call: CallId,
        cause: EndCause,
        message: Option<&Message>,
    ) {
        self.legs.retain(|leg| *leg != call);
        self.infos.retain(|(leg, _)| *leg != call);
        self.leaving.retain(|(leg, _)| *leg != call);
        if self.newcomer_decides(call) || self.transfer_ended(now, endpoint, call, &cause) {
            self.drop_questions(now, endpoint, call);
            return;
        }
        let side = self.side(call);
        let phone = self.phones.iter().position(|(phone, _)| *phone == call);
        match (self.stage, side, phone) {
            (Stage::Ringing, None, Some(phone)) => {
                let (_, invite) = self.phones.remove(phone);
                if let Some(response) = message {
                    self.redirected(&invite, response);
                }
                self.events.push_back(CouplingEvent::PhoneFailed {
                    call,
                    cause: cause.clone(),
                });
                if best::is_global(&cause) {
                    // 16.7 step 5: nobody else is asked.
                    self.refuse(now, endpoint, cause);
                    return;
                }
                self.note(cause);
                if self.phones.is_empty() {
                    self.next_round(now, endpoint);
                }
            }
            (Stage::Ringing | Stage::Joined, Some(side), _) => {
                self.finish(now, endpoint, side, cause);
            }
            // A phone that was called off.
            _ => {}
        }
        self.drop_questions(now, endpoint, call);
    }

    /// A 3xx: what becomes of its Contacts is policy.
    fn redirected(&mut self, invite: &Invite, response: &Message) {
        let redirects = response
            .status()
            .is_some_and(|s| (300..400).contains(&s.code()));
        if !redirects || self.policy.redirects == Redirects::Refuse {
            return;
        }
        let contacts = response.typed_all::<Contact<'_>>().flatten();
        let mut contacts: Vec<(u16, NameAddr)> = contacts
            .filter_map(|contact| match contact {
                Contact::Address(address) => {
                    let sip = matches!(address.uri().ok()?.scheme(), Scheme::Sip | Scheme::Sips);
                    let q = address.param("q").and_then(|q| q.decoded());
                    sip.then(|| (thousandths(q.as_deref()), address.to_name_addr()))
                }
                Contact::Any => None,
            })
            .take(MOST_CONTACTS)
            .collect();
        contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
        let contacts = contacts.into_iter().map(|(_, contact)| contact);
        if self.policy.redirects == Redirects::Pass {
            if self.redirected.is_empty() {
                self.redirected = contacts.collect();
            }
            return;
        }
        if self.redirects == 0 {
            return;
        }
        self.redirects -= 1;
        // One after the other, the best first, before whoever comes later in the plan.
        let next = contacts.filter_map(|contact| {
            let mut next = invite.clone();
            next.to.get_or_insert_with(|| NameAddr::new(&invite.uri));
            next.uri = contact.uri().ok()?;
            // These were the first one's.
            (next.route, next.target) = (Vec::new(), None);
            Some(next)
        });
        self.plan.first(next);
    }

    /// Rings one more phone at once, beside those that ring: where a phone's 3xx sends us, say, if it is told before the
    /// phone's [`Event::Ended`] is handed over. Its leg; `None` when nobody is waited for any more, when the plan has as
    /// many phones as it may, and when it cannot be called.
    pub fn ring(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        invite: Invite,
    ) -> Option<CallId> {
        if self.stage != Stage::Ringing || !self.plan.count_one() {
            return None;
        }
        self.dial(now, endpoint, invite)
    }

    /// Ends a leg whose place is taken.
    pub(super) fn hang_up_leg(&mut self, now: Instant, endpoint: &mut Endpoint, call: CallId) {
        self.leave(now, endpoint, call, Leave::HangUp(None));
    }

    /// Nobody answered: the caller gets the status that says so.
    fn refuse(&mut self, now: Instant, endpoint: &mut Endpoint, cause: EndCause) {
        let status = best::status(&cause);
        let phrase = cause
            .phrase
            .clone()
            .filter(|_| cause.status == Some(status));
        let caller = self.caller;
        let how = match best::is_global(&cause) || self.redirected.is_empty() {
            true => Leave::Reject(status, phrase),
            false => Leave::Redirect(std::mem::take(&mut self.redirected)),
        };
        self.leave(now, endpoint, caller, how);
        self.finish(now, endpoint, Side::Callee, cause);
    }

    /// Ends what is left of the conversation.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        side: Side,
        cause: EndCause,
    ) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.exchange = Exchange::None;
        self.transfer = None;
        self.phones.clear();
        let reason = cause.reason.clone().filter(|_| self.policy.reasons);
        for leg in self.legs.clone() {
            self.leave(now, endpoint, leg, Leave::HangUp(reason.clone()));
        }
        self.events.push_back(CouplingEvent::Ended { side, cause });
    }

    /// Ends one leg; again later if there is no room now.
    fn leave(&mut self, now: Instant, endpoint: &mut Endpoint, call: CallId, how: Leave) {
        let Ok(handle) = endpoint.call(call) else {
            return;
        };
        let left = match (&how, handle.state()) {
            // Its phones were called off; 480 says so better than 603.
            (Leave::HangUp(_), CallState::Incoming) => {
                handle.reject(now, StatusCode::TEMPORARILY_UNAVAILABLE, None)
            }
            (Leave::HangUp(Some(reason)), _) => handle.hang_up_because(now, reason),
            (Leave::HangUp(None), _) => handle.hang_up(now),
            (Leave::Reject(status, phrase), CallState::Incoming) => {
                let phrase = phrase.as_deref().filter(|text| is_phrase(text));
                handle.reject(now, *status, phrase)
            }
            (Leave::Redirect(to), CallState::Incoming) => handle.redirect(now, to),
            (Leave::Reject(..) | Leave::Redirect(_), _) => handle.hang_up(now),
        };
        if let Err(CommandError::Full(_)) = left {
            self.leaving.push((call, how));
        }
    }
}

/// A phrase that may stand in a status line of ours.
fn is_phrase(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control)
}

/// Why a phone of the plan could not be called at all.
pub(super) fn uncallable(error: &CommandError) -> (EndCause, StatusCode) {
    let status = match error {
        CommandError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NOT_FOUND,
    };
    let cause = EndCause::new(EndedBy::Local, EndKind::Rejected);
    (cause.with_status(status, status.reason()), status)
}

/// A q-value in thousandths; 1 when it says nothing (RFC 3261 section 20.10).
fn thousandths(q: Option<&str>) -> u16 {
    let value = q.and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
    (value.clamp(0.0, 1.0) * 1000.0) as u16
}
