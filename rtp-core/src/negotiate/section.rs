//! Our `m=` sections.

use super::bundle::{extension_attributes, mid};
use super::feedback::feedback_attributes;
use super::{Codec, LocalAddress, Payload};
use crate::sdp::{
    Address, Attribute, Attributes, Direction, ExtMap, Fmtp, Media, MediaKind, Protocol,
    RtcpAddress, RtcpFeedback, RtpMap,
};
use std::net::IpAddr;

/// What an audio section of ours says.
pub(super) struct Section<'a> {
    pub(super) local: LocalAddress,
    /// The session's `c=`: a section names its own address only when that differs.
    pub(super) session: IpAddr,
    pub(super) protocol: Protocol,
    pub(super) payloads: &'a [Payload],
    /// What protects and finds the stream: `a=crypto`, `a=fingerprint`, ICE.
    pub(super) transport: Vec<Attribute>,
    pub(super) mid: Option<&'a str>,
    pub(super) extensions: &'a [ExtMap],
    pub(super) feedback: &'a [RtcpFeedback],
    pub(super) reduced_size: bool,
    pub(super) direction: Direction,
    pub(super) ptime: Option<u32>,
    pub(super) max_ptime: Option<u32>,
    pub(super) mux: Mux,
    /// RTCP has candidates: `a=rtcp` names the default one, wherever it is (RFC 5761 §5.1.3).
    pub(super) has_rtcp_candidates: bool,
}

/// What a section says of rtcp-mux.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mux {
    No,
    /// Offered: RTCP may come to its own port too.
    Offered,
    /// Offered, and nothing else will do (RFC 8858).
    Only,
    /// Agreed: RTCP has no port of its own.
    Agreed,
}

impl Section<'_> {
    pub(super) fn media(&self) -> Media {
        let mut media = Media::new(
            MediaKind::Audio,
            self.local.rtp.port(),
            self.protocol.clone(),
        );
        media.formats = self
            .payloads
            .iter()
            .map(|payload| payload.payload_type.to_string())
            .collect();
        if self.local.ip() != self.session {
            media.connections.push(Address::from(self.local.ip()));
        }
        let attributes = &mut media.attributes;
        if let Some(mid) = self.mid {
            attributes.add("mid", mid);
        }
        for attribute in &self.transport {
            attributes.push(attribute.clone());
        }
        for payload in self.payloads {
            format(attributes, payload.payload_type, &payload.codec);
        }
        if let Some(ptime) = self.ptime {
            attributes.add("ptime", ptime.to_string());
        }
        if let Some(max_ptime) = self.max_ptime {
            attributes.add("maxptime", max_ptime.to_string());
        }
        for attribute in extension_attributes(self.extensions) {
            attributes.push(attribute);
        }
        for attribute in feedback_attributes(self.feedback, self.reduced_size) {
            attributes.push(attribute);
        }
        attributes.push(Attribute::flag(self.direction.name()));
        self.mux
            .attributes(self.local, self.has_rtcp_candidates, attributes);
        media
    }
}

impl Mux {
    /// What a section with these addresses says of it.
    pub(super) fn attributes(
        self,
        local: LocalAddress,
        is_named: bool,
        attributes: &mut Attributes,
    ) {
        if matches!(self, Mux::No | Mux::Offered) {
            Mux::rtcp(local, is_named, attributes);
        }
        if self != Mux::No {
            attributes.push(Attribute::flag("rtcp-mux"));
        }
        if self == Mux::Only {
            attributes.push(Attribute::flag("rtcp-mux-only"));
        }
    }

    /// `a=rtcp`, unless RTCP is where everybody looks for it and need not be named. Then it has the address, too: browsers
    /// write it so, and there are peers that read nothing else.
    fn rtcp(local: LocalAddress, is_named: bool, attributes: &mut Attributes) {
        let (rtp, rtcp) = (local.rtp, local.rtcp);
        let address = (is_named || rtcp.ip() != rtp.ip()).then(|| Address::from(rtcp.ip()));
        if address.is_some() || rtp.port().checked_add(1) != Some(rtcp.port()) {
            attributes.add(
                "rtcp",
                RtcpAddress {
                    port: rtcp.port(),
                    address,
                }
                .to_string(),
            );
        }
    }
}

/// `a=rtpmap`, for static payload types too (RFC 3264 §5.1 recommends it), and `a=fmtp`.
fn format(attributes: &mut Attributes, payload_type: u8, codec: &Codec) {
    let channels = (codec.channels > 1).then_some(codec.channels);
    let map = RtpMap {
        payload_type,
        encoding: codec.name.clone(),
        clock_rate: codec.clock_rate,
        channels,
    };
    attributes.add("rtpmap", map.to_string());
    if let Some(parameters) = &codec.fmtp {
        attributes.add(
            "fmtp",
            Fmtp {
                payload_type,
                parameters: parameters.clone(),
            }
            .to_string(),
        );
    }
}

/// A line that keeps its place and carries nothing: port 0 (RFC 3264 §6, §8.2).
pub(super) fn closed(section: &Media) -> Media {
    let mut media = Media::new(section.kind.clone(), 0, section.protocol.clone());
    media.formats = section.formats.clone();
    // Browsers match even a refused line by its name (RFC 9429 §5.3.1).
    if let Some(mid) = mid(section) {
        media.attributes.add("mid", mid);
    }
    media
}
