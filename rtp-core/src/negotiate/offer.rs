//! Offers of ours.

use super::bundle::{mid, msid_attribute, offer_extensions};
use super::feedback::{has_feedback, offer_feedback};
use super::profile::MediaProfile;
use super::relay::{Frame, OfferedRelay};
use super::section::{Mux, Section, closed};
use super::security::{Profile, dtls_attributes, sdes_attributes};
use super::state::{Line, Open};
use super::{
    Capabilities, Codec, Hold, IceDescription, LocalAddress, LocalError, Negotiation, Payload,
    RtcpMux, SdesPolicy,
};
use crate::sdp::{Description, Direction, ExtMap, Media, MediaKind, Setup};
use crate::srtp::MasterKey;
use crate::transport::Component;
use bytes::Bytes;
use std::sync::Arc;

/// An offer of ours that waits for its answer.
///
/// Give [`SentOffer::to_bytes`] to the peer and the answer to [`Negotiation::answered`]; that may happen
/// again with the same offer while no other exchange has begun, because a 183 and the 200 after it may
/// differ. Drop the value when the peer refuses (488, 491, a timeout): the session is then as before.
#[derive(Debug, Clone)]
#[must_use = "an offer is for the peer; dropping it withdraws it"]
pub struct SentOffer {
    pub(super) exchange: u64,
    /// Its last clone keeps the exchange open.
    pub(super) _open: Arc<()>,
    pub(super) description: Description,
    pub(super) lines: Vec<OfferedLine>,
    pub(super) hold: Option<Hold>,
    pub(super) profile: MediaProfile,
}

/// What we offered on one line.
#[derive(Debug, Clone)]
pub(super) enum OfferedLine {
    /// Port 0.
    Closed,
    Audio(Box<OfferedAudio>),
}

#[derive(Debug, Clone)]
pub(super) struct OfferedAudio {
    /// Of [`Capabilities::streams`], or of the relays.
    pub(super) stream: usize,
    /// For a line that is relayed.
    pub(super) relay: Option<OfferedRelay>,
    pub(super) local: LocalAddress,
    pub(super) direction: Direction,
    pub(super) payloads: Vec<Payload>,
    /// By tag.
    pub(super) keys: Vec<(u32, MasterKey)>,
    /// The profile demands a key in the answer.
    pub(super) secure: bool,
    /// A fingerprint stands for it.
    pub(super) dtls: bool,
    pub(super) ice: Option<IceDescription>,
    pub(super) mid: Option<String>,
    pub(super) extensions: Vec<ExtMap>,
    pub(super) feedback: Vec<String>,
    pub(super) reduced_size: bool,
    /// We demand a key in the answer, whatever the profile.
    pub(super) encryption_required: bool,
    pub(super) mux: RtcpMux,
}

impl SentOffer {
    /// The body for the peer, `application/sdp`.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.description.to_bytes()
    }

    /// The body as data.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

impl Negotiation {
    /// Offers what we can do and want now: the first offer of a call, or a refresh, with a hold of ours
    /// kept. A first offer has an audio line for each of [`Capabilities::streams`]; later ones have the
    /// lines of the session, and one more for each [`Negotiation::add_stream`].
    ///
    /// # Errors
    /// [`LocalError`] while another exchange is under way, or when there is nothing to offer.
    pub fn offer(&mut self) -> Result<SentOffer, LocalError> {
        self.offer_with(self.hold, None)
    }

    /// Offers to hold the call. It is held once the answer is in.
    ///
    /// # Errors
    /// As [`Negotiation::offer`].
    pub fn offer_hold(&mut self, hold: Hold) -> Result<SentOffer, LocalError> {
        self.offer_with(Some(hold), None)
    }

    /// Offers to end a hold of ours.
    ///
    /// # Errors
    /// As [`Negotiation::offer`].
    pub fn offer_resume(&mut self) -> Result<SentOffer, LocalError> {
        self.offer_with(None, None)
    }

    /// Adds the lines that this offer has and the last exchange had not: one for each stream as long as no
    /// stream has a line, later one for each stream that was added.
    fn add_lines(&mut self, profile: MediaProfile) {
        let first = self.lines.iter().all(|line| line.stream.is_none());
        for stream in 0..self.capabilities.streams.len() {
            let has_line = self.lines.iter().any(|line| line.stream == Some(stream));
            if !has_line && (first || self.added.contains(&stream)) {
                let mut line = Line::new(Media::new(MediaKind::Audio, 0, profile.protocol()));
                line.stream = Some(stream);
                self.lines.push(line);
            }
        }
        for (index, relay) in self.capabilities.relays.iter().enumerate() {
            let has_line = self.lines.iter().any(|line| line.relay == Some(index));
            if !has_line && relay.kind != MediaKind::Audio {
                let mut line = Line::new(Media::new(relay.kind.clone(), 0, profile.protocol()));
                line.relay = Some(index);
                self.lines.push(line);
            }
        }
    }

    pub(super) fn offer_with(
        &mut self,
        hold: Option<Hold>,
        profile: Option<MediaProfile>,
    ) -> Result<SentOffer, LocalError> {
        let capabilities = self.capabilities.clone();
        let profile = profile.unwrap_or(MediaProfile::first(&capabilities));
        if capabilities.streams.is_empty() || !capabilities.codecs.iter().any(Codec::is_speech) {
            return Err(LocalError::NothingToOffer);
        }
        let has = |profile| {
            let ours = |line: &&Line| line.stream.is_some() || line.relay.is_some();
            let mut ours = self.lines.iter().filter(ours);
            ours.any(|line| Profile::of(&line.section.protocol) == Some(profile))
        };
        let dtls = profile == MediaProfile::DtlsSavpf;
        if (dtls || has(Profile::Dtls)) && capabilities.dtls.fingerprints.is_empty() {
            return Err(LocalError::NoFingerprint);
        }
        let sdes = capabilities.sdes.policy != SdesPolicy::Off && !dtls;
        if (sdes || has(Profile::Secure)) && capabilities.sdes.suites.is_empty() {
            return Err(LocalError::NoSuite);
        }
        let (exchange, token) = self.begin()?;
        self.add_lines(profile);
        let (session, direction) = (self.session_ip(), self.wanted(hold));
        let mut description = self.description();
        let mut lines = Vec::with_capacity(self.lines.len());
        let (ours, keys) = self.lines_and_keys();
        for (index, line) in ours.iter_mut().enumerate() {
            let local = line
                .stream
                .and_then(|stream| Some((stream, *capabilities.streams.get(stream)?)));
            let relay = line
                .relay
                .and_then(|at| Some((at, capabilities.relays.get(at)?)))
                .filter(|(_, relay)| relay.kind == line.section.kind);
            let local = local.or(relay.map(|(at, relay)| (at, relay.local)));
            let open = !line.closed_by_peer && !line.closed_by_us && hold != Some(Hold::PortZero);
            let (stream, local) = match local {
                Some(local) if open => local,
                _ => {
                    description.media.push(closed(&line.section));
                    lines.push(OfferedLine::Closed);
                    continue;
                }
            };
            let payloads = match relay {
                Some(_) => Vec::new(),
                None => payloads(line, &capabilities),
            };
            let protocol = line.section.protocol.clone();
            // A line that was DTLS under an older name stays so.
            let dtls = Profile::of(&protocol) == Some(Profile::Dtls) || line.dtls.is_some();
            let secure = Profile::of(&protocol) == Some(Profile::Secure) && !dtls;
            let mut offered = Vec::new();
            if secure || (!dtls && capabilities.sdes.policy != SdesPolicy::Off) {
                for (tag, suite) in (1..).zip(line.suites(&capabilities)) {
                    offered.push((tag, line.key(suite, keys)));
                }
            }
            let mut transport = sdes_attributes(offered.iter().map(|(tag, key)| (*tag, key)));
            if dtls {
                transport.extend(dtls_attributes(&capabilities, Setup::ActPass));
            }
            let ice = match relay {
                Some((_, relay)) => relay.ice.as_ref(),
                None => capabilities.ice.get(stream),
            };
            // RTCP has candidates until it is sure that it shares the port (RFC 5761 §5.1.3).
            let is_sure = match capabilities.rtcp_mux {
                RtcpMux::Off => false,
                RtcpMux::Allow => line.muxed,
                RtcpMux::Require => true,
            };
            let ice = ice
                .filter(|_| dtls || line.ice.is_some())
                .map(|ice| match is_sure {
                    true => ice.clone().without_rtcp(),
                    false => ice.clone(),
                });
            let has_rtcp_candidates = ice.as_ref().is_some_and(|ice| ice.has(Component::Rtcp));
            transport.extend(ice.iter().flat_map(|ice| ice.attributes()));
            if dtls && relay.is_none() {
                transport.extend(msid_attribute(&capabilities.msid, stream));
            }
            let extensions = match relay.is_none() && (dtls || !line.extensions.is_empty()) {
                true => offer_extensions(&capabilities.extensions, line),
                false => Vec::new(),
            };
            let mux = match capabilities.rtcp_mux {
                RtcpMux::Off => Mux::No,
                RtcpMux::Allow => Mux::Offered,
                RtcpMux::Require => Mux::Only,
            };
            let feedback = offer_feedback(&protocol, &capabilities.feedback);
            let reduced_size = capabilities.reduced_size && has_feedback(&protocol);
            let mid = mid(&line.section)
                .map(str::to_owned)
                .or_else(|| dtls.then(|| index.to_string()));
            let frame = Frame {
                session,
                protocol: &protocol,
                mid: mid.as_deref(),
                transport: &transport,
                direction,
                mux,
            };
            let relayed = relay.map(|(index, relay)| (relay.section(&frame), index, relay.clone()));
            let (section, relay) = match relayed {
                Some((media, index, relay)) => (Some(media), Some(OfferedRelay { index, relay })),
                None => (None, None),
            };
            let media = || Section {
                local,
                session,
                protocol: protocol.clone(),
                payloads: &payloads,
                transport: transport.clone(),
                mid: mid.as_deref(),
                extensions: &extensions,
                feedback: &feedback,
                reduced_size,
                direction,
                ptime: capabilities.ptime,
                max_ptime: capabilities.max_ptime,
                mux,
                has_rtcp_candidates,
            };
            let media = section.unwrap_or_else(|| media().media());
            line.section = media.clone();
            description.media.push(media);
            lines.push(OfferedLine::Audio(Box::new(OfferedAudio {
                stream,
                local,
                direction,
                payloads,
                keys: offered,
                secure,
                dtls,
                ice,
                mid,
                extensions,
                feedback: feedback
                    .into_iter()
                    .map(|feedback| feedback.value)
                    .collect(),
                reduced_size,
                relay,
                encryption_required: capabilities.sdes.policy == SdesPolicy::Require,
                mux: capabilities.rtcp_mux,
            })));
        }
        self.give(&mut description);
        self.open = Open::Sent(Arc::downgrade(&token));
        Ok(SentOffer {
            exchange,
            _open: token,
            description,
            lines,
            hold,
            profile,
        })
    }
}

/// Every codec that we have with its payload type on this line, then DTMF at their clocks.
fn payloads(line: &mut Line, capabilities: &Capabilities) -> Vec<Payload> {
    let mut speech: Vec<Codec> = capabilities
        .codecs
        .iter()
        .filter(|codec| codec.is_speech())
        .cloned()
        .collect();
    // The codec in use leads, so that a re-INVITE about something else does not change it.
    speech.sort_by_key(|codec| {
        !line
            .current
            .as_ref()
            .is_some_and(|current| current.matches(codec))
    });
    let rest = capabilities
        .codecs
        .iter()
        .filter(|codec| !codec.is_speech())
        .cloned();
    let events = capabilities.telephone_event.iter().flat_map(|events| {
        capabilities
            .event_clocks()
            .into_iter()
            .map(move |clock| event(clock, events))
    });
    speech
        .into_iter()
        .chain(rest)
        .chain(events)
        .filter_map(|codec| {
            Some(Payload {
                payload_type: line.bindings.assign(&codec)?,
                codec,
            })
        })
        .collect()
}

/// DTMF at this clock. 101 is what nearly every phone uses for 8000 Hz.
pub(super) fn event(clock_rate: u32, events: &str) -> Codec {
    let codec = Codec::new(super::codec::TELEPHONE_EVENT, clock_rate).with_fmtp(events);
    if clock_rate == 8_000 {
        codec.with_payload_type(101)
    } else {
        codec
    }
}
