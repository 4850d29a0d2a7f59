//! One endpoint against messages written by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, Config, ConnectionId, Endpoint, Epoch, Event, Flow, Input, Invite, Local,
    Message, ResponseBuilder, StatusCode, Transport,
};

pub fn us() -> SocketAddr {
    "127.0.0.1:5060".parse().unwrap()
}

pub fn them() -> SocketAddr {
    "127.0.0.1:5061".parse().unwrap()
}

/// An endpoint and the pen that writes to it.
pub struct Pen {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub flow: Flow,
}

impl Pen {
    pub fn new(mut config: Config) -> Self {
        config.locals = vec![
            Local::new(Transport::Udp, us()),
            Local::new(Transport::Tcp, us()),
        ];
        let now = Instant::now();
        let epoch = Epoch {
            instant: now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000),
        };
        let mut count = 0u64;
        let chance = Box::new(move |bytes: &mut [u8]| {
            for byte in bytes {
                count = count
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                *byte = (count >> 33) as u8;
            }
        });
        Self {
            endpoint: Endpoint::new(config, epoch, chance),
            now,
            flow: Flow::udp(us(), them()),
        }
    }

    pub fn over_tcp() -> Self {
        let mut pen = Self::new(Config::default());
        pen.flow = Flow {
            transport: Transport::Tcp,
            local: us(),
            remote: them(),
            connection: Some(ConnectionId(7)),
        };
        pen.endpoint
            .handle_input(pen.now, Input::Opened { flow: pen.flow });
        pen
    }

    pub fn write(&mut self, bytes: impl Into<Bytes>) {
        let input = Input::Received {
            flow: self.flow,
            bytes: bytes.into(),
        };
        self.endpoint.handle_input(self.now, input);
    }

    pub fn sent(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            sent.push(Message::parse(transmit.bytes).unwrap());
        }
        sent
    }

    pub fn words(&mut self) -> Vec<String> {
        let word = |message: &Message| match message.status() {
            Some(status) => status.to_string(),
            None => message.method().unwrap().to_string(),
        };
        self.sent().iter().map(word).collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            let _ = self.sent();
        }
        self.now = until;
    }

    pub fn invite(&mut self) -> (CallId, Message) {
        let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
        let uri = format!("sip:bob@{}", them()).parse().unwrap();
        let invite = Invite::new(uri, from).body(Body::sdp("offer"));
        let call = self.endpoint.invite(self.now, invite).unwrap();
        (call, self.sent().remove(0))
    }

    pub fn reply(
        &mut self,
        request: &Message,
        status: StatusCode,
        finish: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) {
        let response = finish(request.reply(status)).build().unwrap();
        self.write(response.to_bytes());
    }
}

pub fn ok(tag: &str) -> impl FnOnce(ResponseBuilder) -> ResponseBuilder + '_ {
    move |builder| {
        builder
            .to_tag(tag)
            .header("Contact", format!("<sip:{tag}@{}>", them()))
            .body("application/sdp", format!("answer {tag}"))
    }
}

pub fn hello(extra: &str, branch: &str) -> String {
    format!(
        "INVITE sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\n\
         Call-ID: hello\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{them}>\r\n{extra}\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer",
        us = us(),
        them = them()
    )
}
