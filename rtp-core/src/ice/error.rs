//! What an agent refuses.

/// Why a command was refused. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceError {
    /// There are as many candidates as [`Config`](super::Config) allows; go on with those.
    #[error("there are as many candidates as may be")]
    TooMany,
    /// The address is unspecified, multicast, broadcast or link-local IPv4, or has no port: nobody is found there.
    #[error("no candidate can be at this address")]
    Address,
    /// The transport is not UDP, or the component is not [the agent's](super::Config::component): leave the candidate out.
    #[error("only UDP and the agent's own component are served")]
    Unserved,
    /// It belongs to other credentials than the peer's: it comes from before a restart.
    #[error("the candidate belongs to other credentials")]
    Stale,
    /// A lite agent has host candidates only (RFC 8445 §5.2).
    #[error("a lite agent has host candidates only")]
    Lite,
    /// The peer's user name is longer than what a check carries; answer the offer with 488.
    #[error("the peer's user name fragment is too long")]
    Credentials,
    /// It is known already.
    #[error("the candidate is known already")]
    Known,
}
