//! Server transactions: matching requests (RFC 3261 section 17.2.3), responding, ends.

use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;

use super::deadlines::Waiter;
use super::flow::{Flow, Target};
use super::table::Key;
use super::{Endpoint, wire};
use crate::header::Via;
use crate::resolve::Resolution;
use crate::transaction::{
    InviteServer, InviteServerState, NonInviteServer, NonInviteServerState, Step,
};
use crate::{HeaderName, Message, Method, ResponseBuilder, StatusCode};

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

/// One server transaction with the response that it repeats.
#[derive(Debug)]
pub(crate) struct Server {
    machine: Machine,
    name: Box<str>,
    merge: Option<Box<str>>,
    pub(crate) to: Target,
    /// The tag of our responses; the answer to a CANCEL bears it too (9.2).
    pub(crate) tag: Box<str>,
    pub(crate) owner: Option<Key>,
    /// For the 100 that goes out by itself; dropped with the final response.
    request: Option<Box<Message>>,
    pub(crate) last: Option<Bytes>,
    /// Where else the response may go, when nothing can be opened to where it went.
    pub(crate) way: Option<Box<Resolution>>,
    armed: Option<Instant>,
}

impl Server {
    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite(machine) => machine.deadline(),
            Machine::Other(machine) => machine.deadline(),
        }
    }
}

/// What identifies a transaction: branch, sent-by and method (17.2.3); for a client of RFC 2543,
/// whose branch means nothing, the whole of what it repeats. `None` when it lacks what it takes.
pub(crate) fn write_name(name: &mut String, request: &Message, method: &Method) -> Option<()> {
    name.clear();
    let via: Via<'_> = request.typed().ok()?;
    let port = via.port().unwrap_or(0);
    // Writing to a String does not fail.
    if via.has_magic_cookie() {
        let _ = writeln!(name, "{}", via.branch()?);
        name.extend(via.host_str().chars().map(|c| c.to_ascii_lowercase()));
        let _ = write!(name, ":{port}\n{method}");
        return Some(());
    }
    let (sequence, _) = wire::cseq(request)?;
    let _ = write!(
        name,
        "{}\n{}\n{}\n{sequence}\n{}:{port};{}\n{method}",
        String::from_utf8_lossy(request.uri_bytes()?),
        wire::call_id(request)?,
        wire::from_tag(request).unwrap_or_default(),
        via.host_str(),
        via.branch().unwrap_or_default(),
    );
    Some(())
}

/// From tag, Call-ID and CSeq: the same for copies of a request that came by two paths (8.2.2.2).
fn merge_name(request: &Message) -> Option<String> {
    let (sequence, method) = wire::cseq(request)?;
    let tag = wire::from_tag(request)?;
    Some(format!(
        "{tag}\n{}\n{sequence} {method}",
        wire::call_id(request)?
    ))
}

impl Endpoint {
    pub(crate) fn find_server(&mut self, request: &Message, method: &Method) -> Option<Key> {
        write_name(&mut self.sought, request, method)?;
        self.server_keys.get(self.sought.as_str()).copied()
    }

    /// Whether this request is a copy of one that is being served (8.2.2.2).
    pub(crate) fn is_merged(&self, request: &Message) -> bool {
        merge_name(request).is_some_and(|name| self.merges.contains_key(name.as_str()))
    }

    /// Begins the transaction of this name for a request; `None` when the table is full.
    pub(crate) fn start_server(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message,
        method: &Method,
        name: Box<str>,
    ) -> Option<Key> {
        let reliable = flow.transport.is_reliable();
        let invite = *method == Method::Invite;
        let machine = if invite {
            Machine::Invite(InviteServer::new(now, reliable, &self.config.timers))
        } else {
            Machine::Other(NonInviteServer::new(reliable))
        };
        let merge = if invite && wire::to_tag(request).is_none() {
            merge_name(request).map(Box::from)
        } else {
            None
        };
        let server = Server {
            machine,
            name: name.clone(),
            merge: merge.clone(),
            to: wire::response_target(request, flow, true),
            tag: match wire::to_tag(request) {
                Some(tag) => tag.into(),
                None => self.draw.tag().into(),
            },
            owner: None,
            request: Some(Box::new(request.clone())),
            last: None,
            way: None,
            armed: None,
        };
        let key = self.servers.insert(server).ok()?;
        self.server_keys.insert(name, key);
        if let Some(merge) = merge {
            self.merges.insert(merge, key);
        }
        self.rearm_server(key);
        Some(key)
    }

    fn rearm_server(&mut self, key: Key) {
        if let Some(server) = self.servers.get_mut(key) {
            let wanted = server.deadline();
            self.deadlines
                .arm(Waiter::Server(key), &mut server.armed, wanted);
        }
    }

    pub(crate) fn remove_server(&mut self, key: Key) {
        let Some(mut server) = self.servers.remove(key) else {
            return;
        };
        self.deadlines
            .arm(Waiter::Server(key), &mut server.armed, None);
        self.server_keys.remove(&server.name);
        if let Target::Open {
            transport, remote, ..
        } = server.to
        {
            self.opened.remove(&(transport, remote, key));
        }
        if let Some(merge) = server.merge {
            self.merges.remove(&merge);
        }
    }

    pub(crate) fn servers_get(&mut self, key: Key) -> Option<&mut Server> {
        self.servers.get_mut(key)
    }

    /// The request of a transaction that is not answered finally.
    pub(crate) fn server_request(&self, key: Key) -> Option<Message> {
        self.servers.get(key)?.request.as_deref().cloned()
    }

    /// The tag of a transaction's responses.
    pub(crate) fn server_tag(&self, key: Key) -> String {
        self.servers
            .get(key)
            .map(|server| server.tag.to_string())
            .unwrap_or_default()
    }

    pub(crate) fn server_target(&self, key: Key) -> Option<Target> {
        self.servers.get(key).map(|server| server.to.clone())
    }

    /// Whether a request is still without a final response.
    pub(crate) fn is_unanswered(&self, key: Key) -> bool {
        match self.servers.get(key).map(|server| &server.machine) {
            Some(Machine::Invite(machine)) => machine.state() == InviteServerState::Proceeding,
            Some(Machine::Other(machine)) => matches!(
                machine.state(),
                NonInviteServerState::Trying | NonInviteServerState::Proceeding
            ),
            None => false,
        }
    }

    /// Sends a response, if the transaction still takes one.
    pub(crate) fn respond(&mut self, now: Instant, key: Key, response: &Message) -> bool {
        let Some(server) = self.servers.get_mut(key) else {
            return false;
        };
        let status = response.status().map_or(500, StatusCode::code);
        let step = match &mut server.machine {
            Machine::Invite(machine) => machine.respond(now, status, &self.config.timers),
            Machine::Other(machine) => machine.respond(now, status, &self.config.timers),
        };
        let sent = step == Step::Send;
        if sent {
            // Whether its connection is still open can have changed since the request.
            if let Target::Flow(flow) = server.to
                && flow
                    .connection
                    .is_some_and(|id| !self.connections.contains_key(&id))
                && let Some(request) = &server.request
            {
                server.to = wire::response_target(request, flow, false);
                let at = (server.to.transport(), server.to.remote(), key);
                self.opened.insert(at);
            }
            let bytes = response.to_bytes();
            self.out.send(server.to.clone(), bytes.clone());
            // The dialog repeats a 2xx to INVITE; the transaction would only hold it.
            let dialogs =
                matches!(server.machine, Machine::Invite(_)) && (200..300).contains(&status);
            server.last = match (dialogs, status >= 200) {
                (true, _) => None,
                // It lingers: without the room that its builder had to spare.
                (false, true) => Some(Bytes::copy_from_slice(&bytes)),
                (false, false) => Some(bytes),
            };
            if status >= 200 {
                server.request = None;
                if let Some(merge) = server.merge.take() {
                    self.merges.remove(&merge);
                }
            }
        }
        self.rearm_server(key);
        sent
    }

    /// Sends a response that says no more than its status.
    pub(crate) fn respond_status(
        &mut self,
        now: Instant,
        key: Key,
        request: &Message,
        status: StatusCode,
        finish: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) -> bool {
        let tag = self.server_tag(key);
        let builder = self.identify(request.reply(status)).to_tag(&tag);
        match finish(builder).build() {
            Ok(response) => self.respond(now, key, &response),
            // The request holds what no response may repeat: there is no answer to it.
            Err(_) => {
                self.counters.malformed += 1;
                self.remove_server(key);
                false
            }
        }
    }

    /// Answers without keeping a transaction (8.2.7).
    pub(crate) fn respond_stateless(
        &mut self,
        flow: Flow,
        request: &Message,
        status: StatusCode,
        close: bool,
        finish: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) {
        if request.method() == Some(Method::Ack) {
            return;
        }
        let tag = self.draw.tag();
        let builder = self.identify(request.reply(status)).to_tag(&tag);
        match finish(builder).build() {
            Ok(response) => {
                let to = wire::response_target(request, flow, true);
                self.out.send(to, response.to_bytes());
                if let (true, Some(transmit)) = (close, self.out.transmits.back_mut()) {
                    transmit.then_close = true;
                }
            }
            Err(_) => self.counters.malformed += 1,
        }
    }

    /// Adds Server.
    pub(crate) fn identify(&self, builder: ResponseBuilder) -> ResponseBuilder {
        match &self.config.user_agent {
            Some(name) => builder.header(HeaderName::SERVER, name),
            None => builder,
        }
    }

    /// The same request came again.
    pub(crate) fn server_retransmitted(&mut self, key: Key) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let step = match &mut server.machine {
            Machine::Invite(machine) => machine.retransmitted(),
            Machine::Other(machine) => machine.retransmitted(),
        };
        if let (Step::Send, Some(bytes)) = (step, &server.last) {
            self.out.send(server.to.clone(), bytes.clone());
        }
    }

    /// An ACK matched this INVITE's transaction; whether it is the dialog's.
    pub(crate) fn server_ack(&mut self, now: Instant, key: Key) -> bool {
        let Some(Server {
            machine: Machine::Invite(machine),
            ..
        }) = self.servers.get_mut(key)
        else {
            return false;
        };
        let step = machine.ack(now, &self.config.timers);
        self.rearm_server(key);
        step == Step::Pass
    }

    pub(crate) fn server_due(&mut self, now: Instant, key: Key) -> bool {
        let Some(server) = self.servers.get_mut(key) else {
            return false;
        };
        let (step, fresh) = match &mut server.machine {
            Machine::Invite(machine) => {
                let fresh = !machine.has_responded();
                (machine.handle_timeout(now, &self.config.timers), fresh)
            }
            Machine::Other(machine) => (machine.handle_timeout(now), false),
        };
        match step {
            Step::Send if fresh => {
                // 17.2.1: nobody answered within 200 ms, so that the caller stops repeating.
                let trying = server
                    .request
                    .as_ref()
                    .map(|r| r.reply(StatusCode::TRYING).build());
                if let Some(Ok(response)) = trying {
                    let bytes = response.to_bytes();
                    server.last = Some(bytes.clone());
                    self.out.send(server.to.clone(), bytes);
                }
            }
            Step::Send => {
                if let Some(bytes) = &server.last {
                    self.out.send(server.to.clone(), bytes.clone());
                }
            }
            step if step.is_end() => {
                self.remove_server(key);
                return true;
            }
            _ => {}
        }
        self.rearm_server(key);
        true
    }
}
