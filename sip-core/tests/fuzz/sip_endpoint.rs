//! An endpoint fed with a script: datagrams, pieces of streams, replies to what it sent, time, and
//! commands. Nothing panics, what it sends can be parsed, its tables stay within their bounds, and
//! when everyone has hung up and all timers have run out it remembers nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::resolve::{DnsAnswer, Srv};
use sip_core::{
    Body, CallId, Config, ConnectionId, DigestPolicy, Endpoint, Epoch, Event, Flow, FlowError,
    Input, Invite, Local, Message, Method, Outside, QuestionAnswer, Refer, Referrals, StatusCode,
    Subscribe, Terminated, Transport,
};

const REQUESTS: [&str; 12] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "UPDATE",
    "PRACK",
    "INFO",
    "OPTIONS",
    "NOTIFY",
    "INVITE",
    "REFER",
    "SUBSCRIBE",
];
const STATUSES: [u16; 16] = [
    100, 180, 183, 200, 200, 200, 302, 401, 407, 422, 481, 486, 487, 491, 503, 603,
];

struct Script<'d>(&'d [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn piece(&mut self) -> Vec<u8> {
        let len = usize::from(self.byte()).min(self.0.len());
        let (piece, rest) = self.0.split_at(len);
        self.0 = rest;
        piece.to_vec()
    }
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    calls: Vec<CallId>,
    sent: Vec<Message>,
    /// Tag, Call-ID and number of the dialog that requests are written for.
    dialog: Option<(String, String, String)>,
    sequence: u32,
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl World {
    fn new(digest: bool) -> Self {
        let mut config = Config::default();
        config.locals = vec![
            Local::new(Transport::Udp, address(5060)),
            Local::new(Transport::Tcp, address(5060)),
        ];
        config.methods = vec![Method::Notify];
        config.referrals = Referrals::Anywhere;
        config.replaces = true;
        config.info_packages = vec!["x".to_owned()];
        config.subscriptions.packages = vec!["dialog".to_owned()];
        config.subscriptions.max = Duration::from_secs(300);
        config.bounds.subscriptions = 8;
        config.bounds.usages = 3;
        config.bounds.calls = 6;
        config.bounds.transactions = 40;
        config.bounds.connections = 3;
        config.bounds.undrained = 24;
        config.bounds.questions = 2;
        if digest {
            config.digest = Some(DigestPolicy::new("fuzz", [0; 32]).user("bob", "secret"));
        }
        let now = Instant::now();
        let epoch = Epoch {
            instant: now,
            wall: SystemTime::UNIX_EPOCH,
        };
        let mut count = 0u64;
        let chance = Box::new(move |bytes: &mut [u8]| {
            for byte in bytes {
                count = count
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (count >> 40) as u8;
            }
        });
        Self {
            endpoint: Endpoint::new(config, epoch, chance),
            now,
            flow: Flow::udp(address(5060), address(5070)),
            calls: Vec::new(),
            sent: Vec::new(),
            dialog: None,
            sequence: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if &transmit.bytes[..] == b"\r\n" {
                continue;
            }
            let message = Message::parse(transmit.bytes).expect("what is sent can be parsed");
            self.sent.push(message);
        }
        if self.sent.len() > 50 {
            self.sent.drain(..25);
        }
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Incoming { call, .. } => self.calls.push(call),
                Event::Ended { call, .. } => self.calls.retain(|known| *known != call),
                Event::Ask { id, .. } => {
                    let there = "192.0.2.9".parse().expect("an address");
                    let answer = match self.sent.len() % 4 {
                        0 => QuestionAnswer::Targets(Vec::new()),
                        1 => QuestionAnswer::Dns(DnsAnswer::Nothing),
                        2 => QuestionAnswer::Dns(DnsAnswer::Addresses(vec![there; 40])),
                        _ => {
                            let record = Srv::new(0, 1, 5060, "sip.example.org");
                            QuestionAnswer::Dns(DnsAnswer::Srv(vec![record; 40]))
                        }
                    };
                    let _ = self.endpoint.answer_question(self.now, id, answer);
                }
                _ => {}
            }
        }
        let [calls, clients, servers, questions] = self.endpoint.sizes();
        assert!(calls <= 6 && clients <= 40 && servers <= 40 && questions <= 2);
    }

    fn receive(&mut self, bytes: impl Into<Bytes>) {
        let input = Input::Received {
            flow: self.flow,
            bytes: bytes.into(),
        };
        self.endpoint.handle_input(self.now, input);
    }

    /// A request of the peer's, in a dialog that exists or not, mutated in one byte or not.
    fn request(&mut self, script: &mut Script<'_>) {
        let method = REQUESTS[usize::from(script.byte()) % REQUESTS.len()];
        let inside = !script.byte().is_multiple_of(4);
        let (to, from, call_id) = match (&self.dialog, inside) {
            (Some((ours, theirs, id)), true) => {
                (format!("<sip:us@x>;tag={ours}"), theirs.clone(), id.clone())
            }
            _ => (
                "<sip:us@x>".to_owned(),
                "p".to_owned(),
                format!("c{}", script.byte() % 4),
            ),
        };
        self.sequence += u32::from(script.byte() % 3);
        let branch = if script.byte().is_multiple_of(4) {
            0
        } else {
            self.sequence
        };
        let extra = match script.byte() % 20 {
            0 => "Require: 100rel\r\n",
            1 => "Supported: timer, 100rel\r\nSession-Expires: 60\r\nMin-SE: 90\r\n",
            2 => "Supported: 100rel\r\nAllow: INVITE, UPDATE\r\n",
            3 => "RAck: 1 1 INVITE\r\n",
            4 => "Record-Route: <sip:127.0.0.1:1;lr>, <sip:strict>\r\n",
            5 => "Reason: Q.850;cause=16\r\n",
            6 => "Event: dialog\r\nExpires: 90\r\n",
            7 => "Event: dialog\r\nExpires: 0\r\n",
            8 => "Event: dialog\r\nSubscription-State: active;expires=30\r\n",
            9 => "Event: dialog\r\nSubscription-State: terminated;reason=giveup\r\n",
            10 => "Event: refer\r\nSubscription-State: active\r\n",
            11 => "Event: refer;id=2\r\nSubscription-State: terminated\r\n",
            12 => "Refer-To: <sip:q@127.0.0.1:5070?Replaces=c1%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n",
            13 => "Refer-To: <sip:q@127.0.0.1:5070>\r\nRefer-Sub: false\r\n",
            14 => "Replaces: c1;to-tag=a;from-tag=p\r\n",
            15 => "Info-Package: x\r\nRecv-Info: x, y\r\n",
            _ => "",
        };
        let body = if script.byte().is_multiple_of(2) {
            "offer"
        } else {
            ""
        };
        let transport = self.flow.transport.via();
        let text = format!(
            "{method} sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5070;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:p@x>;tag={from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {} {method}\r\nContact: <sip:p@127.0.0.1:5070>\r\n{extra}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.sequence,
            body.len(),
        );
        let mut bytes = text.into_bytes();
        if script.byte().is_multiple_of(8) {
            let at = usize::from(script.byte()) * 3 % bytes.len();
            bytes[at] = script.byte();
        }
        self.receive(bytes);
    }

    /// A response to something that the endpoint sent.
    fn reply(&mut self, script: &mut Script<'_>) {
        let requests: Vec<_> = self
            .sent
            .iter()
            .filter(|message| message.is_request())
            .collect();
        if requests.is_empty() {
            return;
        }
        let request =
            requests[requests.len() - 1 - usize::from(script.byte()) % requests.len()].clone();
        let status = STATUSES[usize::from(script.byte()) % STATUSES.len()];
        let tag = ["a", "b", "c", "d"][usize::from(script.byte()) % 4];
        let mut builder = request
            .reply(StatusCode::new(status).expect("a status"))
            .to_tag(tag)
            .header("Contact", "<sip:p@127.0.0.1:5070>");
        builder = match script.byte() % 8 {
            0 => builder
                .header("Require", "100rel")
                .header("RSeq", (script.byte() % 4).to_string()),
            1 => builder.header("Session-Expires", "90;refresher=uas"),
            2 => builder.header("Session-Expires", "0;refresher=uac"),
            3 => builder.header("Min-SE", "3600"),
            4 => builder.header("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\""),
            5 => builder.header(
                "WWW-Authenticate",
                "Digest realm=\"r\", nonce=\"m\", stale=true",
            ),
            _ => builder.header("Allow", "UPDATE"),
        };
        if !script.byte().is_multiple_of(3) {
            builder = builder.body("application/sdp", "answer");
        }
        if let Ok(response) = builder.build() {
            self.receive(response.to_bytes());
        }
    }

    fn command(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        let choice = script.byte() % 16;
        if (11..14).contains(&choice) {
            self.subscription(choice, script);
            return;
        }
        if choice == 0 || self.calls.is_empty() {
            let uri = [
                "sip:a@127.0.0.1:5070",
                "sip:a@127.0.0.1;transport=tcp",
                "sip:a@name",
            ][usize::from(script.byte()) % 3];
            let from = NameAddr::new(&"sip:us@x".parse().expect("a URI"));
            let mut invite = Invite::new(uri.parse().expect("a URI"), from)
                .account(Account::with_password("us", "secret"));
            if !script.byte().is_multiple_of(4) {
                invite = invite.body(Body::sdp("offer"));
            }
            invite.early_offers = script.byte().is_multiple_of(3);
            if let Ok(call) = self.endpoint.invite(now, invite) {
                self.calls.push(call);
            }
            return;
        }
        let id = self.calls[usize::from(script.byte()) % self.calls.len()];
        let body = Body::sdp(if script.byte().is_multiple_of(2) {
            "answer"
        } else {
            "other"
        });
        let tag = ["a", "b", "c", "d"][usize::from(script.byte()) % 4];
        let Ok(call) = self.endpoint.call(id) else {
            return;
        };
        self.dialog = Some((
            call.local_tag().to_owned(),
            call.remote_tag().unwrap_or("a").to_owned(),
            call.call_id().to_owned(),
        ));
        // Refused or not: both are fine, as long as the endpoint stays sound.
        let _ = match choice {
            1 => call.ring(now, StatusCode::RINGING, None),
            2 => call.ring(now, StatusCode::SESSION_PROGRESS, Some(body)),
            3 => call.answer(now, Some(body)),
            4 => call.reject(now, StatusCode::BUSY_HERE, None),
            5 => call.reinvite(now, body),
            6 => call.update(now, body),
            7 => call.accept(now, body),
            8 => call.refuse(now, StatusCode::NOT_ACCEPTABLE_HERE),
            9 => {
                let to = "sip:q@127.0.0.1:5070".parse().expect("a URI");
                call.refer(now, Refer::new(to)).map(|_| ())
            }
            14 => call.prack(now, tag, (tag != "a").then_some(body)),
            15 => call.update_branch(now, tag, body),
            _ => call.hang_up(now),
        };
    }

    fn subscription(&mut self, choice: u8, script: &mut Script<'_>) {
        let now = self.now;
        let from = NameAddr::new(&"sip:us@x".parse().expect("a URI"));
        if choice == 11 {
            let uri = ["sip:a@127.0.0.1:5070", "sip:a@name"][usize::from(script.byte()) % 2];
            let uri: sip_core::Uri = uri.parse().expect("a URI");
            match script.byte() % 4 {
                0 => {
                    let message = Outside::new(Method::Message, uri, from)
                        .account(Account::with_password("us", "secret"));
                    let _ = self.endpoint.send_outside(now, message);
                }
                1 => {
                    let refer = Outside::new(Method::Refer, uri.clone(), from);
                    let _ = self.endpoint.refer(now, refer, Refer::new(uri));
                }
                _ => {
                    let wanted =
                        Subscribe::new(uri, from, "dialog").expires(Duration::from_secs(120));
                    let _ = self.endpoint.subscribe(now, wanted);
                }
            }
            return;
        }
        let known: Vec<_> = self.endpoint.subscriptions().collect();
        if known.is_empty() {
            return;
        }
        let id = known[usize::from(script.byte()) % known.len()];
        let act = script.byte() % 8;
        if act == 0 {
            let to = "sip:q@127.0.0.1:5070".parse().expect("a URI");
            let invite = Invite::new(to, from).body(Body::sdp("offer"));
            if let Ok(call) = self.endpoint.follow(now, id, invite) {
                self.calls.push(call);
            }
            return;
        }
        let handle = self.endpoint.subscription(id).expect("it was just listed");
        // Refused or not: both are fine, as long as the endpoint stays sound.
        let _ = match act {
            1 | 2 => handle.accept(now, None),
            3 => handle.reject(now, StatusCode::FORBIDDEN),
            4 => handle.notify(now, Some(Body::new("text/plain", "x"))),
            5 => handle.terminate(now, Terminated::NoResource, None),
            6 => handle.refresh(now, Duration::from_secs(100)),
            _ => handle.unsubscribe(now),
        };
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        for _ in 0..10_000 {
            let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }
}

pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let mut world = World::new(script.byte().is_multiple_of(4));
    while !script.0.is_empty() {
        match script.byte() % 12 {
            0 => {
                let piece = script.piece();
                world.receive(piece);
            }
            1..=3 => world.request(&mut script),
            4..=6 => world.reply(&mut script),
            7 | 8 => world.command(&mut script),
            9 => {
                let wait = Duration::from_millis(1 << (script.byte() % 18));
                world.pass(wait);
            }
            10 => {
                let connection = ConnectionId(u64::from(script.byte() % 5));
                world.flow = match script.byte() % 2 {
                    0 => Flow::udp(address(5060), address(5070)),
                    _ => Flow {
                        transport: Transport::Tcp,
                        local: address(5060),
                        remote: address(5070),
                        connection: Some(connection),
                    },
                };
            }
            _ => {
                let input = Input::Closed {
                    flow: world.flow,
                    cause: FlowError::Refused,
                };
                world.endpoint.handle_input(world.now, input);
            }
        }
        world.drain();
    }
    for _ in 0..3 {
        for call in world.calls.clone() {
            if let Ok(call) = world.endpoint.call(call) {
                let _ = call.hang_up(world.now);
            }
            world.drain();
        }
        for id in world.endpoint.subscriptions().collect::<Vec<_>>() {
            if let Ok(handle) = world.endpoint.subscription(id) {
                let _ = handle.unsubscribe(world.now);
            }
            world.drain();
        }
        world.pass(Duration::from_secs(400));
    }
    assert!(
        world.endpoint.is_idle(),
        "{:?} are left",
        world.endpoint.sizes()
    );
}
