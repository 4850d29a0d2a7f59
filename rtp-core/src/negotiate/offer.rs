//! Offers of ours.

use super::section::{Mux, Section, closed};
use super::state::{Line, Open};
use super::{
    Capabilities, Codec, Hold, LocalAddress, LocalError, Negotiation, Payload, RtcpMux, SdesPolicy,
};
use crate::sdes::Crypto;
use crate::sdp::{Description, Direction, Media, MediaKind, Protocol};
use crate::srtp::MasterKey;
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
}

/// What we offered on one line.
#[derive(Debug, Clone)]
pub(super) enum OfferedLine {
    /// Port 0.
    Closed,
    Audio(OfferedAudio),
}

#[derive(Debug, Clone)]
pub(super) struct OfferedAudio {
    pub(super) stream: usize,
    pub(super) local: LocalAddress,
    pub(super) direction: Direction,
    pub(super) payloads: Vec<Payload>,
    /// By tag.
    pub(super) keys: Vec<(u32, MasterKey)>,
    /// The profile demands a key in the answer.
    pub(super) secure: bool,
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
        self.offer_with(self.hold)
    }

    /// Offers to hold the call. It is held once the answer is in.
    ///
    /// # Errors
    /// As [`Negotiation::offer`].
    pub fn offer_hold(&mut self, hold: Hold) -> Result<SentOffer, LocalError> {
        self.offer_with(Some(hold))
    }

    /// Offers to end a hold of ours.
    ///
    /// # Errors
    /// As [`Negotiation::offer`].
    pub fn offer_resume(&mut self) -> Result<SentOffer, LocalError> {
        self.offer_with(None)
    }

    /// Adds the lines that this offer has and the last exchange had not: one for each stream as long as no
    /// stream has a line, later one for each stream that was added.
    fn add_lines(&mut self) {
        let first = self.lines.iter().all(|line| line.stream.is_none());
        let protocol = match self.capabilities.sdes.policy {
            SdesPolicy::Require => Protocol::RtpSavp,
            SdesPolicy::Off | SdesPolicy::Allow => Protocol::RtpAvp,
        };
        for stream in 0..self.capabilities.streams.len() {
            let has_line = self.lines.iter().any(|line| line.stream == Some(stream));
            if !has_line && (first || self.added.contains(&stream)) {
                let mut line = Line::new(Media::new(MediaKind::Audio, 0, protocol.clone()));
                line.stream = Some(stream);
                self.lines.push(line);
            }
        }
    }

    fn offer_with(&mut self, hold: Option<Hold>) -> Result<SentOffer, LocalError> {
        let capabilities = self.capabilities.clone();
        if capabilities.streams.is_empty() || !capabilities.codecs.iter().any(Codec::is_speech) {
            return Err(LocalError::NothingToOffer);
        }
        let secure = |line: &Line| line.stream.is_some() && is_secure(&line.section.protocol);
        let encrypts = capabilities.sdes.policy != SdesPolicy::Off || self.lines.iter().any(secure);
        if encrypts && capabilities.sdes.suites.is_empty() {
            return Err(LocalError::NoSuite);
        }
        let (exchange, token) = self.begin()?;
        self.add_lines();
        let (session, direction) = (self.session_ip(), self.wanted(hold));
        let mut description = self.description();
        let mut lines = Vec::with_capacity(self.lines.len());
        let (ours, keys) = self.lines_and_keys();
        for line in ours {
            let local = line
                .stream
                .and_then(|stream| Some((stream, *capabilities.streams.get(stream)?)));
            let open = !line.closed_by_peer && !line.closed_by_us && hold != Some(Hold::PortZero);
            let (stream, local) = match local {
                Some(local) if open => local,
                _ => {
                    description.media.push(closed(&line.section));
                    lines.push(OfferedLine::Closed);
                    continue;
                }
            };
            let payloads = payloads(line, &capabilities);
            let protocol = line.section.protocol.clone();
            let secure = is_secure(&protocol);
            let mut offered = Vec::new();
            if secure || capabilities.sdes.policy != SdesPolicy::Off {
                for (tag, suite) in (1..).zip(&capabilities.sdes.suites) {
                    offered.push((tag, line.key(*suite, keys)));
                }
            }
            let crypto: Vec<Crypto> = offered
                .iter()
                .map(|(tag, key)| Crypto::new(*tag, key))
                .collect();
            let media = Section {
                local,
                session,
                protocol,
                payloads: &payloads,
                crypto: &crypto,
                direction,
                ptime: capabilities.ptime,
                max_ptime: capabilities.max_ptime,
                mux: match capabilities.rtcp_mux {
                    RtcpMux::Off => Mux::No,
                    RtcpMux::Allow => Mux::Offered,
                    RtcpMux::Require => Mux::Only,
                },
            }
            .media();
            line.section = media.clone();
            description.media.push(media);
            lines.push(OfferedLine::Audio(OfferedAudio {
                stream,
                local,
                direction,
                payloads,
                keys: offered,
                secure,
                encryption_required: capabilities.sdes.policy == SdesPolicy::Require,
                mux: capabilities.rtcp_mux,
            }));
        }
        self.give(&mut description);
        self.open = Open::Sent(Arc::downgrade(&token));
        Ok(SentOffer {
            exchange,
            _open: token,
            description,
            lines,
            hold,
        })
    }
}

fn is_secure(protocol: &Protocol) -> bool {
    matches!(protocol, Protocol::RtpSavp | Protocol::RtpSavpf)
}

/// Every codec that we have with its payload type on this line, then DTMF at their clocks.
fn payloads(line: &mut Line, capabilities: &Capabilities) -> Vec<Payload> {
    let speech = capabilities
        .codecs
        .iter()
        .filter(|codec| codec.is_speech())
        .cloned();
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
