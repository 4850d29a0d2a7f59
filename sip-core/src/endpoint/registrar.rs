//! The registrar's role (RFC 3261 section 10.3): who may, what is kept, and the 200 that lists it.

use std::time::{Duration, Instant, SystemTime};

use super::Endpoint;
use super::deadlines::Waiter;
use super::event::{Event, Question, QuestionAnswer};
use super::flow::Flow;
use super::questions::Purpose;
use super::table::Key;
use crate::header::To;
use crate::registrar::{
    Aor, Authorize, Binding, Bindings, Change, GruuKey, Policy, Register, Rejection, StoreError,
    public_gruu,
};
use crate::transaction::after;
use crate::uri::Host;
use crate::{HeaderName, Message, ResponseBuilder, StatusCode, Uri};

/// A REGISTER that waits for its bindings.
#[derive(Debug)]
pub(crate) struct Registering {
    server: Key,
    register: Register,
    /// How often somebody else stored first.
    conflicts: u8,
}

/// Conflicts after which a REGISTER is sent away for a while.
const CONFLICTS: u8 = 4;

/// What we do for those who require it.
const EXTENSIONS: [&str; 3] = ["path", "outbound", "gruu"];

impl Endpoint {
    /// A REGISTER.
    pub(crate) fn register_arrived(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
    ) {
        let lacking: Vec<String> = request
            .values(HeaderName::REQUIRE)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .filter(|tag| {
                !EXTENSIONS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(tag))
            })
            .collect();
        if !lacking.is_empty() {
            let status = StatusCode::BAD_EXTENSION;
            self.respond_status(now, server, request, status, |builder| {
                builder.header(HeaderName::UNSUPPORTED, lacking.join(", "))
            });
            return;
        }
        let to = request.typed::<To<'_>>().ok().and_then(|to| to.uri().ok());
        let hosts = [request.uri().ok(), to].map(|uri| uri.and_then(|uri| uri.host()));
        let ours = |host: &Option<Host<'_>>| match (&self.config.registrar, host) {
            (Some(policy), Some(host)) => policy.is_ours(&host.to_string()),
            _ => false,
        };
        if !hosts.iter().all(ours) {
            self.respond_status(now, server, request, StatusCode::NOT_FOUND, |b| b);
        } else if self.config.digest.is_some() {
            self.authenticate(now, server, flow, request);
        } else {
            self.register_by(now, server, flow, request, None);
        }
    }

    /// A REGISTER by someone who has proved to be `user`, or need not.
    pub(crate) fn register_by(
        &mut self,
        now: Instant,
        server: Key,
        flow: Flow,
        request: &Message,
        user: Option<&str>,
    ) {
        let Some(policy) = &self.config.registrar else {
            return;
        };
        let register = match Register::read(request, Some(flow), &policy.limits) {
            Ok(register) => register,
            Err(rejection) => return self.reject_register(now, server, request, rejection),
        };
        if user.is_some_and(|user| !may(policy, user, &register.aor)) {
            self.respond_status(now, server, request, StatusCode::FORBIDDEN, |b| b);
            return;
        }
        let registering = Registering {
            server,
            register,
            conflicts: 0,
        };
        match policy.memory() {
            Some(memory) => {
                let aor = &registering.register.aor;
                let (bindings, version) = (memory.get(aor).cloned(), memory.version(aor));
                self.apply_register(now, registering, &bindings.unwrap_or_default(), version);
            }
            None => {
                let aor = registering.register.aor.clone();
                let purpose = Purpose::Load(Box::new(registering));
                if self.ask(now, Question::Load { aor }, purpose).is_none() {
                    self.refuse_register(now, server);
                }
            }
        }
    }

    /// The store's answer to [`Question::Load`].
    pub(crate) fn loaded(
        &mut self,
        now: Instant,
        registering: Registering,
        answer: Option<QuestionAnswer>,
    ) {
        match answer {
            Some(QuestionAnswer::Bindings { bindings, version }) => {
                self.apply_register(now, registering, &bindings, version);
            }
            _ => self.refuse_register(now, registering.server),
        }
    }

    /// The store's answer to [`Question::Store`].
    pub(crate) fn stored(
        &mut self,
        now: Instant,
        mut registering: Registering,
        change: &Change,
        answer: Option<QuestionAnswer>,
    ) {
        match answer {
            Some(QuestionAnswer::Stored) => self.finish_register(now, &registering, change),
            Some(QuestionAnswer::Bindings { bindings, version })
                if registering.conflicts < CONFLICTS =>
            {
                registering.conflicts += 1;
                self.apply_register(now, registering, &bindings, version);
            }
            _ => self.refuse_register(now, registering.server),
        }
    }

    fn apply_register(
        &mut self,
        now: Instant,
        registering: Registering,
        bindings: &Bindings,
        version: u64,
    ) {
        let wall = self.epoch.wall_at(now);
        let Some(policy) = &mut self.config.registrar else {
            return;
        };
        let change = match bindings.apply(&registering.register, wall, &policy.limits) {
            Ok(change) => change,
            Err(rejection) => {
                if let Some(request) = self.server_request(registering.server) {
                    self.reject_register(now, registering.server, &request, rejection);
                }
                return;
            }
        };
        if change.is_empty() {
            self.finish_register(now, &registering, &change);
            return;
        }
        let aor = registering.register.aor.clone();
        match policy.memory_mut() {
            Some(memory) => match memory.store(&aor, change.bindings().clone(), version) {
                Ok(()) => {
                    self.arm_registrar();
                    self.finish_register(now, &registering, &change);
                }
                Err(StoreError::Full | StoreError::Conflict) => {
                    self.refuse_register(now, registering.server);
                }
            },
            None => {
                let (server, bindings) = (registering.server, change.bindings().clone());
                let question = Question::Store {
                    aor,
                    bindings,
                    expected_version: version,
                };
                let purpose = Purpose::Store(Box::new((registering, change)));
                if self.ask(now, question, purpose).is_none() {
                    self.refuse_register(now, server);
                }
            }
        }
    }

    /// Nobody can say what the bindings are, or keep them.
    fn refuse_register(&mut self, now: Instant, server: Key) {
        self.counters.overload += 1;
        if let Some(request) = self.server_request(server) {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.respond_status(now, server, &request, status, |builder| {
                builder.header(HeaderName::RETRY_AFTER, "10")
            });
        }
    }

    fn reject_register(
        &mut self,
        now: Instant,
        server: Key,
        request: &Message,
        rejection: Rejection,
    ) {
        self.respond_status(
            now,
            server,
            request,
            rejection.status(),
            |builder| match rejection {
                Rejection::TooBrief { min } => {
                    builder.header_display(HeaderName::MIN_EXPIRES, min.as_secs())
                }
                _ => builder,
            },
        );
    }

    /// Tells what changed and answers with what is bound now (step 8).
    fn finish_register(&mut self, now: Instant, registering: &Registering, change: &Change) {
        let register = &registering.register;
        for event in change.events() {
            self.out.tell(Event::Binding {
                aor: register.aor.clone(),
                event: Box::new(event.clone()),
            });
        }
        let (Some(request), Some(policy)) = (
            self.server_request(registering.server),
            &self.config.registrar,
        ) else {
            return;
        };
        let wall = self.epoch.wall_at(now);
        let tag = self.server_tag(registering.server);
        let mut builder = self.identify(request.reply(StatusCode::OK)).to_tag(&tag);
        for binding in change.bindings() {
            let mut contact = format!("{};expires={}", binding.contact, binding.seconds_left(wall));
            if let (true, Some(key), Some(instance)) =
                (register.gruu, &policy.gruu, binding.instance.as_deref())
            {
                let temporary = key.temporary(
                    &register.aor,
                    instance,
                    &binding.call_id,
                    &mut *self.draw.chance,
                );
                let public = public_gruu(&register.aor, instance);
                contact.push_str(&format!(";pub-gruu=\"{public}\";temp-gruu=\"{temporary}\""));
            }
            builder = builder.header(HeaderName::CONTACT, contact);
        }
        builder = with_routes(builder, policy, &request, register.outbound);
        let sent = match builder.build() {
            Ok(response) => self.respond(now, registering.server, &response),
            Err(_) => false,
        };
        if !sent {
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            self.respond_status(now, registering.server, &request, status, |b| b);
        }
    }

    /// The bindings of an address-of-record, where the endpoint keeps them itself.
    pub fn bindings(&self, aor: &Aor) -> Option<&Bindings> {
        self.config.registrar.as_ref()?.memory()?.get(aor)
    }

    /// Where a call to a user of ours goes, best first: to the contacts of an address-of-record, or to the one device
    /// that a GRUU of ours names (RFC 5627 section 5.5). [`Invite::at`](crate::Invite::at) calls one of them.
    /// Contacts whose connection is gone are left out. Empty where the endpoint does not keep the bindings itself.
    pub fn locate(&self, now: Instant, uri: &Uri) -> Vec<Binding> {
        let wall = self.epoch.wall_at(self.now.max(now));
        let Some(policy) = &self.config.registrar else {
            return Vec::new();
        };
        let open = |binding: &&Binding| {
            let connection = binding.flow.and_then(|flow| flow.connection);
            connection.is_none_or(|id| self.connections.contains_key(&id))
        };
        let gruu = policy.gruu.as_ref().and_then(|key: &GruuKey| {
            let gruu = key.read(&uri.as_ref())?;
            Some((key, gruu))
        });
        if let Some((key, gruu)) = gruu {
            let bindings = self.bindings(&gruu.aor);
            let found = bindings.and_then(|bindings| key.find(&gruu, bindings, wall));
            return found.filter(open).cloned().into_iter().collect();
        }
        let aor = Aor::new(&uri.as_ref());
        match aor.and_then(|aor| self.bindings(&aor)) {
            Some(bindings) => bindings.targets(wall).filter(open).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// One binding in memory has ended, perhaps.
    pub(crate) fn registrar_due(&mut self, now: Instant) -> bool {
        let wall = self.epoch.wall_at(now);
        let memory = self.config.registrar.as_mut().and_then(Policy::memory_mut);
        if let Some((aor, event)) = memory.and_then(|memory| memory.pop_expired(wall)) {
            let event = Box::new(event);
            self.out.tell(Event::Binding { aor, event });
        }
        self.arm_registrar();
        true
    }

    /// Waits for the next binding's end.
    pub(crate) fn arm_registrar(&mut self) {
        let memory = self.config.registrar.as_ref().and_then(Policy::memory);
        let wanted = memory
            .and_then(|memory| memory.next_expiry())
            .map(|end| self.instant_at(end));
        self.deadlines
            .arm(Waiter::Registrar, &mut self.registrar_armed, wanted);
    }

    /// The monotonic time of a wall clock's; the past is now.
    fn instant_at(&self, wall: SystemTime) -> Instant {
        let left = wall
            .duration_since(self.epoch.wall_at(self.now))
            .unwrap_or(Duration::ZERO);
        after(self.now, left)
    }
}

fn may(policy: &Policy, user: &str, aor: &Aor) -> bool {
    let own = aor.as_str().strip_prefix("sip:").unwrap_or_default();
    match policy.authorize {
        Authorize::Any => true,
        Authorize::Own => aor.user() == Some(user) || own == user,
    }
}

/// Path as it came (RFC 3327 section 5.3), Service-Route (RFC 3608), and what outbound wants (RFC 5626 section 6).
fn with_routes(
    mut builder: ResponseBuilder,
    policy: &Policy,
    request: &Message,
    outbound: bool,
) -> ResponseBuilder {
    builder = builder.copy(request, HeaderName::PATH);
    for route in &policy.service_route {
        builder = builder.header_display(HeaderName::SERVICE_ROUTE, route);
    }
    if outbound {
        builder = builder.header(HeaderName::REQUIRE, "outbound");
        if let Some(every) = policy.flow_timer {
            builder = builder.header_display(HeaderName::FLOW_TIMER, every.as_secs());
        }
    }
    let extensions = EXTENSIONS
        .iter()
        .filter(|tag| **tag != "gruu" || policy.gruu.is_some());
    let list: Vec<&str> = extensions.copied().collect();
    builder.header(HeaderName::SUPPORTED, list.join(", "))
}
