//! What an application decides before an [`Endpoint`](crate::Endpoint) runs: identity, addresses,
//! timers, limits and policies, each with its default and the reason for it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use super::callers::DigestPolicy;
use super::flow::Transport;
use super::refer::Referrals;
use super::reliable::Reliable;
use super::session::SessionTimers;
use super::subscription::Subscriptions;
use crate::Method;
use crate::homes::Home;
use crate::registrar::Policy;
use crate::transaction::Timers;

/// One pair of clocks read at the same moment. Where the wire needs a wall clock (nonces), the
/// endpoint derives it from this pair and the `now` of the call.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// The monotonic clock.
    pub instant: Instant,
    /// The wall clock at that moment.
    pub wall: SystemTime,
}

impl Epoch {
    /// The wall clock at `now`.
    pub fn wall_at(&self, now: Instant) -> SystemTime {
        match now.checked_duration_since(self.instant) {
            Some(passed) => self.wall.checked_add(passed),
            None => self
                .wall
                .checked_sub(self.instant.saturating_duration_since(now)),
        }
        .unwrap_or(self.wall)
    }
}

/// A socket of ours: where peers reach us over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Local {
    /// The transport.
    pub transport: Transport,
    /// The address that the socket is bound to. For connections that we open this is the
    /// address that we listen on, so that the peer can reach us after one closes.
    pub bound: SocketAddr,
    /// The host and port that Via and Contact name, when they differ from `bound`: a public
    /// address behind a NAT, or a name. IPv6 literals in brackets.
    pub advertised: Option<(String, u16)>,
}

impl Local {
    /// A socket whose bound address is the one that peers see.
    pub fn new(transport: Transport, bound: SocketAddr) -> Self {
        Self {
            transport,
            bound,
            advertised: None,
        }
    }

    /// The same with an advertised host and port.
    pub fn advertise(mut self, host: impl Into<String>, port: u16) -> Self {
        self.advertised = Some((host.into(), port));
        self
    }

    /// `host:port` as it stands in Via and Contact.
    pub(crate) fn sent_by(&self) -> String {
        match &self.advertised {
            Some((host, port)) => format!("{host}:{port}"),
            None => match self.bound.ip() {
                IpAddr::V4(ip) => format!("{ip}:{}", self.bound.port()),
                IpAddr::V6(ip) => format!("[{ip}]:{}", self.bound.port()),
            },
        }
    }
}

/// What happens to a request that begins something here and that nobody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Uninvited {
    /// INVITE becomes [`Event::Incoming`](crate::Event::Incoming); OPTIONS is answered; other
    /// methods get 405 or 501.
    #[default]
    Accept,
    /// Answered with 403. For a program that only dials out.
    Forbid,
    /// Answered with 481, as if it belonged to a dialog that is gone.
    Unknown,
    /// Answered with 503 and Retry-After: come back later, or try another node.
    Unavailable,
    /// Not answered at all, so that scanners learn nothing.
    Drop,
}

/// What counts when the SDP of a 200 differs from the preview in an unreliable provisional response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaterSdp {
    /// The later one, as clients do; a preview stands in for a 200 without any.
    #[default]
    Follow,
    /// The first, as RFC 3261 section 13.2.1 says: later ones of the same branch are not heard.
    Ignore,
}

/// Bounds of every table and queue of an endpoint, and so of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Calls, from the first INVITE to the end; default 10 000. When full, commands get
    /// [`CommandError::Full`](crate::CommandError::Full) and INVITEs 503 with Retry-After.
    pub calls: usize,
    /// Client and server transactions, each; default 40 000. When full, requests get a
    /// stateless 503 (INVITE) or no answer.
    pub transactions: usize,
    /// Connections with bytes waiting to be framed; default 10 000. When full, a new one is
    /// closed.
    pub connections: usize,
    /// Transmits and events that wait to be polled, each; default 1024. When full, new datagrams
    /// and commands are refused; streams wait.
    pub undrained: usize,
    /// Subscriptions, both roles together; default 10 000. When full, commands get
    /// [`CommandError::Full`](crate::CommandError::Full) and requests 503 with Retry-After. Each
    /// that stands in no call's dialog takes a place of `calls` too.
    pub subscriptions: usize,
    /// Subscriptions in the dialogs of one call or SUBSCRIBE; default 16. When full, as above.
    pub usages: usize,
    /// Early dialogs of one INVITE; default 12. When full, responses of further branches are
    /// ignored until one succeeds.
    pub forks: usize,
    /// Registrations that we keep alive; default 10 000. When full, commands get
    /// [`CommandError::Full`](crate::CommandError::Full).
    pub registrations: usize,
    /// Questions that wait for an answer; default 1024. When full, the default answer is taken
    /// at once.
    pub questions: usize,
    /// Addresses that failed and are tried last for [`Config::avoid_failed`]; default 1024. When
    /// full, the one that expires first makes room.
    pub avoided: usize,
    /// Time to answer a question; default 10 s, well inside timer B of the peer. Then the default
    /// answer is taken.
    pub question: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            calls: 10_000,
            transactions: 40_000,
            connections: 10_000,
            undrained: 1024,
            subscriptions: 10_000,
            usages: 16,
            forks: 12,
            registrations: 10_000,
            questions: 1024,
            avoided: 1024,
            question: Duration::from_secs(10),
        }
    }
}

/// Everything that an endpoint is told once.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Our sockets. At least one for each transport that is used; the first that fits the peer's
    /// transport and address family names us in Via and Contact.
    pub locals: Vec<Local>,
    /// The user part of our Contact; by default that of From when we call, and of the
    /// Request-URI when we are called.
    pub contact_user: Option<String>,
    /// User-Agent in requests and Server in responses; none by default (20.35 warns of telling
    /// attackers the version).
    pub user_agent: Option<String>,
    /// Transaction timers.
    pub timers: Timers,
    /// The longest request, in bytes, that goes to an address over UDP when we have a TCP socket; default 1300, which
    /// RFC 3261 section 18.1.1 has where the path's MTU is not known. A longer one goes over TCP, and only if that
    /// fails over UDP. `None` sends everything as its URI says. Requests that go back along a UDP flow stay on it.
    pub datagram_limit: Option<usize>,
    /// How long an address is tried last after it did not answer, could not be reached, or
    /// answered 503 without Retry-After (RFC 3263 section 4.3); default 60 s, about twice timer B:
    /// a dead server costs one call its wait, not every call. Retry-After counts instead, up to
    /// an hour.
    pub avoid_failed: Duration,
    /// Bounds of tables and queues.
    pub bounds: Bounds,
    /// Bounds of what is parsed and framed.
    pub limits: crate::Limits,
    /// How long the rest of a message on a stream may take, from its first byte on; default 32 s (64 × T1): whoever sends
    /// slower than that would hold its buffer for ever. Then the connection is closed.
    pub message_within: Duration,
    /// How long an INVITE of a peer's may wait for the application; default 3 minutes. Then the
    /// call ends with 480, a re-INVITE is refused with 500.
    pub answer_within: Duration,
    /// How often the last provisional response is repeated meanwhile, so that proxies do not give
    /// the call up; default one minute (13.3.1.1).
    pub progress_every: Duration,
    /// Reliable provisional responses (RFC 3262).
    pub reliable: Reliable,
    /// Which of several session descriptions in answer to one offer of ours counts.
    pub later_sdp: LaterSdp,
    /// Session timers (RFC 4028); on by default, so that no call outlives its peer.
    pub session_timers: Option<SessionTimers>,
    /// Further methods that the application answers, inside calls and outside: each such request
    /// is a [`Question::Request`](crate::Question::Request), and Allow lists them. MESSAGE and
    /// PUBLISH for instance, or NOTIFY without a subscription; none by default. Those that the
    /// endpoint knows are its own.
    pub methods: Vec<Method>,
    /// Event packages and intervals of subscriptions (RFC 6665).
    pub subscriptions: Subscriptions,
    /// Whose REFER becomes [`Event::ReferRequested`](crate::Event::ReferRequested) (RFC 3515);
    /// nobody's by default.
    pub referrals: Referrals,
    /// Whether an INVITE with Replaces takes the place of a call (RFC 3891) when the application
    /// answers it; otherwise the header means nothing, and an INVITE that requires it gets 420.
    /// Off by default: whoever knows a call's identifiers takes it over, so that whoever turns this
    /// on judges [`Event::Incoming`](crate::Event::Incoming) by its `replaces`.
    pub replaces: bool,
    /// Info packages that we take (RFC 6086), as Recv-Info lists them; an INFO of another package
    /// gets 469. None by default; an INFO without a package is always taken.
    pub info_packages: Vec<String>,
    /// Answer to requests that begin something here.
    pub uninvited: Uninvited,
    /// Digest authentication of callers, and of those who register; none by default.
    pub digest: Option<DigestPolicy>,
    /// The registrar's role; none by default.
    pub registrar: Option<Policy>,
    /// Which of several endpoints behind the same sockets this is ([`homes`](crate::homes)); none by default.
    pub home: Option<Home>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            locals: Vec::new(),
            contact_user: None,
            user_agent: None,
            timers: Timers::default(),
            datagram_limit: Some(1300),
            avoid_failed: Duration::from_secs(60),
            bounds: Bounds::default(),
            limits: crate::Limits::default(),
            message_within: Duration::from_secs(32),
            answer_within: Duration::from_secs(180),
            progress_every: Duration::from_secs(60),
            reliable: Reliable::default(),
            later_sdp: LaterSdp::default(),
            session_timers: Some(SessionTimers::default()),
            methods: Vec::new(),
            subscriptions: Subscriptions::default(),
            referrals: Referrals::default(),
            replaces: false,
            info_packages: Vec::new(),
            uninvited: Uninvited::default(),
            digest: None,
            registrar: None,
            home: None,
        }
    }
}

impl Config {
    /// A configuration with one socket and defaults for the rest.
    pub fn new(local: Local) -> Self {
        Self {
            locals: vec![local],
            ..Self::default()
        }
    }

    pub(crate) fn local(&self, transport: Transport, remote: SocketAddr) -> Option<&Local> {
        let fits = |local: &&Local| local.transport == transport;
        self.locals
            .iter()
            .filter(fits)
            .find(|local| local.bound.is_ipv4() == remote.is_ipv4())
            .or_else(|| self.locals.iter().find(fits))
    }
}
