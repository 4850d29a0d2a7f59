//! What a registrar grants.

use std::time::Duration;

/// What happens when an address-of-record has as many contacts as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crowd {
    /// The contact that was refreshed longest ago makes room: a phone that lost its memory and comes back under new
    /// contacts is reachable.
    #[default]
    Displace,
    /// The request is refused with 403.
    Refuse,
}

/// For which contacts the flow is remembered over which a REGISTER came without a proxy between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RememberFlow {
    /// Those that use outbound (RFC 5626), came over a connection, or name a host that is not where they came from: a
    /// phone behind a NAT or in a browser (RFC 7118).
    #[default]
    WhereNeeded,
    /// Those that use outbound only, as RFC 5626 has it.
    Outbound,
    /// None.
    Never,
}

/// What a registrar grants to one address-of-record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The shortest expiry; less, and less than an hour, is refused with 423 (RFC 3261 section 10.3 step 7). Default
    /// 60 s.
    pub min_expires: Duration,
    /// The longest expiry granted, whatever is asked. Default one hour.
    pub max_expires: Duration,
    /// The expiry of a contact that asks for none. Default one hour (RFC 3261 section 10.2.1.1).
    pub default_expires: Duration,
    /// Contacts of one address-of-record, and of one request. Default 10.
    pub contacts: usize,
    /// What happens to more.
    pub crowd: Crowd,
    /// Bytes of one contact with its Path and Call-ID; a request with more is refused with 513. Default 2048.
    pub bytes: usize,
    /// Flows to remember.
    pub flows: RememberFlow,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(3600),
            contacts: 10,
            crowd: Crowd::default(),
            bytes: 2048,
            flows: RememberFlow::default(),
        }
    }
}
