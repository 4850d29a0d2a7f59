//! `sip_core::Endpoint` on virtual time.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, Config, Endpoint, Epoch, Event, Flow, Input, Invite, Local, StatusCode, Transport,
};

/// What crosses between the ends of one call: INVITE, 180, 200 and ACK; re-INVITE, 200 and ACK; BYE and 200.
pub(crate) const MESSAGES: usize = 9;

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5060 + index as u16))
}

fn endpoint(index: usize, start: Instant) -> Endpoint {
    let mut config = Config::new(Local::new(Transport::Udp, address(index)));
    // A call of the bench has nobody to refresh it.
    config.session_timers = None;
    let epoch = Epoch {
        instant: start,
        wall: SystemTime::UNIX_EPOCH,
    };
    let mut state = index as u64 + 1;
    let chance = move |bytes: &mut [u8]| {
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    };
    Endpoint::new(config, epoch, Box::new(chance))
}

/// A server that answers OPTIONS.
pub(crate) struct Transactions {
    endpoint: Endpoint,
    now: Instant,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            endpoint: endpoint(1, now),
            now,
        }
    }

    pub(crate) fn one(&mut self, request: Vec<u8>) -> Bytes {
        let flow = Flow::udp(address(1), address(0));
        let bytes = request.into();
        self.endpoint
            .handle_input(self.now, Input::Received { flow, bytes });
        let answer = self.endpoint.poll_transmit().map(|transmit| transmit.bytes);
        while let Some(at) = self.endpoint.poll_timeout() {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        answer.unwrap_or_default()
    }
}

/// Two ends and no network.
pub(crate) struct Pair {
    ends: [Endpoint; 2],
    now: Instant,
    messages: usize,
    invite: Invite,
    body: Body,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let uri = "sip:bob@127.0.0.1:5061".parse().expect("a URI");
        let from = "sip:alice@example.org".parse().expect("a URI");
        let body = Body::sdp(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        Self {
            ends: [endpoint(0, now), endpoint(1, now)],
            now,
            messages: 0,
            invite: Invite::new(uri, NameAddr::new(&from)).body(body.clone()),
            body,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ends.iter().all(Endpoint::is_idle)
    }

    /// Carries what waits in either outbox, until nothing does; the event of `at` that was looked for.
    fn carry<T>(&mut self, at: usize, mut pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        let mut found = None;
        loop {
            let mut idle = true;
            for from in [0, 1] {
                while let Some(transmit) = self.ends[from].poll_transmit() {
                    idle = false;
                    self.messages += 1;
                    let flow = Flow::udp(address(1 - from), address(from));
                    let bytes = transmit.bytes;
                    self.ends[1 - from].handle_input(self.now, Input::Received { flow, bytes });
                }
                while let Some(event) = self.ends[from].poll_event() {
                    idle = false;
                    if from == at {
                        found = found.or_else(|| pick(&event));
                    }
                }
            }
            if idle {
                return found;
            }
        }
    }

    /// One call from its beginning until nothing of it is left. How many messages crossed.
    pub(crate) fn call(&mut self) -> usize {
        self.messages = 0;
        self.run().expect("every command fits");
        while let Some(at) = self.ends.iter().filter_map(Endpoint::poll_timeout).min() {
            self.now = self.now.max(at);
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
            self.carry(0, |_| None::<()>);
        }
        self.messages
    }

    fn run(&mut self) -> Option<()> {
        let now = self.now;
        let incoming = |event: &Event| match event {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        };
        let caller: CallId = self.ends[0].invite(now, self.invite.clone()).ok()?;
        let callee = self.carry(1, incoming)?;
        let handle = self.ends[1].call(callee).ok()?;
        handle.ring(now, StatusCode::RINGING, None).ok()?;
        let handle = self.ends[1].call(callee).ok()?;
        handle.answer(now, Some(self.body.clone())).ok()?;
        self.carry(1, |event| {
            matches!(event, Event::Confirmed { .. }).then_some(())
        })?;
        let handle = self.ends[0].call(caller).ok()?;
        handle.reinvite(now, self.body.clone()).ok()?;
        self.carry(1, |event| {
            matches!(event, Event::Offered { .. }).then_some(())
        })?;
        let handle = self.ends[1].call(callee).ok()?;
        handle.accept(now, self.body.clone()).ok()?;
        self.carry(0, |event| {
            matches!(event, Event::ReinviteAnswered { .. }).then_some(())
        })?;
        self.ends[0].call(caller).ok()?.hang_up(now).ok()?;
        self.carry(0, |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        })
    }
}
