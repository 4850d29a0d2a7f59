//! What an agent is told at its start.

use crate::transport::Component;
use std::net::SocketAddr;
use std::time::Duration;

/// Who decides which pair is used (RFC 8445 §6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// We do: we made the first offer, or the peer is lite.
    Controlling,
    /// The peer does.
    Controlled,
}

/// What is done with candidates whose address is a name: `.local` ones, behind which browsers hide host addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Names {
    /// They are passed over. Such a peer is found all the same: its own checks arrive here and tell its address.
    #[default]
    Ignore,
    /// They are asked for as [`Event::Ask`](super::Event::Ask).
    Ask,
}

/// What an agent is told at its start. Build it with [`Config::default`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Whose way is looked for: RTP's, and RTCP's with it where they share a port; or that of RTCP where it has a port of its
    /// own. Then each has an agent, and both have the same credentials, the same `tie_breaker`, and are given the same
    /// descriptions: each takes the candidates of its component (RFC 8445 §4). Default: RTP's.
    pub component: Component,
    /// What decides between two that both want to control (RFC 8445 §7.3.1.1): one number for all components of a stream, as
    /// each is to decide alike. Default `None`: it is drawn.
    pub tie_breaker: Option<u64>,
    /// Whether we only answer checks: for a server that is reached at its own address (RFC 8445 §2.5). Against a peer
    /// that is lite too we check all the same. Default: no.
    pub lite: bool,
    /// STUN servers to ask for our address behind a NAT, at most four of them. Default: none.
    pub stun_servers: Vec<SocketAddr>,
    /// Candidates of ours, those that checks discover included. Default: 16.
    pub max_local: usize,
    /// Candidates of the peer's, those that its checks discover included. Default: 64.
    pub max_remote: usize,
    /// Whether candidates may follow after our description (RFC 8838); it says so. Default: no.
    pub trickle: bool,
    /// What is done with names. Default: they are passed over.
    pub names: Names,
    /// How long a name may take to be answered. Default: 5 s.
    pub name_timeout: Duration,
    /// The least time between two checks, `Ta`. Default: 50 ms (RFC 8445 §14.2).
    pub pacing: Duration,
    /// How long nothing may answer before a pair that worked gives way to another that works. Default: 5 s, three checks.
    pub fail_over: Duration,
    /// How long the search may take, from the peer's description on, and from the loss of the last pair. Default: 30 s.
    pub connect_timeout: Duration,
    /// How long media goes to a pair without a verified answer. Default: 30 s (RFC 7675 §5.1).
    pub consent_timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            component: Component::Rtp,
            tie_breaker: None,
            lite: false,
            stun_servers: Vec::new(),
            max_local: 16,
            max_remote: 64,
            trickle: false,
            names: Names::default(),
            name_timeout: Duration::from_secs(5),
            pacing: Duration::from_millis(50),
            fail_over: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(30),
            consent_timeout: Duration::from_secs(30),
        }
    }
}
