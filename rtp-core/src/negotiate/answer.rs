//! Offers of the peer and our answers.

use super::bundle::answer_group;
use super::section::closed;
use super::state::{Line, Open, closed_stream};
use super::take::Answering;
use super::{
    AgreedLine, Agreement, Hold, IceDescription, LocalError, Negotiation, NegotiationError,
    PeerIncompatible, PeerMisbehaved,
};
use crate::sdp::{Description, MediaKind};
use bytes::Bytes;
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
            relayed: lines
                .iter()
                .zip(&offered.media)
                .filter(|(_, media)| media.port != 0)
                .filter_map(|(line, _)| line.relay)
                .collect(),
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
            } else if kind != MediaKind::Audio {
                match answering.take_relayed(index, line)? {
                    Ok((section, stream)) => {
                        line.closed_by_peer = false;
                        line.section = section;
                        AgreedLine::Relayed(Box::new(stream))
                    }
                    Err(why) => {
                        line.section = closed(media);
                        AgreedLine::Refused { kind, why }
                    }
                }
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
        let open: Vec<_> = lines
            .iter()
            .filter(|line| line.section.port != 0)
            .filter_map(|line| line.relay)
            .collect();
        for (line, agreed) in lines.iter_mut().zip(&mut agreed) {
            if line.section.port == 0 && line.relay.is_some_and(|relay| open.contains(&relay)) {
                line.relay = None;
                *agreed = AgreedLine::Closed {
                    kind: line.section.kind.clone(),
                };
            }
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
