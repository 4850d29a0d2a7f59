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
    /// The codecs to offer and accept, most preferred first; default [`Registry::default`].
    pub registry: Registry,
    /// Encryption of the sound of calls that come in; default [`Secure::Allow`].
    pub secure: Secure,
    /// Whether ICE finds the way of the sound of calls that come in; default [`Ice::Allow`].
    pub ice: Ice,
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
            registry: Registry::default(),
            secure: Secure::Allow,
            ice: Ice::Allow,
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
