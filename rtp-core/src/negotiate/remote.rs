//! The peer's audio section, read for what a negotiation needs.

use super::{Codec, IceDescription, PeerMisbehaved};
use crate::sdes::Crypto;
use crate::sdp::{Attributes, Description, Direction, Fingerprint, Msid, Setup};
use std::net::{IpAddr, SocketAddr};

/// Crypto lines of one section that are looked at; nobody has more suites than this.
const MAX_CRYPTO: usize = 16;

/// A format of the peer's, in the peer's order.
pub(super) struct RemoteFormat {
    pub(super) payload_type: u8,
    /// `None` for a dynamic payload type without `a=rtpmap`.
    pub(super) codec: Option<Codec>,
}

/// An audio section of the peer's with a port other than 0.
pub(super) struct RemoteAudio {
    pub(super) formats: Vec<RemoteFormat>,
    pub(super) rtp: Option<SocketAddr>,
    /// Where RTCP goes without mux.
    pub(super) rtcp: Option<SocketAddr>,
    pub(super) name: Option<String>,
    pub(super) port: u16,
    /// `c=0.0.0.0`: nothing must be sent.
    pub(super) null_address: bool,
    pub(super) direction: Direction,
    pub(super) ptime: Option<u32>,
    pub(super) max_ptime: Option<u32>,
    pub(super) mux: bool,
    pub(super) crypto: Vec<Crypto>,
    /// There was an `a=crypto` that could not be read.
    pub(super) crypto_malformed: bool,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) setup: Option<Setup>,
    pub(super) ice: Option<IceDescription>,
    pub(super) msid: Option<Msid>,
}

impl RemoteAudio {
    pub(super) fn read(
        description: &Description,
        line: usize,
    ) -> Result<RemoteAudio, PeerMisbehaved> {
        let (Some(media), Some(connection)) =
            (description.media.get(line), description.connection_of(line))
        else {
            return Err(PeerMisbehaved::NoConnection { line });
        };
        let attributes = &media.attributes;
        let ip = connection.ip();
        let null_address = ip.is_some_and(|ip| ip.is_unspecified());
        let at = |ip: Option<IpAddr>, port: Option<u16>| {
            Some(SocketAddr::new(ip?, port.filter(|port| *port != 0)?))
        };
        let reachable = ip.filter(|_| !null_address);
        let rtcp = match attributes.rtcp() {
            Some(rtcp) => {
                let own = rtcp
                    .address
                    .and_then(|address| address.ip())
                    .filter(|ip| !ip.is_unspecified());
                at(reachable.and(own.or(reachable)), Some(rtcp.port))
            }
            None => at(reachable, media.port.checked_add(1)),
        };
        let crypto: Vec<_> = attributes
            .values("crypto")
            .take(MAX_CRYPTO)
            .map(str::parse::<Crypto>)
            .collect();
        Ok(RemoteAudio {
            formats: formats(media),
            rtp: at(reachable, Some(media.port)),
            rtcp,
            name: ip.is_none().then(|| connection.host_name().to_owned()),
            port: media.port,
            null_address,
            direction: description.direction_of(line),
            ptime: attributes
                .millis("ptime")
                .filter(|ptime| (1..=MAX_PTIME).contains(ptime)),
            max_ptime: attributes.millis("maxptime").filter(|ptime| *ptime > 0),
            mux: attributes.has("rtcp-mux"),
            crypto_malformed: crypto.iter().any(Result::is_err),
            crypto: crypto.into_iter().flatten().collect(),
            fingerprints: fingerprints(description, line),
            setup: [attributes, &description.attributes]
                .into_iter()
                .find_map(|level| level.typed("setup").next()),
            ice: IceDescription::read(description, line),
            msid: attributes.typed("msid").next(),
        })
    }

    /// How much sound to put into a packet to this peer, in ms.
    pub(super) fn packet_time(&self, ours: Option<u32>) -> u32 {
        let wished = self.ptime.or(ours).unwrap_or(20);
        self.max_ptime.map_or(wished, |max| wished.min(max))
    }
}

/// Certificate fingerprints that are looked at, one for each hash function.
const MAX_FINGERPRINTS: usize = 8;

/// Of the section, else of the session (RFC 8122 §5).
fn fingerprints(description: &Description, line: usize) -> Vec<Fingerprint> {
    let media = description.media.get(line).map(|media| &media.attributes);
    let levels = media.into_iter().chain([&description.attributes]);
    let read = |level: &Attributes| -> Vec<_> {
        level.typed("fingerprint").take(MAX_FINGERPRINTS).collect()
    };
    levels
        .map(read)
        .find(|fingerprints| !fingerprints.is_empty())
        .unwrap_or_default()
}

/// A packet time above this, in ms, is a slip of the pen: no codec of RFC 3551 or Opus packs more.
const MAX_PTIME: u32 = 200;

fn formats(media: &crate::sdp::Media) -> Vec<RemoteFormat> {
    let mut codecs: Vec<Option<Codec>> = (0..=127).map(Codec::of_static).collect();
    for map in media.attributes.rtpmaps() {
        let codec =
            Codec::new(&map.encoding, map.clock_rate).with_channels(map.channels.unwrap_or(1));
        if let Some(slot) = codecs.get_mut(usize::from(map.payload_type)) {
            *slot = Some(codec.with_payload_type(map.payload_type));
        }
    }
    for fmtp in media.attributes.fmtps() {
        if let Some(Some(codec)) = codecs.get_mut(usize::from(fmtp.payload_type)) {
            codec.fmtp = Some(fmtp.parameters);
        }
    }
    let mut seen = [false; 128];
    media
        .payload_types()
        .filter(|number| !std::mem::replace(&mut seen[usize::from(*number & 127)], true))
        .map(|number| RemoteFormat {
            payload_type: number,
            codec: codecs[usize::from(number & 127)].take(),
        })
        .collect()
}
