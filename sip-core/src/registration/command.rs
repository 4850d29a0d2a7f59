//! What an application asks to have registered.

use std::time::Duration;

use super::backoff::Backoff;
use crate::auth::Account;
use crate::endpoint::Target;
use crate::header::NameAddr;
use crate::uri::Uri;

/// When flows are kept alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepAlive {
    /// Where the registrar granted outbound (`Require: outbound`): CRLF CRLF on streams, every 95 to 120 s, whose
    /// answer must come within 10 s; STUN on UDP, every 24 to 29 s (RFC 5626 sections 3.5 and 4.4); or as often as
    /// its Flow-Timer wants.
    #[default]
    Outbound,
    /// As often without outbound too: CRLF CRLF, whose answer nobody waits for, so that a NAT keeps the way open.
    Always,
    /// Never.
    Off,
}

/// What makes a device known over several flows (RFC 5626).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outbound {
    /// The device's URN, the same over restarts: `urn:uuid:…` (section 4.1).
    pub instance: String,
    /// Whether several flows are registered, with `reg-id`. Without, the instance is told all the same, which is
    /// enough for a GRUU.
    pub flows: bool,
}

/// A way to the registrar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// The Route of REGISTER, and of calls for which the registrar names no Service-Route: `<sip:proxy;lr>`.
    pub route: Option<NameAddr>,
    /// Where to send, when the application knows better than the URI.
    pub target: Option<Target>,
}

impl Proxy {
    /// A proxy by its route.
    pub fn route(route: NameAddr) -> Self {
        Self {
            route: Some(route),
            target: None,
        }
    }

    /// An address to send to.
    pub fn target(target: Target) -> Self {
        Self {
            route: None,
            target: Some(target),
        }
    }
}

/// An address-of-record to keep registered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The registrar: the Request-URI, usually `sip:` and the domain.
    pub registrar: Uri,
    /// The address-of-record: From and To.
    pub aor: NameAddr,
    /// For 401 and 407, and for calls through this registration.
    pub account: Option<Account>,
    /// The expiry to ask for; default one hour. The registrar may grant less.
    pub expires: Duration,
    /// The user part of Contact; by default that of the address-of-record.
    pub contact_user: Option<String>,
    /// The rank of this contact among others of the address-of-record, in thousandths; none is told by default.
    pub q: Option<u16>,
    /// Further parameters of Contact: feature tags of RFC 3840.
    pub params: Vec<(String, Option<String>)>,
    /// The device, and whether it holds several flows; none by default.
    pub outbound: Option<Outbound>,
    /// Whether GRUUs are asked for (RFC 5627); needs an instance. Default: yes.
    pub gruu: bool,
    /// The ways to the registrar: one flow each where outbound holds several, else the first. Default: one, by the
    /// registrar's URI. At most 8 count.
    pub proxies: Vec<Proxy>,
    /// When flows are kept alive.
    pub keep_alive: KeepAlive,
    /// The waits after failures.
    pub backoff: Backoff,
}

/// Flows of one registration; RFC 5626 section 4.2 asks for two, and more than four is rare.
pub(crate) const MAX_FLOWS: usize = 8;

impl Registration {
    /// Registers `aor` at `registrar`, with defaults for the rest.
    pub fn new(registrar: Uri, aor: NameAddr) -> Self {
        Self {
            registrar,
            aor,
            account: None,
            expires: Duration::from_secs(3600),
            contact_user: None,
            q: None,
            params: Vec::new(),
            outbound: None,
            gruu: true,
            proxies: Vec::new(),
            keep_alive: KeepAlive::default(),
            backoff: Backoff::default(),
        }
    }

    /// Sets the account that answers digest challenges.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sets the expiry to ask for.
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Names the device and asks for outbound flows.
    pub fn outbound(mut self, instance: impl Into<String>) -> Self {
        self.outbound = Some(Outbound {
            instance: instance.into(),
            flows: true,
        });
        self
    }

    /// Names the device, for GRUUs alone.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.outbound = Some(Outbound {
            instance: instance.into(),
            flows: false,
        });
        self
    }

    /// Adds a way to the registrar.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxies.push(proxy);
        self
    }

    /// Sets when flows are kept alive.
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }
}
