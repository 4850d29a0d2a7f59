//! What makes an endpoint a registrar.

use std::time::Duration;

use super::gruu::GruuKey;
use super::limits::Limits;
use super::memory::Memory;
use crate::header::NameAddr;

/// Whose bindings a user may change who has proved who he is (RFC 3261 section 10.3 step 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorize {
    /// Those of the address-of-record whose user part is his user name, or that is `user@host` his user name. Others
    /// get 403.
    #[default]
    Own,
    /// Anyone's.
    Any,
}

/// Who keeps the bindings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Store {
    /// The endpoint, in memory.
    Memory(Memory),
    /// The application: [`Question::Load`](crate::Question::Load) and [`Question::Store`](crate::Question::Store).
    Ask,
}

/// The registrar's role of an [`Endpoint`](crate::Endpoint).
///
/// Who may register is decided by [`Config::digest`](crate::Config::digest) and [`authorize`](Self::authorize);
/// without a digest policy everyone may.
///
/// ```
/// use sip_core::{Config, DigestPolicy, registrar::Policy};
/// let mut config = Config::default();
/// config.registrar = Some(Policy::new(["example.org"]));
/// config.digest = Some(DigestPolicy::new("example.org", [0x42; 32]).user("alice", "secret"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Policy {
    /// The hosts that Request-URI and To may name, in any case; others get 404. Empty: any.
    pub domains: Vec<String>,
    /// What is granted.
    pub limits: Limits,
    /// Who keeps the bindings. Default: the endpoint, for 10 000 addresses-of-record.
    pub store: Store,
    /// Whose bindings a user may change.
    pub authorize: Authorize,
    /// The key of temporary GRUUs. With one, devices with `+sip.instance` that take GRUUs are given both kinds (RFC
    /// 5627 section 5.3). Default: none are given.
    pub gruu: Option<GruuKey>,
    /// The Flow-Timer of flows that use outbound: how often we want to hear a keep-alive at least (RFC 5626 section
    /// 6). Default: none is named.
    pub flow_timer: Option<Duration>,
    /// The Service-Route of every 200: through which proxies registered users call (RFC 3608).
    pub service_route: Vec<NameAddr>,
}

impl Policy {
    /// A registrar of these domains, with defaults for the rest.
    pub fn new<S: Into<String>>(domains: impl IntoIterator<Item = S>) -> Self {
        Self {
            domains: domains.into_iter().map(Into::into).collect(),
            limits: Limits::default(),
            store: Store::Memory(Memory::new(10_000)),
            authorize: Authorize::default(),
            gruu: None,
            flow_timer: None,
            service_route: Vec::new(),
        }
    }

    /// Hands the keeping of bindings to the application.
    pub fn ask(mut self) -> Self {
        self.store = Store::Ask;
        self
    }

    /// Sets what is granted.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Gives out GRUUs under this key.
    pub fn gruu(mut self, key: [u8; 32]) -> Self {
        self.gruu = Some(GruuKey::new(key));
        self
    }

    pub(crate) fn is_ours(&self, host: &str) -> bool {
        self.domains.is_empty()
            || self
                .domains
                .iter()
                .any(|ours| ours.eq_ignore_ascii_case(host))
    }

    pub(crate) fn memory(&self) -> Option<&Memory> {
        match &self.store {
            Store::Memory(memory) => Some(memory),
            Store::Ask => None,
        }
    }

    pub(crate) fn memory_mut(&mut self) -> Option<&mut Memory> {
        match &mut self.store {
            Store::Memory(memory) => Some(memory),
            Store::Ask => None,
        }
    }
}
