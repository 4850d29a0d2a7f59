//! The binding rules, row by row, and the registrar's role of an endpoint.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::auth::{Account, Attempt, Challenger, ClientAuth, DigestRequest};
use sip_core::header::digest::Challenge;
use sip_core::registrar::{
    Aor, BindingChange, Bindings, Crowd, Limits, Policy, Register, Rejection, RememberFlow,
};
use sip_core::{
    Capabilities, Config, ConnectionId, DigestPolicy, Endpoint, Epoch, Event, Flow, Input, Invite,
    Local, Message, Question, QuestionAnswer, QuestionId, StatusCode, Transport, header,
};
use support::Random;

const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn text(call: &str, cseq: u32, lines: &str) -> String {
    format!(
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK{call}{cseq};rport\r\n\
         Max-Forwards: 70\r\nTo: <sip:bob@example.org>\r\nFrom: <sip:bob@example.org>;tag=t\r\n\
         Call-ID: {call}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
    )
}

fn request(call: &str, cseq: u32, lines: &str) -> Message {
    Message::parse(text(call, cseq, lines)).unwrap()
}

fn read(call: &str, cseq: u32, lines: &str) -> Result<Register, Rejection> {
    Register::read(&request(call, cseq, lines), None, &Limits::default())
}

/// Applies a request and gives the statuses of the rows in short: `+` added, `~` refreshed, `-` removed, `<`
/// displaced, `x` expired, each with the contact's user.
fn step(
    bindings: &mut Bindings,
    limits: &Limits,
    at: u64,
    (call, cseq, lines): (&str, u32, &str),
) -> Result<String, u16> {
    let now = wall() + Duration::from_secs(at);
    let register = Register::read(&request(call, cseq, lines), None, limits);
    let change = register
        .and_then(|register| bindings.apply(&register, now, limits))
        .map_err(|rejection| rejection.status().code())?;
    let told = change.events().map(|event| {
        let sign = match event.change {
            BindingChange::Added => '+',
            BindingChange::Refreshed => '~',
            BindingChange::Removed => '-',
            BindingChange::Displaced => '<',
            BindingChange::Expired => 'x',
            _ => '?',
        };
        format!(
            "{sign}{}",
            event
                .binding
                .uri()
                .unwrap()
                .as_ref()
                .user_decoded()
                .unwrap()
        )
    });
    let told = told.collect::<Vec<_>>().join(" ");
    *bindings = change.into_bindings();
    Ok(told)
}

#[test]
fn rules_of_section_10_3_row_by_row() {
    let mut limits = Limits::default();
    limits.contacts = 3;
    let limits = &limits;
    let mut bindings = Bindings::default();
    type Row = (
        u64,
        &'static str,
        u32,
        &'static str,
        Result<&'static str, u16>,
    );
    let rows: &[Row] = &[
        (
            0,
            "a",
            1,
            "Contact: <sip:one@192.0.2.4>\r\nExpires: 600\r\n",
            Ok("+one"),
        ),
        // A query changes nothing, whatever its CSeq.
        (1, "a", 1, "", Ok("")),
        // The same again, and an older one, were overtaken.
        (
            2,
            "a",
            1,
            "Contact: <sip:one@192.0.2.4>\r\nExpires: 600\r\n",
            Err(500),
        ),
        (
            2,
            "a",
            0,
            "Contact: <sip:one@192.0.2.4>;expires=0\r\n",
            Err(500),
        ),
        // Equivalent URIs are one contact; another Call-ID may have any CSeq.
        (
            3,
            "a",
            2,
            "Contact: \"B\" <sip:%6fne@192.0.2.4>;expires=600\r\n",
            Ok("~one"),
        ),
        (
            4,
            "b",
            1,
            "Contact: <sip:one@192.0.2.4>;expires=600\r\n",
            Ok("~one"),
        ),
        (
            5,
            "a",
            1,
            "Contact: <sip:one@192.0.2.4>;expires=600\r\n",
            Ok("~one"),
        ),
        // All or nothing: the second is too brief.
        (
            6,
            "a",
            3,
            "Contact: <sip:two@192.0.2.4>;expires=600, <sip:three@192.0.2.4>;expires=59\r\n",
            Err(423),
        ),
        (
            6,
            "a",
            4,
            "Contact: <sip:two@192.0.2.4>;expires=60, <sip:one@192.0.2.4>;expires=0\r\n",
            Ok("+two -one"),
        ),
        // Removing what is not there is no error; garbage in expires counts as an hour.
        (
            7,
            "a",
            5,
            "Contact: <sip:nobody@192.0.2.4>\r\nExpires: 0\r\n",
            Ok(""),
        ),
        (
            8,
            "a",
            6,
            "Contact: <sip:odd@192.0.2.4>;expires=soon\r\n",
            Ok("+odd"),
        ),
        // Said twice counts as said last.
        (
            9,
            "a",
            7,
            "Contact: <sip:odd@192.0.2.4>;expires=60, <sip:odd@192.0.2.4>;expires=0\r\n",
            Ok("~odd -odd"),
        ),
        // Ended meanwhile.
        (
            70,
            "a",
            8,
            "Contact: <sip:x1@192.0.2.4>, <sip:x2@192.0.2.4>, <sip:x3@192.0.2.4>\r\n",
            Ok("xtwo +x1 +x2 +x3"),
        ),
        // A refresh makes it the newest; then the oldest makes room.
        (71, "a", 9, "Contact: <sip:x1@192.0.2.4>\r\n", Ok("~x1")),
        (
            72,
            "a",
            10,
            "Contact: <sip:x4@192.0.2.4>\r\n",
            Ok("+x4 <x2"),
        ),
        (
            73,
            "a",
            11,
            "Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>, <sip:d@h>\r\n",
            Err(403),
        ),
        // The wildcard, and what it must not stand with.
        (74, "a", 12, "Contact: *\r\n", Err(400)),
        (74, "a", 12, "Contact: *\r\nExpires: 1\r\n", Err(400)),
        (
            74,
            "a",
            12,
            "Contact: *, <sip:x4@192.0.2.4>\r\nExpires: 0\r\n",
            Err(400),
        ),
        (74, "a", 10, "Contact: *\r\nExpires: 0\r\n", Err(500)),
        (
            74,
            "a",
            12,
            "Contact: *\r\nExpires: 0\r\n",
            Ok("-x3 -x1 -x4"),
        ),
        (75, "a", 1, "Contact: *\r\nExpires: 0\r\n", Ok("")),
    ];
    for &(at, call, cseq, lines, expected) in rows {
        let got = step(&mut bindings, limits, at, (call, cseq, lines));
        assert_eq!(
            got.as_deref().map_err(|code| *code),
            expected,
            "{at} {call} {cseq} {lines}"
        );
    }
    let mut refusing = limits.clone();
    refusing.crowd = Crowd::Refuse;
    refusing.contacts = 1;
    let one = ("c", 1, "Contact: <sip:one@h>\r\n");
    assert_eq!(step(&mut bindings, &refusing, 80, one), Ok("+one".into()));
    let two = ("c", 2, "Contact: <sip:two@h>\r\n");
    assert_eq!(step(&mut bindings, &refusing, 80, two), Err(403));
}

#[test]
fn expiries_are_granted_within_their_limits() {
    let mut limits = Limits::default();
    limits.min_expires = Duration::from_secs(7200);
    limits.max_expires = Duration::from_secs(10_000);
    for (lines, granted) in [
        ("", Ok(3600)),
        ("Expires: 8000\r\n", Ok(8000)),
        ("Expires: 99999\r\n", Ok(10_000)),
        ("Expires: 99999999999\r\n", Ok(3600)),
        // Too little, but an hour or more is never called too brief.
        ("Expires: 3600\r\n", Ok(3600)),
        (
            "Expires: 3599\r\n",
            Err(Rejection::TooBrief {
                min: limits.min_expires,
            }),
        ),
    ] {
        let lines = format!("Contact: <sip:a@h>\r\n{lines}");
        let register = Register::read(&request("a", 1, &lines), None, &limits).unwrap();
        let change = Bindings::default().apply(&register, wall(), &limits);
        let got = change.map(|change| {
            change
                .bindings()
                .iter()
                .next()
                .unwrap()
                .seconds_left(wall())
        });
        assert_eq!(got, granted, "{lines}");
    }
}

#[test]
fn contacts_are_ranked_by_q_then_by_age() {
    let mut bindings = Bindings::default();
    let limits = Limits::default();
    for (cseq, contact) in [
        (1, "old"),
        (2, "low>;q=0.2"),
        (3, "high>;q=0.9"),
        (4, "new"),
        (5, "zero>;q=0"),
    ] {
        let close = if contact.contains('>') { "" } else { ">" };
        let lines = format!("Contact: <sip:{contact}{close}\r\n").replace("sip:", "sip:x@");
        step(&mut bindings, &limits, 0, ("a", cseq, &lines)).unwrap();
    }
    let hosts: Vec<String> = bindings
        .targets(wall())
        .map(|binding| binding.uri().unwrap().host_str().unwrap().to_owned())
        .collect();
    assert_eq!(hosts, ["new", "old", "high", "low", "zero"]);
    assert_eq!(
        bindings.targets(wall() + Duration::from_secs(3600)).count(),
        0
    );
}

fn outbound(reg_id: &str, host: &str, more: &str) -> String {
    format!(
        "Supported: path, outbound\r\nContact: <sip:bob@{host};ob>;+sip.instance=\"<{URN}>\"{reg_id}{more}\r\n"
    )
}

#[test]
fn a_device_has_one_binding_for_each_flow() {
    let (mut bindings, limits) = (Bindings::default(), Limits::default());
    let mut go =
        |at, call: &str, cseq, lines: &str| step(&mut bindings, &limits, at, (call, cseq, lines));
    // The same flow under another contact and Call-ID replaces; another flow stands beside it.
    assert_eq!(
        go(0, "a", 1, &outbound(";reg-id=1", "10.0.0.1", "")),
        Ok("+bob".into())
    );
    assert_eq!(
        go(1, "b", 1, &outbound(";reg-id=1", "10.0.0.2", "")),
        Ok("~bob".into())
    );
    assert_eq!(
        go(2, "a", 2, &outbound(";reg-id=2", "10.0.0.2", "")),
        Ok("+bob".into())
    );
    // Without `outbound` in Supported, reg-id means nothing, and the URI is another contact's.
    let plain = outbound(";reg-id=1", "10.0.0.2", "").replace(", outbound", "");
    assert_eq!(go(3, "a", 3, &plain), Ok("+bob".into()));
    // One flow at a time, beside removals only.
    let two = outbound(";reg-id=3", "10.0.0.3", ", <sip:x@10.0.0.4>");
    assert_eq!(go(4, "a", 4, &two), Err(400));
    let one = outbound(";reg-id=3", "10.0.0.3", ", <sip:x@10.0.0.4>;expires=0");
    assert_eq!(go(4, "a", 5, &one), Ok("+bob".into()));
    let targets: Vec<_> = bindings.targets(wall()).map(|b| b.reg_id).collect();
    assert_eq!(
        targets,
        [Some(3), None],
        "the newest flow, and what is no flow"
    );
    let flows: Vec<_> = bindings
        .flows_of(&format!("<{URN}>"), wall())
        .filter_map(|binding| binding.reg_id)
        .collect();
    assert_eq!(flows, [3, 2, 1]);
}

#[test]
fn outbound_needs_a_first_hop_that_speaks_it() {
    let lines = outbound(";reg-id=1", "10.0.0.1", "");
    let proxied = |path: &str| {
        let via = "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKproxy\r\n";
        Register::read(
            &request("a", 1, &format!("{via}{path}{lines}")),
            None,
            &Limits::default(),
        )
    };
    assert!(read("a", 1, &lines).unwrap().outbound);
    assert_eq!(proxied(""), Err(Rejection::FirstHop));
    assert_eq!(
        proxied("Path: <sip:p.example;lr>\r\n"),
        Err(Rejection::FirstHop)
    );
    let register = proxied("Path: <sip:token@p.example;lr;ob>, <sip:q.example;lr>\r\n").unwrap();
    assert!(register.outbound);
    assert_eq!(register.path.len(), 2);
    assert_eq!(Rejection::FirstHop.status().code(), 439);
}

#[test]
fn flows_are_remembered_where_the_contact_does_not_lead_back() {
    let udp = Flow::udp(
        "192.0.2.1:5060".parse().unwrap(),
        "198.51.100.7:40000".parse().unwrap(),
    );
    let tcp = Flow {
        transport: Transport::Tcp,
        connection: Some(ConnectionId(3)),
        ..udp
    };
    let mut limits = Limits::default();
    let flow = |limits: &Limits, flow, lines: &str| {
        let register = Register::read(&request("a", 1, lines), Some(flow), limits).unwrap();
        let change = Bindings::default()
            .apply(&register, wall(), limits)
            .unwrap();
        change.bindings().iter().next().unwrap().flow
    };
    let (here, private) = (
        "Contact: <sip:b@198.51.100.7:40000>\r\n",
        "Contact: <sip:b@10.0.0.7>\r\n",
    );
    let browser = "Contact: <sip:b@df7jal23ls0d.invalid;transport=ws>\r\n";
    let path = format!("Path: <sip:p.example;lr>\r\n{private}");
    let ob = outbound(";reg-id=1", "198.51.100.7:40000", "");
    for (policy, given, lines, kept) in [
        (RememberFlow::WhereNeeded, udp, here, None),
        (RememberFlow::WhereNeeded, udp, private, Some(udp)),
        (RememberFlow::WhereNeeded, tcp, browser, Some(tcp)),
        (RememberFlow::WhereNeeded, udp, &*path, None),
        (RememberFlow::WhereNeeded, udp, &*ob, Some(udp)),
        (RememberFlow::Outbound, udp, private, None),
        (RememberFlow::Outbound, udp, &*ob, Some(udp)),
        (RememberFlow::Never, udp, &*ob, None),
    ] {
        limits.flows = policy;
        assert_eq!(flow(&limits, given, lines), kept, "{policy:?} {lines}");
    }
}

#[test]
fn large_contacts_are_refused_before_anything_is_compared() {
    let long = "x".repeat(3000);
    let lines = format!("Contact: <sip:{long}@h>\r\n");
    assert_eq!(read("a", 1, &lines), Err(Rejection::TooLarge));
    let lines = format!("Path: <sip:{long}@h;lr>\r\nContact: <sip:a@h>\r\n");
    assert_eq!(read("a", 1, &lines), Err(Rejection::TooLarge));
    let lines = "Contact: <sip:a@h>, <sip:a@h>\r\n".repeat(100);
    assert_eq!(read("a", 1, &lines), Err(Rejection::Crowded));
}

/// An endpoint that is a registrar, and what is sent to it by hand.
struct Desk {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
}

impl Desk {
    fn new(policy: Policy, change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let local = "192.0.2.1:5060".parse().unwrap();
        let mut config = Config::new(Local::new(Transport::Udp, local));
        config.registrar = Some(policy);
        change(&mut config);
        let mut random = Random(5);
        let epoch = Epoch {
            instant: now,
            wall: wall(),
        };
        Self {
            endpoint: Endpoint::new(config, epoch, Box::new(move |out| random.fill(out))),
            now,
            flow: Flow::udp(local, "192.0.2.4:5060".parse().unwrap()),
        }
    }

    fn send(&mut self, text: String) -> Option<Message> {
        let (flow, bytes) = (self.flow, Bytes::from(text));
        self.endpoint
            .handle_input(self.now, Input::Received { flow, bytes });
        self.answer()
    }

    fn answer(&mut self) -> Option<Message> {
        let transmit = self.endpoint.poll_transmit()?;
        let message = Message::parse(transmit.bytes).unwrap();
        let findings = sip_core::validate(&message, &Capabilities::default());
        assert!(findings.iter().next().is_none(), "{findings:?}\n{message}");
        Some(message)
    }

    fn changes(&mut self) -> Vec<BindingChange> {
        let mut changes = Vec::new();
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Binding { event, .. } => changes.push(event.change),
                other => panic!("{other:?}"),
            }
        }
        changes
    }

    fn asked(&mut self) -> (QuestionId, Question) {
        match self.endpoint.poll_event() {
            Some(Event::Ask { id, question, .. }) => (id, question),
            other => panic!("{other:?}"),
        }
    }
}

fn code(message: Option<Message>) -> u16 {
    message.unwrap().status().unwrap().code()
}

fn bob() -> Aor {
    Aor::new(
        &"sip:bob@example.org"
            .parse::<sip_core::Uri>()
            .unwrap()
            .as_ref(),
    )
    .unwrap()
}

#[test]
fn an_endpoint_registers_lists_and_forgets() {
    let mut policy = Policy::new(["Example.org"]);
    policy.service_route = vec![header::NameAddr::parse("<sip:out.example.org;lr>").unwrap()];
    let mut desk = Desk::new(policy, |_| {});
    let lines = "Path: <sip:p.example;lr>\r\nContact: <sip:bob@192.0.2.4>;q=0.5;expires=100\r\n";
    let ok = desk.send(text("a", 1, lines)).unwrap();
    assert_eq!(ok.status(), Some(StatusCode::OK));
    assert_eq!(
        ok.header("Contact").unwrap().to_str(),
        "<sip:bob@192.0.2.4>;q=0.5;expires=100"
    );
    assert_eq!(ok.header("Path").unwrap().to_str(), "<sip:p.example;lr>");
    assert_eq!(
        ok.header("Service-Route").unwrap().to_str(),
        "<sip:out.example.org;lr>"
    );
    assert_eq!(desk.changes(), [BindingChange::Added]);
    desk.now += Duration::from_secs(40);
    let query = desk.send(text("a", 2, "")).unwrap();
    assert!(
        query
            .header("Contact")
            .unwrap()
            .to_str()
            .ends_with(";expires=60")
    );
    assert_eq!(desk.changes(), []);

    // A call to him goes to his contact through his proxy.
    let uri = "sip:BOB@example.org".to_lowercase().parse().unwrap();
    let found = desk.endpoint.locate(desk.now, &uri);
    let from = header::NameAddr::new(&"sip:amy@example.org".parse().unwrap());
    let invite = Invite::new(uri, from).at(&found[0]);
    assert_eq!(invite.uri.as_str(), "sip:bob@192.0.2.4");
    assert_eq!(invite.route[0].to_string(), "<sip:p.example;lr>");
    assert_eq!(invite.to.unwrap().to_string(), "<sip:bob@example.org>");

    // Nobody refreshes: the binding ends at its time, and is told of once.
    assert!(!desk.endpoint.bindings(&bob()).unwrap().is_empty());
    desk.now += Duration::from_secs(59);
    desk.endpoint.handle_timeout(desk.now);
    assert_eq!(desk.changes(), []);
    desk.now += Duration::from_secs(1);
    assert!(
        desk.endpoint
            .poll_timeout()
            .is_some_and(|at| at <= desk.now)
    );
    desk.endpoint.handle_timeout(desk.now);
    assert_eq!(desk.changes(), [BindingChange::Expired]);
    assert!(desk.endpoint.bindings(&bob()).is_none());
    assert!(desk.endpoint.poll_timeout().is_none_or(|at| at > desk.now));
}

#[test]
fn who_may_not_register_is_told_so() {
    let contact = "Contact: <sip:bob@192.0.2.4>\r\n";
    let mut desk = Desk::new(Policy::new(["example.org"]), |config| {
        config.digest = Some(DigestPolicy::new("example.org", [3; 32]).user("alice", "secret"));
    });
    let foreign = text("a", 1, contact).replace("sip:bob@example.org", "sip:bob@example.net");
    assert_eq!(code(desk.send(foreign)), 404);
    let required = format!("Require: path, sparkle\r\n{contact}");
    let refused = desk.send(text("a", 2, &required)).unwrap();
    assert_eq!(refused.status(), Some(StatusCode::BAD_EXTENSION));
    assert_eq!(refused.header("Unsupported").unwrap().to_str(), "sparkle");
    // Alice proves to be Alice, and is not Bob.
    for (user, expected) in [("bob", 403), ("alice", 200)] {
        let challenged = desk.send(text(user, 1, contact)).unwrap();
        assert_eq!(challenged.status(), Some(StatusCode::UNAUTHORIZED));
        let value = challenged.header("WWW-Authenticate").unwrap();
        let challenges = [(Challenger::Server, Challenge::parse(value.value()).unwrap())];
        let digest = DigestRequest {
            method: "REGISTER",
            uri: "sip:example.org",
            body: b"",
        };
        let attempt = ClientAuth::new(Account::with_password("alice", "secret"))
            .retry(&Attempt::none(), &challenges, &digest, &mut |out| {
                out.fill(1)
            })
            .unwrap();
        let (name, value) = attempt.headers().next().unwrap();
        let request = text(user, 2, &format!("{name}: {value}\r\n{contact}"));
        let request = request.replace("bob@example.org", &format!("{user}@example.org"));
        assert_eq!(code(desk.send(request)), expected, "{user}");
    }
}

#[test]
fn bindings_are_asked_for_kept_and_applied_again_after_a_conflict() {
    let mut desk = Desk::new(Policy::new(["example.org"]).ask(), |_| {});
    assert!(
        desk.send(text("a", 1, "Contact: <sip:bob@192.0.2.4>\r\n"))
            .is_none()
    );
    let (id, question) = desk.asked();
    assert_eq!(question, Question::Load { aor: bob() });
    let load = |bindings, version| QuestionAnswer::Bindings { bindings, version };
    let now = desk.now;
    desk.endpoint
        .answer_question(now, id, load(Bindings::default(), 7))
        .unwrap();
    let (
        id,
        Question::Store {
            bindings,
            expected_version: 7,
            ..
        },
    ) = desk.asked()
    else {
        panic!("a question to store");
    };
    assert_eq!(bindings.len(), 1);
    // Another node was faster.
    let limits = Limits::default();
    let other = read("b", 1, "Contact: <sip:bob@192.0.2.5>\r\n").unwrap();
    let other = Bindings::default()
        .apply(&other, wall(), &limits)
        .unwrap()
        .into_bindings();
    desk.endpoint
        .answer_question(now, id, load(other, 8))
        .unwrap();
    let (
        id,
        Question::Store {
            bindings,
            expected_version: 8,
            ..
        },
    ) = desk.asked()
    else {
        panic!("a question to store again");
    };
    assert_eq!(bindings.len(), 2);
    desk.endpoint
        .answer_question(now, id, QuestionAnswer::Stored)
        .unwrap();
    let ok = desk.answer().unwrap();
    assert_eq!(ok.status(), Some(StatusCode::OK));
    assert_eq!(ok.headers_named("Contact").count(), 2);
    assert_eq!(desk.changes(), [BindingChange::Added]);

    // A store that is always in conflict, and one that says nothing: come back later.
    desk.send(text("a", 2, "Contact: <sip:bob@192.0.2.4>\r\n"));
    for version in 10.. {
        let (id, _) = desk.asked();
        desk.endpoint
            .answer_question(now, id, load(Bindings::default(), version))
            .unwrap();
        if let Some(answer) = desk.answer() {
            assert_eq!(answer.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
            assert!(answer.header("Retry-After").is_some());
            break;
        }
        assert!(version < 20, "it gives up");
    }
    desk.send(text("a", 3, ""));
    desk.now += Duration::from_secs(10);
    desk.endpoint.handle_timeout(desk.now);
    assert_eq!(code(desk.answer()), 503);
}

#[test]
fn gruus_are_given_to_those_who_take_them_and_lead_to_the_device() {
    let mut desk = Desk::new(Policy::new(["example.org"]).gruu([9; 32]), |_| {});
    let lines = |more: &str| {
        format!(
            "Supported: gruu\r\nContact: <sip:bob@192.0.2.4>;+sip.instance=\"<{URN}>\"{more}\r\n"
        )
    };
    let ok = desk.send(text("a", 1, &lines(""))).unwrap();
    let contact: header::Contact<'_> = ok.typed().unwrap();
    let gruu = |name: &str| {
        let param = contact.param(name).unwrap();
        param.decoded().unwrap().parse::<sip_core::Uri>().unwrap()
    };
    let (public, temporary) = (gruu("pub-gruu"), gruu("temp-gruu"));
    assert_eq!(public.as_str(), format!("sip:bob@example.org;gr={URN}"));
    for uri in [&public, &temporary] {
        assert_eq!(desk.endpoint.locate(desk.now, uri).len(), 1, "{uri}");
    }
    // RFC 5627 section 5.4: registering with another Call-ID makes temporary ones void.
    assert_eq!(code(desk.send(text("b", 1, &lines("")))), 200);
    assert_eq!(desk.endpoint.locate(desk.now, &public).len(), 1);
    assert_eq!(desk.endpoint.locate(desk.now, &temporary).len(), 0);
    assert_eq!(code(desk.send(text("b", 2, &lines(";expires=0")))), 200);
    assert_eq!(desk.endpoint.locate(desk.now, &public).len(), 0);
    let plain = desk
        .send(text("c", 1, "Contact: <sip:bob@192.0.2.4>\r\n"))
        .unwrap();
    assert!(!plain.to_string().contains("gruu=\""));
}

#[test]
fn a_full_table_of_bindings_sends_newcomers_away() {
    let mut policy = Policy::new(["example.org"]);
    policy.store = sip_core::registrar::Store::Memory(sip_core::registrar::Memory::new(1));
    let mut desk = Desk::new(policy, |_| {});
    let contact = "Contact: <sip:bob@192.0.2.4>\r\n";
    assert_eq!(code(desk.send(text("a", 1, contact))), 200);
    let amy = text("b", 1, contact).replace("bob@example.org", "amy@example.org");
    assert_eq!(code(desk.send(amy)), 503);
    assert_eq!(code(desk.send(text("a", 2, contact))), 200);
}
