//! Properties over random peers and random calls.

use crate::support::keys;
use proptest::prelude::*;
use rtp_core::negotiate::{
    Capabilities, Codec, Dtls, DtlsPolicy, Hold, IceDescription, LocalAddress, Negotiation,
    NegotiationError, Payload, Preference, Relay, RtcpMux, Sdes, SdesPolicy, SentOffer,
};
use rtp_core::sdp::{Description, Direction, Fingerprint, Media, MediaKind, Protocol, Setup};
use rtp_core::srtp::Suite;
use std::collections::BTreeMap;
use std::net::SocketAddr;

#[path = "../fuzz/negotiate.rs"]
#[allow(dead_code)]
mod fuzz;

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(
            Codec::new("opus", 48_000)
                .with_channels(2)
                .with_fmtp("useinbandfec=1")
        ),
        Just(Codec::new("G722", 8_000)),
        Just(Codec::new("PCMU", 8_000)),
        Just(Codec::new("PCMA", 8_000)),
        Just(Codec::new("iLBC", 8_000).with_fmtp("mode=20")),
        Just(Codec::new("AMR", 8_000)),
        Just(Codec::new("AMR", 8_000).with_fmtp("octet-align=1")),
        Just(Codec::new("L16", 16_000)),
        Just(Codec::new("CN", 8_000)),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(Direction::ALL.to_vec())
}

/// Two formats of one leg; their numbers differ from side to side.
fn video(host: u8) -> Relay {
    let mut section = Media::new(MediaKind::Video, 1, Protocol::RtpAvpf);
    section.formats = vec!["31".to_owned(), (96 + host).to_string()];
    section
        .attributes
        .add("rtpmap", format!("{} VP8/90000", 96 + host));
    Relay::of(&section, SocketAddr::from(([192, 0, 2, host], 5000)))
}

fn capabilities(host: u8) -> impl Strategy<Value = Capabilities> {
    let suites = Suite::ALL.to_vec();
    (
        prop::collection::vec((codec(), prop::option::of(90u8..=130)), 1..7),
        1usize..3,
        any::<(bool, bool, bool)>(),
        direction(),
        prop::sample::select(vec![
            SdesPolicy::Off,
            SdesPolicy::Allow,
            SdesPolicy::Require,
        ]),
        prop::sample::subsequence(suites, 1..=Suite::ALL.len()).prop_shuffle(),
        prop::sample::select(vec![RtcpMux::Off, RtcpMux::Allow, RtcpMux::Require]),
        prop::option::weighted(0.3, 10u32..80),
        (
            prop::sample::select(vec![
                DtlsPolicy::Off,
                DtlsPolicy::Off,
                DtlsPolicy::Allow,
                DtlsPolicy::Require,
            ]),
            any::<(bool, bool, bool)>(),
            prop::sample::subsequence(vec!["urn:a", "urn:b", "urn:c"], 0..=3).prop_shuffle(),
        ),
    )
        .prop_map(
            move |(
                codecs,
                streams,
                (own, single, events),
                direction,
                policy,
                suites,
                mux,
                max_ptime,
                (dtls, (active, ice, lite), extensions),
            )| {
                let codecs = codecs
                    .into_iter()
                    .map(|(mut codec, wish)| {
                        codec.payload_type = wish;
                        codec
                    })
                    .collect();
                let at =
                    |n| LocalAddress::from(SocketAddr::from(([192, 0, 2, host], 4000 + 2 * n)));
                let mut can = Capabilities::new(codecs, at(0));
                can.streams = (0..streams as u16).map(at).collect();
                can.preference = if own {
                    Preference::Own
                } else {
                    Preference::Offerer
                };
                can.single_codec = single;
                can.telephone_event = events.then(|| "0-16".to_owned());
                can.direction = direction;
                can.sdes = Sdes::new(policy);
                can.sdes.suites = suites;
                can.rtcp_mux = mux;
                can.max_ptime = max_ptime;
                can.dtls = Dtls::new(
                    dtls,
                    Fingerprint {
                        hash: "sha-256".to_owned(),
                        value: vec![host; 32],
                    },
                );
                can.dtls.answer_setup = if active {
                    Setup::Active
                } else {
                    Setup::Passive
                };
                if ice {
                    let mut ice =
                        IceDescription::new(&format!("side{host}"), "apasswordoftwentytwochars");
                    ice.lite = lite;
                    can.ice = vec![ice];
                }
                if lite {
                    can.relays = vec![video(host)];
                }
                can.feedback = extensions
                    .iter()
                    .map(|e| format!("x-{}", &e[4..]))
                    .collect();
                can.reduced_size = active;
                can.extensions = extensions.into_iter().map(str::to_owned).collect();
                can
            },
        )
}

/// A media section of somebody else's.
fn section() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "audio",
        "audio",
        "audio",
        "video",
        "application",
        "x-odd",
    ]);
    let protocol = prop::sample::select(vec![
        "RTP/AVP",
        "RTP/AVP",
        "RTP/AVPF",
        "RTP/SAVP",
        "UDP/TLS/RTP/SAVPF",
        "UDP/TLS/RTP/SAVPF",
        "RTP/SAVPF",
        "udptl",
    ]);
    let format = (
        0u8..=127,
        prop::sample::select(vec![
            "",
            "PCMU/8000",
            "opus/48000/2",
            "OPUS/48000",
            "G722/8000",
            "AMR/8000",
            "telephone-event/8000",
            "telephone-event/48000",
            "iLBC/8000",
            "CN/8000",
            "VP8/90000",
            "X/1",
        ]),
    );
    let extra = prop::collection::vec(
        prop::sample::select(vec![
            "a=sendonly",
            "a=recvonly",
            "a=inactive",
            "a=sendrecv",
            "a=rtcp-mux",
            "a=ptime:30",
            "c=IN IP4 0.0.0.0",
            "c=IN IP6 2001:db8::7",
            "c=IN IP4 host.example",
            "a=rtcp:7000",
            "a=maxptime:20",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20",
            "a=mid:0",
            "a=mid:audio",
            "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv",
            "a=setup:actpass",
            "a=setup:active",
            "a=setup:holdconn",
            "a=fingerprint:sha-256 12:34",
            "a=extmap:1 urn:a",
            "a=rtcp-fb:* x-a",
            "a=rtcp-fb:0 x-b",
            "a=rtcp-rsize",
            "a=extmap:4/sendonly urn:c",
            "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:bad",
            "a=fmtp:96 mode=30",
        ]),
        0..5,
    );
    let port = prop_oneof![4 => 1u16.., 1 => Just(0u16)];
    (
        kind,
        port,
        protocol,
        prop::collection::vec(format, 1..6),
        extra,
    )
        .prop_map(|(kind, port, protocol, formats, extra)| {
            let numbers: Vec<_> = formats.iter().map(|format| format.0.to_string()).collect();
            let mut text = format!("m={kind} {port} {protocol} {}\r\n", numbers.join(" "));
            for (number, map) in formats.iter().filter(|format| !format.1.is_empty()) {
                text += &format!("a=rtpmap:{number} {map}\r\n");
            }
            for line in extra {
                text += line;
                text += "\r\n";
            }
            text
        })
}

fn description() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(section(), 0..5),
        prop::option::of(direction()),
    )
        .prop_map(|(sections, direction)| {
            let direction = direction
                .map(|direction| format!("a={direction}\r\n"))
                .unwrap_or_default();
            let mut text =
                "v=0\r\no=- 9 9 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                    .to_owned();
            text += &direction;
            text + &sections.concat()
        })
}

/// What one side does in a call.
#[derive(Debug, Clone)]
enum Act {
    Offer,
    Hold(Hold),
    Resume,
    Abandon,
    Change(Box<Capabilities>),
}

fn act() -> impl Strategy<Value = (bool, Act)> {
    let act = prop_oneof![
        2 => Just(Act::Offer),
        3 => prop::sample::select(vec![Hold::SendOnly, Hold::Inactive, Hold::PortZero]).prop_map(Act::Hold),
        3 => Just(Act::Resume),
        1 => Just(Act::Abandon),
        1 => capabilities(7).prop_map(|can| Act::Change(Box::new(can))),
    ];
    (any::<bool>(), act)
}

/// What must hold for everything that one side gives out in a call.
#[derive(Default)]
struct Witness {
    last: Option<Description>,
    /// What each number means, by line.
    meanings: BTreeMap<(usize, u8), String>,
}

impl Witness {
    fn sees(&mut self, description: &Description) {
        for (line, media) in description
            .media
            .iter()
            .enumerate()
            .filter(|(_, media)| media.port != 0)
        {
            for map in media.attributes.rtpmaps() {
                let meaning = format!("{}/{}", map.encoding.to_ascii_lowercase(), map.clock_rate);
                let before = self
                    .meanings
                    .entry((line, map.payload_type))
                    .or_insert_with(|| meaning.clone());
                assert_eq!(
                    *before, meaning,
                    "payload type {} of line {line}",
                    map.payload_type
                );
            }
        }
        if let Some(last) = &self.last {
            assert_eq!(last.origin.session_id, description.origin.session_id);
            let version = |d: &Description| {
                d.origin
                    .version
                    .parse::<u64>()
                    .expect("our versions are numbers")
            };
            let mut same = last.clone();
            same.origin.version.clone_from(&description.origin.version);
            let rises = u64::from(same != *description);
            assert_eq!(
                version(description),
                version(last) + rises,
                "the version rises with a change, and only then"
            );
        }
        self.last = Some(description.clone());
    }
}

fn code(payload: &Payload) -> (u8, String, u32) {
    (
        payload.payload_type,
        payload.codec.name.to_ascii_lowercase(),
        payload.codec.clock_rate,
    )
}

/// Offer and answer between two of our own; both must end up with two views of one thing.
fn exchange(
    offer: &SentOffer,
    from: &mut Negotiation,
    to: &mut Negotiation,
    witness: &mut Witness,
) -> Result<(), NegotiationError> {
    let received = to.receive_offer(offer.to_bytes())?;
    let offered = received.description().clone();
    let answer = to.answer(received)?;
    fuzz::check(&offered, &answer);
    witness.sees(answer.description());
    let ours = from
        .answered(offer, answer.to_bytes())
        .expect("what one of us answers, the other takes")
        .clone();
    let theirs = answer.agreement();
    assert_eq!(ours.lines.len(), theirs.lines.len());
    assert_eq!(ours.relayed().count(), theirs.relayed().count());
    for (ours, theirs) in ours.relayed().zip(theirs.relayed()) {
        assert_eq!((ours.line, ours.rtcp_mux), (theirs.line, theirs.rtcp_mux));
        assert_eq!(ours.direction, theirs.direction.reversed());
        assert_eq!(ours.srtp.is_some(), theirs.srtp.is_some());
        assert_eq!(ours.dtls.is_some(), theirs.dtls.is_some());
        if ours.remote_rtp_port != 0 && theirs.remote_rtp_port != 0 {
            assert_eq!(
                (ours.remote_rtp, theirs.remote_rtp),
                (Some(theirs.local.rtp), Some(ours.local.rtp))
            );
        }
    }
    let pairs: Vec<_> = ours.audio().zip(theirs.audio()).collect();
    assert_eq!(
        (pairs.len(), pairs.len()),
        (ours.audio().count(), theirs.audio().count())
    );
    for (ours, theirs) in pairs {
        assert_eq!(ours.line, theirs.line);
        assert_eq!(ours.direction, theirs.direction.reversed());
        if ours.remote_rtp_port == 0 {
            assert_eq!(
                (ours.direction, theirs.remote_rtp_port),
                (Direction::Inactive, 0)
            );
            continue;
        }
        assert_eq!(
            (ours.remote_rtp, theirs.remote_rtp),
            (Some(theirs.local.rtp), Some(ours.local.rtp))
        );
        assert_eq!(ours.rtcp_mux, theirs.rtcp_mux);
        match (&ours.srtp, &theirs.srtp) {
            (Some(ours), Some(theirs)) => {
                assert_eq!((&ours.local, &ours.remote), (&theirs.remote, &theirs.local))
            }
            (None, None) => {}
            _ => panic!("one side encrypts"),
        }
        match (&ours.dtls, &theirs.dtls) {
            (Some(a), Some(b)) => {
                assert_ne!(a.setup, b.setup);
                assert!([a.setup, b.setup].contains(&Setup::Active) && ours.srtp.is_none());
                assert_ne!(a.fingerprints, b.fingerprints);
            }
            (None, None) => {}
            _ => panic!("one side does DTLS"),
        }
        match (&ours.ice, &theirs.ice) {
            (Some(a), Some(b)) => {
                assert!(a.remote.same_credentials(&b.local) && b.remote.same_credentials(&a.local));
                assert!(a.controlling != b.controlling || (a.local.lite && b.local.lite));
                assert_eq!(a.restarted, b.restarted);
            }
            (None, None) => {}
            _ => panic!("one side does ICE"),
        }
        assert_eq!(ours.mid, theirs.mid);
        assert_eq!(ours.extensions, theirs.extensions);
        assert_eq!(ours.reduced_size, theirs.reduced_size);
        let values = |stream: &rtp_core::negotiate::AudioStream| -> Vec<String> {
            stream.feedback.iter().map(|f| f.value.clone()).collect()
        };
        assert_eq!(values(ours), values(theirs));
        // What either may send, the other knows by that number.
        for (sender, receiver) in [(ours, theirs), (theirs, ours)] {
            let sent = [&sender.send]
                .into_iter()
                .chain(&sender.send_also)
                .chain(&sender.send_dtmf);
            for payload in sent {
                let known = receiver.received(payload.payload_type).map(code);
                assert_eq!(known, Some(code(payload)));
            }
        }
        assert_eq!(
            code(&ours.send).1,
            code(&theirs.send).1,
            "the first of the answer's codecs speaks both ways"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_answers_its_offer(can in capabilities(1), offers in prop::collection::vec(description(), 1..5)) {
        let mut ours = Negotiation::new(1, can, keys(1));
        let mut witness = Witness::default();
        for text in offers {
            let before = ours.agreement().cloned();
            let result = ours.receive_offer(&text).and_then(|received| {
                let offered = received.description().clone();
                let answer = ours.answer(received)?;
                fuzz::check(&offered, &answer);
                Ok(answer)
            });
            match result {
                Ok(answer) => witness.sees(answer.description()),
                Err(_) => prop_assert_eq!(ours.agreement().cloned(), before),
            }
        }
    }

    #[test]
    fn no_answer_panics_or_changes_what_it_does_not_answer(can in capabilities(1), answers in prop::collection::vec(description(), 1..4)) {
        let mut ours = Negotiation::new(1, can, keys(1));
        for text in answers {
            let before = ours.agreement().cloned();
            let Ok(offer) = ours.offer() else { return Ok(()) };
            let places: Vec<_> = offer.description().media.iter().map(|media| media.kind.clone()).collect();
            if ours.answered(&offer, &text).is_err() {
                prop_assert_eq!(ours.agreement().cloned(), before);
            } else {
                drop(offer);
                let next = ours.offer().unwrap();
                let after: Vec<_> = next.description().media.iter().map(|media| media.kind.clone()).collect();
                prop_assert_eq!(places, after);
            }
        }
    }

    #[test]
    fn two_of_ours_agree_or_both_refuse(a in capabilities(1), b in capabilities(2), acts in prop::collection::vec(act(), 0..12)) {
        let mut sides = [Negotiation::new(1, a, keys(1)), Negotiation::new(2, b, keys(128))];
        let mut witnesses = [Witness::default(), Witness::default()];
        let mut places: Vec<String> = Vec::new();
        let start = [(false, Act::Offer)];
        for (second, act) in start.into_iter().chain(acts) {
            let [left, right] = &mut sides;
            let [left_witness, right_witness] = &mut witnesses;
            let (from, to, from_witness, to_witness) = if second {
                (right, left, right_witness, left_witness)
            } else {
                (left, right, left_witness, right_witness)
            };
            let before = [from.agreement().cloned(), to.agreement().cloned()];
            // What was offered and refused has never been: neither its lines nor their numbers.
            for witness in [&mut *from_witness, &mut *to_witness] {
                witness.meanings.retain(|(line, _), _| *line < places.len());
            }
            let offer = match act {
                Act::Offer => from.offer(),
                Act::Hold(hold) => from.offer_hold(hold),
                Act::Resume => from.offer_resume(),
                Act::Abandon => {
                    if let Ok(offer) = from.offer_hold(Hold::Inactive) {
                        from_witness.sees(offer.description());
                    }
                    continue;
                }
                Act::Change(can) => {
                    let mut can = *can;
                    // Addresses and what the call was set up with stay; codecs, order and direction change.
                    can.streams.clone_from(&from.capabilities().streams);
                    can.sdes.clone_from(&from.capabilities().sdes);
                    can.rtcp_mux = from.capabilities().rtcp_mux;
                    can.dtls.clone_from(&from.capabilities().dtls);
                    can.ice.clone_from(&from.capabilities().ice);
                    can.relays.clone_from(&from.capabilities().relays);
                    from.set_capabilities(can);
                    continue;
                }
            };
            let Ok(offer) = offer else { continue };
            from_witness.sees(offer.description());
            let now: Vec<_> = offer.description().media.iter().map(|media| media.kind.to_string()).collect();
            prop_assert!(now.starts_with(&places), "no line moves");
            if exchange(&offer, from, to, to_witness).is_ok() {
                places = now;
            } else {
                prop_assert_eq!([from.agreement().cloned(), to.agreement().cloned()], before);
            }
        }
    }

    #[test]
    fn hold_and_resume_return_to_where_they_began(
        a in capabilities(1),
        b in capabilities(2),
        second_holds in any::<bool>(),
        hold in prop::sample::select(vec![Hold::SendOnly, Hold::Inactive, Hold::PortZero]),
    ) {
        let (mut a, mut b) = (Negotiation::new(1, a, keys(1)), Negotiation::new(2, b, keys(128)));
        let mut witnesses = [Witness::default(), Witness::default()];
        let Ok(offer) = a.offer() else { return Ok(()) };
        if exchange(&offer, &mut a, &mut b, &mut witnesses[1]).is_err() {
            return Ok(());
        }
        drop(offer);
        // Who holds is a matter of who offers where neither side wants everything.
        let view = |side: &Negotiation| -> Vec<_> {
            let streams = side.agreement().into_iter().flat_map(|agreement| agreement.audio());
            streams
                .map(|s| (
                    (s.line, s.stream, s.remote_rtp, s.remote_rtcp, s.direction, s.send.clone(), s.send_dtmf.clone()),
                    (s.srtp.clone(), s.dtls.clone(), s.rtcp_mux, s.ptime, s.held_by_us, s.held_by_peer.filter(|_| s.direction == Direction::SendRecv)),
                ))
                .collect()
        };
        let before = (view(&a), view(&b));
        {
            let (holder, held) = if second_holds { (&mut b, &mut a) } else { (&mut a, &mut b) };
            for act in [Some(hold), None] {
                let offer = match act {
                    Some(hold) => holder.offer_hold(hold),
                    None => holder.offer_resume(),
                };
                let offer = offer.expect("nothing is under way");
                exchange(&offer, holder, held, &mut Witness::default()).expect("what was agreed can be held");
                for stream in holder.agreement().into_iter().flat_map(|agreement| agreement.audio()) {
                    prop_assert_eq!(stream.held_by_us, act);
                    prop_assert!(act.is_none() || !stream.direction.receives());
                }
            }
        }
        prop_assert_eq!((view(&a), view(&b)), before);
    }
}
