//! What a media path is told at its start.

use crate::rtcp::Epoch;
use crate::srtp::MasterKey;
use std::net::SocketAddr;
use std::time::Duration;

/// Where RTCP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RtcpMode {
    /// On its own port, usually RTP's plus one (RFC 3550 §11, RFC 3605).
    #[default]
    Separate,
    /// On the port of RTP (RFC 5761), because both sides said `a=rtcp-mux`.
    Mux,
    /// None is sent; what arrives is still read.
    Off,
}

/// Whether packets are sent to where packets come from, instead of to the address in the SDP: what a peer
/// behind a NAT needs, and what a stranger would like to abuse.
///
/// The defence, in every mode: **one address at a time**, and a newcomer is believed only with proof.
///
/// - With SRTP the proof is the tag: three packets in sequence that verify.
/// - Without, before the peer has been heard: four packets in sequence of one source from one address (two
///   from the address in the SDP with another port, and two in the mode [`On`](Latching::On)).
/// - Without, once it has been heard: the address stays, unless it has been silent for 400 ms *and* four
///   packets in sequence go on with the SSRC **and** the sequence number where the peer stopped, which
///   somebody who cannot read the traffic does not know. So a NAT may rebind, and an attacker who floods the
///   port gets nothing and changes nothing, also during hold.
///
/// A new address from negotiation ([`MediaPath::set_remote`](super::MediaPath::set_remote)) opens it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Latching {
    /// Send to the negotiated address only, and believe only its IP address (any port) or a valid SRTP tag.
    Off,
    /// The negotiated address has precedence as long as it speaks; another one must prove itself longer.
    #[default]
    Auto,
    /// The negotiated address is known to be wrong (a private one from behind a NAT): the first source that
    /// sends two packets in sequence is the peer.
    On,
}

/// The keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// What we protect with: the key in our own `a=crypto` line.
    pub send: MasterKey,
    /// What the peer protects with: the key in its `a=crypto` line.
    pub receive: MasterKey,
}

/// What a media path is told at its start. Build it with [`Config::new`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where RTP goes: the address and port of the peer's SDP.
    pub remote: SocketAddr,
    /// Where RTCP goes; `None` for the port above RTP's, or for RTP's own with [`RtcpMode::Mux`].
    pub remote_rtcp: Option<SocketAddr>,
    /// Where RTCP travels. Default: its own port.
    pub rtcp: RtcpMode,
    /// Whether to follow the source of what arrives. Default: [`Latching::Auto`].
    pub latching: Latching,
    /// The keys; `None` for plain RTP. Default: `None`.
    pub keys: Option<Keys>,
    /// The clock rate in Hz of payload types that neither `clock_rates` nor RFC 3551 names. Default: 8000.
    pub clock_rate: u32,
    /// The clock rates in Hz of dynamic payload types, as negotiated.
    pub clock_rates: Vec<(u8, u32)>,
    /// The CNAME in our SDES: `random@host` or a random string (RFC 7022). Default: empty, which means 16
    /// random hex digits.
    pub cname: String,
    /// The session's bandwidth in bits a second, of which RTCP gets 5 % (RFC 3550 §6.2). Default: 80 000,
    /// G.711 with its headers.
    pub bandwidth: u32,
    /// The least mean time between our reports. Default: 5 s (RFC 3550 §6.2).
    pub rtcp_interval: Duration,
    /// Whether feedback goes without a report around it, because both sides said `a=rtcp-rsize` (RFC 5506).
    /// Default: no.
    pub reduced_size: bool,
    /// How long the first packet may take before [`Event::Inactive`](super::Event::Inactive); `None` for
    /// ever. Default: 30 s, as long as a gateway may take to connect the far end.
    pub first_media_timeout: Option<Duration>,
    /// How long media may pause afterwards. Hold stops this clock. Default: 15 s, three of the peer's report
    /// intervals, because its RTCP counts as a sign of life.
    pub media_timeout: Option<Duration>,
    /// Whether STUN messages are handed on as [`Received::Stun`](super::Received::Stun), because somebody checks
    /// connectivity on this path (ICE, RFC 8445; consent, RFC 7675). Default: no, they are dropped.
    pub stun: bool,
    /// Whether keys come from a handshake on this path (DTLS-SRTP, RFC 5763): its records are handed on as
    /// [`Received::Dtls`](super::Received::Dtls), and until [`MediaPath::set_keys`](super::MediaPath::set_keys)
    /// has brought keys, no media is sent, believed or answered. Default: no, they are dropped.
    pub dtls: bool,
    /// The wall clock, for sender reports.
    pub epoch: Epoch,
}

impl Config {
    /// The defaults, for a peer at `remote`.
    #[must_use]
    pub fn new(remote: SocketAddr, epoch: Epoch) -> Config {
        Config {
            remote,
            remote_rtcp: None,
            rtcp: RtcpMode::default(),
            latching: Latching::default(),
            keys: None,
            clock_rate: 8000,
            clock_rates: Vec::new(),
            cname: String::new(),
            bandwidth: 80_000,
            rtcp_interval: Duration::from_secs(5),
            reduced_size: false,
            first_media_timeout: Some(Duration::from_secs(30)),
            media_timeout: Some(Duration::from_secs(15)),
            stun: false,
            dtls: false,
            epoch,
        }
    }
}
