//! A registration fed with a script: answers of every kind with lines of its own, silence, pongs, STUN, and closed
//! connections. Nothing panics, every REGISTER is valid and counts up, no more than one is out for a flow, and when
//! it is taken back all ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::auth::Account;
use sip_core::header::{CSeq, NameAddr};
use sip_core::registration::{Proxy, stun};
use sip_core::{
    Capabilities, Config, ConnectionId, Endpoint, Epoch, Event, Flow, FlowError, Input, Local,
    Message, Registration, RegistrationState, StatusCode, Target, Transport,
};

const STATUSES: [u16; 16] = [
    100, 200, 200, 200, 200, 301, 401, 401, 407, 423, 423, 439, 500, 503, 404, 600,
];

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    /// REGISTERs not answered, with the flow over which they came.
    open: Vec<(Flow, Message)>,
    pings: Vec<(Flow, Bytes)>,
    sequence: u32,
    over: bool,
    connection: u64,
}

impl World {
    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let flow = match transmit.to {
                Target::Flow(flow) => flow,
                to => {
                    self.connection += 1;
                    let stream = to.transport().is_reliable();
                    Flow {
                        transport: to.transport(),
                        local: address(5060),
                        remote: to.remote(),
                        connection: stream.then_some(ConnectionId(self.connection)),
                    }
                }
            };
            if stun::is_stun(&transmit.bytes) || transmit.bytes.starts_with(b"\r\n") {
                self.pings.push((flow, transmit.bytes));
                continue;
            }
            let request = Message::parse(transmit.bytes).expect("what is sent can be parsed");
            let findings = sip_core::validate(&request, &Capabilities::default());
            assert!(findings.is_valid(), "{findings:?}\n{request}");
            let cseq: CSeq<'_> = request.typed().expect("a CSeq");
            let again = self
                .open
                .iter()
                .any(|(_, open)| open.as_bytes() == request.as_bytes());
            if !again && cseq.sequence() > self.sequence {
                self.sequence = cseq.sequence();
                self.open.push((flow, request));
            }
        }
        if self.open.len() > 8 {
            self.open.drain(..4);
        }
        if self.pings.len() > 8 {
            self.pings.drain(..4);
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Registration { state, .. } = event {
                assert!(!self.over, "nothing after the end");
                self.over = state == RegistrationState::Unregistered;
            }
        }
    }

    fn give(&mut self, flow: Flow, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.endpoint
            .handle_input(self.now, Input::Received { flow, bytes });
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..2000 {
            self.drain();
            let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        self.drain();
        self.now = until;
    }
}

pub fn run(data: &[u8]) {
    let mut config = Config::new(Local::new(Transport::Udp, address(5060)));
    config
        .locals
        .push(Local::new(Transport::Tcp, address(5060)));
    let mut count = 0u8;
    let chance = Box::new(move |out: &mut [u8]| {
        for byte in out {
            count = count.wrapping_mul(5).wrapping_add(1);
            *byte = count;
        }
    });
    let now = Instant::now();
    let epoch = Epoch {
        instant: now,
        wall: SystemTime::UNIX_EPOCH,
    };
    let mut world = World {
        endpoint: Endpoint::new(config, epoch, chance),
        now,
        open: Vec::new(),
        pings: Vec::new(),
        sequence: 0,
        over: false,
        connection: 0,
    };
    let mut registration = Registration::new(
        "sip:127.0.0.1".parse().expect("a URI"),
        NameAddr::parse("<sip:bob@example.org>").expect("an address"),
    )
    .account(Account::with_password("bob", "secret"))
    .proxy(Proxy::target(Target::new(Transport::Udp, address(5070))))
    .proxy(Proxy::target(Target::new(Transport::Tcp, address(5071))));
    if data.first().is_some_and(|first| first % 2 == 1) {
        registration = registration.outbound("urn:x");
    }
    let id = world
        .endpoint
        .register(now, registration)
        .expect("a registration");
    world.drain();

    // Lines: one byte what to do, the rest headers, of which `|` ends each.
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let Some((&what, rest)) = line.split_first() else {
            continue;
        };
        match what % 8 {
            0..4 => {
                if let Some((flow, request)) = world.open.pop() {
                    let code = STATUSES[usize::from(what / 8) % STATUSES.len()];
                    let status = StatusCode::new(code).expect("a status");
                    let reply = request.reply(status).to_tag("r").build().expect("a reply");
                    let mut bytes = reply.as_bytes().to_vec();
                    let at = bytes
                        .windows(15)
                        .position(|w| w == b"Content-Length:")
                        .unwrap_or(0);
                    let contact = request.header("Contact").expect("a contact").to_str();
                    let lines = [&b"Contact: "[..], contact.as_bytes(), b"\r\n"].concat();
                    let mut lines = if what % 8 < 2 { lines } else { Vec::new() };
                    for header in rest.split(|byte| *byte == b'|').filter(|h| !h.is_empty()) {
                        lines.extend_from_slice(header);
                        lines.extend_from_slice(b"\r\n");
                    }
                    bytes.splice(at..at, lines);
                    world.give(flow, bytes);
                }
            }
            4 => {
                if let Some((flow, ping)) = world.pings.pop() {
                    match stun::Binding::parse(&ping) {
                        Some(stun::Binding::Request(id)) => {
                            let mapped = address(u16::from(what / 8) % 2);
                            world.give(flow, stun::Binding::Success { id, mapped }.to_bytes());
                        }
                        _ => world.give(flow, &b"\r\n"[..]),
                    }
                }
            }
            5 => {
                let flow = world.open.last().map(|(flow, _)| *flow);
                if let Some(flow) = flow.or(world.pings.last().map(|(flow, _)| *flow)) {
                    let cause = FlowError::Reset;
                    world
                        .endpoint
                        .handle_input(world.now, Input::Closed { flow, cause });
                }
            }
            6 => world.give(Flow::udp(address(5060), address(5070)), rest.to_vec()),
            _ => world.pass(Duration::from_secs(
                u64::from(what / 8) * u64::from(what / 8),
            )),
        }
        world.drain();
    }
    if !world.over {
        let _ = world.endpoint.unregister(world.now, id);
    }
    world.open.clear();
    world.pass(Duration::from_secs(200));
    assert!(
        world.over && world.endpoint.is_idle(),
        "{:?}",
        world.endpoint
    );
}
