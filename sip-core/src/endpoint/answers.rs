//! Responses that did not arrive: the next way by the topmost Via (RFC 3261 section 18.2.2, RFC
//! 3263 section 5).
//!
//! A response goes back over the connection of its request. When that is closed, a new one is
//! opened to the address that the request came from and the port that its Via names; when that
//! fails too, the host in the Via is looked up. Over UDP a response goes where `received` and
//! `rport` say, and nowhere else: behind a NAT no other address would do.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::event::QuestionAnswer;
use super::flow::{Flow, Target, Transport};
use super::table::Key;
use super::{Endpoint, questions, route};
use crate::Message;
use crate::header::Via;
use crate::resolve::{Next, Resolution};

/// Server transactions by the address that their response opens, for failures.
pub(crate) type Opened = (Transport, SocketAddr, Key);

impl Endpoint {
    /// Nothing can be opened to `flow.remote`: responses that wait for it take another way.
    pub(crate) fn answers_failed(&mut self, now: Instant, flow: Flow) {
        if flow.connection.is_some() {
            return;
        }
        let (transport, remote) = (flow.transport, flow.remote);
        let range = (transport, remote, Key::MIN)..=(transport, remote, Key::MAX);
        let keys: Vec<Key> = self.opened.range(range).map(|found| found.2).collect();
        for key in keys {
            self.opened.remove(&(transport, remote, key));
            self.answer_elsewhere(now, key);
        }
    }

    /// What we asked for a response was answered, or not in time.
    pub(crate) fn answer_resolved(
        &mut self,
        now: Instant,
        key: Key,
        answer: Option<QuestionAnswer>,
    ) {
        let Some(way) = self.servers_get(key).and_then(|server| server.way.as_mut()) else {
            return;
        };
        let mut way = std::mem::replace(way, Box::new(Resolution::known([])));
        route::hear(&mut way, answer, &mut self.draw.chance);
        if let Some(server) = self.servers_get(key) {
            server.way = Some(way);
        }
        self.answer_elsewhere(now, key);
    }

    fn answer_elsewhere(&mut self, now: Instant, key: Key) {
        let Some((bytes, failed)) = self.last_answer(key) else {
            return;
        };
        let taken = self.servers_get(key).and_then(|server| server.way.take());
        let found = || {
            let response = Message::parse(bytes.clone()).ok()?;
            let via: Via<'_> = response.typed().ok()?;
            Resolution::response(&via, failed.transport()).ok()
        };
        let Some(mut way) = taken.or_else(|| found().map(Box::new)) else {
            return;
        };
        loop {
            match way.next(now, &self.avoided) {
                // The address that has just failed.
                Next::Target(target) if target.remote() == failed.remote() => {}
                Next::Target(target) => {
                    if let Some(server) = self.servers_get(key) {
                        server.way = Some(way);
                    }
                    self.answer_at(key, &target);
                    self.out.send(target, bytes);
                    return;
                }
                Next::Ask(query) => {
                    let purpose = questions::Purpose::Answer(key);
                    if self.ask_way(now, &way, query, purpose).is_some()
                        && let Some(server) = self.servers_get(key)
                    {
                        server.way = Some(way);
                    }
                    return;
                }
                Next::Exhausted => return,
            }
        }
    }

    /// The response that a transaction, or the dialog for it, repeats, and where it went.
    fn last_answer(&mut self, key: Key) -> Option<(Bytes, Target)> {
        let server = self.servers_get(key)?;
        let (to, owner) = (server.to.clone(), server.owner);
        if let Some(bytes) = server.last.clone() {
            return Some((bytes, to));
        }
        let success = self.calls.get(owner?)?.success.as_deref()?;
        Some((success.bytes.clone(), to))
    }

    /// From now on the response goes there.
    fn answer_at(&mut self, key: Key, target: &Target) {
        let Some(server) = self.servers_get(key) else {
            return;
        };
        server.to = target.clone();
        let (repeats, owner) = (server.last.is_none(), server.owner);
        self.opened
            .insert((target.transport(), target.remote(), key));
        if repeats
            && let Some(call) = owner.and_then(|owner| self.calls.get_mut(owner))
            && let Some(success) = call.success.as_deref_mut()
        {
            success.to = target.clone();
        }
    }
}
