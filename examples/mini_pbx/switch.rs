//! Calls from one phone to another: who is called, who answers, how it ends.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use examples::checks::Table;
use serde_json::json;
use sip_core::b2bua::{Coupling, CouplingEvent, Plan, Policy};
use sip_core::header::{self, NameAddr};
use sip_core::registrar::{Aor, Binding};
use sip_core::{
    Body, CallId, Endpoint, Event, Flow, Invite, Message, Method, Question, StatusCode, Transport,
};

use crate::bindings::transport_of;
use crate::pbx::Pbx;
use crate::relay::{Place, Relay, Relays};

/// As many ring for one call: a group is people, not a dialler.
const PHONES: usize = 64;

/// One conversation.
pub(crate) struct Switched {
    pub(crate) coupling: Coupling,
    /// Who called, and whom.
    pub(crate) from: String,
    to: String,
    /// Its INVITE, and where that came from.
    pub(crate) request: Message,
    pub(crate) flow: Flow,
    /// Users and groups whose phones have rung: whoever is sent to one of them again is sent round.
    pub(crate) rung: BTreeSet<String>,
    began: Instant,
    answered: bool,
    /// Through which sound goes.
    relay: Option<Relay>,
    /// Whose each leg is, and how it is reached.
    pub(crate) parties: HashMap<CallId, (String, Transport)>,
}

impl Switched {
    /// Whether commands wait for room.
    pub(crate) fn waits(&self) -> bool {
        self.coupling.poll_timeout().is_some()
    }

    pub(crate) fn try_again(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if self.waits() {
            self.coupling.handle_timeout(now, endpoint);
        }
    }

    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// Rings one more phone.
    pub(crate) fn ring(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        relays: Option<&mut Relays>,
        invite: Invite,
        (name, over): (String, Transport),
    ) {
        let mut carried = self.relay.as_mut().zip(relays);
        let Some((place, offers)) = seat(now, &mut carried, over) else {
            return;
        };
        let leg = self.coupling.ring(now, endpoint, offering(invite, offers));
        if let (Some((relay, relays)), Some(place)) = (carried, place) {
            match leg {
                Some(leg) => relay.sits(place, leg),
                None => relay.give_up(now, relays, place),
            }
        }
        if let Some(leg) = leg {
            self.parties.insert(leg, (name, over));
        }
    }

    /// Whether what a leg says of sound counts: among many that ring it is the answer of the first.
    fn is_heard(&self, event: &Event) -> bool {
        let is_side = |call: &CallId| {
            let callee = self.coupling.callee();
            *call == self.coupling.caller() || callee.is_none_or(|callee| callee == *call)
        };
        match event {
            Event::Progress { .. } => self.parties.len() == 2,
            event => call_of(event).is_some_and(|call| is_side(&call)),
        }
    }

    /// A leg has ended, or was not let in.
    fn leaves(&mut self, now: Instant, relays: Option<&mut Relays>, call: CallId) {
        if let Some((relay, relays)) = self.relay.as_mut().zip(relays) {
            relay.leaves(now, relays, call);
        }
    }

    pub(crate) fn name(&self, leg: CallId) -> &str {
        self.parties.get(&leg).map_or(&self.to, |(name, _)| name)
    }
}

impl Pbx {
    /// A phone calls.
    pub(crate) fn incoming(&mut self, now: Instant, event: Event) {
        let Event::Incoming {
            call,
            flow,
            user: Some(user),
            offer,
            replaces,
            request,
        } = event
        else {
            return;
        };
        if let Some(number) = replaces.and_then(|old| self.legs.get(&old).copied()) {
            self.pick_up(now, number, replaces, call, &user, flow, offer);
            return;
        }
        let to = called(&request);
        let phones = self.phones(now, &user, &to, flow);
        if phones.is_empty() {
            let exists = self.users.contains(&to) || self.groups.contains_key(&to);
            let (status, why) = match exists {
                true => (
                    StatusCode::TEMPORARILY_UNAVAILABLE,
                    "nobody is registered there",
                ),
                false => (StatusCode::NOT_FOUND, "there is no such user"),
            };
            self.tell_ended(&user, &to, why, Some(status), 0.0);
            if let Ok(handle) = self.driver.endpoint().call(call) {
                // Gone: the caller has left already.
                let _ = handle.reject(now, status, None);
            }
            return;
        }
        let mut relay = match self.relay(now, (call, flow.transport), offer.as_ref()) {
            Ok(relay) => relay,
            Err(status) => return self.refuse(now, call, (&user, &to), status),
        };
        let mut ringing = Vec::new();
        let mut carried = relay.as_mut().zip(self.relays.as_mut());
        for (name, aor, binding) in phones.into_iter().take(PHONES) {
            let over = transport_of(&binding);
            let Some(invite) = invite(&request, &user, &to, (&aor, &binding), self.ring) else {
                continue;
            };
            if let Some((place, offers)) = seat(now, &mut carried, over) {
                ringing.push((offering(invite, offers), place, (name, over)));
            }
        }
        if ringing.is_empty() {
            if let Some((relay, relays)) = relay.zip(self.relays.as_mut()) {
                relay.close(now, relays);
            }
            return self.refuse(now, call, (&user, &to), StatusCode::SERVICE_UNAVAILABLE);
        }
        let plan = Plan::parallel(ringing.iter().map(|(invite, ..)| invite.clone()));
        let mut policy = Policy::default();
        policy.methods = vec![Method::Message];
        let endpoint = self.driver.endpoint();
        let mut coupling = Coupling::new(now, endpoint, call, offer, &request, plan, policy);
        let mut parties = HashMap::from([(call, (user.clone(), flow.transport))]);
        let legs = coupling.legs()[1..].to_vec();
        let rings = legs.len();
        if rings == ringing.len() {
            for (leg, (_, place, party)) in legs.into_iter().zip(ringing) {
                parties.insert(leg, party);
                if let Some((relay, place)) = relay.as_mut().zip(place) {
                    relay.sits(place, leg);
                }
            }
        } else if relay.is_some() {
            // One could not be called at all: there is no saying whose media is whose.
            coupling.hang_up(now, endpoint, None);
        }
        self.story.tell(
            &format!("{user} calls {to}: {rings} phone{} to ring", plural(rings)),
            &json!({"event": "calling", "from": user, "to": to, "phones": rings}),
        );
        let number = self.next;
        self.next += 1;
        self.calls.insert(
            number,
            Switched {
                coupling,
                rung: BTreeSet::from([to.clone()]),
                from: user,
                to,
                request,
                flow,
                began: now,
                answered: false,
                relay,
                parties,
            },
        );
        self.follow(now, number);
    }

    /// With `--relay`, what carries the sound of a call that comes in.
    fn relay(
        &mut self,
        now: Instant,
        caller: (CallId, Transport),
        offer: Option<&Body>,
    ) -> Result<Option<Relay>, StatusCode> {
        let relays = self.relays.as_mut();
        relays
            .map(|relays| Relay::new(now, relays, caller, offer))
            .transpose()
    }

    /// A call whose sound cannot be carried.
    fn refuse(&mut self, now: Instant, call: CallId, (user, to): (&str, &str), status: StatusCode) {
        let why = "what it offers cannot be carried";
        self.tell_ended(user, to, why, Some(status), 0.0);
        if let Ok(handle) = self.driver.endpoint().call(call) {
            // Gone: the caller has left already.
            let _ = handle.reject(now, status, None);
        }
    }

    /// A phone takes the place of another in a conversation: the end of an attended transfer.
    #[allow(clippy::too_many_arguments)]
    fn pick_up(
        &mut self,
        now: Instant,
        number: u64,
        old: Option<CallId>,
        call: CallId,
        user: &str,
        flow: Flow,
        offer: Option<Body>,
    ) {
        let (Some(switched), Some(old)) = (self.calls.get_mut(&number), old) else {
            return;
        };
        let Switched {
            relay, coupling, ..
        } = switched;
        let ends = (coupling.caller(), coupling.callee());
        let offered = match (relay.as_mut().zip(self.relays.as_mut()), offer) {
            (Some((relay, relays)), Some(offer)) => {
                let offer = relay.comes(now, relays, (call, old), ends, &offer);
                offer.map(Some)
            }
            // What the other said last was said of the way of whoever leaves.
            (Some(_), None) => Err(StatusCode::NOT_ACCEPTABLE_HERE),
            (None, offer) => Ok(offer),
        };
        let offer = match offered {
            Ok(offer) => offer,
            Err(status) => {
                if let Ok(handle) = self.driver.endpoint().call(call) {
                    // Gone: it was given up.
                    let _ = handle.reject(now, status, None);
                }
                return;
            }
        };
        let before = switched.name(old).to_owned();
        self.story.tell(
            &format!("{user} takes the place of {before}"),
            &json!({"event": "replacing", "user": user, "replaced": before}),
        );
        switched
            .parties
            .insert(call, (user.to_owned(), flow.transport));
        let endpoint = self.driver.endpoint();
        switched.coupling.take_over(now, endpoint, old, call, offer);
        if !switched.coupling.has(call) {
            switched.leaves(now, self.relays.as_mut(), call);
        }
        self.follow(now, number);
    }

    /// The phones of a user or group, but for the one that calls.
    pub(crate) fn phones(
        &mut self,
        now: Instant,
        caller: &str,
        to: &str,
        from: Flow,
    ) -> Vec<(String, Aor, Binding)> {
        let members = match self.groups.get(to) {
            Some(members) => members.clone(),
            None => vec![to.to_owned()],
        };
        let group = self.groups.contains_key(to);
        let endpoint = self.driver.endpoint();
        let known = &self.known;
        members
            .into_iter()
            .filter(|member| !group || member != caller)
            .flat_map(|member| {
                let found = known.phones(now, endpoint, &member);
                found
                    .into_iter()
                    .map(move |(aor, binding)| (member.clone(), aor, binding))
            })
            .filter(|(_, _, binding)| binding.flow != Some(from))
            .collect()
    }

    /// What happens inside a conversation.
    pub(crate) fn inside(&mut self, now: Instant, event: Event) {
        let Some(number) = call_of(&event).and_then(|call| self.legs.get(&call).copied()) else {
            return;
        };
        if let Event::Ended {
            call,
            message: Some(response),
            ..
        } = &event
        {
            self.divert(now, number, *call, response);
        }
        let Some(switched) = self.calls.get_mut(&number) else {
            return;
        };
        let mut event = event;
        let is_heard = switched.is_heard(&event);
        let crossed = match (&mut switched.relay, &mut self.relays) {
            (Some(relay), Some(relays)) if is_heard => {
                let ends = (switched.coupling.caller(), switched.coupling.callee());
                relay.cross(now, relays, ends, &mut event)
            }
            (Some(_), _) => {
                if let Event::Progress { preview, .. } = &mut event {
                    *preview = None;
                }
                Ok(())
            }
            _ => Ok(()),
        };
        let endpoint = self.driver.endpoint();
        if let Err(status) = crossed {
            if let Event::Offered { call, .. } = &event
                && let Ok(handle) = endpoint.call(*call)
            {
                // Gone: it was taken back.
                let _ = handle.refuse(now, status);
                return;
            }
            let _ = switched.coupling.handle_event(now, endpoint, event);
            switched.coupling.hang_up(now, endpoint, None);
            self.follow(now, number);
            return;
        }
        let left = match &event {
            Event::Ended { call, .. } => Some(*call),
            _ => None,
        };
        // What the coupling leaves to us needs no answer, or gets its default one.
        let _ = switched.coupling.handle_event(now, endpoint, event);
        if let Some(call) = left {
            switched.leaves(now, self.relays.as_mut(), call);
        }
        self.follow(now, number);
    }

    /// Tells what a coupling says, and forgets it when it is over.
    fn follow(&mut self, now: Instant, number: u64) {
        let Some(switched) = self.calls.get_mut(&number) else {
            return;
        };
        for leg in switched.coupling.legs() {
            self.legs.insert(*leg, number);
        }
        let mut told = Vec::new();
        while let Some(event) = switched.coupling.poll_event() {
            switched.answered |= matches!(event, CouplingEvent::Connected { .. });
            let name = |leg| switched.name(leg).to_owned();
            match event {
                CouplingEvent::Progress { call, status } => told.push((
                    format!("{} rings ({status})", name(call)),
                    json!({"event": "ringing", "from": switched.from, "to": name(call), "status": status.code()}),
                )),
                CouplingEvent::Connected { call } => {
                    told.push((
                        format!("{} talks to {}", switched.from, name(call)),
                        json!({"event": "answered", "from": switched.from, "to": name(call)}),
                    ));
                }
                CouplingEvent::PhoneFailed { call, cause } => told.push((
                    format!("{}: {cause}", name(call)),
                    json!({"event": "failed", "from": switched.from, "to": name(call),
                        "status": cause.status.map(|status| status.code()), "cause": cause.to_string()}),
                )),
                CouplingEvent::Ended { cause, .. } => {
                    let seconds = now.saturating_duration_since(switched.began).as_secs_f64();
                    let cause = match switched.answered {
                        true => "hung up".to_owned(),
                        false => cause.to_string(),
                    };
                    let (from, to) = (&switched.from, &switched.to);
                    told.push((
                        format!("{from} and {to}: over after {seconds:.1} s, {cause}"),
                        json!({"event": "ended", "from": from, "to": to, "cause": cause,
                            "seconds": (seconds * 1000.0).round() / 1000.0}),
                    ));
                }
                _ => {}
            }
        }
        if switched.coupling.is_over() {
            let over = self.calls.remove(&number).and_then(|over| over.relay);
            if let (Some(relay), Some(relays)) = (over, &mut self.relays) {
                relay.close(now, relays);
            }
            self.legs.retain(|_, of| *of != number);
        }
        for (line, object) in told {
            self.story.tell(&line, &object);
        }
    }

    fn tell_ended(
        &self,
        from: &str,
        to: &str,
        why: &str,
        status: Option<StatusCode>,
        seconds: f64,
    ) {
        self.story.tell(
            &format!("{from} calls {to}: {why}"),
            &json!({"event": "ended", "from": from, "to": to, "cause": why,
                "status": status.map(|status| status.code()), "seconds": seconds}),
        );
    }

    /// Prints the conversations.
    pub(crate) fn show_calls(&self, now: Instant) {
        let mut table = Table::new(&["", "from", "to", "state", "for"]);
        let mut list = Vec::new();
        for switched in self.calls.values() {
            let state = if switched.answered { "up" } else { "ringing" };
            let seconds = now.saturating_duration_since(switched.began).as_secs();
            let (from, to) = (switched.from.clone(), switched.to.clone());
            list.push(json!({"from": from, "to": to, "state": state, "seconds": seconds}));
            table.row(vec![
                String::new(),
                from,
                to,
                state.into(),
                format!("{seconds} s"),
            ]);
        }
        if list.is_empty() {
            self.story
                .tell("no calls", &json!({"event": "calls", "calls": []}));
        } else {
            self.story.table(&table);
            self.story.object(&json!({"event": "calls", "calls": list}));
        }
    }
}

/// Whom a request is for, by name.
pub(crate) fn called(request: &Message) -> String {
    let user = request.uri().ok().and_then(|uri| uri.user_decoded());
    user.unwrap_or_default().into_owned()
}

/// Who calls, as the called phone shows it: the name that the caller gave itself, with the user that it proved to be.
pub(crate) fn shown(request: &Message, user: &str, aor: &Aor) -> Option<NameAddr> {
    let uri = format!("sip:{user}@{}", aor.host()).parse().ok()?;
    let plain = NameAddr::new(&uri);
    let given = request.typed::<header::From<'_>>().ok();
    let name = given.and_then(|from| from.display_name().map(|name| name.into_owned()));
    let named = name
        .filter(|name| !name.is_empty())
        .and_then(|name| plain.with_display_name(&name).ok());
    Some(named.unwrap_or(plain))
}

/// The INVITE to a phone.
pub(crate) fn invite(
    request: &Message,
    user: &str,
    to: &str,
    (aor, binding): (&Aor, &Binding),
    ring: Duration,
) -> Option<Invite> {
    let called = format!("sip:{to}@{}", aor.host()).parse().ok()?;
    let invite = Invite::new(called, shown(request, user, aor)?);
    Some(invite.at(binding).ring_timeout(ring))
}

/// With these offers, one after the other, in place of the caller's.
fn offering(invite: Invite, offers: Vec<Body>) -> Invite {
    let mut offers = offers.into_iter();
    match offers.next() {
        Some(first) => offers.fold(invite.body(first), Invite::or),
        None => invite,
    }
}

/// With a relay, a seat for a phone that is to ring, and what it is offered; `None` when there is no way for it.
fn seat(
    now: Instant,
    carried: &mut Option<(&mut Relay, &mut Relays)>,
    over: Transport,
) -> Option<(Option<Place>, Vec<Body>)> {
    let Some((relay, relays)) = carried else {
        return Some((None, Vec::new()));
    };
    let (place, offers) = relay.invite(now, relays, over).ok()?;
    Some((Some(place), offers))
}

/// The leg that an event is about.
fn call_of(event: &Event) -> Option<CallId> {
    match event {
        Event::Progress { call, .. }
        | Event::OfferedAgain { call, .. }
        | Event::Answered { call, .. }
        | Event::Confirmed { call, .. }
        | Event::Offered { call, .. }
        | Event::OfferWithdrawn { call }
        | Event::ReinviteAnswered { call, .. }
        | Event::ReinviteFailed { call, .. }
        | Event::Info { call, .. }
        | Event::RequestAnswered { call, .. }
        | Event::Ended { call, .. } => Some(*call),
        Event::Ask {
            question: Question::Request { call, .. },
            ..
        } => *call,
        _ => None,
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
