//! What a gateway is told once.

use crate::dial::{Ice, Secure};
use crate::random::Random;
use media_mix::codec::Registry;
use rtp_core::dtls::Certificate;
use rtp_core::srtp::Suite;
use sip_core::{Config, DigestPolicy, Uninvited};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// What a [`Gateway`](super::Gateway) is told once. Build it with [`GatewayConfig::new`] and change what differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Where SIP listens, on UDP and TCP; port 0 takes one that is free for both.
    pub bind: SocketAddr,
    /// The address that phones are told, for signaling and sound, when it is not the bound one: a public address in
    /// front of a NAT. Default: none.
    pub advertise: Option<IpAddr>,
    /// The ports for RTP and RTCP, taken in pairs; default 10000 to 20000.
    pub rtp_ports: RangeInclusive<u16>,
    /// A port that calls share instead, where ICE says whose packets are whose: those that come in with an offer of ICE and
    /// rtcp-mux, and dials that demand both (with [`Ice::Require`] and [`Secure::Dtls`]). Each media thread has one, this and
    /// those that follow; 0 takes ports that are free. Datagrams go in batches there. Calls whose ways servers are asked for
    /// keep ports of their own. Two calls with peers at one address and port cannot be told apart: two gateways that call each
    /// other more than once do not both share. Default: none.
    pub shared_port: Option<u16>,
    /// The codecs to offer and accept, most preferred first; default [`Registry::default`].
    pub registry: Registry,
    /// Encryption of the sound of calls that come in; default [`Secure::Allow`].
    pub secure: Secure,
    /// Whether ICE finds the way of the sound of calls that come in; default [`Ice::Allow`].
    pub ice: Ice,
    /// Servers that help ICE, for calls that use it; default none.
    #[cfg(feature = "turn")]
    pub servers: IceServers,
    /// The SRTP suites that calls which come in may use, most preferred first; default [`Suite::ALL`].
    pub suites: Vec<Suite>,
    /// What DTLS handshakes show; default none: [`Gateway::bind`](super::Gateway::bind) makes one.
    pub certificate: Option<Certificate>,
    /// What happens to requests that begin something here; default [`Uninvited::Forbid`]: a gateway that only dials.
    pub uninvited: Uninvited,
    /// The endpoint's own configuration: transfers, MESSAGE, the registrar's role, timers and bounds. `uninvited`,
    /// `digest` and `user_agent` of this structure take the place of those in it. Default: the endpoint's.
    pub endpoint: Config,
    /// Whether callers must prove who they are; default no.
    pub digest: Option<DigestPolicy>,
    /// The product in User-Agent and Server headers; default none, since versions tell attackers where to begin.
    pub user_agent: Option<String>,
    /// How many talkers of a session are mixed, the loudest first; the rest are not heard, and where packets say how loud they
    /// are (RFC 6464), not decoded either. Default `None`: all.
    pub max_talkers: Option<usize>,
    /// Media threads; default 1. Sessions are spread over them.
    pub media_threads: usize,
    /// Whether every packet is told as [`Event::Captured`](super::Event::Captured); default no.
    pub capture: bool,
    /// Random bytes for everything.
    pub random: Random,
}

impl GatewayConfig {
    /// The defaults, for SIP at `bind`.
    pub fn new(bind: SocketAddr, random: Random) -> Self {
        Self {
            bind,
            advertise: None,
            rtp_ports: 10_000..=20_000,
            shared_port: None,
            registry: Registry::default(),
            secure: Secure::Allow,
            ice: Ice::Allow,
            #[cfg(feature = "turn")]
            servers: IceServers::default(),
            suites: Suite::ALL.to_vec(),
            certificate: None,
            uninvited: Uninvited::Forbid,
            endpoint: Config::default(),
            digest: None,
            user_agent: None,
            max_talkers: None,
            media_threads: 1,
            capture: false,
            random,
        }
    }
}

/// Servers that help ICE, for the port of RTP: RTCP on a port of its own has the host's candidates alone. Each way of sound is asked for before it is needed, so that descriptions have all candidates at
/// once: sockets wait in a reserve, from which each call takes one.
#[cfg(feature = "turn")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IceServers {
    /// STUN servers, asked what our address is on their side of a NAT; at most four. Default: none.
    pub stun: Vec<SocketAddr>,
    /// TURN servers, asked over UDP for addresses that they relay. Default: none.
    pub turn: Vec<TurnServer>,
    /// Whether the sound of calls with ICE goes through TURN servers alone, as for who must not learn our address.
    /// [`Gateway::dial`](super::Gateway::dial) refuses while none is ready, and callers get 503. Default: no.
    pub relay_only: bool,
    /// Ways that are kept ready; calls beyond what is ready have the host address alone. Default: 4.
    pub reserve: usize,
}

#[cfg(feature = "turn")]
impl Default for IceServers {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            turn: Vec::new(),
            relay_only: false,
            reserve: 4,
        }
    }
}

/// A TURN server and the account there. The password is in no debug output.
#[cfg(feature = "turn")]
#[derive(Clone)]
#[non_exhaustive]
pub struct TurnServer {
    /// Where it listens for UDP.
    pub address: SocketAddr,
    /// The name of the account, at most 508 bytes.
    pub username: String,
    /// Its password.
    pub password: String,
}

#[cfg(feature = "turn")]
impl TurnServer {
    /// A server and an account.
    pub fn new(address: SocketAddr, username: &str, password: &str) -> Self {
        Self {
            address,
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }
}

#[cfg(feature = "turn")]
impl std::fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnServer")
            .field("address", &self.address)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
