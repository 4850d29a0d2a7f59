//! The registrar's client: against our own registrar on virtual time, and step by step over streams.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::auth::Account;
use sip_core::header::{self, NameAddr};
use sip_core::registrar::{Aor, Limits, Policy};
use sip_core::registration::{KeepAlive, Proxy, stun};
use sip_core::{
    Capabilities, Config, ConnectionId, DigestPolicy, EndKind, Endpoint, Epoch, Event, Flow,
    FlowError, Input, Invite, Local, Message, Method, Registration, RegistrationId,
    RegistrationState, StatusCode, Target, Transport,
};
use support::*;

const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const PHONE: usize = 0;
const REGISTRAR: usize = 1;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// A phone, and a registrar of `example.org` with this policy.
fn network(policy: Policy, digest: bool) -> Network {
    let mut registrar = Config::default();
    registrar.registrar = Some(policy);
    if digest {
        let policy = DigestPolicy::new("example.org", [8; 32]).user("bob", "zanzibar");
        registrar.digest = Some(policy);
    }
    Network::new(1, vec![Config::default(), registrar])
}

fn policy() -> Policy {
    Policy::new(["example.org"])
}

fn bob() -> Registration {
    let registrar = "sip:example.org".parse().unwrap();
    Registration::new(registrar, NameAddr::parse("<sip:bob@example.org>").unwrap()).proxy(
        Proxy::target(Target::new(Transport::Udp, address(REGISTRAR))),
    )
}

fn aor() -> Aor {
    Aor::new(
        &"sip:bob@example.org"
            .parse::<sip_core::Uri>()
            .unwrap()
            .as_ref(),
    )
    .unwrap()
}

fn state(event: &Event) -> Option<RegistrationState> {
    match event {
        Event::Registration { state, .. } => Some(state.clone()),
        _ => None,
    }
}

fn register(net: &mut Network, registration: Registration) -> RegistrationId {
    net.endpoints[PHONE]
        .register(net.now, registration)
        .unwrap()
}

fn registered(expires: u64, refreshed: bool) -> RegistrationState {
    RegistrationState::Registered {
        expires: Duration::from_secs(expires),
        refreshed,
    }
}

fn retry(state: RegistrationState) -> Option<Duration> {
    match state {
        RegistrationState::Failed { retry, .. } => retry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_registers_stays_registered_and_leaves() {
    let mut net = network(policy(), true);
    let account = Account::with_password("bob", "zanzibar");
    let id = register(&mut net, bob().account(account));
    assert_eq!(net.until(PHONE, state), registered(3600, false));
    assert_eq!(net.count(PHONE, "REGISTER"), 2, "challenged once");
    // Refreshed early, six times an hour and more seldom; the nonce is used again, or told to be stale.
    net.run(minutes(600));
    let refreshes = net.events[PHONE]
        .iter()
        .filter_map(state)
        .collect::<Vec<_>>();
    assert!((10..=14).contains(&refreshes.len()), "{refreshes:?}");
    assert!(
        refreshes
            .iter()
            .all(|state| *state == registered(3600, true))
    );
    assert!(
        net.endpoints[PHONE]
            .registration(id)
            .unwrap()
            .is_registered()
    );
    assert_eq!(net.endpoints[REGISTRAR].bindings(&aor()).unwrap().len(), 1);
    net.events[PHONE].clear();

    net.endpoints[PHONE].unregister(net.now, id).unwrap();
    assert_eq!(net.until(PHONE, state), RegistrationState::Unregistered);
    assert!(net.endpoints[PHONE].registration(id).is_err());
    assert!(net.endpoints[PHONE].unregister(net.now, id).is_err());
    assert!(net.endpoints[REGISTRAR].bindings(&aor()).is_none());
    net.assert_forgotten();
}

#[test]
fn a_brief_expiry_is_raised_as_the_registrar_asks() {
    let mut limits = Limits::default();
    limits.min_expires = Duration::from_secs(600);
    let mut net = network(policy().limits(limits), false);
    register(&mut net, bob().expires(Duration::from_secs(120)));
    assert_eq!(net.until(PHONE, state), registered(600, false));
    assert_eq!(net.count(PHONE, "REGISTER"), 2);
    assert_eq!(net.count(REGISTRAR, "SIP/2.0 423"), 1);
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let mut net = network(policy(), true);
    let account = Account::with_password("bob", "guess");
    let id = register(&mut net, bob().account(account));
    match net.until(PHONE, state) {
        RegistrationState::Failed { cause, retry: None } => {
            let kind = EndKind::AuthFailed {
                realm: "example.org".into(),
                user: "bob".into(),
            };
            assert_eq!(cause.kind, kind);
        }
        other => panic!("{other:?}"),
    }
    net.run(minutes(600));
    assert_eq!(net.count(PHONE, "REGISTER"), 2);
    // Until the application says so.
    net.endpoints[PHONE]
        .refresh_registration(net.now, id)
        .unwrap();
    net.run(minutes(1));
    assert!(net.count(PHONE, "REGISTER") > 2);
    net.endpoints[PHONE].unregister(net.now, id).unwrap();
    net.assert_forgotten();
}

#[test]
fn a_silent_registrar_is_tried_again_with_growing_waits() {
    let mut net = network(policy(), false);
    net.lose = Box::new(|from, _| from == PHONE);
    let id = register(&mut net, bob());
    // RFC 5626 section 4.5: the table's ranges, in seconds.
    for (least, most) in [
        (30, 60),
        (60, 120),
        (120, 240),
        (240, 480),
        (480, 960),
        (900, 1800),
        (900, 1800),
    ] {
        let wait = retry(net.until(PHONE, state)).unwrap().as_secs();
        assert!(
            (least..=most).contains(&wait),
            "{wait} not in {least} to {most}"
        );
    }
    net.lose = Box::new(|_, _| false);
    assert_eq!(net.until(PHONE, state), registered(3600, false));
    assert!(
        net.endpoints[PHONE]
            .registration(id)
            .unwrap()
            .is_registered()
    );
    // It stood for long: the first failure is followed up at once.
    net.run(minutes(120));
    net.events[PHONE].clear();
    net.lose = Box::new(|from, _| from == PHONE);
    assert_eq!(retry(net.until(PHONE, state)), Some(Duration::ZERO));
    assert!(retry(net.until(PHONE, state)).unwrap() >= Duration::from_secs(30));
    // To leave an account whose registrar is silent takes no longer than a transaction.
    net.endpoints[PHONE].unregister(net.now, id).unwrap();
    assert_eq!(net.until(PHONE, state), RegistrationState::Unregistered);
    // The registrar has heard of nothing, and forgets by itself.
    net.run(minutes(60));
    net.assert_forgotten();
}

#[test]
fn udp_flows_are_kept_alive_with_stun() {
    let mut net = network(policy(), false);
    let id = register(&mut net, bob().outbound(URN));
    assert_eq!(net.until(PHONE, state), registered(3600, false));
    net.run(Duration::from_secs(300));
    // Every 24 to 29 s, each answered.
    assert!((10..=13).contains(&net.pings[PHONE]), "{:?}", net.pings);
    assert_eq!(net.pings[PHONE], net.pings[REGISTRAR]);
    assert_eq!(net.count(PHONE, "REGISTER"), 1);
    let bindings = net.endpoints[REGISTRAR].bindings(&aor()).unwrap();
    let binding = bindings.iter().next().unwrap();
    assert_eq!(binding.reg_id, Some(1));
    assert!(binding.uri().unwrap().param("ob").is_some());

    // Nothing answers: the flow fails after seven requests, and is formed anew.
    net.deaf = true;
    let before = net.pings[PHONE];
    match net.until(PHONE, state) {
        RegistrationState::Failed { cause, retry } => {
            assert_eq!(cause.kind, EndKind::Transport(FlowError::TimedOut));
            assert_eq!(retry, Some(Duration::ZERO));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(net.pings[PHONE] - before, 7);
    net.deaf = false;
    assert_eq!(net.until(PHONE, state), registered(3600, false));
    assert_eq!(net.endpoints[REGISTRAR].bindings(&aor()).unwrap().len(), 1);
    net.endpoints[PHONE].unregister(net.now, id).unwrap();
    net.assert_forgotten();
}

#[test]
fn without_outbound_nothing_is_kept_alive_unless_asked() {
    for (keep_alive, datagrams) in [(KeepAlive::Outbound, 0), (KeepAlive::Always, 10)] {
        let mut desk = Phone::new();
        let registration = desk.plain().keep_alive(keep_alive);
        desk.endpoint.register(desk.now, registration).unwrap();
        let (to, request) = desk.sent();
        desk.answer(to, &request, &ok(&request, 3600, ""));
        let mut count = 0;
        let until = desk.now + Duration::from_secs(290);
        while let Some(at) = desk.endpoint.poll_timeout().filter(|at| *at <= until) {
            desk.now = at;
            desk.endpoint.handle_timeout(at);
            while let Some(transmit) = desk.endpoint.poll_transmit() {
                assert_eq!(&transmit.bytes[..], b"\r\n\r\n");
                count += 1;
            }
        }
        assert!((datagrams..=datagrams + 2).contains(&count), "{count}");
    }
}

#[test]
fn calls_through_a_registration_follow_its_routes_under_its_gruu() {
    let mut policy = policy().gruu([4; 32]);
    let route = format!("<sip:{};lr>", address(REGISTRAR));
    policy.service_route = vec![NameAddr::parse(route.clone()).unwrap()];
    let mut net = network(policy, false);
    let from = NameAddr::parse("<sip:bob@example.org>").unwrap();
    let invite = Invite::new("sip:amy@example.net".parse().unwrap(), from).body(offer(0));
    let id = register(&mut net, bob().instance(URN));
    let early = net.endpoints[PHONE].invite(net.now, invite.clone().through(id));
    assert!(early.is_err(), "nothing stands yet");
    net.until(PHONE, state);
    let status = net.endpoints[PHONE].registration(id).unwrap();
    assert_eq!(status.service_route().len(), 1);
    assert!(status.temporary_gruu().is_some());
    let gruu = format!("sip:bob@example.org;gr={URN}");
    assert_eq!(status.public_gruu().unwrap().as_str(), gruu);

    net.endpoints[PHONE]
        .invite(net.now, invite.through(id))
        .unwrap();
    let request = net.until(REGISTRAR, |event| match event {
        Event::Incoming { request, .. } => Some(request.clone()),
        _ => None,
    });
    assert_eq!(request.uri().unwrap().as_str(), "sip:amy@example.net");
    assert_eq!(request.header("Route").unwrap().to_str(), route);
    assert_eq!(
        request.header("Contact").unwrap().to_str(),
        format!("<{gruu}>")
    );

    // And so do requests outside calls.
    let now = net.now;
    let from = || NameAddr::parse("<sip:bob@example.org>").unwrap();
    let amy = || "sip:amy@example.net".parse().unwrap();
    let options = sip_core::Options::new(amy(), from()).through(id);
    net.endpoints[PHONE].options(now, options).unwrap();
    let subscribe = sip_core::Subscribe::new(amy(), from(), "presence").through(id);
    net.endpoints[PHONE].subscribe(now, subscribe).unwrap();
    let publish = "PUBLISH".parse().unwrap();
    let publish = sip_core::Outside::new(publish, amy(), from()).through(id);
    net.endpoints[PHONE].send_outside(now, publish).unwrap();
    let mut sent = 0;
    while let Some(transmit) = net.endpoints[PHONE].poll_transmit() {
        let message = Message::parse(transmit.bytes).unwrap();
        if message.method() == Some(Method::Ack) {
            continue;
        }
        sent += 1;
        assert_eq!(transmit.to.remote(), address(REGISTRAR));
        assert_eq!(message.header("Route").unwrap().to_str(), route);
        let contact = message.header("Contact").unwrap();
        assert_eq!(contact.to_str(), format!("<{gruu}>"));
    }
    assert_eq!(sent, 3);
}

#[test]
fn a_registered_user_is_called_at_the_contact() {
    let mut net = network(policy(), false);
    register(&mut net, bob().outbound(URN));
    net.until(PHONE, state);
    let uri: sip_core::Uri = "sip:bob@example.org".parse().unwrap();
    let found = net.endpoints[REGISTRAR].locate(net.now, &uri);
    assert!(found[0].flow.is_some());
    let from = NameAddr::parse("<sip:amy@example.org>").unwrap();
    let invite = Invite::new(uri, from).at(&found[0]).body(offer(1));
    net.endpoints[REGISTRAR].invite(net.now, invite).unwrap();
    let request = net.until(PHONE, |event| match event {
        Event::Incoming { request, .. } => Some(request.clone()),
        _ => None,
    });
    let to: header::To<'_> = request.typed().unwrap();
    assert_eq!(to.uri().unwrap().as_str(), "sip:bob@example.org");
}

#[test]
fn names_are_asked_for_and_the_next_address_is_tried() {
    let mut phone = Phone::new();
    let registrar = "sip:example.org".parse().unwrap();
    let aor = NameAddr::parse("<sip:bob@example.org>").unwrap();
    phone
        .endpoint
        .register(phone.now, Registration::new(registrar, aor))
        .unwrap();
    let Some(Event::Ask { id, question, .. }) = phone.endpoint.poll_event() else {
        panic!("a question");
    };
    assert!(matches!(question, sip_core::Question::Resolve { host, .. } if host == "example.org"));
    let targets = [1, 2].map(|host| Target::new(Transport::Udp, ([192, 0, 2, host], 5060).into()));
    let answer = sip_core::QuestionAnswer::Targets(targets.to_vec());
    phone
        .endpoint
        .answer_question(phone.now, id, answer)
        .unwrap();
    for (target, status) in targets.iter().zip([503, 200]) {
        let (to, request) = phone.sent();
        assert_eq!(&to, target);
        let response = match status {
            200 => ok(&request, 60, ""),
            _ => reply(
                &request,
                StatusCode::SERVICE_UNAVAILABLE,
                "Retry-After: 3\r\n",
            ),
        };
        phone.answer(to, &request, &response);
    }
    assert_eq!(phone.state(), registered(60, false));
}

/// A phone whose transmits are taken by hand: UDP and TCP.
struct Phone {
    endpoint: Endpoint,
    now: Instant,
}

impl Phone {
    fn new() -> Self {
        let now = Instant::now();
        let local = "192.0.2.50:5060".parse().unwrap();
        let mut config = Config::new(Local::new(Transport::Udp, local));
        config.locals.push(Local::new(Transport::Tcp, local));
        let mut random = Random(3);
        let epoch = Epoch {
            instant: now,
            wall: SystemTime::UNIX_EPOCH,
        };
        Self {
            endpoint: Endpoint::new(config, epoch, Box::new(move |out| random.fill(out))),
            now,
        }
    }

    fn plain(&self) -> Registration {
        let registrar = "sip:192.0.2.1".parse().unwrap();
        Registration::new(registrar, NameAddr::parse("<sip:bob@example.org>").unwrap())
    }

    fn sent(&mut self) -> (Target, Message) {
        let transmit = self.endpoint.poll_transmit().expect("something to send");
        let message = Message::parse(transmit.bytes).unwrap();
        let findings = sip_core::validate(&message, &Capabilities::default());
        assert!(findings.iter().next().is_none(), "{findings:?}\n{message}");
        assert_eq!(message.method(), Some(Method::Register));
        (transmit.to, message)
    }

    fn flow(to: &Target) -> Flow {
        match to {
            Target::Flow(flow) => *flow,
            to => Flow {
                transport: to.transport(),
                local: "192.0.2.50:5060".parse().unwrap(),
                remote: to.remote(),
                connection: to
                    .transport()
                    .is_reliable()
                    .then(|| ConnectionId(to.remote().port().into())),
            },
        }
    }

    fn give(&mut self, flow: Flow, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.endpoint
            .handle_input(self.now, Input::Received { flow, bytes });
    }

    fn answer(&mut self, to: Target, _request: &Message, response: &str) {
        self.give(Self::flow(&to), response.to_owned());
    }

    fn state(&mut self) -> RegistrationState {
        let event = self.endpoint.poll_event().expect("an event");
        state(&event).unwrap_or_else(|| panic!("{event:?}"))
    }

    fn wait(&mut self) {
        self.now = self
            .endpoint
            .poll_timeout()
            .expect("a deadline")
            .max(self.now);
        self.endpoint.handle_timeout(self.now);
    }
}

fn reply(request: &Message, status: StatusCode, lines: &str) -> String {
    let reply = request
        .reply(status)
        .to_tag("r")
        .build()
        .unwrap()
        .to_string();
    reply.replacen("Content-Length", &format!("{lines}Content-Length"), 1)
}

/// A 200 that grants the contact asked for.
fn ok(request: &Message, seconds: u32, lines: &str) -> String {
    let contact = request.header("Contact").unwrap().to_str().into_owned();
    let (contact, _) = contact.rsplit_once(";expires=").unwrap();
    let lines = format!("Contact: {contact};expires={seconds}\r\n{lines}");
    reply(request, StatusCode::OK, &lines)
}

#[test]
fn two_flows_over_streams_are_pinged_and_replaced_when_dead() {
    let mut phone = Phone::new();
    let edges =
        [5061u16, 5062].map(|port| Target::new(Transport::Tcp, ([192, 0, 2, 1], port).into()));
    let [one, two] = edges.clone().map(Proxy::target);
    let registration = phone.plain().outbound(URN).proxy(one).proxy(two);
    let id = phone.endpoint.register(phone.now, registration).unwrap();
    phone.wait();
    let mut flows = Vec::new();
    for (number, edge) in edges.iter().enumerate() {
        let (to, request) = phone.sent();
        assert_eq!(&to, edge);
        let contact: header::Contact<'_> = request.typed().unwrap();
        assert_eq!(contact.reg_id(), Some(number as u32 + 1));
        assert_eq!(contact.instance().unwrap(), format!("<{URN}>"));
        let flow = Phone::flow(&to);
        phone
            .endpoint
            .handle_input(phone.now, Input::Opened { flow });
        phone.answer(
            to,
            &request,
            &ok(&request, 3600, "Require: outbound\r\nFlow-Timer: 60\r\n"),
        );
        assert_eq!(phone.state(), registered(3600, false));
        flows.push(flow);
    }
    assert_eq!(phone.endpoint.registration(id).unwrap().flows().count(), 2);

    // Each is pinged within its Flow-Timer, not before five sixths of it; the second never answers.
    let start = phone.now;
    let mut pinged = Vec::new();
    while pinged.len() < 4 {
        phone.wait();
        while let Some(transmit) = phone.endpoint.poll_transmit() {
            assert_eq!(&transmit.bytes[..], b"\r\n\r\n");
            let flow = Phone::flow(&transmit.to);
            if flow == flows[0] {
                phone.give(flow, &b"\r\n"[..]);
            }
            pinged.push((flow.remote.port(), (phone.now - start).as_secs()));
        }
        if let Some(Event::Close { flow }) = phone.endpoint.poll_event() {
            assert_eq!(flow, flows[1]);
            break;
        }
    }
    let second: Vec<u64> = pinged
        .iter()
        .filter(|(port, _)| *port == 5062)
        .map(|(_, at)| *at)
        .collect();
    assert_eq!(second.len(), 1, "{pinged:?}");
    assert!((50..=60).contains(&second[0]), "{pinged:?}");
    let dead = (phone.now - start).as_secs();
    assert!((60..=70).contains(&dead), "{dead}");

    // It had not stood two minutes, and the other stands: a wait of 90 to 180 s.
    phone.endpoint.handle_timeout(phone.now);
    let wait = retry(phone.state()).unwrap().as_secs();
    assert!((90..=180).contains(&wait), "{wait}");
    assert_eq!(phone.endpoint.registration(id).unwrap().flows().count(), 1);
    loop {
        phone.wait();
        let Some(transmit) = phone.endpoint.poll_transmit() else {
            continue;
        };
        if &transmit.bytes[..] == b"\r\n\r\n" {
            phone.give(flows[0], &b"\r\n"[..]);
            continue;
        }
        let request = Message::parse(transmit.bytes).unwrap();
        assert_eq!(transmit.to, edges[1], "a new connection");
        let contact: header::Contact<'_> = request.typed().unwrap();
        assert_eq!(contact.reg_id(), Some(2));
        break;
    }
}

#[test]
fn a_connection_that_closes_is_replaced() {
    let mut phone = Phone::new();
    let edge = Target::new(Transport::Tcp, ([192, 0, 2, 1], 5061).into());
    let registration = phone.plain().proxy(Proxy::target(edge));
    phone.endpoint.register(phone.now, registration).unwrap();
    let (to, request) = phone.sent();
    phone.answer(to.clone(), &request, &ok(&request, 3600, ""));
    assert_eq!(phone.state(), registered(3600, false));
    phone.now += minutes(3);
    let (flow, cause) = (Phone::flow(&to), FlowError::Reset);
    phone
        .endpoint
        .handle_input(phone.now, Input::Closed { flow, cause });
    phone.wait();
    match phone.state() {
        RegistrationState::Failed { cause, retry } => {
            assert_eq!(cause.kind, EndKind::Transport(FlowError::Reset));
            assert_eq!(retry, Some(Duration::ZERO));
        }
        other => panic!("{other:?}"),
    }
    phone.wait();
    assert_eq!(phone.sent().0, to);
}

#[test]
fn a_udp_flow_that_is_seen_elsewhere_is_formed_anew() {
    let mut phone = Phone::new();
    let registration = phone.plain().outbound(URN);
    phone.endpoint.register(phone.now, registration).unwrap();
    let (to, request) = phone.sent();
    phone.answer(
        to.clone(),
        &request,
        &ok(&request, 3600, "Require: outbound\r\n"),
    );
    assert_eq!(phone.state(), registered(3600, false));
    let flow = Phone::flow(&to);
    for (mapped, fails) in [
        ("198.51.100.1:6000", false),
        ("198.51.100.1:6000", false),
        ("198.51.100.1:6001", true),
    ] {
        let ping = loop {
            phone.wait();
            if let Some(ping) = phone.endpoint.poll_transmit() {
                break ping;
            }
        };
        let Some(stun::Binding::Request(id)) = stun::Binding::parse(&ping.bytes) else {
            panic!("a STUN request");
        };
        let mapped = mapped.parse().unwrap();
        // One that answers nothing of ours changes nothing.
        let stray = stun::Binding::Success {
            id: [0; 12],
            mapped,
        };
        phone.give(flow, stray.to_bytes());
        phone.give(flow, stun::Binding::Success { id, mapped }.to_bytes());
        if fails {
            phone.wait();
            assert!(retry(phone.state()).is_some());
        } else {
            assert!(phone.endpoint.poll_event().is_none());
        }
    }
}

#[test]
fn outbound_is_given_up_where_the_first_hop_lacks_it() {
    let mut phone = Phone::new();
    let registration = phone.plain().outbound(URN);
    phone.endpoint.register(phone.now, registration).unwrap();
    let (to, request) = phone.sent();
    let status = StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT;
    phone.answer(to, &request, &reply(&request, status, ""));
    let (to, request) = phone.sent();
    let contact: header::Contact<'_> = request.typed().unwrap();
    assert!(contact.reg_id().is_none() && contact.instance().is_some());
    phone.answer(to, &request, &ok(&request, 3600, ""));
    assert_eq!(phone.state(), registered(3600, false));
}

#[test]
fn one_that_leaves_while_it_registers_takes_back_what_comes_of_it() {
    let mut phone = Phone::new();
    let registration = phone.plain();
    let id = phone.endpoint.register(phone.now, registration).unwrap();
    let (to, request) = phone.sent();
    phone.endpoint.unregister(phone.now, id).unwrap();
    phone.answer(to, &request, &ok(&request, 3600, ""));
    let (to, request) = phone.sent();
    let contact: header::Contact<'_> = request.typed().unwrap();
    assert_eq!(contact.expires(), Some(0));
    phone.answer(to, &request, &reply(&request, StatusCode::OK, ""));
    assert_eq!(phone.state(), RegistrationState::Unregistered);
}
