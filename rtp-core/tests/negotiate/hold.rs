//! Hold and resume (RFC 3264 §8.4), from both ends and in every form.

use crate::support::{answer, exchange, offered, pair, stream};
use rtp_core::negotiate::{AudioStream, Hold, PeerHold};
use rtp_core::sdp::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

/// What must be the same after a hold and a resume.
fn media_path(stream: &AudioStream) -> impl PartialEq + std::fmt::Debug {
    let mut stream = stream.clone();
    // Where the peer is and what the parameters say may be told again; it must come out the same.
    stream.receive.sort_by_key(|payload| payload.payload_type);
    stream
}

#[test]
fn three_ways_to_hold_and_back() {
    for (hold, ours_held, theirs_held, seen) in [
        (Hold::SendOnly, SendOnly, RecvOnly, PeerHold::SendOnly),
        (Hold::Inactive, Inactive, Inactive, PeerHold::Inactive),
        (Hold::PortZero, Inactive, Inactive, PeerHold::PortZero),
    ] {
        for callee_holds in [false, true] {
            let (mut a, mut b) = pair();
            let first = a.offer().unwrap();
            let (a_before, b_before) = exchange(&first, &mut a, &mut b).unwrap();
            let (holder, held) = if callee_holds {
                (&mut b, &mut a)
            } else {
                (&mut a, &mut b)
            };

            let offer = holder.offer_hold(hold).unwrap();
            assert_eq!(holder.held(), None, "not before the answer");
            let (ours, theirs) = exchange(&offer, holder, held).unwrap();
            assert_eq!(
                (ours.direction, theirs.direction),
                (ours_held, theirs_held),
                "{hold:?}"
            );
            assert_eq!(
                (ours.held_by_us, ours.held_by_peer),
                (Some(hold), None),
                "{hold:?}"
            );
            assert_eq!(
                (theirs.held_by_us, theirs.held_by_peer),
                (None, Some(seen)),
                "{hold:?}"
            );
            assert_eq!(holder.held(), Some(hold));

            // A refresh by the side that is held does not end it.
            let refresh = held.offer().unwrap();
            let (theirs, ours) = exchange(&refresh, held, holder).unwrap();
            assert!(
                !ours.direction.receives() && !theirs.direction.sends(),
                "{hold:?}"
            );
            assert_eq!(ours.held_by_us, Some(hold));
            assert!(theirs.held_by_peer.is_some(), "{hold:?}");

            let offer = holder.offer_resume().unwrap();
            let (ours, theirs) = exchange(&offer, holder, held).unwrap();
            assert_eq!(
                (ours.held_by_us, ours.held_by_peer),
                (None, None),
                "{hold:?}"
            );
            assert_eq!(
                (theirs.held_by_us, theirs.held_by_peer),
                (None, None),
                "{hold:?}"
            );
            let (a_after, b_after) = if callee_holds {
                (theirs, ours)
            } else {
                (ours, theirs)
            };
            assert_eq!(media_path(&a_before), media_path(&a_after), "{hold:?}");
            assert_eq!(media_path(&b_before), media_path(&b_after), "{hold:?}");
        }
    }
}

#[test]
fn both_hold_and_resume_one_after_the_other() {
    let (mut a, mut b) = pair();
    let offer = a.offer().unwrap();
    exchange(&offer, &mut a, &mut b).unwrap();
    let offer = a.offer_hold(Hold::SendOnly).unwrap();
    exchange(&offer, &mut a, &mut b).unwrap();
    let offer = b.offer_hold(Hold::SendOnly).unwrap();
    let (ours, theirs) = exchange(&offer, &mut b, &mut a).unwrap();
    assert_eq!((ours.direction, theirs.direction), (Inactive, Inactive));
    assert_eq!(
        (ours.held_by_us, theirs.held_by_us),
        (Some(Hold::SendOnly), Some(Hold::SendOnly))
    );

    // A resumes; B still holds.
    let offer = a.offer_resume().unwrap();
    let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    assert_eq!((ours.direction, theirs.direction), (RecvOnly, SendOnly));
    assert_eq!(
        (ours.held_by_us, ours.held_by_peer),
        (None, Some(PeerHold::SendOnly))
    );
    let offer = b.offer_resume().unwrap();
    let (ours, theirs) = exchange(&offer, &mut b, &mut a).unwrap();
    assert_eq!((ours.direction, theirs.direction), (SendRecv, SendRecv));
    assert_eq!((ours.held_by_us, ours.held_by_peer), (None, None));
}

#[test]
fn a_null_address_holds_and_a_real_one_resumes() {
    for null in ["0.0.0.0", "::"] {
        let (_, mut ours) = pair();
        let open = offered("m=audio 5000 RTP/AVP 0\n");
        let (_, before) = answer(&mut ours, &open).unwrap();

        let held = open.replace("c=IN IP4 192.0.2.9", &format!("c=IN IP4 {null}"));
        let (description, stream) = answer(&mut ours, &held).unwrap();
        assert_eq!(stream.held_by_peer, Some(PeerHold::NullAddress));
        assert_eq!((stream.remote_rtp, stream.remote_rtcp), (None, None));
        assert!(!stream.direction.sends());
        assert_ne!(description.media[0].port, 0);

        let (_, after) = answer(&mut ours, &open).unwrap();
        assert_eq!(before, after);
    }
}

#[test]
fn a_peer_that_opens_a_line_we_closed_finds_it_inactive() {
    let (mut a, mut b) = pair();
    let offer = a.offer().unwrap();
    exchange(&offer, &mut a, &mut b).unwrap();
    let offer = a.offer_hold(Hold::PortZero).unwrap();
    // This peer answers the closed line with an open port, as some do.
    let answer_open = offered("m=audio 5000 RTP/AVP 0\n");
    let held = stream(a.answered(&offer, &answer_open).unwrap());
    assert_eq!(
        (held.direction, held.remote_rtp, held.held_by_us),
        (Inactive, None, Some(Hold::PortZero))
    );
    // And opens it in an offer of its own.
    let (description, open) = answer(&mut a, &answer_open).unwrap();
    assert_eq!(description.direction_of(0), Inactive);
    assert_eq!(open.held_by_us, Some(Hold::PortZero));
    let offer = a.offer_resume().unwrap();
    let resumed = stream(a.answered(&offer, &answer_open).unwrap());
    assert_eq!((resumed.direction, resumed.held_by_us), (SendRecv, None));
}

#[test]
fn a_refused_hold_changes_nothing() {
    let (mut a, mut b) = pair();
    let offer = a.offer().unwrap();
    let (before, _) = exchange(&offer, &mut a, &mut b).unwrap();
    let hold = a.offer_hold(Hold::Inactive).unwrap();
    drop(hold);
    assert_eq!((a.held(), a.agreement().map(stream)), (None, Some(before)));
    let refresh = a.offer().unwrap();
    assert_eq!(refresh.description().direction_of(0), SendRecv);
}

#[test]
fn a_hold_that_is_answered_with_port_zero_can_be_resumed() {
    let (mut a, mut b) = pair();
    let offer = a.offer().unwrap();
    let (before, _) = exchange(&offer, &mut a, &mut b).unwrap();
    let offer = a.offer_hold(Hold::SendOnly).unwrap();
    let held = stream(
        a.answered(&offer, offered("m=audio 0 RTP/AVP 0\n"))
            .unwrap(),
    );
    assert_eq!(
        (held.direction, held.held_by_us, held.held_by_peer),
        (Inactive, Some(Hold::SendOnly), Some(PeerHold::PortZero))
    );
    let offer = a.offer_resume().unwrap();
    assert_eq!(offer.description().media[0].port, 4000);
    let (after, _) = exchange(&offer, &mut a, &mut b).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_line_that_the_peer_closed_in_an_offer_is_its_own_to_open() {
    let (mut ours, _) = pair();
    answer(&mut ours, &offered("m=audio 5000 RTP/AVP 0\n")).unwrap();
    let (_, held) = answer(&mut ours, &offered("m=audio 0 RTP/AVP 0\n")).unwrap();
    assert_eq!(held.held_by_peer, Some(PeerHold::PortZero));
    let refresh = ours.offer().unwrap();
    assert_eq!(refresh.description().media[0].port, 0);
    let still = stream(
        ours.answered(&refresh, offered("m=audio 0 RTP/AVP 0\n"))
            .unwrap(),
    );
    assert_eq!(still.held_by_peer, Some(PeerHold::PortZero));
    let (description, open) = answer(&mut ours, &offered("m=audio 5000 RTP/AVP 0\n")).unwrap();
    assert_eq!(
        (description.media[0].port, open.direction),
        (4000, SendRecv)
    );
}
