//! Client transactions: sending, matching responses (RFC 3261 section 17.1.3), ends.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::call::{Call, CallState};
use super::command::CommandError;
use super::deadlines::Waiter;
use super::flow::{Flow, FlowError, Target};
use super::large::Fallback;
use super::table::Key;
use super::{EndCause, EndKind, EndedBy, Endpoint, wire};
use crate::auth::Attempt;
use crate::dialog::Dialog;
use crate::transaction::{InviteClient, NonInviteClient, Step, Timer, Timers};
use crate::{BuildError, HeaderName, Message, Method};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invite,
    Reinvite,
    Update,
    Bye,
    Prack,
    Cancel,
    Info,
    Standalone,
    /// SUBSCRIBE, REFER or NOTIFY of this subscription.
    Usage(Key),
    /// This flow of a registration.
    Register(u8),
}

/// Why a request has no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    TimedOut(Timer),
    Transport(FlowError),
}

impl Failure {
    pub(crate) fn cause(self, host: String) -> EndCause {
        match self {
            Self::TimedOut(timer) => EndCause::new(EndedBy::Timer, EndKind::TimedOut(timer)),
            Self::Transport(error) => EndCause::new(EndedBy::Transport, EndKind::Transport(error)),
        }
        .with_host(Some(host))
    }
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(NonInviteClient),
}

/// The ACK of one branch's answer, sent again for each of its retransmissions.
#[derive(Debug)]
struct StoredAck {
    tag: Box<str>,
    bytes: Bytes,
    to: Target,
}

/// One client transaction with the bytes that it repeats.
#[derive(Debug)]
pub(crate) struct Client {
    machine: Machine,
    /// Kept while a response may still need it: until the final one, or for an INVITE to its end.
    request: Option<Arc<Message>>,
    bytes: Bytes,
    pub(crate) target: Target,
    owner: Option<Key>,
    purpose: Purpose,
    pub(crate) attempt: Attempt,
    acks: Vec<StoredAck>,
    name: Box<str>,
    method: Method,
    /// How it goes out if TCP, to which its size moved it, fails.
    fallback: Option<Fallback>,
    /// Whether any response came.
    heard: bool,
    armed: Option<Instant>,
}

impl Client {
    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite(machine) => machine.deadline(),
            Machine::Other(machine) => machine.deadline(),
        }
    }

    /// The other way, if there is one and nothing was heard on this; the transaction begins anew.
    pub(crate) fn fall_back(&mut self, now: Instant, timers: &Timers) -> Option<Fallback> {
        let fallback = self.fallback.take().filter(|_| !self.heard)?;
        let reliable = fallback.target.transport().is_reliable();
        self.machine = Machine::new(&self.method, now, reliable, timers);
        Some(fallback)
    }

    pub(crate) fn redirect(&mut self, request: Message, target: Target) {
        self.bytes = request.to_bytes();
        self.request = Some(Arc::new(request));
        self.target = target;
    }
}

impl Machine {
    fn new(method: &Method, now: Instant, reliable: bool, timers: &Timers) -> Self {
        if *method == Method::Invite {
            Self::Invite(InviteClient::new(now, reliable, timers))
        } else {
            Self::Other(NonInviteClient::new(now, reliable, timers))
        }
    }
}

/// A response on its way to whom it is for.
pub(crate) struct Reply<'m> {
    pub(crate) client: Key,
    pub(crate) flow: Flow,
    pub(crate) request: &'m Message,
    pub(crate) response: &'m Message,
    pub(crate) attempt: Attempt,
    pub(crate) target: Target,
}

impl Endpoint {
    /// Sends a request in a transaction of its own.
    pub(crate) fn start_client(
        &mut self,
        now: Instant,
        request: Message,
        target: Target,
        owner: Option<Key>,
        purpose: Purpose,
        attempt: Attempt,
    ) -> Result<Key, CommandError> {
        let method = request.method().ok_or(BuildError::Method)?;
        let branch = wire::branch(&request).unwrap_or_default();
        write_name(&mut self.sought, branch, &method);
        let name: Box<str> = self.sought.as_str().into();
        let (request, target, fallback) = match self.grown(&request, &target) {
            Some((moved, over)) => {
                let request = Box::new(request);
                (moved, over, Some(Fallback { request, target }))
            }
            None => (request, target, None),
        };
        let reliable = target.transport().is_reliable();
        let machine = Machine::new(&method, now, reliable, &self.config.timers);
        let bytes = request.to_bytes();
        let remote = (target.transport(), target.remote());
        let client = Client {
            machine,
            request: Some(Arc::new(request)),
            bytes: bytes.clone(),
            target: target.clone(),
            owner,
            purpose,
            attempt,
            acks: Vec::new(),
            name: name.clone(),
            method,
            fallback,
            heard: false,
            armed: None,
        };
        let key = self
            .clients
            .insert(client)
            .map_err(|_| CommandError::Full("transaction table"))?;
        self.client_keys.insert(name, key);
        self.by_remote.insert((remote.0, remote.1, key));
        self.rearm_client(key);
        self.out.send(target, bytes);
        Ok(key)
    }

    pub(crate) fn rearm_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key) {
            let wanted = client.deadline();
            self.deadlines
                .arm(Waiter::Client(key), &mut client.armed, wanted);
        }
    }

    fn remove_client(&mut self, key: Key) -> Option<Client> {
        let mut client = self.clients.remove(key)?;
        self.deadlines
            .arm(Waiter::Client(key), &mut client.armed, None);
        self.client_keys.remove(&client.name);
        self.by_remote
            .remove(&(client.target.transport(), client.target.remote(), key));
        Some(client)
    }

    /// The INVITE that a client transaction sent.
    pub(crate) fn sent(&self, key: Key) -> Option<(&Message, &Target)> {
        let client = self.clients.get(key)?;
        Some((client.request.as_deref()?, &client.target))
    }

    /// Section 9.1: what was cancelled must end, even without a response.
    pub(crate) fn client_cancelled(&mut self, now: Instant, key: Key) {
        if let Some(Client {
            machine: Machine::Invite(machine),
            ..
        }) = self.clients.get_mut(key)
        {
            machine.cancelled(now, &self.config.timers);
        }
        self.rearm_client(key);
    }

    /// Sends the ACK of a 2xx and keeps it for that branch's retransmissions, as long as the
    /// INVITE's transaction lives: 64 × T1 (RFC 6026 section 8.4).
    pub(crate) fn send_ack(&mut self, key: Key, tag: &str, ack: &Message, to: Target) {
        let bytes = ack.to_bytes();
        self.out.send(to.clone(), bytes.clone());
        if let Some(client) = self.clients.get_mut(key) {
            client.acks.push(StoredAck {
                tag: tag.into(),
                bytes,
                to,
            });
        }
    }

    pub(crate) fn client_due(&mut self, now: Instant, key: Key) -> bool {
        let Some(client) = self.clients.get_mut(key) else {
            return false;
        };
        let step = match &mut client.machine {
            Machine::Invite(machine) => machine.handle_timeout(now),
            Machine::Other(machine) => machine.handle_timeout(now, &self.config.timers),
        };
        match step {
            Step::Send => self.out.send(client.target.clone(), client.bytes.clone()),
            Step::TimedOut(timer) => {
                self.client_failed(now, key, Failure::TimedOut(timer));
                return true;
            }
            step if step.is_end() => {
                self.remove_client(key);
                return true;
            }
            _ => {}
        }
        self.rearm_client(key);
        true
    }

    fn client_failed(&mut self, now: Instant, key: Key, failure: Failure) {
        if matches!(failure, Failure::Transport(_)) && self.fall_back(now, key) {
            return;
        }
        let Some(client) = self.remove_client(key) else {
            return;
        };
        // RFC 3263 section 4.3: a timeout counts only if nothing ever came.
        if !client.heard {
            self.avoid(now, &client.target, None);
        }
        match client.purpose {
            Purpose::Cancel => {}
            Purpose::Standalone => {
                let cause = failure.cause(client.target.to_string());
                if let Some(owner) = client.owner {
                    self.standalone_failed(now, owner, cause);
                }
            }
            Purpose::Register(flow) => {
                if let Some(owner) = client.owner {
                    self.register_failed(now, owner, flow, key, failure);
                }
            }
            purpose => {
                if let Some(owner) = client.owner {
                    self.with_call(owner, |endpoint, call| match purpose {
                        Purpose::Usage(sub) => endpoint.usage_failed(now, call, sub, failure),
                        // Only its subscriptions live.
                        _ if call.state == CallState::Ended => {}
                        Purpose::Invite => endpoint.invite_failed(now, call, key, failure),
                        _ => endpoint.inside_failed(now, call, key, purpose, failure),
                    });
                }
            }
        }
    }

    /// Nothing reaches `flow.remote` any more: its unfinished transactions fail.
    pub(crate) fn remote_failed(&mut self, now: Instant, flow: Flow, cause: FlowError) {
        let keys: Vec<Key> = self
            .by_remote
            .range(
                (flow.transport, flow.remote, Key::MIN)..=(flow.transport, flow.remote, Key::MAX),
            )
            .map(|(_, _, key)| *key)
            .collect();
        for key in keys {
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            let step = match &mut client.machine {
                Machine::Invite(machine) => machine.transport_failed(),
                Machine::Other(machine) => machine.transport_failed(),
            };
            if step == Step::Failed {
                self.client_failed(now, key, Failure::Transport(cause));
            }
        }
    }

    /// A response came.
    pub(crate) fn response(&mut self, now: Instant, flow: Flow, response: Message) {
        let found =
            wire::branch(&response)
                .zip(wire::cseq(&response))
                .and_then(|(branch, (_, method))| {
                    write_name(&mut self.sought, branch, &method);
                    self.client_keys.get(self.sought.as_str())
                });
        let (Some(&key), Some(status)) = (found, response.status()) else {
            self.counters.stray += 1;
            return;
        };
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let Some(request) = client.request.clone() else {
            // Its final response came before; what follows is a retransmission.
            return;
        };
        client.heard = true;
        let step = match &mut client.machine {
            Machine::Invite(machine) => machine.response(now, status.code(), &self.config.timers),
            Machine::Other(machine) => machine.response(now, status.code(), &self.config.timers),
        };
        let mut spent = None;
        if status.is_final() && matches!(client.machine, Machine::Other(_)) {
            // Nothing of it is needed any more; what lingers is small.
            client.request = None;
            client.bytes = Bytes::new();
            spent = Some(std::mem::replace(&mut client.attempt, Attempt::none()));
        }
        let tag = wire::to_tag(&response).unwrap_or_default();
        let stored = client.acks.iter().find(|ack| *ack.tag == *tag);
        match step {
            Step::PassAndAck => {
                let to = client.target.clone();
                if let Ok(ack) = failure_ack(&request, &response) {
                    self.send_ack(key, "", &ack, to);
                }
            }
            Step::Ack => {
                if let Some(ack) = client.acks.first() {
                    self.out.send(ack.to.clone(), ack.bytes.clone());
                }
                return;
            }
            Step::Pass => {
                if let (true, Some(ack)) = (status.is_success(), stored) {
                    self.out.send(ack.to.clone(), ack.bytes.clone());
                    return;
                }
            }
            _ => return,
        }
        let Some(client) = self.clients.get(key) else {
            return;
        };
        let (owner, purpose) = (client.owner, client.purpose);
        let reply = Reply {
            client: key,
            flow,
            request: &request,
            response: &response,
            // What it bore decides whether another try makes sense.
            attempt: spent.unwrap_or_else(|| client.attempt.clone()),
            target: client.target.clone(),
        };
        self.rearm_client(key);
        if status.is_final() {
            self.judge_address(now, &reply.target, &response);
        }
        self.pass(now, owner, purpose, reply);
    }

    fn pass(&mut self, now: Instant, owner: Option<Key>, purpose: Purpose, reply: Reply<'_>) {
        let is_final = reply
            .response
            .status()
            .is_some_and(|status| status.is_final());
        match purpose {
            Purpose::Cancel => {}
            Purpose::Standalone if !is_final => {}
            Purpose::Standalone => {
                if let Some(owner) = owner {
                    self.outside_response(now, owner, &reply);
                }
            }
            Purpose::Register(flow) => {
                if let Some(owner) = owner.filter(|_| is_final) {
                    self.register_response(now, owner, flow, &reply);
                }
            }
            _ => {
                let gone = owner.is_none_or(|owner| {
                    let alive = self.with_call(owner, |endpoint, call| {
                        match purpose {
                            Purpose::Usage(sub) => endpoint.usage_response(now, call, sub, &reply),
                            // Only its subscriptions live.
                            _ if call.state == CallState::Ended => return false,
                            Purpose::Invite => endpoint.invite_response(now, call, &reply),
                            Purpose::Reinvite | Purpose::Update => {
                                endpoint.reinvite_response(now, call, purpose, &reply);
                            }
                            _ => endpoint.inside_response(now, call, purpose, &reply),
                        }
                        true
                    });
                    alive != Some(true)
                });
                let invite = matches!(purpose, Purpose::Invite | Purpose::Reinvite);
                if gone && invite && reply.response.status().is_some_and(|s| s.is_success()) {
                    self.decline_success(now, &reply, None);
                }
            }
        }
    }

    /// A 2xx that nobody wants: of another branch than the one that won, or of a call that is
    /// gone. It is acknowledged, and its dialog ended at once (13.2.2.4).
    pub(crate) fn decline_success(&mut self, now: Instant, reply: &Reply<'_>, call: Option<&Call>) {
        // As many branches as are followed before the answer; a peer that thinks of a new tag for
        // each 200 must not make us remember and answer them all.
        let branches = self
            .clients
            .get(reply.client)
            .map_or(0, |client| client.acks.len());
        if branches > self.config.bounds.forks {
            self.counters.overload += 1;
            return;
        }
        let Ok(mut dialog) = Dialog::uac(reply.request, reply.response) else {
            return;
        };
        let to = self.hop(&dialog.next_hop(), Some(reply.flow), Some(&reply.target));
        let via = self.via(&to);
        let tag = dialog.remote_tag().to_owned();
        let Ok(ack) = dialog.ack(dialog.local_seq(), &via).build() else {
            return;
        };
        self.send_ack(reply.client, &tag, &ack, to.clone());
        let via = self.via(&to);
        let bye = dialog.request(Method::Bye, &via).build();
        if let Ok(bye) = bye {
            // Nobody waits for the answer: the owner is none, or a call that has another dialog.
            let _ = call;
            let _ = self.start_client(now, bye, to, None, Purpose::Bye, Attempt::none());
        }
    }
}

/// What identifies a client transaction: its branch, and its method because of CANCEL (17.1.3).
fn write_name(name: &mut String, branch: &str, method: &Method) {
    name.clear();
    name.extend([branch, "\n", method.as_str()]);
}

/// The ACK of a failure: section 17.1.1.3.
fn failure_ack(request: &Message, response: &Message) -> Result<Message, BuildError> {
    let uri = request.uri().map_err(BuildError::Uri)?.to_uri();
    let (sequence, _) = wire::cseq(request).unwrap_or((0, Method::Invite));
    Message::request(Method::Ack, &uri)
        .copy(request, HeaderName::VIA)
        .copy(request, HeaderName::ROUTE)
        .max_forwards(70)
        .copy(request, HeaderName::FROM)
        .copy(response, HeaderName::TO)
        .copy(request, HeaderName::CALL_ID)
        .cseq(sequence)
        .build()
}

/// The CANCEL of a request: section 9.1.
pub(crate) fn cancel(request: &Message, reason: Option<&str>) -> Result<Message, BuildError> {
    let uri = request.uri().map_err(BuildError::Uri)?.to_uri();
    let (sequence, _) = wire::cseq(request).unwrap_or((0, Method::Invite));
    let builder = Message::request(Method::Cancel, &uri)
        .copy(request, HeaderName::VIA)
        .copy(request, HeaderName::ROUTE)
        .max_forwards(70)
        .copy(request, HeaderName::FROM)
        .copy(request, HeaderName::TO)
        .copy(request, HeaderName::CALL_ID)
        .cseq(sequence);
    match reason {
        Some(reason) => builder.header(HeaderName::REASON, reason),
        None => builder,
    }
    .build()
}
