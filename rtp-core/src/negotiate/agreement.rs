//! What the two sides agreed on: all that a media path needs to know.

use super::{Codec, IceAgreed, LocalAddress, Refusal, RelayedStream};
use crate::sdp::{Direction, ExtMap, Fingerprint, MediaKind, Msid, RtcpFeedback, Setup};
use crate::srtp::MasterKey;
use std::net::SocketAddr;

/// The result of a completed exchange: one entry for each `m=` line, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// The lines in order.
    pub lines: Vec<AgreedLine>,
}

impl Agreement {
    /// The audio streams that exist, held ones included.
    pub fn audio(&self) -> impl Iterator<Item = &AudioStream> {
        self.lines.iter().filter_map(|line| match line {
            AgreedLine::Audio(stream) => Some(&**stream),
            _ => None,
        })
    }

    /// The relayed streams that exist, held ones included.
    pub fn relayed(&self) -> impl Iterator<Item = &RelayedStream> {
        self.lines.iter().filter_map(|line| match line {
            AgreedLine::Relayed(stream) => Some(&**stream),
            _ => None,
        })
    }
}

/// What became of one `m=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgreedLine {
    /// An audio stream, perhaps held.
    Audio(Box<AudioStream>),
    /// A stream that passes through us.
    Relayed(Box<RelayedStream>),
    /// Offered and refused with port 0.
    Refused {
        /// What it would have carried.
        kind: MediaKind,
        /// Why.
        why: Refusal,
    },
    /// Offered with port 0: there never was a stream, or none is left.
    Closed {
        /// What it would carry.
        kind: MediaKind,
    },
}

/// One audio stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioStream {
    /// Which `m=` line, from 0.
    pub line: usize,
    /// Which of [`Capabilities::streams`](super::Capabilities::streams); it stays the same for the line.
    pub stream: usize,
    /// Where we said that we receive.
    pub local: LocalAddress,
    /// Where to send RTP. `None` while there is nowhere to send to: port 0, `c=0.0.0.0`, or a host name.
    pub remote_rtp: Option<SocketAddr>,
    /// Where to send RTCP, which goes on while held (RFC 3264 §5.1). Equal to `remote_rtp` with rtcp-mux.
    pub remote_rtcp: Option<SocketAddr>,
    /// The host name in `c=`, when it is one; resolve it and use [`AudioStream::remote_rtp_port`].
    pub remote_name: Option<String>,
    /// The port of RTP at the peer, 0 when it closed the line.
    pub remote_rtp_port: u16,
    /// What we do: `sendonly` means that we send and do not listen.
    pub direction: Direction,
    /// The codec to send with.
    pub send: Payload,
    /// Other codecs that we may change to while sending, in order of preference.
    pub send_also: Vec<Payload>,
    /// What may arrive, by payload type. The one that is preferred comes first; types that an earlier
    /// exchange named stay in the list, because packets under way still bear them (RFC 3264 §8.3.2).
    pub receive: Vec<Payload>,
    /// DTMF to send (RFC 4733), at the clock of `send` when the peer has that.
    pub send_dtmf: Option<Payload>,
    /// DTMF that may arrive.
    pub receive_dtmf: Vec<Payload>,
    /// The payload type of comfort noise to send (RFC 3389), when both sides have it at 8000 Hz.
    pub send_comfort_noise: Option<u8>,
    /// How much sound to put into a packet that we send, in ms: the peer's wish, else ours, within the
    /// peer's `maxptime`.
    pub ptime: u32,
    /// The peer's `maxptime` in ms.
    pub max_ptime: Option<u32>,
    /// SRTP keys by SDES. Without these and without `dtls`, RTP goes in the clear.
    pub srtp: Option<SrtpKeys>,
    /// The peer of the DTLS handshake that makes the SRTP keys.
    pub dtls: Option<DtlsPeer>,
    /// ICE finds the way; `remote_rtp` is then only the default until it has.
    pub ice: Option<IceAgreed>,
    /// Which track of which media stream the peer says that it sends here, when it says so.
    pub msid: Option<Msid>,
    /// The line's `a=mid`.
    pub mid: Option<String>,
    /// RTP header extensions that both know; the direction is ours.
    pub extensions: Vec<ExtMap>,
    /// RTCP feedback that both know; payload types are the peer's, as in `send`.
    pub feedback: Vec<RtcpFeedback>,
    /// Whether RTCP feedback may travel without a report around it (RFC 5506).
    pub reduced_size: bool,
    /// Whether RTCP shares the port of RTP.
    pub rtcp_mux: bool,
    /// How we hold the call.
    pub held_by_us: Option<Hold>,
    /// How the peer holds the call.
    pub held_by_peer: Option<PeerHold>,
}

impl AudioStream {
    /// The payload that a packet with this payload type carries; DTMF and speech alike.
    #[must_use]
    pub fn received(&self, payload_type: u8) -> Option<&Payload> {
        self.receive
            .iter()
            .chain(&self.receive_dtmf)
            .find(|payload| payload.payload_type == payload_type)
    }
}

/// A payload type and what it means in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The codec with the `fmtp` of the side that receives: the peer's wishes when we send, ours when we
    /// receive.
    pub codec: Codec,
}

/// The keys of one stream, one for each direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What we protect with.
    pub local: MasterKey,
    /// What the peer protects with.
    pub remote: MasterKey,
    /// Packets after which the peer's key is used up, when it said so.
    pub remote_lifetime: Option<u64>,
}

/// What a DTLS handshake is to find at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsPeer {
    /// Our role: [`Setup::Active`] is the DTLS client, [`Setup::Passive`] the server.
    pub setup: Setup,
    /// The peer's certificate must match one of these whose hash function we know (RFC 8122 §5).
    pub fingerprints: Vec<Fingerprint>,
}

/// How we hold a call (RFC 3264 §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// We send (music, silence), the peer does not.
    SendOnly,
    /// Nobody sends.
    Inactive,
    /// The line is closed with port 0 (RFC 3264 §8.2), to be opened again by resuming.
    PortZero,
}

/// How the peer holds a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerHold {
    /// The peer sends and does not listen.
    SendOnly,
    /// Nobody sends.
    Inactive,
    /// `c=0.0.0.0`, as RFC 2543 had it: nothing must be sent there, RTCP neither (RFC 3264 §8.4).
    NullAddress,
    /// The line is closed with port 0.
    PortZero,
}
