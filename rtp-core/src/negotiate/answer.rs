//! Offers of the peer and our answers.

use super::bundle::{answer_extensions, answer_group, mid};
use super::offer::event;
use super::remote::{RemoteAudio, RemoteFormat};
use super::section::{Mux, Section, closed};
use super::security::{Chosen, Profile, choose, dtls_attributes, sdes_attributes};
use super::state::{KeySource, Line, Open, closed_stream};
use super::streams::{Matched, stream_payloads};
use super::{
    AgreedLine, Agreement, AudioStream, Capabilities, Codec, Hold, IceAgreed, IceDescription,
    LocalError, Negotiation, NegotiationError, Payload, PeerHold, PeerIncompatible, PeerMisbehaved,
    Preference, Refusal, RtcpMux, SrtpKeys, fmtp,
};
use crate::sdp::{Description, Direction, Media, MediaKind};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;

/// An offer of the peer's that waits for our answer.
///
/// Give it to [`Negotiation::answer`], or drop it to refuse the offer: the session is then as before.
#[derive(Debug)]
#[must_use = "an offer wants an answer; dropping it refuses it"]
pub struct ReceivedOffer {
    exchange: u64,
    open: Arc<()>,
    description: Description,
}

impl ReceivedOffer {
    /// Whether the peer starts ICE again on a line (RFC 8839 §4.4.1.1.1). Give that line's stream new
    /// credentials by [`Negotiation::set_capabilities`] before answering.
    #[must_use]
    pub fn restarts_ice(&self, negotiation: &Negotiation, line: usize) -> bool {
        let before = negotiation
            .lines
            .get(line)
            .and_then(|line| line.ice.as_ref());
        let now = IceDescription::read(&self.description, line);
        matches!((before, now), (Some(before), Some(now)) if !before.remote.same_credentials(&now))
    }

    /// What the peer sent.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

/// An answer of ours, which by its making is one to the offer: the same lines in the same places, nothing
/// that was not offered.
#[derive(Debug, Clone)]
#[must_use = "an answer is for the peer"]
pub struct Answer {
    description: Description,
    agreement: Agreement,
}

impl Answer {
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

    /// What both agreed on.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }
}

impl Negotiation {
    /// Reads an offer of the peer's, the first of a call or a later one.
    ///
    /// # Errors
    /// When it is no SDP, or has lost lines, or comes while another exchange is under way.
    pub fn receive_offer(
        &mut self,
        offer: impl AsRef<[u8]>,
    ) -> Result<ReceivedOffer, NegotiationError> {
        let description = Description::parse(offer)?;
        let (exchange, open) = self.begin()?;
        let (known, offered) = (self.lines.len(), description.media.len());
        if offered < known {
            return Err(PeerMisbehaved::LinesRemoved { known, offered }.into());
        }
        self.open = Open::Received(Arc::downgrade(&open));
        Ok(ReceivedOffer {
            exchange,
            open,
            description,
        })
    }

    /// Answers an offer with what we can do and want now.
    ///
    /// Lines that are not taken are refused with port 0, in place. When that would leave no audio at all,
    /// the offer as a whole is refused instead.
    ///
    /// # Errors
    /// When no audio line can be taken. The state is then as before.
    pub fn answer(&mut self, offer: ReceivedOffer) -> Result<Answer, NegotiationError> {
        if !self.is_current(offer.exchange) {
            return Err(LocalError::Stale.into());
        }
        drop(offer.open);
        let offered = offer.description;
        let mut answer = self.description();
        // RFC 3264 §6: the answer's times are the offer's.
        answer.times.clone_from(&offered.times);

        let mut lines = self.lines.clone();
        lines.extend(
            offered
                .media
                .iter()
                .skip(lines.len())
                .cloned()
                .map(Line::new),
        );
        // A line that the peer closes frees its stream: it may come back on another line.
        let mut taken = vec![false; self.capabilities.streams.len()];
        for (line, _) in lines
            .iter()
            .zip(&offered.media)
            .filter(|(_, media)| media.port != 0)
        {
            if let Some(taken) = line.stream.and_then(|stream| taken.get_mut(stream)) {
                *taken = true;
            }
        }
        let (wanted, session) = (self.wanted(self.hold), self.session_ip());
        let mut answering = Answering {
            capabilities: &self.capabilities,
            hold: self.hold,
            wanted,
            session,
            offered: &offered,
            keys: &mut self.keys,
            taken,
        };
        let mut agreed = Vec::with_capacity(lines.len());
        let (mut open, mut closings, mut refusal) = (0, 0, None);
        for (index, line) in lines.iter_mut().enumerate() {
            let media = &offered.media[index];
            let kind = media.kind.clone();
            let outcome = if media.port == 0 {
                closings += usize::from(kind == MediaKind::Audio);
                // When we closed it ourselves, the offer only repeats it.
                line.closed_by_peer = self.hold != Some(Hold::PortZero);
                line.section = closed(media);
                let before = self.agreed.as_ref().filter(|_| !line.closed_by_us);
                closed_stream(before, index, self.hold, line.closed_by_peer)
                    .unwrap_or(AgreedLine::Closed { kind })
            } else {
                match answering.take(index, line)? {
                    Ok((section, stream)) => {
                        open += 1;
                        line.closed_by_peer = false;
                        line.section = section;
                        AgreedLine::Audio(Box::new(stream))
                    }
                    Err(why) => {
                        if kind == MediaKind::Audio {
                            refusal.get_or_insert(PeerIncompatible::Refused { line: index, why });
                        }
                        line.section = closed(media);
                        AgreedLine::Refused { kind, why }
                    }
                }
            };
            answer.media.push(line.section.clone());
            agreed.push(outcome);
        }
        // An offer without any line is fine: third-party call control begins so (RFC 3725 §4.2).
        let empty = offered.media.is_empty();
        if open == 0 && !empty && (refusal.is_some() || closings == 0) {
            return Err(refusal.unwrap_or(PeerIncompatible::NoAudio).into());
        }
        // A stream that came back on another line has left its old one for good.
        let moved: Vec<_> = lines
            .iter()
            .filter(|line| line.section.port != 0)
            .map(|line| line.stream)
            .collect();
        let old = lines
            .iter_mut()
            .zip(&mut agreed)
            .filter(|(line, _)| line.section.port == 0);
        for (line, agreed) in
            old.filter(|(line, _)| line.stream.is_some() && moved.contains(&line.stream))
        {
            line.stream = None;
            *agreed = AgreedLine::Closed {
                kind: line.section.kind.clone(),
            };
        }
        if let Some(group) = answer_group(&offered, &answer) {
            answer.attributes.push(group);
        }
        self.lines = lines;
        self.open = Open::None;
        self.give(&mut answer);
        let agreement = self.agreed.insert(Agreement { lines: agreed }).clone();
        Ok(Answer {
            description: answer,
            agreement,
        })
    }
}

/// What all lines of one answer have in common.
struct Answering<'a> {
    capabilities: &'a Capabilities,
    hold: Option<Hold>,
    wanted: Direction,
    session: IpAddr,
    offered: &'a Description,
    keys: &'a mut KeySource,
    /// Which of our streams have a line.
    taken: Vec<bool>,
}

impl Answering<'_> {
    /// Takes an offered line, or says why not.
    fn take(
        &mut self,
        index: usize,
        line: &mut Line,
    ) -> Result<Result<(Media, AudioStream), Refusal>, PeerMisbehaved> {
        let media = &self.offered.media[index];
        if media.kind != MediaKind::Audio {
            return Ok(Err(Refusal::Kind));
        }
        let Some(profile) = Profile::of(&media.protocol) else {
            return Ok(Err(Refusal::Protocol));
        };
        if line.closed_by_us {
            return Ok(Err(Refusal::Closed));
        }
        let kept = line.stream.filter(|stream| *stream < self.taken.len());
        let Some(stream) = kept.or_else(|| self.taken.iter().position(|taken| !taken)) else {
            return Ok(Err(Refusal::NoStream));
        };
        let local = self.capabilities.streams[stream];
        let mut remote = RemoteAudio::read(self.offered, index)?;
        let mux = match self.capabilities.rtcp_mux {
            RtcpMux::Off if media.attributes.has("rtcp-mux-only") => {
                return Ok(Err(Refusal::RtcpMuxOff));
            }
            RtcpMux::Require if !remote.mux => return Ok(Err(Refusal::RtcpMuxRequired)),
            RtcpMux::Off => false,
            RtcpMux::Allow | RtcpMux::Require => remote.mux,
        };
        let chosen = match choose(&remote, profile, self.capabilities, line) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Err(why)),
        };
        let matched = matched(&remote.formats, self.capabilities, line);
        let payloads = stream_payloads(&matched, &line.bindings);
        let Some(send) = payloads.send else {
            return Ok(Err(Refusal::NoCommonCodec));
        };
        // From here on the line is ours.
        line.stream = Some(stream);
        self.taken[stream] = true;

        let (mut srtp, mut dtls, mut transport) = (None, None, Vec::new());
        match chosen {
            Chosen::Clear => {}
            Chosen::Sdes {
                tag,
                remote,
                lifetime,
            } => {
                line.set_remote_key(&remote);
                let local = line.key(remote.suite(), self.keys);
                transport.extend(sdes_attributes([(tag, &local)]));
                srtp = Some(SrtpKeys {
                    local,
                    remote,
                    remote_lifetime: lifetime,
                });
            }
            Chosen::Dtls(peer) => {
                transport.extend(dtls_attributes(self.capabilities, peer.setup));
                dtls = Some(peer);
            }
        }
        line.dtls.clone_from(&dtls);
        let ice = match (self.capabilities.ice.get(stream), remote.ice.clone()) {
            (Some(local), Some(theirs)) => Some(IceAgreed::new(local, theirs, line, false)),
            _ => {
                line.ice = None;
                None
            }
        };
        transport.extend(ice.iter().flat_map(|ice| ice.local.attributes()));
        // With ICE, 0.0.0.0 only says that there is no default candidate yet (RFC 8840 §4.1.1).
        remote.null_address &= ice.is_none();
        let extensions = answer_extensions(media, &self.capabilities.extensions, line);
        let mut direction = remote.direction.reversed().and(self.wanted);
        if remote.null_address {
            direction = direction.and(Direction::RecvOnly);
        }
        let receive: Vec<Payload> = matched.into_iter().map(|matched| matched.receive).collect();
        let section = Section {
            local,
            session: self.session,
            protocol: media.protocol.clone(),
            payloads: &receive,
            transport,
            mid: mid(media),
            extensions: &extensions,
            direction,
            ptime: self.capabilities.ptime,
            max_ptime: self.capabilities.max_ptime,
            mux: if mux { Mux::Agreed } else { Mux::No },
        };
        let stream = AudioStream {
            line: index,
            stream,
            local,
            remote_rtp: remote.rtp,
            remote_rtcp: if mux { remote.rtp } else { remote.rtcp },
            ptime: remote.packet_time(self.capabilities.ptime),
            max_ptime: remote.max_ptime,
            held_by_peer: held(&remote),
            remote_name: remote.name,
            remote_rtp_port: remote.port,
            direction,
            send,
            send_also: payloads.send_also,
            receive: payloads.receive,
            send_dtmf: payloads.send_dtmf,
            receive_dtmf: payloads.receive_dtmf,
            send_comfort_noise: payloads.send_comfort_noise,
            srtp,
            dtls,
            ice,
            mid: mid(media).map(str::to_owned),
            extensions: extensions.clone(),
            rtcp_mux: mux,
            held_by_us: self.hold,
        };
        Ok(Ok((section.media(), stream)))
    }
}

/// What both have, in the order that decides, with the payload types of the answer: the offer's numbers
/// (RFC 3264 §6.1 recommends them) unless one means something else here already.
fn matched(formats: &[RemoteFormat], capabilities: &Capabilities, line: &mut Line) -> Vec<Matched> {
    let formats: Vec<(u8, &Codec)> = formats
        .iter()
        .filter_map(|format| Some((format.payload_type, format.codec.as_ref()?)))
        .collect();
    let codecs = &capabilities.codecs;
    let mut chosen: Vec<(u8, &Codec, Codec)> = match capabilities.preference {
        Preference::Own => codecs
            .iter()
            .filter_map(|ours| {
                let (number, theirs) = formats.iter().find(|(_, theirs)| ours.matches(theirs))?;
                Some((*number, *theirs, ours.clone()))
            })
            .collect(),
        Preference::Offerer => formats
            .iter()
            .filter_map(|(number, theirs)| {
                Some((
                    *number,
                    *theirs,
                    codecs.iter().find(|ours| ours.matches(theirs))?.clone(),
                ))
            })
            .collect(),
    };
    // Two of ours may match one of theirs, and the other way round: each side of a pair counts once.
    let mut seen: Vec<(u8, Codec)> = Vec::new();
    chosen.retain(|(number, _, ours)| {
        let new = !seen.iter().any(|(n, codec)| n == number || codec == ours);
        if new {
            seen.push((*number, ours.clone()));
        }
        new
    });
    chosen.sort_by_key(|(_, _, ours)| !ours.is_speech());
    if capabilities.single_codec {
        let mut speech = 0;
        chosen.retain(|(_, _, ours)| {
            speech += usize::from(ours.is_speech());
            !ours.is_speech() || speech == 1
        });
    }
    if let Some(events) = &capabilities.telephone_event {
        let mut clocks = capabilities.event_clocks();
        // DTMF at 8000 Hz beside Opus alone is what many gateways have.
        clocks.push(8_000);
        for (number, theirs) in formats
            .iter()
            .filter(|(_, theirs)| theirs.is_telephone_event())
        {
            if clocks.contains(&theirs.clock_rate) {
                clocks.retain(|clock| *clock != theirs.clock_rate);
                chosen.push((*number, *theirs, event(theirs.clock_rate, events)));
            }
        }
    }
    for (_, theirs, ours) in &mut chosen {
        ours.fmtp = fmtp::answer(&ours.name, ours.fmtp.as_deref(), theirs.fmtp.as_deref());
    }
    // First all numbers that can be the offer's, then what is left gets others.
    let adopted: Vec<bool> = chosen
        .iter()
        .map(|(number, _, ours)| line.bindings.adopt(*number, ours))
        .collect();
    chosen
        .into_iter()
        .zip(adopted)
        .filter_map(|((number, theirs, ours), adopted)| {
            let receive = if adopted {
                number
            } else {
                line.bindings.assign(&ours)?
            };
            let send = Codec {
                fmtp: theirs.fmtp.clone(),
                ..ours.clone()
            };
            Some(Matched {
                send: Payload {
                    payload_type: number,
                    codec: send,
                },
                receive: Payload {
                    payload_type: receive,
                    codec: ours,
                },
            })
        })
        .collect()
}

/// How the offer holds us, if it does.
fn held(remote: &RemoteAudio) -> Option<PeerHold> {
    match remote.direction {
        _ if remote.null_address => Some(PeerHold::NullAddress),
        Direction::SendOnly => Some(PeerHold::SendOnly),
        Direction::Inactive => Some(PeerHold::Inactive),
        Direction::SendRecv | Direction::RecvOnly => None,
    }
}
