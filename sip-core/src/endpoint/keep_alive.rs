//! Keep-alives of flows (RFC 5626 sections 3.5 and 4.4): asking whether the other end is there, and answering.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Endpoint;
use super::deadlines::Waiter;
use super::event::Event;
use super::flow::{Flow, FlowError, Target};
use super::table::Key;
use crate::registration::stun::{Binding, TransactionId};
use crate::transaction::after;

/// Upper bounds of the time between two keep-alives; the lower is a sixth less (sections 4.4.1 and 4.4.2).
const STREAM: Duration = Duration::from_secs(120);
const DATAGRAM: Duration = Duration::from_secs(29);

/// How long a pong may take (section 4.4.1).
const PONG: Duration = Duration::from_secs(10);

/// STUN's first wait, how often a request goes out, and the wait after the last in first waits (RFC 8489 section
/// 6.2.1).
const RTO: Duration = Duration::from_millis(500);
const REQUESTS: u8 = 7;
const LAST: u32 = 16;

/// One flow that is kept alive for its users.
#[derive(Debug)]
pub(crate) struct Ping {
    flow: Flow,
    users: u32,
    /// Whether an answer must come.
    answered: bool,
    every: Duration,
    /// Requests out and not answered.
    sent: u8,
    id: TransactionId,
    /// Where the other end saw us first.
    mapped: Option<SocketAddr>,
    due: Instant,
    armed: Option<Instant>,
}

impl Endpoint {
    /// Keeps a flow alive for one more user; `false` when there is no room for another flow.
    pub(crate) fn hold_ping(
        &mut self,
        now: Instant,
        flow: Flow,
        answered: bool,
        flow_timer: Option<Duration>,
    ) -> bool {
        let usual = match flow.transport.is_reliable() {
            true => STREAM,
            false => DATAGRAM,
        };
        let every = flow_timer.map_or(usual, |timer| timer.min(usual));
        let every = every.max(Duration::from_secs(1));
        if let Some(ping) = self
            .ping_keys
            .get(&flow)
            .and_then(|key| self.pings.get_mut(*key))
        {
            ping.users += 1;
            ping.answered |= answered;
            ping.every = ping.every.min(every);
            return true;
        }
        let ping = Ping {
            flow,
            users: 1,
            answered,
            every,
            sent: 0,
            id: TransactionId::default(),
            mapped: None,
            due: now,
            armed: None,
        };
        let Ok(key) = self.pings.insert(ping) else {
            return false;
        };
        self.ping_keys.insert(flow, key);
        self.rest_ping(now, key);
        true
    }

    /// One user less.
    pub(crate) fn release_ping(&mut self, flow: &Flow) {
        let Some(ping) = self
            .ping_keys
            .get(flow)
            .and_then(|key| self.pings.get_mut(*key))
        else {
            return;
        };
        ping.users -= 1;
        if ping.users == 0 {
            self.drop_ping(flow);
        }
    }

    pub(crate) fn drop_ping(&mut self, flow: &Flow) {
        let Some(key) = self.ping_keys.remove(flow) else {
            return;
        };
        if let Some(mut ping) = self.pings.remove(key) {
            self.deadlines.arm(Waiter::Ping(key), &mut ping.armed, None);
        }
    }

    /// Waits for the time of the next ping.
    fn rest_ping(&mut self, now: Instant, key: Key) {
        let random = self.draw.below(1 << 16);
        if let Some(ping) = self.pings.get_mut(key) {
            ping.sent = 0;
            let early = ping.every / 6 * random / (1 << 16);
            ping.due = after(now, ping.every - early);
            let due = Some(ping.due);
            self.deadlines.arm(Waiter::Ping(key), &mut ping.armed, due);
        }
    }

    pub(crate) fn ping_due(&mut self, now: Instant, key: Key) -> bool {
        let Some(ping) = self.pings.get_mut(key) else {
            return false;
        };
        let (flow, to) = (ping.flow, Target::Flow(ping.flow));
        if !ping.answered || (flow.transport.is_reliable() && ping.sent == 0) {
            self.out.send(to, Bytes::from_static(b"\r\n\r\n"));
            if !ping.answered {
                self.rest_ping(now, key);
                return true;
            }
            ping.sent = 1;
            ping.due = after(now, PONG);
        } else if !flow.transport.is_reliable() && ping.sent < REQUESTS {
            if ping.sent == 0 {
                ping.id = self.draw.stun_id();
            }
            self.out
                .send(to, Binding::Request(ping.id).to_bytes().into());
            let factor = match ping.sent + 1 {
                REQUESTS => LAST,
                _ => 1 << ping.sent,
            };
            ping.sent += 1;
            ping.due = after(now, RTO * factor);
        } else {
            self.flow_dead(now, flow, FlowError::TimedOut);
            return true;
        }
        let due = Some(ping.due);
        self.deadlines.arm(Waiter::Ping(key), &mut ping.armed, due);
        true
    }

    /// The other end does not answer, or has forgotten where we are.
    fn flow_dead(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        if flow.connection.is_some() {
            self.out.tell(Event::Close { flow });
            self.closed(now, flow, cause);
        } else {
            self.flow_lost(now, flow, cause);
        }
    }

    /// CRLF came on a stream.
    pub(crate) fn pong(&mut self, now: Instant, flow: &Flow) {
        if let Some(&key) = self.ping_keys.get(flow).filter(|_| self.awaits_pong(flow)) {
            self.rest_ping(now, key);
        }
    }

    /// Whether a ping of ours is not answered yet.
    pub(crate) fn awaits_pong(&self, flow: &Flow) -> bool {
        let ping = self
            .ping_keys
            .get(flow)
            .and_then(|key| self.pings.get(*key));
        ping.is_some_and(|ping| ping.sent > 0)
    }

    /// A STUN datagram: answered by a registrar, which is where flows end; else perhaps our answer.
    pub(crate) fn stun(&mut self, now: Instant, flow: Flow, datagram: &[u8]) {
        let (id, mapped) = match Binding::parse(datagram) {
            Some(Binding::Request(id)) if self.config.registrar.is_some() => {
                let mapped = flow.remote;
                let success = Binding::Success { id, mapped };
                self.out.send(Target::Flow(flow), success.to_bytes().into());
                return;
            }
            Some(refused @ Binding::Unknown { .. }) if self.config.registrar.is_some() => {
                self.out.send(Target::Flow(flow), refused.to_bytes().into());
                return;
            }
            Some(Binding::Success { id, mapped }) => (id, Some(mapped)),
            Some(Binding::Error(id)) => (id, None),
            _ => {
                self.counters.malformed += 1;
                return;
            }
        };
        let key = self.ping_keys.get(&flow).copied();
        let ping = key.and_then(|key| Some((key, self.pings.get_mut(key)?)));
        let Some((key, ping)) = ping.filter(|(_, ping)| ping.sent > 0 && ping.id == id) else {
            self.counters.stray += 1;
            return;
        };
        // Section 4.4.2: under another address our binding leads elsewhere.
        let moved = match (ping.mapped, mapped) {
            (Some(before), Some(now)) => before != now,
            _ => false,
        };
        ping.mapped = ping.mapped.or(mapped);
        match moved {
            true => self.flow_dead(now, flow, FlowError::Reset),
            false => self.rest_ping(now, key),
        }
    }
}
