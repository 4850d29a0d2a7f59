//! Video that passes through: one leg's formats become the other's.

use crate::support::{address, all, lines, offered, side};
use rtp_core::negotiate::{
    AgreedLine, Agreement, Hold, Negotiation, PeerHold, Refusal, RelayedStream, SdesPolicy,
};
use rtp_core::negotiate::{Capabilities, Relay, Sdes};
use rtp_core::sdp::{Description, Direction, MediaKind};

const OFFER: &str = "m=audio 5000 RTP/AVPF 0\n\
    m=video 5002 RTP/AVPF 96 97 98\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n\
    a=rtpmap:98 H264/90000\na=fmtp:98 profile-level-id=42e01f\na=rtcp-fb:* ccm fir\na=rtcp-fb:98 nack pli\n\
    a=imageattr:98 send [x=640,y=480]\na=framerate:30\na=msid:s camera\na=sendrecv\n";
/// H.264 under another number, and less feedback.
const ANSWER: &str = "m=audio 7000 RTP/AVP 0\n\
    m=video 7002 RTP/AVP 120\na=rtpmap:120 h264/90000\na=fmtp:120 profile-level-id=42e01f\n";

fn with(relays: Vec<Relay>) -> Capabilities {
    let mut can = all(1);
    can.relays = relays;
    can
}

fn relayed(agreement: &Agreement) -> RelayedStream {
    agreement.relayed().next().expect("a relayed line").clone()
}

fn video(description: &Description) -> Vec<String> {
    let all = lines(description);
    let at = all
        .iter()
        .position(|l| l.starts_with("m=video"))
        .expect("a video line");
    all[at..].to_vec()
}

#[test]
fn video_goes_from_leg_to_leg_with_the_numbers_of_who_receives() {
    // The caller's offer waits while the other leg is asked.
    let mut caller = side(1, all(1));
    let waiting = caller.receive_offer(offered(OFFER)).unwrap();
    let theirs = &waiting.description().media[1];

    let mut callee = side(1, with(vec![Relay::of(theirs, address(1, 4100))]));
    let offer = callee.offer().unwrap();
    let text = video(offer.description());
    assert_eq!(text[0], "m=video 4100 RTP/AVP 96 97 98");
    for line in [
        "a=rtpmap:98 H264/90000",
        "a=fmtp:97 apt=96",
        "a=imageattr:98 send [x=640,y=480]",
        "a=framerate:30",
        "a=msid:s camera",
        "a=sendrecv",
    ] {
        assert!(text.contains(&line.to_owned()), "{line} in {text:#?}");
    }
    assert!(
        !text.iter().any(|l| l.starts_with("a=rtcp-fb")),
        "RTP/AVP has no feedback"
    );
    let agreed = callee.answered(&offer, offered(ANSWER)).unwrap();
    let far = relayed(agreed);
    assert_eq!(
        (far.remote_rtp, far.direction),
        (Some(address(9, 7002)), Direction::SendRecv)
    );

    // The caller's leg is answered with what the other leg's answer said.
    caller.set_capabilities(with(vec![Relay::of(&far.section, address(1, 4200))]));
    let answer = caller.answer(waiting).unwrap();
    let text = video(answer.description());
    assert_eq!(text[0], "m=video 4200 RTP/AVPF 120");
    assert!(
        text.contains(&"a=rtpmap:120 h264/90000".to_owned()),
        "{text:#?}"
    );
    assert!(!text.iter().any(|l| l.contains("96")), "{text:#?}");
    let near = relayed(answer.agreement());
    assert_eq!(
        (near.remote_rtp, near.relay, near.line),
        (Some(address(9, 5002)), 0, 1)
    );
}

#[test]
fn only_feedback_that_was_offered_is_answered() {
    let behind = "m=video 1 RTP/AVPF 98\na=rtpmap:98 H264/90000\na=rtcp-fb:98 nack pli\n\
        a=rtcp-fb:* ccm fir\na=rtcp-fb:98 goog-remb\na=rtcp-fb:97 nack\n";
    let section = Description::parse(offered(behind)).unwrap().media[0].clone();
    let mut ours = side(1, with(vec![Relay::of(&section, address(1, 4100))]));
    let received = ours.receive_offer(offered(OFFER)).unwrap();
    let answer = ours.answer(received).unwrap();
    let feedback: Vec<_> = video(answer.description())
        .into_iter()
        .filter(|line| line.starts_with("a=rtcp-fb"))
        .collect();
    assert_eq!(feedback, ["a=rtcp-fb:98 nack pli", "a=rtcp-fb:* ccm fir"]);
}

fn relay() -> Relay {
    let section = &Description::parse(offered(OFFER)).expect("SDP").media[1];
    Relay::of(section, address(1, 4100))
}

#[test]
fn what_has_nothing_in_common_is_refused_and_the_audio_stays() {
    let other = "m=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 34 99\na=rtpmap:99 AV1/90000\n\
        m=application 5004 RTP/AVP 96\na=rtpmap:96 x/90000\nm=video 5006 RTP/AVP 98\na=rtpmap:98 VP8/90000\n\
        m=video 5008 RTP/AVP 98\na=rtpmap:98 VP8/90000\n";
    let mut ours = side(1, with(vec![relay()]));
    let received = ours.receive_offer(offered(other)).unwrap();
    let answer = ours.answer(received).unwrap();
    let refused = |kind, why| AgreedLine::Refused { kind, why };
    let agreed = &answer.agreement().lines;
    assert_eq!(agreed[1], refused(MediaKind::Video, Refusal::NoCommonCodec));
    assert_eq!(agreed[2], refused(MediaKind::Application, Refusal::Kind));
    assert!(matches!(&agreed[3], AgreedLine::Relayed(stream) if stream.line == 3));
    assert_eq!(
        agreed[4],
        refused(MediaKind::Video, Refusal::NoStream),
        "one relay, one line"
    );
    assert!(answer.agreement().audio().next().is_some());
    // Video alone is no call.
    let alone = offered("m=video 5006 RTP/AVP 98\na=rtpmap:98 VP8/90000\n");
    let mut ours = side(1, with(vec![relay()]));
    let received = ours.receive_offer(alone).unwrap();
    assert!(ours.answer(received).is_err());
}

fn both(sdes: SdesPolicy) -> (Negotiation, Negotiation) {
    let make = |host| {
        let mut can = with(vec![relay()]);
        can.streams = vec![address(host, 4000).into()];
        can.sdes = Sdes::new(sdes);
        side(host, can)
    };
    (make(1), make(2))
}

#[test]
fn it_is_held_encrypted_closed_and_added_like_a_line_of_ours() {
    let (mut a, mut b) = both(SdesPolicy::Require);
    let exchange = |a: &mut Negotiation, b: &mut Negotiation, hold: Option<Hold>| {
        let offer = match hold {
            Some(hold) => a.offer_hold(hold),
            None => a.offer_resume(),
        };
        let offer = offer.unwrap();
        let received = b.receive_offer(offer.to_bytes()).unwrap();
        let answer = b.answer(received).unwrap();
        let ours = relayed(a.answered(&offer, answer.to_bytes()).unwrap());
        (ours, relayed(answer.agreement()))
    };
    let (ours, theirs) = exchange(&mut a, &mut b, None);
    let (mine, yours) = (ours.srtp.clone().unwrap(), theirs.srtp.clone().unwrap());
    assert_eq!((&mine.local, &mine.remote), (&yours.remote, &yours.local));
    let audio = a
        .agreement()
        .unwrap()
        .audio()
        .next()
        .unwrap()
        .srtp
        .clone()
        .unwrap();
    assert_ne!(audio.local, mine.local, "each line has keys of its own");

    let (ours, theirs) = exchange(&mut a, &mut b, Some(Hold::SendOnly));
    assert_eq!(
        (ours.direction, theirs.held_by_peer),
        (Direction::SendOnly, Some(PeerHold::SendOnly))
    );
    let (ours, theirs) = exchange(&mut a, &mut b, Some(Hold::PortZero));
    assert_eq!(
        (ours.direction, ours.remote_rtp),
        (Direction::Inactive, None)
    );
    assert_eq!(theirs.held_by_peer, Some(PeerHold::PortZero));
    let (ours, theirs) = exchange(&mut a, &mut b, None);
    assert_eq!(
        (ours.direction, theirs.direction),
        (Direction::SendRecv, Direction::SendRecv)
    );
    assert_eq!(
        ours.srtp.as_ref().map(|keys| &keys.local),
        Some(&mine.local)
    );

    a.close_relay(0);
    let offer = a.offer().unwrap();
    assert_eq!(offer.description().media[1].port, 0);
    let received = b.receive_offer(offer.to_bytes()).unwrap();
    let answer = b.answer(received).unwrap();
    let agreed = a.answered(&offer, answer.to_bytes()).unwrap();
    assert_eq!(
        agreed.lines[1],
        AgreedLine::Closed {
            kind: MediaKind::Video
        }
    );
    assert_eq!(agreed.audio().count(), 1);
}

#[test]
fn video_is_added_in_the_middle_and_may_be_refused() {
    let (mut a, mut b) = (side(1, all(1)), side(2, all(2)));
    let offer = a.offer().unwrap();
    let received = b.receive_offer(offer.to_bytes()).unwrap();
    let answer = b.answer(received).unwrap();
    a.answered(&offer, answer.to_bytes()).unwrap();
    a.set_capabilities(with(vec![relay()]));
    let offer = a.offer().unwrap();
    assert_eq!(offer.description().media.len(), 2);
    let received = b.receive_offer(offer.to_bytes()).unwrap();
    let answer = b.answer(received).unwrap();
    let agreed = a.answered(&offer, answer.to_bytes()).unwrap();
    let refused = AgreedLine::Refused {
        kind: MediaKind::Video,
        why: Refusal::ByPeer,
    };
    assert_eq!((&agreed.lines[1], agreed.audio().count()), (&refused, 1));
    // It is not offered again and again.
    assert_eq!(a.offer().unwrap().description().media[1].port, 0);
}
