//! RFC 3264 §6.1: the direction of an answer.

use crate::support::{all, answer, offered, pair, side, stream};
use rtp_core::negotiate::{Hold, PeerHold};
use rtp_core::sdp::Direction::{self, Inactive, RecvOnly, SendOnly, SendRecv};

/// What we want, what is offered, what we answer, whether the offer holds us.
const TABLE: &[(Direction, Direction, Direction, Option<PeerHold>)] = &[
    (SendRecv, SendRecv, SendRecv, None),
    (SendRecv, SendOnly, RecvOnly, Some(PeerHold::SendOnly)),
    (SendRecv, RecvOnly, SendOnly, None),
    (SendRecv, Inactive, Inactive, Some(PeerHold::Inactive)),
    (SendOnly, SendRecv, SendOnly, None),
    (SendOnly, SendOnly, Inactive, Some(PeerHold::SendOnly)),
    (SendOnly, RecvOnly, SendOnly, None),
    (SendOnly, Inactive, Inactive, Some(PeerHold::Inactive)),
    (RecvOnly, SendRecv, RecvOnly, None),
    (RecvOnly, SendOnly, RecvOnly, Some(PeerHold::SendOnly)),
    (RecvOnly, RecvOnly, Inactive, None),
    (RecvOnly, Inactive, Inactive, Some(PeerHold::Inactive)),
    (Inactive, SendRecv, Inactive, None),
];

#[test]
fn answers_mirror_the_offer_within_what_we_want() {
    for &(wanted, theirs, answered, held) in TABLE {
        for level in ["media", "session"] {
            let mut can = all(1);
            can.direction = wanted;
            let mut ours = side(1, can);
            let media = "m=audio 5000 RTP/AVP 0\n";
            let offer = match level {
                "media" => offered(&format!("{media}a={theirs}\n")),
                _ => offered(&format!("a={theirs}\n{media}")),
            };
            let (description, stream) = answer(&mut ours, &offer).unwrap();
            assert_eq!(
                description.direction_of(0),
                answered,
                "{theirs} to one who wants {wanted} ({level})"
            );
            assert_eq!(stream.direction, answered);
            assert_eq!(stream.held_by_peer, held, "{theirs} to {wanted}");
        }
    }
}

#[test]
fn an_answer_that_takes_too_much_is_narrowed() {
    // What we offer, what they answer, what holds then, whether they hold.
    for (hold, answered, direction, held) in [
        (Some(Hold::SendOnly), SendRecv, SendOnly, None),
        (Some(Hold::SendOnly), RecvOnly, SendOnly, None),
        (
            Some(Hold::SendOnly),
            Inactive,
            Inactive,
            Some(PeerHold::Inactive),
        ),
        (
            Some(Hold::SendOnly),
            SendOnly,
            Inactive,
            Some(PeerHold::SendOnly),
        ),
        (Some(Hold::Inactive), SendRecv, Inactive, None),
        (Some(Hold::Inactive), Inactive, Inactive, None),
        (None, SendRecv, SendRecv, None),
        (None, SendOnly, RecvOnly, Some(PeerHold::SendOnly)),
        (None, RecvOnly, SendOnly, None),
        (None, Inactive, Inactive, Some(PeerHold::Inactive)),
    ] {
        let (mut ours, _) = pair();
        let offer = match hold {
            Some(hold) => ours.offer_hold(hold).unwrap(),
            None => ours.offer().unwrap(),
        };
        let answer = offered(&format!("m=audio 5000 RTP/AVP 0\na={answered}\n"));
        let stream = stream(ours.answered(&offer, answer).unwrap());
        assert_eq!(
            (stream.direction, stream.held_by_peer),
            (direction, held),
            "{hold:?} answered {answered}"
        );
    }
}
