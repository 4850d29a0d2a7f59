//! What programs that no one here wrote really send. Recorded on loopback; their keys are long gone.

use crate::support::{all, answer, pair, side, stream};
use rtp_core::negotiate::{Hold, PeerHold, Sdes, SdesPolicy};
use rtp_core::sdp::Direction;

const BARESIP_SRTP: &str = include_str!("../fuzz/seeds/sdp/baresip-1.0.0-srtp-offer.sdp");
const BARESIP_MANDATORY: &str =
    include_str!("../fuzz/seeds/sdp/baresip-1.0.0-srtp-mandatory-offer.sdp");
const BARESIP_OPUS: &str = include_str!("../fuzz/seeds/sdp/baresip-1.0.0-opus-answer.sdp");
const BARESIP_CLOSED: &str = include_str!("../fuzz/seeds/sdp/baresip-1.0.0-port-zero-answer.sdp");

#[test]
fn baresip_offers_encryption_in_both_profiles() {
    for (offer, protocol, encoding) in [
        (BARESIP_SRTP, "RTP/AVP", "PCMA"),
        (BARESIP_MANDATORY, "RTP/SAVP", "G722"),
    ] {
        for policy in [SdesPolicy::Allow, SdesPolicy::Require] {
            let mut can = all(1);
            can.sdes = Sdes::new(policy);
            let (description, stream) = answer(&mut side(1, can), offer).unwrap();
            assert_eq!(description.media[0].protocol.as_str(), protocol);
            assert_eq!(stream.send.codec.name, encoding);
            assert!(stream.srtp.is_some());
            assert_eq!(stream.send_dtmf.map(|event| event.payload_type), Some(101));
        }
    }
}

#[test]
fn baresip_answers_a_call_and_each_hold() {
    let (mut ours, _) = pair();
    let offer = ours.offer().unwrap();
    let before = stream(ours.answered(&offer, BARESIP_OPUS).unwrap());
    assert_eq!(
        (before.send.codec.name.as_str(), before.ptime),
        ("opus", 20)
    );
    for (hold, reply) in [
        (
            Hold::SendOnly,
            BARESIP_OPUS.replace("a=sendrecv", "a=recvonly"),
        ),
        (
            Hold::Inactive,
            BARESIP_OPUS.replace("a=sendrecv", "a=inactive"),
        ),
        (Hold::PortZero, BARESIP_CLOSED.to_owned()),
    ] {
        let offer = ours.offer_hold(hold).unwrap();
        let held = stream(ours.answered(&offer, reply).unwrap());
        assert!(!held.direction.receives());
        assert_eq!(
            (held.held_by_us, held.held_by_peer),
            (Some(hold), None::<PeerHold>)
        );
        let offer = ours.offer_resume().unwrap();
        let after = stream(ours.answered(&offer, BARESIP_OPUS).unwrap());
        assert_eq!((&after, after.direction), (&before, Direction::SendRecv));
    }
}
