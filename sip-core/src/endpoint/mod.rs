//! One SIP user agent, from bytes to calls.
//!
//! [`Endpoint`] matches messages to transactions (RFC 3261 section 17), transactions to calls
//! (sections 12 to 15), answers what the RFC answers by itself, and tells the application the
//! rest as [`Event`]s. It has no socket and no clock. Whoever owns those does five things:
//!
//! 1. bytes that came: [`handle_input`](Endpoint::handle_input);
//! 2. a deadline that passed: [`handle_timeout`](Endpoint::handle_timeout);
//! 3. after either, and after every command: [`poll_transmit`](Endpoint::poll_transmit) and
//!    [`poll_event`](Endpoint::poll_event) until both are `None`;
//! 4. then wait, at most until [`poll_timeout`](Endpoint::poll_timeout);
//! 5. commands whenever it likes: [`invite`](Endpoint::invite), [`call`](Endpoint::call).
//!
//! Calling late or too often is harmless; a `now` that goes back counts as the last one. A phone
//! that answers every call, over a plain socket and without a runtime:
//!
//! ```no_run
#![doc = include_str!("../../examples/phone.rs")]
//! ```
//!
//! With it go session timers (RFC 4028), UPDATE (RFC 3311) and reliable provisional responses
//! (RFC 3262), subscriptions in both roles (RFC 6665), and transfers (RFC 3515, 3891) as transferor,
//! transferee and target. Methods that it does not know itself (MESSAGE, PUBLISH) are the application's:
//! [`Config::methods`] brings them as questions, [`CallHandle::request`] sends them. What this
//! leaves out so far: proxies.
//!
//! [`register`](Endpoint::register) keeps accounts registered (see [`registration`](crate::registration)), and
//! [`Config::registrar`] makes it a registrar itself (see [`registrar`](crate::registrar)).

mod answers;
mod body;
mod call;
mod callers;
mod cause;
mod challenge;
mod clients;
mod command;
mod config;
mod credentials;
mod deadlines;
mod drain;
mod event;
mod flow;
mod handle;
mod hops;
mod incoming;
mod info;
mod inside;
mod keep_alive;
mod large;
mod line;
mod outbox;
mod outgoing;
mod questions;
mod receive;
mod refer;
mod registrar;
mod registration_answers;
mod registrations;
mod reinvite;
mod reliable;
pub(crate) mod room;
mod route;
mod servers;
mod session;
mod standalone;
mod subscription;
mod table;
mod trace;
mod update;
pub(crate) mod wire;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

pub use body::Body;
pub use call::CallState;
pub use callers::{DigestPolicy, Users};
pub use cause::{EndCause, EndKind, EndedBy};
pub use command::{CommandError, Gone, Invite, Options, Outside};
pub use config::{Bounds, Config, Epoch, LaterSdp, Local, Uninvited};
pub use drain::Drain;
pub use event::{CallId, Event, Question, QuestionAnswer, QuestionId, RequestId};
pub use flow::{ConnectionId, Flow, FlowError, Input, Target, Transmit, Transport};
pub use handle::CallHandle;
pub use outbox::Chance;
pub use refer::{ReferError, Referrals};
pub use reliable::Reliable;
pub use session::SessionTimers;
pub use subscription::{
    Refer, Resubscribe, Subscribe, SubscriptionEnd, SubscriptionHandle, SubscriptionId,
    SubscriptionState, Subscriptions, Terminated,
};

use call::{Call, Reinvite};
use clients::Client;
use deadlines::{Deadlines, Waiter};
use drain::Draining;
use keep_alive::Ping;
use outbox::{Draw, Outbox};
use questions::Asked;
use receive::Reading;
use registrations::FlowUser;
use servers::Server;
use standalone::Standalone;
pub(crate) use table::Key;
use table::Table;
#[cfg(feature = "net")]
pub(crate) use trace::refused;

use crate::StatusCode;
use crate::auth::ServerAuth;
use crate::registration::Registered;
use crate::resolve::Blacklist;

/// Counts of what left no other trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Inputs refused because the outbox was not drained.
    pub refused_inputs: u64,
    /// Bytes or messages that could not be read or answered.
    pub malformed: u64,
    /// Responses and ACKs that belong to nothing here.
    pub stray: u64,
    /// Requests that nobody invited and the policy refused.
    pub uninvited: u64,
    /// Requests refused because a table was full.
    pub overload: u64,
}

/// One user agent: see the [module's story](self).
pub struct Endpoint {
    config: Config,
    epoch: Epoch,
    draw: Draw,
    now: Instant,
    out: Outbox,
    deadlines: Deadlines,
    clients: Table<Client>,
    client_keys: HashMap<Box<str>, Key>,
    /// Client transactions by where they send, for transport failures.
    by_remote: BTreeSet<(Transport, SocketAddr, Key)>,
    servers: Table<Server>,
    server_keys: HashMap<Box<str>, Key>,
    /// Server transactions whose response opens a connection.
    opened: BTreeSet<answers::Opened>,
    /// Requests of ours outside any call.
    requests: Table<Standalone>,
    /// Unanswered INVITEs by From tag, Call-ID and CSeq (8.2.2.2).
    merges: HashMap<Box<str>, Key>,
    calls: Table<Call>,
    /// Subscriptions, by the call that they stand in.
    subscriptions: Table<Key>,
    /// Calls by Call-ID and our tag.
    dialogs: HashMap<Box<str>, Key>,
    questions: Table<Asked>,
    connections: HashMap<ConnectionId, Reading>,
    /// Connections whose framers may hold more messages than there was room to handle.
    unread: VecDeque<ConnectionId>,
    callers: Option<ServerAuth>,
    registrar_armed: Option<Instant>,
    /// Addresses that failed a short while ago.
    avoided: Blacklist,
    registrations: Table<Registered>,
    /// Registrations by the flows that they use.
    flow_users: BTreeSet<FlowUser>,
    pings: Table<Ping>,
    ping_keys: HashMap<Flow, Key>,
    draining: Option<Draining>,
    /// Whether new calls are turned away for now.
    busy: bool,
    /// What Allow lists.
    allow: String,
    counters: Counters,
    /// Room for the name under which something is looked up, so that to look costs no allocation.
    sought: String,
}

impl Endpoint {
    /// An endpoint.
    ///
    /// `chance` fills a buffer with random bytes and must be cryptographic: tags, branches and
    /// Call-IDs keep strangers from ending calls that they cannot see. A test hands in a seeded
    /// generator and replays exactly.
    pub fn new(config: Config, epoch: Epoch, chance: Chance) -> Self {
        let bounds = config.bounds.clone();
        let callers = config.digest.as_ref().map(|policy| {
            let mut options = policy.options.clone();
            if let Some(home) = config.home {
                (options.home, options.only_home) = (home.index(), true);
            }
            ServerAuth::new(policy.key, options)
        });
        Self {
            epoch,
            draw: Draw {
                chance,
                home: config.home,
            },
            now: epoch.instant,
            out: Outbox::new(bounds.undrained),
            deadlines: Deadlines::default(),
            clients: Table::new(bounds.transactions),
            client_keys: HashMap::new(),
            by_remote: BTreeSet::new(),
            servers: Table::new(bounds.transactions),
            server_keys: HashMap::new(),
            opened: BTreeSet::new(),
            requests: Table::new(bounds.transactions),
            merges: HashMap::new(),
            calls: Table::new(bounds.calls),
            subscriptions: Table::new(bounds.subscriptions),
            dialogs: HashMap::new(),
            questions: Table::new(bounds.questions),
            connections: HashMap::new(),
            unread: VecDeque::new(),
            callers,
            registrar_armed: None,
            avoided: Blacklist::new(bounds.avoided),
            registrations: Table::new(bounds.registrations),
            flow_users: BTreeSet::new(),
            pings: Table::new(bounds.registrations),
            ping_keys: HashMap::new(),
            draining: None,
            busy: false,
            counters: Counters::default(),
            sought: String::new(),
            allow: wire::allow(&config),
            config,
        }
    }

    /// Takes what happened on the network. Never fails: bytes that are not SIP are counted,
    /// answered, or become an event.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        let now = self.advance(now);
        match input {
            Input::Received { flow, bytes } => self.received(now, flow, bytes),
            Input::Framed { flow, frame } => self.framed(now, flow, frame),
            Input::Opened { flow } => self.opened(flow),
            Input::Closed { flow, cause } => {
                self.closed(now, flow, cause);
                self.give_back();
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.read_on(now);
        while self.out.has_room() {
            let Some(waiter) = self.deadlines.due(now) else {
                break;
            };
            let alive = match waiter {
                Waiter::Client(key) => self.client_due(now, key),
                Waiter::Server(key) => self.server_due(now, key),
                Waiter::Call(key) => self.call_due(now, key),
                Waiter::Question(key) => self.question_due(now, key),
                Waiter::Registrar => self.registrar_due(now),
                Waiter::Registration(key) => self.registration_due(now, key),
                Waiter::Ping(key) => self.ping_due(now, key),
                Waiter::Drain => self.drain_due(now),
                Waiter::Reading(id) => self.reading_due(id),
            };
            if !alive {
                self.deadlines.drop_first();
            }
        }
        self.give_back();
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; in the past means now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.unread.is_empty() {
            self.deadlines.next()
        } else {
            Some(self.now)
        }
    }

    /// Commands and questions to one call.
    pub fn call(&mut self, id: CallId) -> Result<CallHandle<'_>, Gone> {
        match self.calls.get(id.0) {
            Some(call) if call.state != CallState::Ended => Ok(CallHandle::new(self, id)),
            _ => Err(Gone),
        }
    }

    /// Calls that are not over, in no particular order.
    pub fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.calls
            .keys()
            .filter(|key| {
                let call = self.calls.get(*key);
                call.is_some_and(|call| call.state != CallState::Ended)
            })
            .map(CallId)
    }

    /// What the endpoint counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sizes of the tables: calls and dialogs of subscriptions alone, client transactions, server transactions, open questions.
    pub fn sizes(&self) -> [usize; 4] {
        [
            self.calls.len(),
            self.clients.len(),
            self.servers.len(),
            self.questions.len(),
        ]
    }

    /// Whether nothing is remembered: no registration, no call, no transaction, no question, no deadline.
    pub fn is_idle(&self) -> bool {
        self.sizes() == [0; 4]
            && self.deadlines.is_empty()
            && self.client_keys.is_empty()
            && self.server_keys.is_empty()
            && self.merges.is_empty()
            && self.by_remote.is_empty()
            && self.opened.is_empty()
            && self.requests.len() == 0
            && self.dialogs.is_empty()
            && self.subscriptions.len() == 0
            && self.registrations.len() == 0
            && self.flow_users.is_empty()
            && self.pings.len() == 0
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Adds a socket of ours, for an endpoint whose sockets are bound after it was made.
    pub fn add_local(&mut self, local: Local) {
        self.config.locals.push(local);
    }

    /// Says whether whoever drives the endpoint is behind with its work. While it is, new calls get a stateless 503
    /// with Retry-After: to refuse one costs a fraction of what serving it costs, and those that are served are served in
    /// time. Everything else goes on. The driver of the module `net` says it by itself.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// Changes what happens to requests that begin something here, from now on. A program that is to stop
    /// [`drain`](Self::drain)s.
    pub fn set_uninvited(&mut self, policy: Uninvited) {
        self.config.uninvited = policy;
    }

    /// Replaces the pair of clocks, after the wall clock was set.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.arm_registrar();
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Computes with a call that is taken out of its table, so that everything else can be
    /// reached too; afterwards files it, or forgets it when it has ended.
    fn with_call<R>(&mut self, key: Key, f: impl FnOnce(&mut Self, &mut Call) -> R) -> Option<R> {
        let mut call = self.calls.take(key)?;
        let result = f(self, &mut call);
        // A dialog lives as long as any of its usages (RFC 5057 section 4).
        let over = call.state == CallState::Ended && call.subs.is_empty();
        let wanted = if over { None } else { call.deadline() };
        self.deadlines
            .arm(Waiter::Call(key), &mut call.armed, wanted);
        if over {
            write_dialog_key(&mut self.sought, &call.call_id, &call.local_tag);
            self.dialogs.remove(self.sought.as_str());
            self.calls.release(key);
        } else {
            self.calls.put_back(key, call);
        }
        Some(result)
    }

    fn end(&mut self, call: &mut Call, cause: EndCause, message: Option<crate::Message>) {
        if call.state == CallState::Ended {
            return;
        }
        trace::ended(call, &cause);
        call.state = CallState::Ended;
        // What the peer still waits for would wait for ever.
        let now = self.now;
        if call.arrival.is_some() {
            let status = StatusCode::REQUEST_TERMINATED;
            if self.refuse_invite(now, call, status, None).is_err()
                && let Some(arrival) = call.arrival.take()
            {
                self.remove_server(arrival.server);
            }
        }
        // And what we wait for, at most as long as for any answer.
        let reinvite = match call.reinvite.as_deref() {
            Some(Reinvite::Out { client, .. }) => Some(*client),
            _ => None,
        };
        let invite = call.outgoing.as_ref().and_then(|outgoing| outgoing.client);
        for client in [reinvite, invite].into_iter().flatten() {
            self.client_cancelled(now, client);
        }
        if call.update.is_some() {
            let _ = self.refuse_update(now, call, StatusCode::REQUEST_TERMINATED);
        }
        self.report_end(call, &cause);
        call.success = None;
        call.session = None;
        if let Some(id) = call.key {
            self.out.tell(Event::Ended {
                call: CallId(id),
                cause,
                message,
            });
        }
    }

    fn new_call(&mut self, mut call: Call) -> Option<Key> {
        write_dialog_key(&mut self.sought, &call.call_id, &call.local_tag);
        let name = Box::from(self.sought.as_str());
        call.key = None;
        let key = self.calls.insert(call).ok()?;
        if let Some(call) = self.calls.get_mut(key) {
            call.key = Some(key);
            // An application that never touches the call is waited for no longer than another.
            let wanted = call.deadline();
            self.deadlines
                .arm(Waiter::Call(key), &mut call.armed, wanted);
            if call.state != CallState::Ended {
                trace::began(call);
            }
        }
        self.dialogs.insert(name, key);
        Some(key)
    }

    fn find_call(&mut self, call_id: &str, local_tag: &str) -> Option<Key> {
        write_dialog_key(&mut self.sought, call_id, local_tag);
        self.dialogs.get(self.sought.as_str()).copied()
    }
}

/// A Call-ID has no line end in it, so the two parts cannot be confused.
fn write_dialog_key(key: &mut String, call_id: &str, local_tag: &str) {
    key.clear();
    key.extend([call_id, "\n", local_tag]);
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("calls", &self.calls.len())
            .field("clients", &self.clients.len())
            .field("servers", &self.servers.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
