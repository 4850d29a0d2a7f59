//! `sipx_sip::TransactionLayer`, driven as its documentation says; the application is this file.

use bytes::Bytes;
use sipx_sip::transaction::Dispatch;
use sipx_sip::{
    HeaderName, Limits, Message, Output, Reliability, Response, ResponseBuilder, StatusCode, Timer,
    Timers, TransactionLayer, TuEvent, parse_datagram,
};

/// A server that answers OPTIONS.
pub(crate) struct Transactions {
    layer: TransactionLayer,
    limits: Limits,
    tags: u64,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self {
            layer: TransactionLayer::new(Timers::default()),
            limits: Limits::default(),
            tags: 0,
        }
    }

    pub(crate) fn one(&mut self, request: Vec<u8>) -> Bytes {
        self.answer(request).unwrap_or_default()
    }

    fn answer(&mut self, request: Vec<u8>) -> Option<Bytes> {
        let message = parse_datagram(request.into(), &self.limits).ok()?;
        let Dispatch::Created { key, outputs } =
            self.layer.receive(message, Reliability::Unreliable)
        else {
            return None;
        };
        let request = outputs.into_iter().find_map(|output| match output {
            Output::ToTu(event) => match *event {
                TuEvent::Request(request) => Some(request),
                _ => None,
            },
            _ => None,
        })?;
        self.tags += 1;
        let to = format!("<sip:bob@127.0.0.1:5061>;tag={:016x}", self.tags);
        let response: Response = ResponseBuilder::to_request(&request, StatusCode::new(200)?, "OK")
            .and_then(|builder| builder.set_header(&HeaderName::To, to))
            .and_then(|builder| {
                builder.header(
                    HeaderName::Allow,
                    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK",
                )
            })
            .and_then(|builder| builder.header(HeaderName::Accept, "application/sdp"))
            .ok()?
            .build();
        let sent = self.layer.send_response(&key, response);
        let bytes = sent.into_iter().find_map(|output| match output {
            Output::Send(message) => match *message {
                message @ Message::Response(_) => Some(message.to_bytes()),
                Message::Request(_) => None,
            },
            _ => None,
        });
        self.layer.on_timer(&key, Timer::J);
        bytes.filter(|_| self.layer.is_empty())
    }
}
