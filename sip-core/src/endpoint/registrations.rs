//! Registrations that we keep alive: what goes out when, and what comes of the answers (RFC 3261 section 10.2, RFC
//! 5626 section 4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clients::Purpose;
use super::command::{CommandError, Gone, Invite};
use super::deadlines::Waiter;
use super::event::{Event, QuestionAnswer};
use super::flow::{Flow, FlowError, Target, Transport};
use super::hops::{Place, is_sips};
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, questions, route};
use crate::auth::{Account, Attempt, ClientAuth};
use crate::header::NameAddr;
use crate::registration::{
    FlowState, MAX_FLOWS, Proxy, Registered, Registration, RegistrationId, RegistrationState,
    RegistrationStatus, Stage,
};
use crate::resolve::Next;
use crate::transaction::after;
use crate::{BuildError, HeaderName, Message, Method, Uri};

impl Endpoint {
    /// Registers an address-of-record and keeps it registered; [`Event::Registration`] tells how it goes.
    pub fn register(
        &mut self,
        now: Instant,
        registration: Registration,
    ) -> Result<RegistrationId, CommandError> {
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        registration.aor.uri().map_err(BuildError::Uri)?;
        let several = registration.outbound.as_ref().is_some_and(|o| o.flows);
        let most = if several { MAX_FLOWS } else { 1 };
        let mut proxies: Vec<Proxy> = registration.proxies.iter().take(most).cloned().collect();
        if proxies.is_empty() {
            proxies.push(Proxy::default());
        }
        for proxy in &proxies {
            self.place(&first_hop(&registration, proxy)?, proxy.target.clone())?;
        }
        let account = registration.account.clone();
        let registered = Registered {
            call_id: Arc::from(self.draw.call_id()),
            tag: Arc::from(self.draw.tag()),
            seq: 0,
            auth: account.map(|account| Box::new(ClientAuth::new(account))),
            expires: registration.expires.max(Duration::from_secs(1)),
            outbound: several,
            flows: proxies
                .into_iter()
                .map(|proxy| FlowState::new(proxy, now))
                .collect(),
            public_gruu: None,
            temporary_gruu: None,
            leaving: false,
            over: false,
            armed: None,
            plan: registration,
        };
        let full = |_| CommandError::Full("registration table");
        let key = self.registrations.insert(registered).map_err(full)?;
        let started = self.with_registration(key, |endpoint, registered| {
            // The first flow now, so that what cannot be sent is an error here; the others when there is room.
            registered.flows[0].due = None;
            endpoint.start_flow(now, key, registered, 0)
        });
        if let Some(Err(error)) = started {
            self.drop_registration(key);
            return Err(error);
        }
        Ok(RegistrationId(key))
    }

    /// Takes a registration back: `expires=0` over each of its flows. [`RegistrationState::Unregistered`] follows,
    /// also when nobody answers.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) -> Result<(), CommandError> {
        let now = self.advance(now);
        if !self.out.has_room() {
            return Err(CommandError::Full("outbox"));
        }
        self.with_registration(id.0, |endpoint, registered| {
            if std::mem::replace(&mut registered.leaving, true) {
                return;
            }
            for at in 0..registered.flows.len() {
                let flow = &mut registered.flows[at];
                flow.due = None;
                match flow.stage {
                    // What comes of it is taken back then.
                    Stage::Asking(_) => continue,
                    Stage::Resolving(question) => {
                        endpoint.take_question(question);
                    }
                    _ => {}
                }
                flow.stage = Stage::Waiting;
                if flow.until.is_some_and(|until| until > now) {
                    endpoint.start_or_give_up(now, id.0, registered, at);
                }
            }
            endpoint.end_if_left(id.0, registered);
        })
        .ok_or(Gone)?;
        Ok(())
    }

    /// Registers every flow of a registration again at once, whatever it was waiting for: the network has changed, or
    /// a wrong password was put right elsewhere.
    pub fn refresh_registration(
        &mut self,
        now: Instant,
        id: RegistrationId,
    ) -> Result<(), CommandError> {
        let now = self.advance(now);
        self.with_registration(id.0, |_, registered| {
            for flow in &mut registered.flows {
                if !registered.leaving && matches!(flow.stage, Stage::Waiting) {
                    flow.due = Some(now);
                }
            }
        })
        .ok_or(Gone)?;
        Ok(())
    }

    /// A look at a registration.
    pub fn registration(&self, id: RegistrationId) -> Result<RegistrationStatus<'_>, Gone> {
        self.registrations
            .get(id.0)
            .map(RegistrationStatus)
            .ok_or(Gone)
    }

    /// Registrations that are not over, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = RegistrationId> + '_ {
        self.registrations.keys().map(RegistrationId)
    }

    pub(super) fn with_registration<R>(
        &mut self,
        key: Key,
        f: impl FnOnce(&mut Self, &mut Registered) -> R,
    ) -> Option<R> {
        let mut registered = self.registrations.take(key)?;
        let result = f(self, &mut registered);
        let wanted = match registered.over {
            true => None,
            false => registered.deadline(),
        };
        self.deadlines
            .arm(Waiter::Registration(key), &mut registered.armed, wanted);
        if registered.over {
            self.registrations.release(key);
        } else {
            self.registrations.put_back(key, registered);
        }
        Some(result)
    }

    fn drop_registration(&mut self, key: Key) {
        self.with_registration(key, |endpoint, registered| {
            for at in 0..registered.flows.len() {
                endpoint.leave_flow(key, registered, at);
            }
            registered.over = true;
        });
    }

    /// Sends REGISTER for a flow, or asks for the address to send it to.
    fn start_flow(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
    ) -> Result<(), CommandError> {
        let flow = &registered.flows[at];
        let place = match flow.flow {
            Some(standing) => Place::At(Target::Flow(standing)),
            None => {
                let hop = first_hop(&registered.plan, &flow.proxy)?;
                self.place(&hop, flow.proxy.target.clone())?
            }
        };
        match place {
            Place::At(target) => self.send_register(now, key, registered, at, target),
            Place::Ask(mut way) => match way.next(now, &self.avoided) {
                Next::Ask(query) => {
                    let purpose = questions::Purpose::Registration(key, at);
                    let asked = self.ask_way(now, &way, query, purpose);
                    let asked = asked.ok_or(CommandError::Full("question table"))?;
                    registered.flows[at].stage = Stage::Resolving(asked);
                    registered.flows[at].way = Some(way);
                    Ok(())
                }
                Next::Target(target) => {
                    registered.flows[at].way = Some(way);
                    self.send_register(now, key, registered, at, target)
                }
                _ => Err(CommandError::State("an address")),
            },
        }
    }

    pub(super) fn start_or_give_up(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
    ) {
        if self.start_flow(now, key, registered, at).is_err() {
            let cause = EndCause::new(
                EndedBy::Transport,
                EndKind::Transport(FlowError::NoTransport),
            );
            self.flow_failed(now, key, registered, at, cause, Some(Duration::ZERO));
        }
    }

    /// What the way of a flow asked was answered, or not in time.
    pub(crate) fn register_resolved(
        &mut self,
        now: Instant,
        key: Key,
        at: usize,
        answer: Option<QuestionAnswer>,
    ) {
        self.with_registration(key, |endpoint, registered| {
            let Some(flow) = registered.flows.get_mut(at) else {
                return;
            };
            if !matches!(flow.stage, Stage::Resolving(_)) {
                return;
            }
            flow.stage = Stage::Waiting;
            if let Some(way) = flow.way.as_deref_mut() {
                route::hear(way, answer, &mut endpoint.draw.chance);
            }
            let (cause, retry_after) = match flow.last.take() {
                Some(last) => *last,
                None => {
                    let host = first_hop(&registered.plan, &flow.proxy).ok();
                    let host = host.and_then(|uri| uri.host_str().map(str::to_owned));
                    let cause = EndCause::new(EndedBy::Transport, EndKind::Unresolved);
                    (cause.with_host(host), None)
                }
            };
            endpoint.next_target(now, key, registered, at, cause, retry_after);
            endpoint.end_if_left(key, registered);
        });
    }

    /// Tries the next address, or waits.
    pub(super) fn next_target(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        last: EndCause,
        retry_after: Option<Duration>,
    ) {
        while let Some(mut way) = registered.flows[at].way.take() {
            match way.next(now, &self.avoided) {
                Next::Target(target) => {
                    registered.flows[at].way = Some(way);
                    if self.place_target(&target).is_ok()
                        && self.send_register(now, key, registered, at, target).is_ok()
                    {
                        return;
                    }
                }
                Next::Ask(query) => {
                    let purpose = questions::Purpose::Registration(key, at);
                    if let Some(asked) = self.ask_way(now, &way, query, purpose) {
                        let flow = &mut registered.flows[at];
                        flow.stage = Stage::Resolving(asked);
                        flow.last = Some(Box::new((last, retry_after)));
                        flow.way = Some(way);
                        return;
                    }
                }
                _ => {}
            }
        }
        let retry = retry_after.unwrap_or(Duration::ZERO);
        self.flow_failed(now, key, registered, at, last, Some(retry));
    }

    pub(super) fn send_register(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        target: Target,
    ) -> Result<(), CommandError> {
        let (request, contact) = self.build_register(registered, at, &target)?;
        let attempt = match registered.auth.as_deref_mut() {
            Some(auth) => super::credentials::with_digest_request(&request, |d| auth.attempt(d)),
            None => Attempt::none(),
        };
        self.send_built(now, key, registered, at, target, request, attempt)?;
        registered.flows[at].contact = Some(contact);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn send_built(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        target: Target,
        request: Message,
        attempt: Attempt,
    ) -> Result<(), CommandError> {
        let request = match attempt.is_empty() {
            true => request,
            false => {
                let mut editor = request.edit();
                for (name, value) in attempt.headers() {
                    editor = editor.append(name, value);
                }
                editor.build()?
            }
        };
        let purpose = Purpose::Register(at as u8);
        let client =
            self.start_client(now, request, target.clone(), Some(key), purpose, attempt)?;
        let flow = &mut registered.flows[at];
        flow.stage = Stage::Asking(client);
        flow.target = Some(target);
        flow.due = None;
        Ok(())
    }

    /// The next REGISTER of a flow, and the contact that it binds.
    pub(super) fn build_register(
        &mut self,
        registered: &mut Registered,
        at: usize,
        target: &Target,
    ) -> Result<(Message, Uri), CommandError> {
        let via = self.via(target);
        let plan = &registered.plan;
        let user = match &plan.contact_user {
            Some(user) => user.clone(),
            None => plan
                .aor
                .uri()
                .map_err(BuildError::Uri)?
                .user()
                .unwrap_or_default()
                .to_owned(),
        };
        // RFC 5630 section 5.1.1: an address-of-record under `sips:` has no other contacts.
        let route = registered.flows[at].proxy.route.as_ref();
        let aor = plan.aor.uri().map_err(BuildError::Uri)?;
        let sips = is_sips(&plan.registrar, route) || is_sips(&aor, None);
        let contact = self.contact(target, &user, sips);
        let contact = contact.trim_start_matches('<').trim_end_matches('>');
        let contact = match registered.outbound {
            true => format!("{contact};ob"),
            false => contact.to_owned(),
        };
        let uri: Uri = contact.parse().map_err(BuildError::Uri)?;
        let mut value = NameAddr::new(&uri);
        if let Some(device) = &plan.outbound {
            value = value.with_param("+sip.instance", Some(&instance(&device.instance)))?;
        }
        if registered.outbound {
            value = value.with_param("reg-id", Some(&(at + 1).to_string()))?;
        }
        if let Some(q) = plan.q {
            let q = format!("{}.{:03}", q.min(1000) / 1000, q.min(1000) % 1000);
            value = value.with_param("q", Some(&q))?;
        }
        for (name, text) in &plan.params {
            value = value.with_param(name, text.as_deref())?;
        }
        let seconds = match registered.leaving {
            true => 0,
            false => registered.expires.as_secs().min(u64::from(u32::MAX)),
        };
        value = value.with_param("expires", Some(&seconds.to_string()))?;
        registered.seq += 1;
        let mut builder =
            Message::request(Method::Register, &plan.registrar).header(HeaderName::VIA, via);
        if let Some(route) = &registered.flows[at].proxy.route {
            builder = builder.header_display(HeaderName::ROUTE, route);
        }
        let mut supported = vec!["path"];
        if registered.outbound {
            supported.push("outbound");
        }
        if plan.gruu && plan.outbound.is_some() {
            supported.push("gruu");
        }
        builder = builder
            .max_forwards(70)
            .header_display(
                HeaderName::FROM,
                plan.aor.without_tag().with_tag(&registered.tag)?,
            )
            .header_display(HeaderName::TO, plan.aor.without_tag())
            .header(HeaderName::CALL_ID, registered.call_id.as_bytes())
            .cseq(registered.seq)
            .header_display(HeaderName::CONTACT, value)
            .header(HeaderName::SUPPORTED, supported.join(", "));
        let request = self.identify_request(builder).build()?;
        Ok((request, uri))
    }

    /// A flow did not come about, or ended. `retry`: it may be tried again, not before so long.
    pub(super) fn flow_failed(
        &mut self,
        now: Instant,
        key: Key,
        registered: &mut Registered,
        at: usize,
        cause: EndCause,
        retry: Option<Duration>,
    ) {
        self.leave_flow(key, registered, at);
        let flow = &mut registered.flows[at];
        flow.stage = Stage::Waiting;
        flow.way = None;
        flow.last = None;
        flow.rounds = 0;
        let stable = registered.plan.backoff.stable;
        let stood = flow.since.take().is_some_and(|since| since + stable <= now);
        if registered.leaving {
            flow.until = None;
            flow.due = None;
            return;
        }
        // One that stood a while is tried again at once.
        flow.failures = match stood {
            true => 0,
            false => flow.failures.saturating_add(1),
        };
        let failures = flow.failures;
        let another = registered.flows.iter().any(FlowState::stands);
        let random = self.draw.below(0x1_0000) as u16;
        let backoff = &registered.plan.backoff;
        let wait = retry.map(|least| backoff.wait(failures, another, random).max(least));
        registered.flows[at].due = wait.map(|wait| after(now, wait));
        self.tell_registration(key, at, RegistrationState::Failed { cause, retry: wait });
    }

    /// Nothing goes over a flow of ours any more, so that it ends with all who use it. They deal with that when their
    /// time comes, which is now.
    pub(crate) fn flow_lost(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        self.drop_ping(&flow);
        let (transport, remote, connection) = (flow.transport, flow.remote, flow.connection);
        let from = (transport, remote, connection, Key::MIN, 0);
        let to = (transport, remote, connection, Key::MAX, u8::MAX);
        let users: Vec<(Key, u8)> = self
            .flow_users
            .range(from..=to)
            .map(|(.., key, at)| (*key, *at))
            .collect();
        for (key, at) in users {
            self.with_registration(key, |endpoint, registered| {
                let at = usize::from(at);
                endpoint.leave_flow(key, registered, at);
                let flow = &mut registered.flows[at];
                // A REGISTER that is out fails by itself.
                if matches!(flow.stage, Stage::Waiting) {
                    flow.stage = Stage::Lost(cause);
                    flow.due = Some(now);
                }
            });
        }
    }

    pub(super) fn leave_flow(&mut self, key: Key, registered: &mut Registered, at: usize) {
        let flow = &mut registered.flows[at];
        let Some(standing) = flow.flow.take() else {
            return;
        };
        self.flow_users.remove(&flow_user(standing, key, at));
        if std::mem::take(&mut flow.pinged) {
            self.release_ping(&standing);
        }
    }

    pub(super) fn end_if_left(&mut self, key: Key, registered: &mut Registered) {
        let done = |flow: &FlowState| matches!(flow.stage, Stage::Waiting) && flow.due.is_none();
        if registered.leaving && !registered.over && registered.flows.iter().all(done) {
            for at in 0..registered.flows.len() {
                self.leave_flow(key, registered, at);
            }
            registered.over = true;
            self.tell_registration(key, 0, RegistrationState::Unregistered);
        }
    }

    pub(super) fn tell_registration(&mut self, key: Key, flow: usize, state: RegistrationState) {
        self.out.tell(Event::Registration {
            registration: RegistrationId(key),
            flow,
            state,
        });
    }

    /// What a registration waited for is due.
    pub(crate) fn registration_due(&mut self, now: Instant, key: Key) -> bool {
        self.with_registration(key, |endpoint, registered| {
            let due = |flow: &FlowState| flow.due.is_some_and(|due| due <= now);
            let Some(at) = registered.flows.iter().position(due) else {
                return;
            };
            // Flows beside the first are outbound's.
            let wanted = at == 0 || registered.outbound;
            let flow = &mut registered.flows[at];
            flow.due = None;
            match flow.stage {
                Stage::Lost(error) => {
                    let host = flow.target.as_ref().map(Target::to_string);
                    let cause = EndCause::new(EndedBy::Transport, EndKind::Transport(error));
                    let cause = cause.with_host(host);
                    endpoint.flow_failed(now, key, registered, at, cause, Some(Duration::ZERO));
                }
                Stage::Waiting if wanted => endpoint.start_or_give_up(now, key, registered, at),
                _ => endpoint.leave_flow(key, registered, at),
            }
            endpoint.end_if_left(key, registered);
        })
        .is_some()
    }

    /// Fits a call to the registration that it goes through; gives the Contact to use.
    pub(crate) fn through(&self, invite: &mut Invite) -> Result<Option<String>, CommandError> {
        let Some(through) = self.standing_registration(invite.registration)? else {
            return Ok(None);
        };
        invite.account = invite.account.take().or(through.account);
        if invite.route.is_empty() {
            invite.route = through.route;
        }
        invite.target.get_or_insert(through.target);
        Ok(through.contact)
    }

    /// What a request that begins something goes by, through a registration that stands.
    pub(crate) fn standing_registration(
        &self,
        id: Option<RegistrationId>,
    ) -> Result<Option<Through>, CommandError> {
        let Some(id) = id else { return Ok(None) };
        let registered = self.registrations.get(id.0).ok_or(Gone)?;
        let standing = registered.flows.iter().find(|flow| flow.stands());
        let Some((flow, standing)) = standing.and_then(|flow| Some((flow, flow.flow?))) else {
            return Err(CommandError::State("a registration that stands"));
        };
        let route = match flow.service_route.is_empty() {
            true => flow.proxy.route.iter().cloned().collect(),
            false => flow.service_route.to_vec(),
        };
        let contact = registered.public_gruu.as_ref().or(flow.contact.as_ref());
        Ok(Some(Through {
            account: registered.plan.account.clone(),
            route,
            target: Target::Flow(standing),
            contact: contact.map(|uri| format!("<{uri}>")),
        }))
    }
}

/// How a request goes through a registration: with which credentials, along which routes, over
/// which flow, under which Contact.
pub(crate) struct Through {
    pub(crate) account: Option<Account>,
    pub(crate) route: Vec<NameAddr>,
    pub(crate) target: Target,
    pub(crate) contact: Option<String>,
}

fn first_hop(plan: &Registration, proxy: &Proxy) -> Result<Uri, CommandError> {
    match &proxy.route {
        Some(route) => Ok(route.uri().map_err(BuildError::Uri)?),
        None => Ok(plan.registrar.clone()),
    }
}

/// As the value of `+sip.instance`.
pub(super) fn instance(urn: &str) -> String {
    format!("<{}>", urn.trim_start_matches('<').trim_end_matches('>'))
}

/// How a user of a flow is found when the flow fails.
pub(crate) type FlowUser = (
    Transport,
    std::net::SocketAddr,
    Option<super::ConnectionId>,
    Key,
    u8,
);

pub(super) fn flow_user(flow: Flow, key: Key, at: usize) -> FlowUser {
    (flow.transport, flow.remote, flow.connection, key, at as u8)
}
