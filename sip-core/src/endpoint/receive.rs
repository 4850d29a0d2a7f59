//! From bytes to messages, and from messages to whom they are for.

use std::time::Instant;

use bytes::Bytes;

use super::deadlines::Waiter;
use super::event::Event;
use super::flow::{ConnectionId, Flow, FlowError, Target};
use super::servers::write_name;
use super::{Endpoint, trace, wire};
use crate::registration::stun::is_stun;
use crate::transaction::after;
use crate::{
    Answer, Capabilities, Frame, Framer, HeaderName, Message, Method, StatusCode, validate,
};

/// A connection as far as it was read.
#[derive(Debug)]
pub(crate) struct Reading {
    flow: Flow,
    /// None until bytes come: whoever frames them himself brings none.
    framer: Option<Box<Framer>>,
    /// When the message must be whole that has begun.
    armed: Option<Instant>,
}

impl Reading {
    /// The framer beside what else there is.
    fn framer(&mut self) -> Option<(&mut Framer, Flow, &mut Option<Instant>)> {
        Some((self.framer.as_deref_mut()?, self.flow, &mut self.armed))
    }
}

impl Endpoint {
    pub(crate) fn opened(&mut self, flow: Flow) {
        let Some(id) = flow.connection else { return };
        if self.connections.contains_key(&id) {
            return;
        }
        if self.connections.len() >= self.config.bounds.connections {
            self.counters.overload += 1;
            self.out.tell(Event::Close { flow });
            return;
        }
        let reading = Reading {
            flow,
            framer: None,
            armed: None,
        };
        self.connections.insert(id, reading);
    }

    fn forget_connection(&mut self, id: ConnectionId) -> Option<Flow> {
        let mut reading = self.connections.remove(&id)?;
        self.unread.retain(|unread| *unread != id);
        self.deadlines
            .arm(Waiter::Reading(id), &mut reading.armed, None);
        Some(reading.flow)
    }

    /// A message did not become whole in time.
    pub(crate) fn reading_due(&mut self, id: ConnectionId) -> bool {
        let Some(flow) = self.forget_connection(id) else {
            return false;
        };
        self.counters.malformed += 1;
        self.out.tell(Event::Close { flow });
        true
    }

    pub(crate) fn closed(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        if let Some(id) = flow.connection {
            self.forget_connection(id);
        }
        self.remote_failed(now, flow, cause);
        self.answers_failed(now, flow);
        self.flow_lost(now, flow, cause);
    }

    pub(crate) fn received(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let Some(id) = flow.connection else {
            if !self.out.has_room() {
                self.counters.refused_inputs += 1;
                return;
            }
            if is_stun(&bytes) {
                self.stun(now, flow, &bytes);
                return;
            }
            let mut framer = Framer::datagram().with_limits(self.config.limits.clone());
            framer.push(bytes);
            while let Some(frame) = framer.next_frame() {
                self.frame(now, flow, frame);
            }
            return;
        };
        self.opened(flow);
        let Some(reading) = self.connections.get_mut(&id) else {
            return;
        };
        if self.unread.contains(&id) {
            // Whoever neither drains nor waits would make the framer grow: the stream ends here.
            self.counters.refused_inputs += 1;
            self.forget_connection(id);
            self.out.tell(Event::Close { flow });
            return;
        }
        let framer = reading.framer.get_or_insert_with(|| {
            Box::new(Framer::connection(flow.transport).with_limits(self.config.limits.clone()))
        });
        framer.push(bytes);
        self.unread.push_back(id);
        self.read_on(now);
    }

    /// Takes what somebody else framed.
    pub(crate) fn framed(&mut self, now: Instant, flow: Flow, frame: Frame) {
        self.opened(flow);
        let known = flow
            .connection
            .is_none_or(|id| self.connections.contains_key(&id));
        if known && self.out.has_room() {
            self.frame(now, flow, frame);
        } else {
            self.counters.refused_inputs += 1;
        }
    }

    /// Handles the messages that framers hold, as far as there is room for what they cause.
    pub(crate) fn read_on(&mut self, now: Instant) {
        while self.out.has_room() {
            let Some(&id) = self.unread.front() else {
                return;
            };
            let reading = self.connections.get_mut(&id);
            let Some((framer, flow, armed)) = reading.and_then(Reading::framer) else {
                self.unread.pop_front();
                continue;
            };
            let frame = framer.next_frame();
            // From the first byte of a message to its last: what came whole before says nothing of it.
            let wanted = match (&frame, *armed) {
                (None, Some(since)) if framer.is_partial() => Some(since),
                (None, None) if framer.is_partial() => Some(after(now, self.config.message_within)),
                _ => None,
            };
            self.deadlines.arm(Waiter::Reading(id), armed, wanted);
            match frame {
                Some(frame) => self.frame(now, flow, frame),
                None => {
                    self.unread.pop_front();
                }
            }
        }
    }

    fn frame(&mut self, now: Instant, flow: Flow, frame: Frame) {
        match frame {
            Frame::Message(message) => self.message(now, flow, message),
            // Two pongs in a row look like a ping.
            Frame::Ping if self.awaits_pong(&flow) => self.pong(now, &flow),
            Frame::Ping if flow.connection.is_some() => {
                self.out
                    .send(Target::Flow(flow), Bytes::from_static(b"\r\n"));
            }
            Frame::Pong => self.pong(now, &flow),
            Frame::Refused(refused) => {
                self.counters.malformed += 1;
                let request = refused.message.filter(|message| message.is_request());
                match request.map(|request| wire::stamp(request, flow.remote)) {
                    Some(request) if request.method() != Some(Method::Ack) => {
                        self.respond_stateless(
                            flow,
                            &request,
                            refused.answer,
                            refused.close,
                            |b| b,
                        );
                    }
                    _ if refused.close => self.out.tell(Event::Close { flow }),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message) {
        trace::received(flow, &message);
        if !message.is_request() {
            // 8.1.3.3: a response for somebody else behind us, who is not there.
            if message.values(HeaderName::VIA).count() == 1 {
                self.response(now, flow, message);
            } else {
                self.counters.malformed += 1;
            }
            return;
        }
        let Some(method) = message.method() else {
            self.counters.malformed += 1;
            return;
        };
        if method == Method::Ack {
            self.ack(now, flow, &message);
            return;
        }
        // What came before was judged then; to absorb it again costs next to nothing.
        let named = write_name(&mut self.sought, &message, &method);
        let name = match named.map(|()| self.server_keys.get(self.sought.as_str())) {
            Some(Some(&key)) => return self.server_retransmitted(key),
            Some(None) => Some(Box::from(self.sought.as_str())),
            None => None,
        };
        let request = wire::stamp(message, flow.remote);
        if let Some(status) = flaw(&request) {
            self.counters.malformed += 1;
            self.respond_stateless(flow, &request, status, false, |builder| builder);
            return;
        }
        match name {
            Some(name) => self.request(now, flow, &request, &method, name),
            None => self.counters.malformed += 1,
        }
    }
}

/// The status with which a request is refused before anything is made of it. An ACK cannot be
/// refused; what is wrong with one beyond what finds its call is forgiven.
fn flaw(request: &Message) -> Option<StatusCode> {
    match validate(request, &Capabilities::default()).answer() {
        Some(Answer::Status(status)) => Some(status),
        Some(Answer::Drop) => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}
