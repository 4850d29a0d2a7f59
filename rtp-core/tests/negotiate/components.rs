//! RTCP with ICE: beside RTP on its port, or a component of its own.

use crate::support::{address, all, answer, exchange, lines, side};
use rtp_core::negotiate::{
    Capabilities, Dtls, DtlsPolicy, IceDescription, Negotiation, NegotiationError,
    PeerIncompatible, Refusal, RtcpMux,
};
use rtp_core::sdp::{Description, Fingerprint};
use rtp_core::transport::Component;

/// DTLS and ICE at 192.0.2.`host`, with candidates of the second component or without.
fn able(host: u8, mux: RtcpMux, rtcp: bool) -> Capabilities {
    let mut can = all(host);
    let mark = Fingerprint {
        hash: "sha-256".to_owned(),
        value: vec![host; 32],
    };
    can.dtls = Dtls::new(DtlsPolicy::Require, mark);
    can.rtcp_mux = mux;
    let mut ice = IceDescription::new(&format!("user{host}"), "apasswordoftwentytwochars");
    for component in 1..=if rtcp { 2 } else { 1 } {
        let at = address(host, 3999 + component);
        let (ip, port) = (at.ip(), at.port());
        let candidate = format!("1 {component} UDP 2130706430 {ip} {port} typ host");
        ice.candidates.push(candidate.parse().expect("a candidate"));
    }
    can.ice = vec![ice];
    can
}

/// The components of a description's candidates, and whether it names RTCP's port.
fn told(description: &Description) -> (Vec<u16>, bool) {
    let text = lines(description);
    let candidates = text.iter().filter_map(|line| {
        let of = line.strip_prefix("a=candidate:")?.split(' ').nth(1)?;
        of.parse().ok()
    });
    let named = text
        .iter()
        .any(|line| line.starts_with("a=rtcp:4001 IN IP4 192.0.2."));
    (candidates.collect(), named)
}

#[test]
fn rtcp_has_candidates_until_it_is_sure_to_share_the_port() {
    use RtcpMux::{Allow, Off, Require};
    /// What is offered and answered, and whether each finds RTCP a way of its own; `None`: no ICE.
    type Row = (
        (RtcpMux, bool),
        (RtcpMux, bool),
        &'static [u16],
        &'static [u16],
        Option<(bool, bool)>,
    );
    let rows: [Row; 8] = [
        (
            (Allow, true),
            (Allow, true),
            &[1, 2],
            &[1],
            Some((true, false)),
        ),
        (
            (Allow, true),
            (Require, true),
            &[1, 2],
            &[1],
            Some((true, false)),
        ),
        (
            (Require, true),
            (Allow, true),
            &[1],
            &[1],
            Some((true, false)),
        ),
        (
            (Allow, true),
            (Off, true),
            &[1, 2],
            &[1, 2],
            Some((false, true)),
        ),
        (
            (Off, true),
            (Allow, true),
            &[1, 2],
            &[1, 2],
            Some((false, true)),
        ),
        // Who has none for RTCP finds it no way; sound has one all the same.
        (
            (Allow, false),
            (Off, true),
            &[1],
            &[1],
            Some((false, false)),
        ),
        // As ever where nobody has any.
        (
            (Allow, false),
            (Allow, false),
            &[1],
            &[1],
            Some((true, false)),
        ),
        ((Off, true), (Allow, false), &[1, 2], &[], None),
    ];
    for (ours, theirs, offered, answered, expected) in rows {
        let row = format!("{ours:?} {theirs:?}");
        let mut a = side(1, able(1, ours.0, ours.1));
        let mut b = side(2, able(2, theirs.0, theirs.1));
        let offer = a.offer().unwrap();
        let is_named = offered.len() == 2;
        assert_eq!(
            told(offer.description()),
            (offered.to_vec(), is_named),
            "{row}"
        );
        let received = b.receive_offer(offer.to_bytes()).unwrap();
        let answer = b.answer(received).unwrap();
        let is_named = answered.len() == 2;
        assert_eq!(
            told(answer.description()),
            (answered.to_vec(), is_named),
            "{row}"
        );
        let there = answer.agreement().audio().next().unwrap().clone();
        let agreed = a.answered(&offer, answer.to_bytes()).unwrap();
        let here = agreed.audio().next().unwrap().clone();
        for stream in [&here, &there] {
            let found = stream.ice.as_ref().map(|ice| (stream.rtcp_mux, ice.rtcp));
            assert_eq!(found, expected, "{row}");
            if let Some(ice) = &stream.ice {
                assert_eq!(ice.local.has(Component::Rtcp), ice.rtcp, "{row}");
            }
        }
        // Either side's next offer has what was agreed on.
        for again in [a.offer().unwrap(), b.offer().unwrap()] {
            let (components, _) = told(again.description());
            match expected {
                Some((true, _)) => assert_eq!(components, [1], "{row}"),
                Some((false, true)) => assert_eq!(components, [1, 2], "{row}"),
                _ => {}
            }
        }
    }
}

#[test]
fn ice_that_is_required_may_have_two_components() {
    let required = |host, mux, rtcp| {
        let mut can = able(host, mux, rtcp);
        can.ice_required = true;
        can
    };
    let mut a = side(1, required(1, RtcpMux::Off, true));
    let mut b = side(2, required(2, RtcpMux::Allow, true));
    let offer = a.offer().unwrap();
    let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    for stream in [ours, theirs] {
        assert!(stream.ice.is_some_and(|ice| ice.rtcp));
    }
    let mut b = side(2, required(2, RtcpMux::Allow, false));
    let mut a = side(1, required(1, RtcpMux::Off, true));
    let offer = a.offer().unwrap();
    let refused = exchange(&offer, &mut a, &mut b).unwrap_err();
    let why = Refusal::IceRequired;
    let expected = PeerIncompatible::Refused { line: 0, why };
    assert_eq!(refused, NegotiationError::PeerIncompatible(expected));
}

#[test]
fn a_restart_is_one_of_both_components() {
    let mut a = side(1, able(1, RtcpMux::Off, true));
    let mut b = side(2, able(2, RtcpMux::Off, true));
    let offer = a.offer().unwrap();
    exchange(&offer, &mut a, &mut b).unwrap();
    let renew = |side: &mut Negotiation| {
        let mut can = side.capabilities().clone();
        can.ice[0] = can.ice[0].renewed(&mut |bytes| bytes.fill(9));
        side.set_capabilities(can);
    };
    renew(&mut a);
    let offer = a.offer().unwrap();
    assert_eq!(told(offer.description()).0, [1, 2]);
    renew(&mut b);
    let (ours, theirs) = exchange(&offer, &mut a, &mut b).unwrap();
    for stream in [ours, theirs] {
        assert!(stream.ice.is_some_and(|ice| ice.restarted && ice.rtcp));
    }
}

#[test]
fn a_peer_that_trickles_may_find_rtcp_a_way_later() {
    let mut a = side(1, able(1, RtcpMux::Off, true));
    let offer = String::from_utf8(a.offer().unwrap().to_bytes().to_vec()).unwrap();
    let text = |keep: &str, options: &str| {
        let lines = offer.split("\r\n").filter(|line| {
            !line.starts_with("a=candidate:") || line.split(' ').nth(1) == Some(keep)
        });
        let lines: Vec<_> = lines.collect();
        lines.join("\r\n").replace("a=ice-options:ice2", options)
    };
    for (offer, rtcp) in [
        (text("1", "a=ice-options:ice2"), false),
        (text("1", "a=ice-options:ice2 trickle"), true),
        (
            text("0", "a=ice-options:trickle\r\na=end-of-candidates"),
            false,
        ),
    ] {
        let mut b = side(2, able(2, RtcpMux::Allow, true));
        let (description, stream) = answer(&mut b, &offer).unwrap();
        assert_eq!(stream.ice.map(|ice| ice.rtcp), Some(rtcp), "{offer}");
        let expected: &[u16] = if rtcp { &[1, 2] } else { &[1] };
        assert_eq!(told(&description).0, expected);
    }
}
