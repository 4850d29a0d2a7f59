//! One offered line, taken or refused.

use super::bundle::{answer_extensions, mid, msid_attribute};
use super::feedback::{answer_feedback, common_feedback, has_feedback};
use super::offer::event;
use super::remote::{RemoteAudio, RemoteFormat};
use super::section::{Mux, Section};
use super::security::{Profile, choose, protect};
use super::state::{KeySource, Line};
use super::streams::{Matched, stream_payloads};
use super::{
    AudioStream, Capabilities, Codec, Hold, IceAgreed, Payload, PeerHold, PeerMisbehaved,
    Preference, Refusal, RtcpMux, fmtp,
};
use crate::sdp::{Description, Direction, Media};
use crate::transport::Component;
use std::net::IpAddr;

/// What all lines of one answer have in common.
pub(super) struct Answering<'a> {
    pub(super) capabilities: &'a Capabilities,
    pub(super) hold: Option<Hold>,
    pub(super) wanted: Direction,
    pub(super) session: IpAddr,
    pub(super) offered: &'a Description,
    pub(super) keys: &'a mut KeySource,
    /// Which of our streams have a line.
    pub(super) taken: Vec<bool>,
    /// Which of our relays have one.
    pub(super) relayed: Vec<usize>,
}

impl Answering<'_> {
    /// Whether RTCP will share the port of RTP.
    pub(super) fn mux(&self, offered: &Media, theirs: bool) -> Result<bool, Refusal> {
        match self.capabilities.rtcp_mux {
            RtcpMux::Off if offered.attributes.has("rtcp-mux-only") => Err(Refusal::RtcpMuxOff),
            RtcpMux::Require if !theirs => Err(Refusal::RtcpMuxRequired),
            RtcpMux::Off => Ok(false),
            RtcpMux::Allow | RtcpMux::Require => Ok(theirs),
        }
    }

    /// Whether ICE finds the way of a stream of ours: RTCP shares the port, or has candidates of its own.
    fn serves_ice(&self, stream: usize, mux: bool) -> bool {
        let ours = self.capabilities.ice.get(stream);
        ours.is_some_and(|ours| mux || ours.has(Component::Rtcp))
    }

    /// Takes an offered audio line, or says why not.
    pub(super) fn take(
        &mut self,
        index: usize,
        line: &mut Line,
    ) -> Result<Result<(Media, AudioStream), Refusal>, PeerMisbehaved> {
        let media = &self.offered.media[index];
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
        let mux = match self.mux(media, remote.mux) {
            Ok(mux) => mux,
            Err(why) => return Ok(Err(why)),
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
        if self.capabilities.ice_required && !(remote.ice.is_some() && self.serves_ice(stream, mux))
        {
            return Ok(Err(Refusal::IceRequired));
        }
        // From here on the line is ours.
        line.current = Some(send.codec.clone());
        line.stream = Some(stream);
        self.taken[stream] = true;

        let (srtp, dtls, mut transport) = protect(chosen, line, self.capabilities, self.keys);
        line.dtls.clone_from(&dtls);
        let ice = match (self.capabilities.ice.get(stream), remote.ice.clone()) {
            (Some(local), Some(theirs)) if self.serves_ice(stream, mux) => {
                Some(IceAgreed::new(local, theirs, line, false, mux))
            }
            _ => {
                line.ice = None;
                None
            }
        };
        transport.extend(ice.iter().flat_map(|ice| ice.local.attributes()));
        if dtls.is_some() {
            transport.extend(msid_attribute(&self.capabilities.msid, stream));
        }
        // With ICE, 0.0.0.0 only says that there is no default candidate yet (RFC 8840 §4.1.1).
        remote.null_address &= ice.is_none();
        let extensions = answer_extensions(media, &self.capabilities.extensions, line);
        let feedback = common_feedback(media, &self.capabilities.feedback, &matched);
        let answered_feedback = answer_feedback(&feedback, &matched);
        let reduced_size = self.capabilities.reduced_size
            && has_feedback(&media.protocol)
            && media.attributes.has("rtcp-rsize");
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
            feedback: &answered_feedback,
            reduced_size,
            direction,
            ptime: self.capabilities.ptime,
            max_ptime: self.capabilities.max_ptime,
            mux: if mux { Mux::Agreed } else { Mux::No },
            has_rtcp_candidates: ice.as_ref().is_some_and(|ice| ice.rtcp),
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
            msid: remote.msid,
            mid: mid(media).map(str::to_owned),
            extensions: extensions.clone(),
            feedback,
            reduced_size,
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
    // In a later exchange the codec in use stays, unless the offerer's order decides: a hold by the other
    // side must not change it.
    let own = capabilities.preference == Preference::Own;
    let current = |ours: &Codec| {
        own && line
            .current
            .as_ref()
            .is_some_and(|current| current.matches(ours))
    };
    chosen.sort_by_key(|(_, _, ours)| (!ours.is_speech(), !current(ours)));
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
pub(super) fn held(remote: &RemoteAudio) -> Option<PeerHold> {
    match remote.direction {
        _ if remote.null_address => Some(PeerHold::NullAddress),
        Direction::SendOnly => Some(PeerHold::SendOnly),
        Direction::Inactive => Some(PeerHold::Inactive),
        Direction::SendRecv | Direction::RecvOnly => None,
    }
}
