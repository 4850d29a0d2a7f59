//! Lines whose media passes through: video between two legs of a call. Who relays understands neither the codecs nor
//! the packets; the formats of one leg's description go into the other's as they are.
//!
//! Verbatim works both ways without a table of numbers: the answer that a leg gets names the formats that the other
//! leg's answer named, so each side sends with the payload types that the side behind the relay asked for.

use super::bundle::mid;
use super::feedback::has_feedback;
use super::offer::OfferedLine;
use super::remote::RemoteAudio;
use super::section::Mux;
use super::security::{Profile, choose, protect, settle};
use super::state::Line;
use super::take::{Answering, held};
use super::{
    Codec, DtlsPeer, IceAgreed, IceDescription, LocalAddress, NegotiationError, PeerHold,
    PeerIncompatible, PeerMisbehaved, Refusal, RtcpMux, SentOffer, SrtpKeys,
};
use crate::sdp::{
    Address, Attribute, Attributes, Bandwidth, Description, Direction, Media, MediaKind, Protocol,
    RtcpFeedback,
};
use std::net::{IpAddr, SocketAddr};

/// What describes formats and the track, and goes over to the other leg.
const CARRIED: [&str; 6] = [
    "rtpmap",
    "fmtp",
    "rtcp-fb",
    "imageattr",
    "framerate",
    "msid",
];
/// Attributes that are carried of one section.
const MAX_CARRIED: usize = 512;

/// A line whose media passes through: where we receive it, and the formats of the leg behind us.
///
/// Put it into [`Capabilities::relays`](super::Capabilities::relays): an offer of ours then has a line for it, and an
/// offered line of its kind is taken when the formats have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relay {
    /// What it carries, [`MediaKind::Video`] as a rule. Audio is never relayed: it has lines of its own.
    pub kind: MediaKind,
    /// Where we receive it.
    pub local: LocalAddress,
    /// ICE for it; `None` does without.
    pub ice: Option<IceDescription>,
    formats: Vec<String>,
    attributes: Attributes,
    bandwidths: Vec<Bandwidth>,
}

impl Relay {
    /// With the formats of a section of the other leg's: of its offer, to offer them here; of its answer, to answer
    /// with them.
    #[must_use]
    pub fn of(section: &Media, local: impl Into<LocalAddress>) -> Relay {
        let carried = |attribute: &&Attribute| {
            CARRIED
                .iter()
                .any(|name| attribute.name.eq_ignore_ascii_case(name))
        };
        let mut attributes = Attributes::new();
        for attribute in section.attributes.iter().filter(carried).take(MAX_CARRIED) {
            attributes.push(attribute.clone());
        }
        Relay {
            kind: section.kind.clone(),
            local: local.into(),
            ice: None,
            formats: section.formats.clone(),
            attributes,
            bandwidths: section.bandwidths.clone(),
        }
    }

    /// The same with those formats only that a section of the peer's has too; `None` when there are none.
    fn common(&self, theirs: &Media) -> Option<Relay> {
        let offered: Vec<Meaning> = theirs
            .formats
            .iter()
            .filter_map(|format| Meaning::of(&theirs.attributes, format))
            .collect();
        let mut common = self.clone();
        common.formats.retain(|format| {
            Meaning::of(&self.attributes, format).is_some_and(|meaning| offered.contains(&meaning))
        });
        if common.formats.is_empty() {
            return None;
        }
        let feedback: Vec<RtcpFeedback> = theirs.attributes.typed("rtcp-fb").collect();
        common.attributes = Attributes::new();
        for attribute in self.attributes.iter() {
            let value = attribute.value.as_ref().map(ToString::to_string);
            let value = value.as_deref().unwrap_or_default();
            let format = value.split_ascii_whitespace().next().unwrap_or_default();
            let kept = format == "*" || common.formats.iter().any(|kept| kept == format);
            let is = |name| attribute.name.eq_ignore_ascii_case(name);
            let wanted = match value.parse::<RtcpFeedback>() {
                Ok(ours) if is("rtcp-fb") => feedback.iter().any(|f| f.value == ours.value),
                _ => !is("rtcp-fb"),
            };
            if wanted && (kept || is("framerate") || is("msid")) {
                common.attributes.push(attribute.clone());
            }
        }
        Some(common)
    }

    /// Our section for it.
    pub(super) fn section(&self, frame: &Frame<'_>) -> Media {
        let port = self.local.rtp.port();
        let mut media = Media::new(self.kind.clone(), port, frame.protocol.clone());
        media.formats.clone_from(&self.formats);
        media.bandwidths.clone_from(&self.bandwidths);
        if self.local.ip() != frame.session {
            media.connections.push(Address::from(self.local.ip()));
        }
        let attributes = &mut media.attributes;
        if let Some(mid) = frame.mid {
            attributes.add("mid", mid);
        }
        for attribute in frame.transport {
            attributes.push(attribute.clone());
        }
        let feedback = has_feedback(frame.protocol);
        for attribute in self.attributes.iter() {
            if feedback || !attribute.name.eq_ignore_ascii_case("rtcp-fb") {
                attributes.push(attribute.clone());
            }
        }
        attributes.push(Attribute::flag(frame.direction.name()));
        frame.mux.attributes(self.local, false, attributes);
        media
    }
}

/// What a format is, whatever its number: two sections may number the same differently.
#[derive(PartialEq, Eq)]
enum Meaning {
    Mapped(String, u32),
    Static(u8),
}

impl Meaning {
    fn of(attributes: &Attributes, format: &str) -> Option<Meaning> {
        let number = format.parse::<u8>().ok().filter(|number| *number <= 127)?;
        let map = attributes
            .rtpmaps()
            .filter(|map| map.payload_type == number)
            .last();
        let mapped = |name: &str, rate| Meaning::Mapped(name.to_ascii_lowercase(), rate);
        match (map, Codec::of_static(number)) {
            (Some(map), _) => Some(mapped(&map.encoding, map.clock_rate)),
            (None, Some(codec)) => Some(mapped(&codec.name, codec.clock_rate)),
            (None, None) if number < 96 => Some(Meaning::Static(number)),
            (None, None) => None,
        }
    }
}

/// What surrounds the formats of a section.
pub(super) struct Frame<'a> {
    pub(super) session: IpAddr,
    pub(super) protocol: &'a Protocol,
    pub(super) mid: Option<&'a str>,
    pub(super) transport: &'a [Attribute],
    pub(super) direction: Direction,
    pub(super) mux: Mux,
}

/// What was offered for a relayed line.
#[derive(Debug, Clone)]
pub(super) struct OfferedRelay {
    pub(super) index: usize,
    pub(super) relay: Relay,
}

/// A line that is relayed: all that is needed to carry its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayedStream {
    /// Which `m=` line, from 0.
    pub line: usize,
    /// Which of [`Capabilities::relays`](super::Capabilities::relays).
    pub relay: usize,
    /// The peer's section: [`Relay::of`] it belongs into the other leg.
    pub section: Media,
    /// Where we said that we receive.
    pub local: LocalAddress,
    /// Where to send RTP; `None` while there is nowhere to send to.
    pub remote_rtp: Option<SocketAddr>,
    /// Where to send RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// The host name in `c=`, when it is one.
    pub remote_name: Option<String>,
    /// The port of RTP at the peer, 0 when it closed the line.
    pub remote_rtp_port: u16,
    /// What we do.
    pub direction: Direction,
    /// SRTP keys by SDES.
    pub srtp: Option<SrtpKeys>,
    /// The peer of the DTLS handshake that makes the SRTP keys.
    pub dtls: Option<DtlsPeer>,
    /// ICE finds the way.
    pub ice: Option<IceAgreed>,
    /// The line's `a=mid`.
    pub mid: Option<String>,
    /// Whether RTCP shares the port of RTP.
    pub rtcp_mux: bool,
    /// How the peer holds it.
    pub held_by_peer: Option<PeerHold>,
}

impl Answering<'_> {
    /// Takes an offered line that is to be relayed, or says why not.
    pub(super) fn take_relayed(
        &mut self,
        index: usize,
        line: &mut Line,
    ) -> Result<Result<(Media, RelayedStream), Refusal>, PeerMisbehaved> {
        let media = &self.offered.media[index];
        let relays = &self.capabilities.relays;
        if media.kind == MediaKind::Audio || relays.iter().all(|relay| relay.kind != media.kind) {
            return Ok(Err(Refusal::Kind));
        }
        let Some(profile) = Profile::of(&media.protocol) else {
            return Ok(Err(Refusal::Protocol));
        };
        if line.closed_by_us {
            return Ok(Err(Refusal::Closed));
        }
        let fits = |at: &usize| {
            relays
                .get(*at)
                .is_some_and(|relay| relay.kind == media.kind)
        };
        let free = |at: &usize| fits(at) && !self.relayed.contains(at);
        let Some(at) = line
            .relay
            .filter(fits)
            .or_else(|| (0..relays.len()).find(free))
        else {
            return Ok(Err(Refusal::NoStream));
        };
        let mut remote = RemoteAudio::read(self.offered, index)?;
        let mux = match self.mux(media, remote.mux) {
            Ok(mux) => mux,
            Err(why) => return Ok(Err(why)),
        };
        let chosen = match choose(&remote, profile, self.capabilities, line) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Err(why)),
        };
        let Some(relay) = relays[at].common(media) else {
            return Ok(Err(Refusal::NoCommonCodec));
        };
        // From here on the line is ours.
        line.relay = Some(at);
        self.relayed.push(at);
        let (srtp, dtls, mut transport) = protect(chosen, line, self.capabilities, self.keys);
        line.dtls.clone_from(&dtls);
        let ice = match (&relay.ice, remote.ice.clone()) {
            (Some(local), Some(theirs)) => Some(IceAgreed::new(local, theirs, line, false, mux)),
            _ => {
                line.ice = None;
                None
            }
        };
        transport.extend(ice.iter().flat_map(|ice| ice.local.attributes()));
        remote.null_address &= ice.is_none();
        let mut direction = remote.direction.reversed().and(self.wanted);
        if remote.null_address {
            direction = direction.and(Direction::RecvOnly);
        }
        let section = relay.section(&Frame {
            session: self.session,
            protocol: &media.protocol,
            mid: mid(media),
            transport: &transport,
            direction,
            mux: if mux { Mux::Agreed } else { Mux::No },
        });
        let stream = RelayedStream {
            line: index,
            relay: at,
            section: media.clone(),
            local: relay.local,
            remote_rtp: remote.rtp,
            remote_rtcp: if mux { remote.rtp } else { remote.rtcp },
            held_by_peer: held(&remote),
            remote_name: remote.name,
            remote_rtp_port: remote.port,
            direction,
            srtp,
            dtls,
            ice,
            mid: mid(media).map(str::to_owned),
            rtcp_mux: mux,
        };
        Ok(Ok((section, stream)))
    }
}

/// What the peer's answer makes of a relayed line of ours.
pub(super) fn answered(
    answer: &Description,
    index: usize,
    offer: &SentOffer,
    line: &mut Line,
) -> Result<Option<RelayedStream>, NegotiationError> {
    let (Some(OfferedLine::Audio(offered)), Some(theirs)) =
        (offer.lines.get(index), answer.media.get(index))
    else {
        return Ok(None);
    };
    let Some(OfferedRelay { index: at, relay }) = &offered.relay else {
        return Ok(None);
    };
    let mut remote = RemoteAudio::read(answer, index)?;
    if relay.common(theirs).is_none() {
        return Err(PeerMisbehaved::NoOfferedFormat { line: index }.into());
    }
    let (srtp, dtls) = settle(&remote, offered, index)?;
    if let Some(keys) = &srtp {
        line.keep_remote_key(&keys.remote);
    }
    let mux = offered.mux != RtcpMux::Off && remote.mux;
    if offered.mux == RtcpMux::Require && !mux {
        return Err(PeerIncompatible::RtcpMux { line: index }.into());
    }
    line.closed_by_peer = false;
    line.dtls.clone_from(&dtls);
    let ice = match (&offered.ice, remote.ice.clone()) {
        (Some(local), Some(theirs)) => Some(IceAgreed::new(local, theirs, line, true, mux)),
        _ => {
            line.ice = None;
            None
        }
    };
    remote.null_address &= ice.is_none();
    let held_by_peer = super::answered::held(&remote, offered.direction);
    let mut direction = offered.direction.and(remote.direction.reversed());
    if remote.null_address {
        direction = direction.and(Direction::RecvOnly);
    }
    Ok(Some(RelayedStream {
        line: index,
        relay: *at,
        section: theirs.clone(),
        local: relay.local,
        remote_rtp: remote.rtp,
        remote_rtcp: if mux { remote.rtp } else { remote.rtcp },
        remote_name: remote.name,
        remote_rtp_port: remote.port,
        direction,
        srtp,
        dtls,
        ice,
        mid: offered.mid.clone(),
        rtcp_mux: mux,
        held_by_peer,
    }))
}

/// The stream as it is while port 0 keeps its line closed.
pub(super) fn closed(before: &RelayedStream, by_peer: bool) -> RelayedStream {
    RelayedStream {
        remote_rtp: None,
        remote_rtcp: None,
        remote_rtp_port: 0,
        direction: Direction::Inactive,
        held_by_peer: by_peer.then_some(PeerHold::PortZero),
        ..before.clone()
    }
}
