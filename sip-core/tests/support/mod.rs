//! Two endpoints on virtual time, wired by a network that loses, doubles and reorders by a seed.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::type_complexity,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::homes::{Homes, Router};
use sip_core::{
    Body, CallId, Capabilities, Config, EndCause, EndKind, EndedBy, Endpoint, Epoch, Event, Flow,
    Input, Invite, Local, Message, Transport, header::NameAddr,
};

/// A small generator for tests: splitmix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next() as u8;
        }
    }
}

/// What the network does to each datagram.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub loss: u64,
    pub double: u64,
    pub delay: Duration,
    pub jitter: Duration,
}

pub const CLEAR: Weather = Weather {
    loss: 0,
    double: 0,
    delay: Duration::from_millis(5),
    jitter: Duration::ZERO,
};

pub const STORM: Weather = Weather {
    loss: 20,
    double: 10,
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(80),
};

pub fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5060 + index as u16))
}

fn place(router: &Option<(usize, Router)>, index: usize) -> SocketAddr {
    match router {
        Some((count, _)) if index < *count => address(0),
        _ => address(index),
    }
}

/// Endpoints by index; endpoint `i` has address `address(i)`, but for those that share the first.
pub struct Network {
    pub now: Instant,
    pub start: Instant,
    pub endpoints: Vec<Endpoint>,
    pub events: Vec<Vec<Event>>,
    pub weather: Weather,
    pub random: Random,
    /// In flight: due time and number, destination index, bytes, source.
    flying: BTreeMap<(Instant, u64), (usize, Bytes, SocketAddr)>,
    number: u64,
    /// Between the endpoints that share the first address.
    router: Option<(usize, Router)>,
    /// STUN datagrams that each endpoint sent.
    pub pings: Vec<usize>,
    /// Whether they are all lost.
    pub deaf: bool,
    /// Every message sent: when, from, to, first line.
    pub ladder: Vec<(Duration, usize, usize, String)>,
    /// Datagrams for which this returns true are lost.
    pub lose: Box<dyn FnMut(usize, &Message) -> bool>,
    /// Sees what is sent: when, from, to.
    pub watch: Box<dyn FnMut(Instant, usize, usize, &Message)>,
}

impl Network {
    pub fn new(seed: u64, configs: Vec<Config>) -> Self {
        Self::build(seed, configs, None)
    }

    /// The first configurations are those of one user agent, whose endpoints share an address.
    pub fn shared(seed: u64, homes: Homes, mut configs: Vec<Config>) -> Self {
        for (config, home) in configs.iter_mut().zip(homes.iter()) {
            config.home = Some(home);
        }
        let router = (usize::from(homes.count()), Router::new(homes));
        Self::build(seed, configs, Some(router))
    }

    fn build(seed: u64, configs: Vec<Config>, router: Option<(usize, Router)>) -> Self {
        let start = Instant::now();
        let mut random = Random(seed);
        let epoch = Epoch {
            instant: start,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        let endpoints: Vec<_> = configs
            .into_iter()
            .enumerate()
            .map(|(index, mut config)| {
                let at = place(&router, index);
                config.locals = vec![Local::new(Transport::Udp, at)];
                let mut own = Random(random.next());
                Endpoint::new(config, epoch, Box::new(move |bytes| own.fill(bytes)))
            })
            .collect();
        Self {
            now: start,
            start,
            events: endpoints.iter().map(|_| Vec::new()).collect(),
            pings: vec![0; endpoints.len()],
            deaf: false,
            endpoints,
            weather: CLEAR,
            random,
            flying: BTreeMap::new(),
            number: 0,
            router,
            ladder: Vec::new(),
            lose: Box::new(|_, _| false),
            watch: Box::new(|_, _, _, _| {}),
        }
    }

    /// Replaces an endpoint by a fresh one that knows nothing of the old one's calls.
    pub fn restart(&mut self, at: usize) {
        let old = self.endpoints[at].config();
        let mut config = Config::default();
        config.locals = old.locals.clone();
        config.referrals = old.referrals;
        config.replaces = old.replaces;
        config.subscriptions = old.subscriptions.clone();
        config.session_timers = old.session_timers;
        let epoch = Epoch {
            instant: self.start,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        let mut own = Random(self.random.next());
        self.endpoints[at] = Endpoint::new(config, epoch, Box::new(move |bytes| own.fill(bytes)));
        self.events[at].clear();
    }

    /// Endpoints that take transfers, `dialog` subscriptions and INVITEs with Replaces.
    pub fn phones(seed: u64, count: usize) -> Self {
        Self::new(seed, (0..count).map(|_| phone()).collect())
    }

    /// One call of one endpoint.
    pub fn call(&mut self, at: usize, call: CallId) -> sip_core::CallHandle<'_> {
        self.endpoints[at].call(call).expect("a call that is there")
    }

    /// The user at endpoint `at` hangs up.
    #[track_caller]
    pub fn hang_up(&mut self, at: usize, call: CallId) {
        let now = self.now;
        self.call(at, call).hang_up(now).unwrap();
    }

    /// Runs until a call of endpoint `at` ends, which must be by `by` and of `kind`.
    #[track_caller]
    pub fn ends(&mut self, at: usize, by: EndedBy, kind: EndKind) -> EndCause {
        let cause = self.until(at, ended);
        assert_eq!((cause.by, &cause.kind), (by, &kind), "{cause:?}");
        cause
    }

    /// One subscription of one endpoint.
    pub fn sub(
        &mut self,
        at: usize,
        id: sip_core::SubscriptionId,
    ) -> sip_core::SubscriptionHandle<'_> {
        self.endpoints[at]
            .subscription(id)
            .expect("a subscription that is there")
    }

    pub fn pair() -> Self {
        Self::new(1, vec![Config::default(), Config::default()])
    }

    /// Takes everything out of every endpoint's outbox.
    pub fn drain(&mut self) {
        for from in 0..self.endpoints.len() {
            while let Some(transmit) = self.endpoints[from].poll_transmit() {
                if sip_core::registration::stun::is_stun(&transmit.bytes) {
                    self.pings[from] += 1;
                    let to =
                        (0..self.endpoints.len()).find(|i| address(*i) == transmit.to.remote());
                    if let Some(to) = to.filter(|_| !self.deaf) {
                        self.number += 1;
                        let arrival = (self.now + self.weather.delay, self.number);
                        let packet = (to, transmit.bytes, place(&self.router, from));
                        self.flying.insert(arrival, packet);
                    }
                    continue;
                }
                let message = Message::parse(transmit.bytes.clone()).expect("what we emit parses");
                let findings = sip_core::validate(&message, &Capabilities::default());
                assert!(
                    findings.iter().next().is_none(),
                    "what we emit is valid: {findings:?}\n{message}"
                );
                let to = transmit.to.remote();
                let Some(index) = (0..self.endpoints.len()).find(|i| address(*i) == to) else {
                    continue;
                };
                let line = message.as_bytes().split(|byte| *byte == b'\r').next();
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                self.ladder.push((self.now - self.start, from, index, line));
                (self.watch)(self.now, from, index, &message);
                if (self.lose)(from, &message) || self.random.chance(self.weather.loss) {
                    continue;
                }
                let copies = 1 + u32::from(self.random.chance(self.weather.double));
                for _ in 0..copies {
                    let jitter = self.weather.jitter.as_millis() as u64;
                    let delay =
                        self.weather.delay + Duration::from_millis(self.random.below(jitter + 1));
                    self.number += 1;
                    self.flying.insert(
                        (self.now + delay, self.number),
                        (index, transmit.bytes.clone(), place(&self.router, from)),
                    );
                }
            }
            while let Some(event) = self.endpoints[from].poll_event() {
                self.events[from].push(event);
            }
        }
    }

    /// A datagram of a stranger's, who says that it comes from endpoint `from`.
    pub fn inject(&mut self, from: usize, to: usize, bytes: Bytes) {
        self.number += 1;
        let packet = (to, bytes, place(&self.router, from));
        self.flying.insert((self.now, self.number), packet);
    }

    /// The next moment at which something happens.
    pub fn next(&self) -> Option<Instant> {
        let arrival = self.flying.keys().next().map(|(at, _)| *at);
        let timeout = self
            .endpoints
            .iter()
            .filter_map(Endpoint::poll_timeout)
            .min();
        [arrival, timeout].into_iter().flatten().min()
    }

    /// Lets one thing happen; false when nothing ever will.
    pub fn step(&mut self) -> bool {
        self.drain();
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        while let Some((&key, _)) = self
            .flying
            .first_key_value()
            .filter(|((at, _), _)| *at <= self.now)
        {
            let (to, bytes, from) = self.flying.remove(&key).unwrap();
            let flow = Flow::udp(place(&self.router, to), from);
            let to = match &mut self.router {
                Some((count, router)) if to < *count => usize::from(router.route_datagram(&bytes)),
                _ => to,
            };
            self.endpoints[to].handle_input(self.now, Input::Received { flow, bytes });
            self.drain();
        }
        for endpoint in &mut self.endpoints {
            if endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                endpoint.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    /// Runs for a span of virtual time.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        self.drain();
        while self.next().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Runs until an event of endpoint `at` fits, and takes it with all before it.
    #[track_caller]
    pub fn until<T>(&mut self, at: usize, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        for _ in 0..100_000 {
            self.drain();
            let found = self.events[at]
                .iter()
                .enumerate()
                .find_map(|(i, e)| Some((i, pick(e)?)));
            if let Some((index, value)) = found {
                self.events[at].drain(..=index);
                return value;
            }
            if !self.step() {
                break;
            }
        }
        panic!(
            "it never happened; left: {:#?}\nladder: {}",
            self.events[at],
            self.show()
        );
    }

    pub fn show(&self) -> String {
        let lines = self.ladder.iter().map(|(at, from, to, line)| {
            format!("{:>9.3} {from} -> {to}  {line}", at.as_secs_f64())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How often a first line that starts so was sent by this endpoint.
    pub fn count(&self, from: usize, start: &str) -> usize {
        self.ladder
            .iter()
            .filter(|(_, f, _, line)| *f == from && line.starts_with(start))
            .count()
    }

    pub fn invite(
        &mut self,
        from: usize,
        to: usize,
        change: impl FnOnce(Invite) -> Invite,
    ) -> CallId {
        let uri = format!("sip:user{to}@{}", address(to)).parse().unwrap();
        let name = NameAddr::new(&format!("sip:user{from}@example.org").parse().unwrap());
        let invite = Invite::new(uri, name).body(offer(from));
        self.endpoints[from]
            .invite(self.now, change(invite))
            .expect("an invite")
    }

    /// A call between two endpoints, answered.
    pub fn connect(&mut self, from: usize, to: usize) -> (CallId, CallId) {
        let caller = self.invite(from, to, |invite| invite);
        let callee = self.until(to, incoming);
        let now = self.now;
        self.endpoints[to]
            .call(callee)
            .unwrap()
            .answer(now, Some(answer(to)))
            .unwrap();
        self.until(from, |e| {
            matches!(e, Event::Answered { call, .. } if *call == caller).then_some(())
        });
        self.until(to, |e| {
            matches!(e, Event::Confirmed { call, .. } if *call == callee).then_some(())
        });
        (caller, callee)
    }

    /// After every timer has run out nothing may be remembered.
    pub fn assert_forgotten(&mut self) {
        self.run(Duration::from_secs(200));
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            assert!(
                endpoint.is_idle(),
                "endpoint {index} keeps {:?}\n{}",
                endpoint.sizes(),
                self.show()
            );
        }
    }
}

pub fn phone() -> Config {
    let mut config = Config::default();
    config.referrals = sip_core::Referrals::InCalls;
    config.replaces = true;
    config.subscriptions.packages = vec!["dialog".to_owned()];
    config
}

pub fn incoming(event: &Event) -> Option<CallId> {
    match event {
        Event::Incoming { call, .. } => Some(*call),
        _ => None,
    }
}

pub fn ended(event: &Event) -> Option<EndCause> {
    match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    }
}

pub fn offer(from: usize) -> Body {
    Body::sdp(format!(
        "v=0\r\no=- {from} 1 IN IP4 127.0.0.1\r\ns=offer\r\n"
    ))
}

pub fn answer(from: usize) -> Body {
    Body::sdp(format!(
        "v=0\r\no=- {from} 1 IN IP4 127.0.0.1\r\ns=answer\r\n"
    ))
}
