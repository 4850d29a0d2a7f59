//! From matched formats to what a stream sends and receives.

use super::Payload;
use super::bindings::Bindings;

/// One codec that both sides have: the peer's payload type to send with, ours to receive with.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    pub(super) send: Payload,
    pub(super) receive: Payload,
}

/// The payload fields of an [`AudioStream`](super::AudioStream).
pub(super) struct StreamPayloads {
    pub(super) send: Option<Payload>,
    pub(super) send_also: Vec<Payload>,
    pub(super) receive: Vec<Payload>,
    pub(super) send_dtmf: Option<Payload>,
    pub(super) receive_dtmf: Vec<Payload>,
    pub(super) send_comfort_noise: Option<u8>,
}

/// Sorts what was matched, in order of preference, into speech, DTMF and comfort noise.
pub(super) fn stream_payloads(matched: &[Matched], bindings: &Bindings) -> StreamPayloads {
    let mut speech = matched
        .iter()
        .map(|m| &m.send)
        .filter(|send| send.codec.is_speech())
        .cloned();
    let send = speech.next();
    let send_also = speech.collect();
    let clock = send.as_ref().map(|send| send.codec.clock_rate);
    let events = || {
        matched
            .iter()
            .map(|m| &m.send)
            .filter(|send| send.codec.is_telephone_event())
    };
    let send_dtmf = events()
        .find(|event| Some(event.codec.clock_rate) == clock)
        .or_else(|| events().next());
    let comfort = matched
        .iter()
        .find(|m| m.send.codec.is("CN") && m.send.codec.clock_rate == 8_000);

    // What this exchange names, then what earlier ones named: each number once, it has one meaning.
    let named: Vec<Payload> = matched.iter().map(|m| m.receive.clone()).collect();
    let earlier = bindings
        .iter()
        .filter(|(number, _)| !named.iter().any(|payload| payload.payload_type == *number))
        .map(|(payload_type, codec)| Payload {
            payload_type,
            codec: codec.clone(),
        })
        .collect::<Vec<_>>();
    let (receive_dtmf, receive) = named
        .into_iter()
        .chain(earlier)
        .partition(|payload| payload.codec.is_telephone_event());
    StreamPayloads {
        send_dtmf: send_dtmf.cloned(),
        send_comfort_noise: comfort.map(|m| m.send.payload_type),
        send,
        send_also,
        receive,
        receive_dtmf,
    }
}
