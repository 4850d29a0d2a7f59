//! What an application tells an endpoint: the values that commands take, and why they fail.

use std::time::Duration;

use super::body::Body;
use super::flow::Target;
use crate::auth::Account;
use crate::dialog::OfferError;
use crate::header::NameAddr;
use crate::registrar::Binding;
use crate::registration::RegistrationId;
use crate::resolve::ResolveError;
use crate::uri::Uri;
use crate::{BuildError, Method};

/// A call to make.
///
/// ```
/// use sip_core::{Body, Invite, header::NameAddr};
/// let from = NameAddr::new(&"sip:alice@example.org".parse()?).with_display_name("Alice")?;
/// let invite = Invite::new("sip:bob@127.0.0.1:5060".parse()?, from)
///     .header("X-Room", "42")
///     .body(Body::sdp("v=0\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Invite {
    /// The Request-URI, and To unless `to` says otherwise.
    pub uri: Uri,
    /// From; the endpoint adds the tag.
    pub from: NameAddr,
    /// To; by default the Request-URI.
    pub to: Option<NameAddr>,
    /// Further headers, in order. Those that the endpoint writes itself are refused.
    pub headers: Vec<(String, String)>,
    /// The offer; without one the peer offers in its 200.
    pub body: Option<Body>,
    /// What to offer in place of `body`, one after the other, when the peer refuses that as a session: with 406, 415, 488 or
    /// 606 (RFC 3261 section 8.1.3.5). The call stays the same, the CSeq rises; [`Event::OfferedAgain`](crate::Event::OfferedAgain)
    /// tells. Without a session in `body` they are not looked at.
    pub alternatives: Vec<Body>,
    /// For 401 and 407, here and in later requests of the call.
    pub account: Option<Account>,
    /// CANCEL when nobody answered after this long; default 3 minutes, so that a phone which dies
    /// while it rings is not waited for for ever.
    pub ring_timeout: Option<Duration>,
    /// Route set for the first request: an outbound proxy is one `<sip:proxy;lr>`.
    pub route: Vec<NameAddr>,
    /// Where to send it, when the application knows better than the URI or route.
    pub target: Option<Target>,
    /// Max-Forwards; default 70. Who passes a call on takes one from what it got (RFC 7332).
    pub max_forwards: u8,
    /// The registration through which it goes.
    pub registration: Option<RegistrationId>,
    /// Whether the application takes part in offers and answers before the call is answered;
    /// default false: then PRACK goes out by itself, and the peer's early UPDATE with an offer
    /// meets 491.
    pub early_offers: bool,
}

impl Invite {
    /// A call to `uri` by `from`, with defaults for the rest.
    pub fn new(uri: Uri, from: NameAddr) -> Self {
        Self {
            uri,
            from,
            to: None,
            headers: Vec::new(),
            body: None,
            alternatives: Vec::new(),
            account: None,
            ring_timeout: Some(Duration::from_secs(180)),
            route: Vec::new(),
            target: None,
            max_forwards: 70,
            registration: None,
            early_offers: false,
        }
    }

    /// Whether the body holds a session description, and so an offer.
    pub(crate) fn has_offer(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|body| body.session().is_some())
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the offer.
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Adds what to offer when the peer refuses what was offered before.
    pub fn or(mut self, body: Body) -> Self {
        self.alternatives.push(body);
        self
    }

    /// Sets the account that answers digest challenges.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sets the ring timeout.
    pub fn ring_timeout(mut self, after: Duration) -> Self {
        self.ring_timeout = Some(after);
        self
    }

    /// Sets where to send it.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Takes part in offers and answers before the call is answered (RFC 6337 section 2.2): each
    /// reliable provisional response waits for [`CallHandle::prack`](crate::CallHandle::prack),
    /// which can offer, or answers the offer that such a response brings to an INVITE without one;
    /// and the peer's early UPDATE is told as [`Event::Offered`](crate::Event::Offered).
    pub fn early_offers(mut self) -> Self {
        self.early_offers = true;
        self
    }

    /// Calls through a registration that stands: over its flow, along its Service-Route (RFC 3608) or proxy, with its
    /// account for challenges, under its public GRUU or the contact that it registered. What is set otherwise stays.
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Calls the device behind a contact: its URI, through its Path, over its flow (RFC 3327 section 5.4, RFC 5626
    /// section 5.3). To keeps the URI that was called.
    pub fn at(mut self, binding: &Binding) -> Self {
        if let Ok(uri) = binding.uri() {
            let called = std::mem::replace(&mut self.uri, uri);
            self.to.get_or_insert_with(|| NameAddr::new(&called));
        }
        self.route.splice(..0, binding.path.iter().cloned());
        if let Some(flow) = binding.flow {
            self.target = Some(Target::Flow(flow));
        }
        self
    }
}

/// An OPTIONS to send outside any call: a ping, or a question for capabilities (RFC 3261 section 11).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The Request-URI and To.
    pub uri: Uri,
    /// From; the endpoint adds the tag.
    pub from: NameAddr,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// Where to send it, when the application knows better than the URI.
    pub target: Option<Target>,
    /// The registration through which it goes.
    pub registration: Option<RegistrationId>,
}

impl Options {
    /// A question to `uri` by `from`.
    pub fn new(uri: Uri, from: NameAddr) -> Self {
        Self {
            uri,
            from,
            headers: Vec::new(),
            target: None,
            registration: None,
        }
    }

    /// Asks through a registration that stands; see [`Invite::through`].
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Sets where to send it.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }
}

/// A request to send outside any call: [`Endpoint::send_outside`](crate::Endpoint::send_outside),
/// or [`Endpoint::refer`](crate::Endpoint::refer).
///
/// ```
/// use sip_core::{Body, Method, Outside, header::NameAddr};
/// let from = NameAddr::new(&"sip:alice@example.org".parse()?);
/// let message = Outside::new(Method::Message, "sip:bob@127.0.0.1".parse()?, from)
///     .body(Body::new("text/plain", "on my way"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outside {
    /// The method.
    pub method: Method,
    /// The Request-URI, and To unless `to` says otherwise.
    pub uri: Uri,
    /// From; the endpoint adds the tag.
    pub from: NameAddr,
    /// To; by default the Request-URI.
    pub to: Option<NameAddr>,
    /// Further headers, in order. Those that the endpoint writes itself are refused.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Body>,
    /// For 401 and 407.
    pub account: Option<Account>,
    /// Route set: an outbound proxy is one `<sip:proxy;lr>`.
    pub route: Vec<NameAddr>,
    /// Where to send it, when the application knows better than the URI or route.
    pub target: Option<Target>,
    /// The registration through which it goes.
    pub registration: Option<RegistrationId>,
}

impl Outside {
    /// A request to `uri` by `from`.
    pub fn new(method: Method, uri: Uri, from: NameAddr) -> Self {
        Self {
            method,
            uri,
            from,
            to: None,
            headers: Vec::new(),
            body: None,
            account: None,
            route: Vec::new(),
            target: None,
            registration: None,
        }
    }

    /// Sets where to send it.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Sends through a registration that stands; see [`Invite::through`].
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets the account that answers digest challenges.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }
}

/// An id of something that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call is over")]
pub struct Gone;

/// Why a command was refused. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The call is over.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The command does not fit the call's state; the text says what it needs.
    #[error("not now: {0}")]
    State(&'static str),
    /// A table or the outbox is full: drain it, or wait for calls to end.
    #[error("{0} full")]
    Full(&'static str),
    /// A body at the wrong time.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The message cannot be built of these values.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The endpoint writes this header itself.
    #[error("header {0} is written by the endpoint")]
    ReservedHeader(String),
    /// The status does not fit the command.
    #[error("status {0} does not fit this command")]
    Status(u16),
    /// The URI's scheme cannot be called over SIP.
    #[error("scheme {0} cannot be called")]
    Scheme(String),
    /// The URI asks for a transport that is unknown, or for which there is no socket.
    #[error("transport {0} is not available")]
    Transport(String),
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Scheme(scheme) => Self::Scheme(scheme),
            ResolveError::Transport(name) => Self::Transport(name),
        }
    }
}
