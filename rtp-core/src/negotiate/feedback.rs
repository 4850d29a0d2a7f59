//! RTCP feedback (RFC 4585 §4.2) and reduced-size RTCP (RFC 5506 §5): like header extensions, only what both
//! sides know is agreed on. They belong to the profiles whose name ends in `F`.

use super::streams::Matched;
use crate::sdp::{Attribute, Media, Protocol, RtcpFeedback};

/// Feedback lines of one section that are read.
const MAX_FEEDBACK: usize = 256;

/// Whether the profile has feedback (RFC 4585 §4.1, RFC 5124).
pub(super) fn has_feedback(protocol: &Protocol) -> bool {
    matches!(
        protocol,
        Protocol::RtpAvpf | Protocol::RtpSavpf | Protocol::UdpTlsRtpSavpf
    )
}

/// What we offer: everything that we know, for every payload type.
pub(super) fn offer_feedback(protocol: &Protocol, known: &[String]) -> Vec<RtcpFeedback> {
    let known = if has_feedback(protocol) { known } else { &[] };
    known
        .iter()
        .map(|value| RtcpFeedback {
            payload_type: None,
            value: value.clone(),
        })
        .collect()
}

/// Of what a section of the peer's names, what we know, with the peer's payload types: those that were
/// matched.
pub(super) fn common_feedback(
    theirs: &Media,
    known: &[String],
    matched: &[Matched],
) -> Vec<RtcpFeedback> {
    let mut common: Vec<RtcpFeedback> = Vec::new();
    if !has_feedback(&theirs.protocol) {
        return common;
    }
    for feedback in theirs
        .attributes
        .typed::<RtcpFeedback>("rtcp-fb")
        .take(MAX_FEEDBACK)
    {
        let of_matched = feedback
            .payload_type
            .is_none_or(|number| matched.iter().any(|m| m.send.payload_type == number));
        if of_matched && known.contains(&feedback.value) && !common.contains(&feedback) {
            common.push(feedback);
        }
    }
    common
}

/// The same with the payload types of our answer.
pub(super) fn answer_feedback(common: &[RtcpFeedback], matched: &[Matched]) -> Vec<RtcpFeedback> {
    let ours = |number| {
        matched
            .iter()
            .find(|m| m.send.payload_type == number)
            .map(|m| m.receive.payload_type)
    };
    common
        .iter()
        .map(|feedback| RtcpFeedback {
            payload_type: feedback.payload_type.and_then(ours),
            value: feedback.value.clone(),
        })
        .collect()
}

/// `a=rtcp-fb` and `a=rtcp-rsize` lines.
pub(super) fn feedback_attributes(
    feedback: &[RtcpFeedback],
    reduced_size: bool,
) -> impl Iterator<Item = Attribute> + '_ {
    let size = reduced_size.then(|| Attribute::flag("rtcp-rsize"));
    let lines = feedback
        .iter()
        .map(|feedback| Attribute::new("rtcp-fb", feedback.to_string()));
    size.into_iter().chain(lines)
}
