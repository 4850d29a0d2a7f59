//! An exchange between phones: endpoint 1 couples, 0 calls, 2 and above are phones.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

use std::time::Duration;

use sip_core::b2bua::{Coupling, CouplingEvent, Plan, Policy};
use sip_core::header::NameAddr;
use sip_core::{Body, CallId, Config, Event, Invite, Method, StatusCode};

use crate::support::*;

/// The endpoint that couples; 0 calls, 2 and above are phones.
pub const PBX: usize = 1;

pub struct World {
    pub net: Network,
    pub couplings: Vec<Coupling>,
    pub heard: Vec<CouplingEvent>,
    /// What the couplings left to the application.
    pub left: Vec<Event>,
    pub plan: Box<dyn Fn() -> Plan>,
    pub policy: Policy,
    /// Whether the application gives whoever comes with Replaces the place that it names.
    pub takes_over: bool,
}

pub fn phone(index: usize) -> Invite {
    let uri = format!("sip:phone{index}@{}", address(index))
        .parse()
        .unwrap();
    Invite::new(uri, NameAddr::new(&"sip:pbx@example.org".parse().unwrap()))
}

pub fn sdp(text: &str) -> Body {
    Body::sdp(format!("v=0\r\ns={text}\r\n"))
}

impl World {
    pub fn new(phones: usize, plan: impl Fn() -> Plan + 'static) -> Self {
        Self::with(phones, plan, |_, _| {})
    }

    pub fn with(
        phones: usize,
        plan: impl Fn() -> Plan + 'static,
        change: impl Fn(usize, &mut Config),
    ) -> Self {
        let configs = (0..2 + phones)
            .map(|index| {
                let mut config = Config::default();
                change(index, &mut config);
                config
            })
            .collect();
        Self {
            net: Network::new(5, configs),
            couplings: Vec::new(),
            heard: Vec::new(),
            left: Vec::new(),
            plan: Box::new(plan),
            policy: Policy::default(),
            takes_over: false,
        }
    }

    pub fn pump(&mut self) {
        loop {
            self.net.drain();
            let events = std::mem::take(&mut self.net.events[PBX]);
            if events.is_empty() {
                return;
            }
            let now = self.net.now;
            let pbx = &mut self.net.endpoints[PBX];
            for event in events {
                let mut event = Some(event);
                for coupling in &mut self.couplings {
                    event = event.and_then(|event| coupling.handle_event(now, pbx, event));
                }
                if let Some(Event::Incoming {
                    call,
                    offer,
                    replaces: Some(old),
                    ..
                }) = &event
                    && self.takes_over
                {
                    let coupling = self.couplings.iter_mut().find(|c| c.has(*old)).unwrap();
                    coupling.take_over(now, pbx, *old, *call, offer.clone());
                    continue;
                }
                if let Some(Event::Incoming {
                    call,
                    offer,
                    request,
                    ..
                }) = &event
                {
                    let (plan, policy) = ((self.plan)(), self.policy.clone());
                    let offer = offer.clone();
                    let coupling = Coupling::new(now, pbx, *call, offer, request, plan, policy);
                    self.couplings.push(coupling);
                    continue;
                }
                self.left.extend(event);
            }
            for coupling in &mut self.couplings {
                assert_eq!(coupling.poll_timeout(), None, "the outbox is drained");
                while let Some(event) = coupling.poll_event() {
                    self.heard.push(event);
                }
            }
            self.couplings.retain(|coupling| !coupling.is_over());
        }
    }

    pub fn run(&mut self, span: Duration) {
        let until = self.net.now + span;
        self.pump();
        while self.net.next().is_some_and(|at| at <= until) {
            self.net.step();
            self.pump();
        }
        self.net.now = until;
    }

    pub fn until<T>(&mut self, at: usize, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        for _ in 0..5_000 {
            self.pump();
            let found = self.net.events[at]
                .iter()
                .enumerate()
                .find_map(|(index, event)| Some((index, pick(event)?)));
            if let Some((index, value)) = found {
                self.net.events[at].drain(..=index);
                return value;
            }
            if !self.net.step() {
                break;
            }
        }
        panic!(
            "never; left {:#?}\n{}",
            self.net.events[at],
            self.net.show()
        );
    }

    pub fn call(&mut self, at: usize, call: CallId) -> sip_core::CallHandle<'_> {
        self.net.endpoints[at].call(call).unwrap()
    }

    pub fn dial(&mut self, change: impl FnOnce(Invite) -> Invite) -> CallId {
        self.net.invite(0, PBX, change)
    }

    /// A caller and phone 2, joined; offer and answer are "a" and "b".
    pub fn join(&mut self) -> (CallId, CallId) {
        let caller = self.dial(|invite| invite.body(sdp("a")));
        let callee = self.until(2, incoming);
        let now = self.net.now;
        self.call(2, callee).answer(now, Some(sdp("b"))).unwrap();
        let body = self.until(0, |event| match event {
            Event::Answered { body, .. } => Some(body.clone()),
            _ => None,
        });
        assert_eq!(body, Some(sdp("b")), "byte for byte");
        self.run(Duration::from_millis(100));
        (caller, callee)
    }

    pub fn offered(&mut self, at: usize) -> (Option<Body>, Method) {
        self.until(at, |event| match event {
            Event::Offered { offer, request, .. } => {
                Some((offer.clone(), request.method().unwrap()))
            }
            _ => None,
        })
    }

    pub fn changed(&mut self, at: usize) -> Result<Option<Body>, StatusCode> {
        self.until(at, |event| match event {
            Event::ReinviteAnswered { answer, .. } => Some(Ok(answer.clone())),
            Event::ReinviteFailed { status, .. } => Some(Err(*status)),
            _ => None,
        })
    }

    pub fn assert_forgotten(&mut self) {
        self.run(Duration::from_secs(250));
        assert!(self.couplings.is_empty(), "{:#?}", self.couplings);
        self.net.assert_forgotten();
    }
}
