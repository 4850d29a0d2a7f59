//! What our side can do and wants, as plain data.

use super::{Codec, IceDescription, Relay};
use crate::sdp::{Direction, Fingerprint, Msid, Setup};
use crate::srtp::Suite;
use std::net::{IpAddr, SocketAddr};

/// What our side can do and wants. Everything that the negotiator chooses, it chooses from here.
///
/// `#[non_exhaustive]`: start from [`Capabilities::new`] and set fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Codecs in order of preference. DTMF is not among them: see `telephone_event`.
    pub codecs: Vec<Codec>,
    /// Where we receive: one audio stream each. An offer of ours has as many audio lines; of an offer with
    /// more audio lines than this, the later ones are refused.
    pub streams: Vec<LocalAddress>,
    /// Lines that pass through us, video as a rule: each is offered, and an offered line of its kind is taken when
    /// the formats have something in common. Empty by default, which refuses them. Keep their order: a line remembers
    /// its index.
    pub relays: Vec<Relay>,
    /// The events of `telephone-event` (RFC 4733) to offer and accept, `0-16` by default: the keys and
    /// flash. `None` leaves DTMF out. It is offered once for each clock rate that a codec has, because
    /// event and speech share one RTP clock (RFC 4733 §2.1).
    pub telephone_event: Option<String>,
    /// `a=ptime` in ms, 20 by default (RFC 3551 §4.2): what we like to receive.
    pub ptime: Option<u32>,
    /// `a=maxptime` in ms, absent by default.
    pub max_ptime: Option<u32>,
    /// What we want when nobody holds; `sendrecv` by default.
    pub direction: Direction,
    /// Whose order decides about codecs in answers of ours.
    pub preference: Preference,
    /// Whether answers of ours name one codec only, for peers that cannot change codec within a stream;
    /// false by default.
    pub single_codec: bool,
    /// SRTP keyed in SDP.
    pub sdes: Sdes,
    /// SRTP keyed by DTLS.
    pub dtls: Dtls,
    /// ICE for the stream of the same index; a stream without an entry does without. It is offered with
    /// DTLS. Candidates of component 2 are for RTCP on [`LocalAddress::rtcp`]: they are told as long as it may have a port of
    /// its own, and left out once it is sure that it shares RTP's. Without any, a peer that offers no rtcp-mux is answered
    /// without ICE.
    pub ice: Vec<IceDescription>,
    /// Whether audio without ICE is refused; false by default.
    pub ice_required: bool,
    /// Which track of which media stream the stream of the same index carries (`a=msid`, RFC 8830): what a browser
    /// groups tracks by, and what tells the two voices of a bridge apart. Said with DTLS; a stream without an entry
    /// says nothing. Empty by default.
    pub msid: Vec<Msid>,
    /// The URIs of the RTP header extensions that we handle (RFC 8285). They are offered with DTLS, and of
    /// an offer only these are answered.
    pub extensions: Vec<String>,
    /// The RTCP feedback that we handle, as `a=rtcp-fb` names it: `nack`, `transport-cc` (RFC 4585 §4.2). It
    /// is offered in profiles with feedback, and of an offer only this is answered. Empty by default.
    pub feedback: Vec<String>,
    /// Whether feedback may come, and go, without a report around it (RFC 5506); true by default. Offered
    /// and answered in profiles with feedback.
    pub reduced_size: bool,
    /// RTP and RTCP on one port.
    pub rtcp_mux: RtcpMux,
}

impl Capabilities {
    /// These codecs at this one address, everything else by default.
    #[must_use]
    pub fn new(codecs: Vec<Codec>, stream: impl Into<LocalAddress>) -> Capabilities {
        Capabilities {
            codecs,
            streams: vec![stream.into()],
            relays: Vec::new(),
            telephone_event: Some("0-16".to_owned()),
            ptime: Some(20),
            max_ptime: None,
            direction: Direction::SendRecv,
            preference: Preference::default(),
            single_codec: false,
            sdes: Sdes::default(),
            dtls: Dtls::default(),
            ice: Vec::new(),
            ice_required: false,
            msid: Vec::new(),
            extensions: Vec::new(),
            feedback: Vec::new(),
            reduced_size: true,
            rtcp_mux: RtcpMux::default(),
        }
    }

    /// Clock rates to offer `telephone-event` at: each codec's once, in their order.
    pub(super) fn event_clocks(&self) -> Vec<u32> {
        let mut clocks = Vec::new();
        for codec in self.codecs.iter().filter(|codec| codec.is_speech()) {
            if !clocks.contains(&codec.clock_rate) {
                clocks.push(codec.clock_rate);
            }
        }
        clocks
    }
}

/// Where we receive one stream: the addresses to advertise, which behind a NAT are not those bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalAddress {
    /// Where RTP is received.
    pub rtp: SocketAddr,
    /// Where RTCP is received without rtcp-mux.
    pub rtcp: SocketAddr,
}

impl From<SocketAddr> for LocalAddress {
    /// RTCP on the next port (RFC 3550 §11), or the same when there is none.
    fn from(rtp: SocketAddr) -> LocalAddress {
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        LocalAddress { rtp, rtcp }
    }
}

impl LocalAddress {
    pub(super) fn ip(&self) -> IpAddr {
        self.rtp.ip()
    }
}

/// Whose order of codecs decides when we answer (RFC 3264 §6.1 recommends the offerer's, and allows ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Preference {
    /// The order of [`Capabilities::codecs`].
    #[default]
    Own,
    /// The order of the offer.
    Offerer,
}

/// SRTP with keys in SDP (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sdes {
    /// Whether to use it.
    pub policy: SdesPolicy,
    /// Suites in order of preference: all are offered, the first that fits is answered; later in a call the one in
    /// use comes first. By default `AES_CM_128_HMAC_SHA1_80` alone, which every implementation has (RFC 4568 §6.2.1).
    pub suites: Vec<Suite>,
}

impl Default for Sdes {
    fn default() -> Sdes {
        Sdes::new(SdesPolicy::Off)
    }
}

impl Sdes {
    /// This policy with the default suite.
    #[must_use]
    pub fn new(policy: SdesPolicy) -> Sdes {
        Sdes {
            policy,
            suites: vec![Suite::AesCm128HmacSha1_80],
        }
    }
}

/// Whether to use SDES.
///
/// | policy | we offer | `RTP/AVP` is answered | `RTP/AVP` with `a=crypto` is answered | `RTP/SAVP` is answered |
/// |---|---|---|---|---|
/// | `Off` | `RTP/AVP` | in the clear | in the clear | refused |
/// | `Allow` | `RTP/AVP` with `a=crypto` | in the clear | with a key, or in the clear when no line is usable | with a key |
/// | `Require` | `RTP/SAVP` | refused | with a key | with a key |
///
/// `a=crypto` under `RTP/AVP` is how phones that encrypt "when possible" say so: opportunistic SRTP
/// (RFC 8643).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SdesPolicy {
    /// Never.
    #[default]
    Off,
    /// When the other side does too.
    Allow,
    /// Always, or no call.
    Require,
}

/// SRTP keyed by DTLS (RFC 5763, RFC 5764): the handshake is the media path's, here is what SDP says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dtls {
    /// Whether to use it.
    pub policy: DtlsPolicy,
    /// Of our certificate, one for each hash function; without any, DTLS is off.
    pub fingerprints: Vec<Fingerprint>,
    /// What we answer when the peer leaves it to us: `active`, as RFC 5763 §5 recommends, or `passive`.
    pub answer_setup: Setup,
}

impl Default for Dtls {
    fn default() -> Dtls {
        Dtls {
            policy: DtlsPolicy::Off,
            fingerprints: Vec::new(),
            answer_setup: Setup::Active,
        }
    }
}

impl Dtls {
    /// This policy with the fingerprint of our certificate.
    #[must_use]
    pub fn new(policy: DtlsPolicy, fingerprint: Fingerprint) -> Dtls {
        Dtls {
            policy,
            fingerprints: vec![fingerprint],
            ..Dtls::default()
        }
    }
}

/// Whether to use DTLS-SRTP.
///
/// | policy | we offer | without DTLS is answered | DTLS is answered |
/// |---|---|---|---|
/// | `Off` | as [`SdesPolicy`] says | as [`SdesPolicy`] says | refused |
/// | `Allow` | as [`SdesPolicy`] says | as [`SdesPolicy`] says | with DTLS |
/// | `Require` | `UDP/TLS/RTP/SAVPF` | refused | with DTLS |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DtlsPolicy {
    /// Never.
    #[default]
    Off,
    /// When the peer offers it.
    Allow,
    /// Always, or no call.
    Require,
}

/// RTP and RTCP on one port (RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RtcpMux {
    /// Never.
    Off,
    /// When the other side does too.
    #[default]
    Allow,
    /// Always, or no stream.
    Require,
}
