//! Answers to our offers.

use super::bundle::settle_extensions;
use super::feedback::common_feedback;
use super::offer::{OfferedAudio, OfferedLine};
use super::remote::{RemoteAudio, RemoteFormat};
use super::security::settle;
use super::state::{Line, Open, closed_stream};
use super::streams::{Matched, stream_payloads};
use super::{
    AgreedLine, Agreement, AudioStream, IceAgreed, Negotiation, NegotiationError, Payload,
    PeerHold, PeerIncompatible, PeerMisbehaved, Refusal, RtcpMux, SentOffer, relay,
};
use crate::sdp::{Description, Direction};

impl Negotiation {
    /// Reads the peer's answer to our offer, and returns what both agreed on.
    ///
    /// The same offer may be answered again until another exchange begins: the last answer counts.
    ///
    /// Forgiven, because phones do it and it can mean only one thing: formats beside the offered ones
    /// (ignored), a direction that takes more than was offered (narrowed), a dynamic payload type without
    /// `a=rtpmap` that is one of ours, an open port for a line that we closed (it stays closed).
    ///
    /// # Errors
    /// When the answer does not answer this offer; the state is then as before, and another answer may
    /// still come.
    pub fn answered(
        &mut self,
        offer: &SentOffer,
        answer: impl AsRef<[u8]>,
    ) -> Result<&Agreement, NegotiationError> {
        if !self.is_current(offer.exchange) {
            return Err(super::LocalError::Stale.into());
        }
        let answer = Description::parse(answer)?;
        if answer.media.len() != offer.lines.len() {
            let (offered, answered) = (offer.lines.len(), answer.media.len());
            return Err(PeerMisbehaved::LineCount { offered, answered }.into());
        }
        let mut lines = self.lines.clone();
        let mut agreed = Vec::with_capacity(lines.len());
        for (index, (offered, line)) in offer.lines.iter().zip(&mut lines).enumerate() {
            agreed.push(self.answered_line(&answer, index, offered, line, offer)?);
        }
        let agreement = Agreement { lines: agreed };
        let wanted = offer
            .lines
            .iter()
            .any(|line| matches!(line, OfferedLine::Audio(offered) if offered.relay.is_none()));
        if wanted && agreement.audio().next().is_none() {
            return Err(PeerIncompatible::RefusedByPeer.into());
        }
        self.lines = lines;
        self.hold = offer.hold;
        self.added.clear();
        self.open = Open::None;
        Ok(self.agreed.insert(agreement))
    }

    fn answered_line(
        &self,
        answer: &Description,
        index: usize,
        offered: &OfferedLine,
        line: &mut Line,
        offer: &SentOffer,
    ) -> Result<AgreedLine, NegotiationError> {
        let (ours, theirs) = (&offer.description.media[index], &answer.media[index]);
        if ours.kind != theirs.kind {
            return Err(PeerMisbehaved::KindChanged { line: index }.into());
        }
        let kind = ours.kind.clone();
        let offered = match offered {
            OfferedLine::Audio(offered) => offered,
            OfferedLine::Closed if line.closed_by_us => return Ok(AgreedLine::Closed { kind }),
            OfferedLine::Closed => {
                let before = self
                    .agreed
                    .as_ref()
                    .and_then(|agreed| agreed.lines.get(index));
                return Ok(match before {
                    Some(AgreedLine::Audio(_) | AgreedLine::Relayed(_))
                        if line.stream.is_some() || line.relay.is_some() =>
                    {
                        closed_stream(self.agreed.as_ref(), index, offer.hold, line.closed_by_peer)
                            .unwrap_or(AgreedLine::Closed { kind })
                    }
                    Some(refused @ AgreedLine::Refused { .. }) => refused.clone(),
                    _ => AgreedLine::Closed { kind },
                });
            }
        };
        if theirs.port == 0 {
            // A line that was never taken is not offered again and again. One that was may be: the peer has
            // perhaps only its own way to answer a hold.
            let before = closed_stream(self.agreed.as_ref(), index, offer.hold, true);
            line.closed_by_peer = before.is_none();
            let refused = AgreedLine::Refused {
                kind,
                why: Refusal::ByPeer,
            };
            return Ok(before.unwrap_or(refused));
        }
        if ours.protocol != theirs.protocol {
            return Err(PeerMisbehaved::ProtocolChanged { line: index }.into());
        }
        if let Some(stream) = relay::answered(answer, index, offer, line)? {
            return Ok(AgreedLine::Relayed(Box::new(stream)));
        }
        let mut remote = RemoteAudio::read(answer, index)?;
        let matched = matched(&remote.formats, offered, line);
        if !matched.iter().any(|matched| matched.send.codec.is_speech()) {
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
        if self.capabilities.ice_required && !(offered.ice.is_some() && remote.ice.is_some()) {
            return Err(PeerIncompatible::Ice { line: index }.into());
        }
        let payloads = stream_payloads(&matched, &line.bindings);
        line.closed_by_peer = false;
        line.current = payloads.send.as_ref().map(|send| send.codec.clone());
        line.dtls.clone_from(&dtls);
        let ice = match (&offered.ice, remote.ice.clone()) {
            (Some(local), Some(theirs)) => Some(IceAgreed::new(local, theirs, line, true, mux)),
            _ => {
                line.ice = None;
                None
            }
        };
        // With ICE, 0.0.0.0 only says that there is no default candidate yet (RFC 8840 §4.1.1).
        remote.null_address &= ice.is_none();
        let extensions = settle_extensions(theirs, &offered.extensions, line);
        let feedback = common_feedback(theirs, &offered.feedback, &matched);
        let reduced_size = offered.reduced_size && theirs.attributes.has("rtcp-rsize");
        let held_by_peer = held(&remote, offered.direction);
        let mut direction = offered.direction.and(remote.direction.reversed());
        if remote.null_address {
            direction = direction.and(Direction::RecvOnly);
        }
        Ok(AgreedLine::Audio(Box::new(AudioStream {
            line: index,
            stream: offered.stream,
            local: offered.local,
            remote_rtp: remote.rtp,
            remote_rtcp: if mux { remote.rtp } else { remote.rtcp },
            ptime: remote.packet_time(self.capabilities.ptime),
            max_ptime: remote.max_ptime,
            remote_name: remote.name,
            remote_rtp_port: remote.port,
            direction,
            send: payloads
                .send
                .ok_or(PeerMisbehaved::NoOfferedFormat { line: index })?,
            send_also: payloads.send_also,
            receive: payloads.receive,
            send_dtmf: payloads.send_dtmf,
            receive_dtmf: payloads.receive_dtmf,
            send_comfort_noise: payloads.send_comfort_noise,
            srtp,
            dtls,
            ice,
            msid: remote.msid,
            mid: offered.mid.clone(),
            extensions,
            feedback,
            reduced_size,
            rtcp_mux: mux,
            held_by_us: offer.hold,
            held_by_peer,
        })))
    }
}

/// In the answer's order: what it names, of what we offered.
fn matched(formats: &[RemoteFormat], offered: &OfferedAudio, line: &mut Line) -> Vec<Matched> {
    let mut matched: Vec<Matched> = Vec::new();
    for format in formats {
        let ours = offered.payloads.iter().find(|payload| match &format.codec {
            Some(codec) => payload.codec.matches(codec),
            None => payload.payload_type == format.payload_type,
        });
        let Some(ours) = ours.filter(|ours| !matched.iter().any(|m| m.receive == **ours)) else {
            continue;
        };
        // Phones exist that send with the number of their own description instead of ours.
        line.bindings.alias(format.payload_type, &ours.codec);
        let fmtp = format.codec.as_ref().and_then(|codec| codec.fmtp.clone());
        let codec = super::Codec {
            fmtp,
            ..ours.codec.clone()
        };
        matched.push(Matched {
            send: Payload {
                payload_type: format.payload_type,
                codec,
            },
            receive: ours.clone(),
        });
    }
    matched
}

/// Whether the answer holds. What we offered explains part of it: to `sendonly` the answer is `recvonly`,
/// and to `inactive` nothing else than `inactive`.
pub(super) fn held(remote: &RemoteAudio, offered: Direction) -> Option<PeerHold> {
    if remote.null_address {
        Some(PeerHold::NullAddress)
    } else if offered.sends() && !remote.direction.receives() {
        Some(if remote.direction.sends() {
            PeerHold::SendOnly
        } else {
            PeerHold::Inactive
        })
    } else {
        None
    }
}
