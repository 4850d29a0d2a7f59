//! The ground floor against baresip: `sip-core`, `rtp-core` and `media-mix` joined by hand, without `signaling`.
//!
//! Sound goes both ways for each codec, in the clear and with SDES demanded and offered; either side calls; keys go both
//! ways; both ends hold and resume; both ends hang up; and each suite that baresip has is used, whose SRTP is its own.

mod ground;

use ground::{OURS, Phone, SOON, THEIRS};
use interop::{Baresip, BaresipOptions, Codec, Security, Transport, installed};
use rtp_core::dtmf::Digit;
use rtp_core::negotiate::Hold;
use rtp_core::srtp::Suite;
use sip_core::{EndKind, EndedBy};
use std::time::Duration;

/// Packets that baresip receives and sends while our side runs for half a second.
fn flow(phone: &mut Phone, baresip: &mut Baresip) -> (u64, u64) {
    let before = baresip.packets();
    phone.run_for(Duration::from_millis(500));
    let after = baresip.packets();
    (after.received - before.received, after.sent - before.sent)
}

fn flows((received, sent): (u64, u64)) -> bool {
    (20..=32).contains(&received) && (20..=32).contains(&sent)
}

fn call(codec: Codec, security: Security, transport: Transport, we_hang_up: bool) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = security;
    options.hz = THEIRS;
    let mut baresip = Baresip::start(&options);
    let mut phone = Phone::new(codec, security);
    phone.dial(&baresip.uri(transport));
    phone.run_until("a stream", |p| p.media.is_some());
    phone.run_for(Duration::from_millis(3000));

    assert!(
        phone
            .media()
            .stream
            .send
            .codec
            .name
            .eq_ignore_ascii_case(codec.name())
    );
    // Sound both ways. What baresip heard is in its recording, which ends with the hold below.
    let secured = phone.media().stream.srtp.is_some();
    assert_eq!(secured, security != Security::Clear);
    let heard = phone.media().heard();
    assert!(
        heard.seconds_of(THEIRS) >= 2.3,
        "we heard {THEIRS} Hz for {} of {} s",
        heard.seconds_of(THEIRS),
        heard.seconds()
    );
    let recorded = baresip.heard();
    assert!(
        recorded.seconds_of(OURS) >= 2.0,
        "baresip heard {OURS} Hz for {} of {} s",
        recorded.seconds_of(OURS),
        recorded.seconds()
    );

    // Keys both ways, each once.
    phone.media().dtmf_out.queue("12#").expect("keys");
    baresip.control.command("sndcode", "4");
    phone.run_for(Duration::from_millis(400));
    baresip.control.command("sndcode", "2");
    phone.run_for(Duration::from_millis(900));
    let pressed = baresip.control.params_of("CALL_DTMF_START");
    assert_eq!(pressed, ["1", "2", "#"].map(String::from));
    assert_eq!(phone.media().keys, "42");
    assert_eq!(
        phone
            .media()
            .keys
            .chars()
            .filter_map(Digit::from_char)
            .count(),
        2
    );

    // We hold, three ways; then baresip does.
    assert!(flows(flow(&mut phone, &mut baresip)), "before the hold");
    for hold in [Hold::SendOnly, Hold::Inactive, Hold::PortZero] {
        phone.hold(Some(hold));
        phone.run_for(Duration::from_millis(200));
        let (received, sent) = flow(&mut phone, &mut baresip);
        assert_eq!(sent, 0, "baresip sends while held by {hold:?}");
        assert_eq!(
            received > 0,
            hold == Hold::SendOnly,
            "{received} packets to baresip while held by {hold:?}"
        );
        phone.hold(None);
        phone.run_for(Duration::from_millis(300));
        let resumed = flow(&mut phone, &mut baresip);
        assert!(flows(resumed), "after {hold:?}: {resumed:?}");
    }
    baresip.control.command("hold", "");
    phone.run_for(Duration::from_millis(300));
    assert_eq!(
        flow(&mut phone, &mut baresip),
        (0, 0),
        "while baresip holds"
    );
    baresip.control.command("resume", "");
    phone.run_for(Duration::from_millis(600));
    assert!(
        flows(flow(&mut phone, &mut baresip)),
        "after baresip's resume"
    );
    let now = phone.media().heard();
    let last = now.part(now.seconds() - 0.5, now.seconds());
    assert!(
        last.seconds_of(THEIRS) >= 0.3,
        "we hear baresip again: {}",
        last.seconds_of(THEIRS)
    );

    if we_hang_up {
        phone.hang_up();
        assert_eq!(phone.over, Some((EndedBy::Local, EndKind::HungUp)));
        baresip.control.wait_for("CALL_CLOSED", SOON);
    } else {
        baresip.control.command("hangup", "");
        phone.run_until("baresip's BYE", |p| p.over.is_some());
        assert_eq!(phone.over, Some((EndedBy::Remote, EndKind::HungUp)));
    }
}

#[test]
fn pcmu_clear() {
    call(Codec::Pcmu, Security::Clear, Transport::Udp, true);
}

#[test]
fn pcma_clear() {
    call(Codec::Pcma, Security::Clear, Transport::Udp, false);
}

#[test]
fn g722_clear() {
    call(Codec::G722, Security::Clear, Transport::Udp, true);
}

#[test]
fn opus_clear() {
    call(Codec::Opus, Security::Clear, Transport::Udp, false);
}

#[test]
fn pcmu_sdes() {
    call(Codec::Pcmu, Security::Sdes, Transport::Udp, false);
}

#[test]
fn pcma_sdes_offered() {
    call(Codec::Pcma, Security::SdesOffered, Transport::Udp, true);
}

#[test]
fn g722_sdes() {
    call(Codec::G722, Security::Sdes, Transport::Udp, false);
}

#[test]
fn opus_sdes_over_tcp() {
    call(Codec::Opus, Security::Sdes, Transport::Tcp, true);
}

/// baresip calls us: sound and keys both ways, a hold, and its BYE.
fn called(codec: Codec, security: Security) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = security;
    options.hz = THEIRS;
    let mut baresip = Baresip::start(&options);
    let mut phone = Phone::new(codec, security);
    let uri = format!("sip:room7@127.0.0.1:{}", phone.ua.port());
    baresip.control.command("dial", &uri);
    phone.run_until("a stream", |p| p.media.is_some());
    phone.run_for(Duration::from_millis(1500));

    let stream = phone.media().stream.clone();
    assert!(stream.send.codec.name.eq_ignore_ascii_case(codec.name()));
    assert!(stream.srtp.is_some());
    let (we, it) = (phone.media().heard(), baresip.heard());
    assert!(we.seconds_of(THEIRS) >= 0.9, "{}", we.seconds_of(THEIRS));
    assert!(it.seconds_of(OURS) >= 0.7, "{}", it.seconds_of(OURS));

    phone.media().dtmf_out.queue("9").expect("a key");
    baresip.control.command("sndcode", "6");
    phone.run_for(Duration::from_millis(600));
    assert_eq!(baresip.control.params_of("CALL_DTMF_START"), ["9"]);
    assert_eq!(phone.media().keys, "6");
    phone.hold(Some(Hold::Inactive));
    phone.run_for(Duration::from_millis(200));
    assert_eq!(flow(&mut phone, &mut baresip), (0, 0), "while held");
    phone.hold(None);
    phone.run_for(Duration::from_millis(300));
    assert!(flows(flow(&mut phone, &mut baresip)), "after the hold");

    baresip.control.command("hangup", "");
    phone.run_until("baresip's BYE", |p| p.over.is_some());
    assert_eq!(phone.over, Some((EndedBy::Remote, EndKind::HungUp)));
}

#[test]
fn pcmu_sdes_demanded_of_us() {
    called(Codec::Pcmu, Security::Sdes);
}

#[test]
fn g722_sdes_offered_to_us() {
    called(Codec::G722, Security::SdesOffered);
}

#[test]
fn opus_sdes_offered_to_us() {
    called(Codec::Opus, Security::SdesOffered);
}

#[test]
fn each_suite() {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(Codec::Pcmu);
    (options.security, options.hz) = (Security::Sdes, THEIRS);
    let mut baresip = Baresip::start(&options);
    // To an offer of AES-CM with 256 bits alone it answers with a suite that was not offered, which we refuse.
    for suite in [
        Suite::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32,
        Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm,
    ] {
        let mut phone = Phone::new(Codec::Pcmu, Security::Sdes);
        phone.only(suite);
        phone.dial(&baresip.uri(Transport::Udp));
        phone.run_until("a stream", |p| p.media.is_some());
        let keys = phone.media().stream.srtp.clone().expect("keys");
        assert_eq!((keys.local.suite(), keys.remote.suite()), (suite, suite));
        phone.run_for(Duration::from_millis(200));
        // It counts what its SRTP has let through.
        let flow = flow(&mut phone, &mut baresip);
        assert!(flows(flow), "{suite:?}: {flow:?}");
        let heard = phone.media().heard().seconds_of(THEIRS);
        assert!(heard >= 0.3, "{suite:?}: {heard}");
        phone.hang_up();
        baresip.control.wait_for("CALL_CLOSED", SOON);
    }
}

#[test]
fn a_re_invite_changes_address_and_payload_types_in_mid_call() {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(Codec::Opus);
    options.hz = THEIRS;
    let mut baresip = Baresip::start(&options);
    let mut phone = Phone::new(Codec::Opus, Security::Clear);
    phone.dial(&baresip.uri(Transport::Udp));
    phone.run_until("a stream", |p| p.media.is_some());
    phone.run_for(Duration::from_millis(700));
    assert!(flows(flow(&mut phone, &mut baresip)), "before the move");
    let facts = |phone: &mut Phone| {
        let media = phone.media();
        let (stream, path) = (media.stream.clone(), &media.path);
        (stream, path.ssrc(), path.next_sequence())
    };
    let (before, ssrc, sequence) = facts(&mut phone);

    phone.move_away(110..120);
    let (after, still, later) = facts(&mut phone);
    assert_ne!(after.local, before.local);
    let number = |s: &rtp_core::negotiate::AudioStream| s.receive[0].payload_type;
    assert_eq!((number(&before), number(&after)), (96, 110));
    assert_eq!(still, ssrc, "the stream goes on");
    assert!((0..500).contains(&later.wrapping_sub(sequence)));

    phone.run_for(Duration::from_millis(300));
    // A key shows that it knows the numbers.
    assert!(flows(flow(&mut phone, &mut baresip)), "after the move");
    phone.media().dtmf_out.queue("7").expect("a key");
    baresip.control.command("sndcode", "5");
    phone.run_for(Duration::from_millis(700));
    assert_eq!(
        baresip.control.params_of("CALL_DTMF_START"),
        ["7"].map(String::from)
    );
    assert_eq!(phone.media().keys, "5");
    let heard = phone.media().heard();
    let last = heard.part(heard.seconds() - 0.7, heard.seconds());
    assert!(
        last.seconds_of(THEIRS) >= 0.3,
        "we hear baresip at the new place: {}",
        last.seconds_of(THEIRS)
    );
    phone.hang_up();
}
