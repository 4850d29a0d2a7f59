//! Phones that nobody here wrote join a session over DTLS-SRTP. Debian's baresip and Linphone show certificates on RSA, so
//! the handshakes are OpenSSL's (`dtls-openssl`).
//!
//! For each codec of each phone: keys within moments of the answer, tones both ways, hold and resume on the same keys. The
//! whole call is `signaling_baresip`'s.

mod house;

use house::{House, PHONE, TALKERS};
use interop::{Baresip, BaresipOptions, Codec, Heard, Linphone, LinphoneOptions, Security};
use interop::{Transport, installed};
use signaling::net::Event;
use signaling::{CallId, Hold, Secure};
use std::time::Duration;

/// A call whose sound is keyed by DTLS, with nothing else on offer.
fn dial(house: &mut House, uri: &str, codec: Codec) -> CallId {
    let call = house.dial(uri, |request| {
        request.secure = Secure::Dtls;
        request.codecs = Some(vec![codec.name().to_owned()]);
    });
    house.wait_for("the answer", |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
    call
}

fn hears_the_phone(house: &mut House, when: &str) {
    let heard = house.hear(Duration::from_millis(600));
    let both = heard[0].seconds_of_all(&[TALKERS[1], PHONE]);
    assert!(both >= 0.4, "{when}: {both} s of {} s", heard[0].seconds());
}

fn check(house: &mut House, call: CallId, recorded: impl Fn() -> Heard) {
    // baresip stops its recording at the first re-INVITE, so half a second of talkers must be in it by then.
    house.run_for(Duration::from_millis(1500));
    hears_the_phone(house, "at first");
    let info = house.gateway.call(call).expect("the call's figures");
    let suite = info.suite.expect("a suite");

    house.gateway.hold(call, Hold::Inactive).expect("a hold");
    house.wait_for("our hold", |e| {
        matches!(e, Event::Held { .. }).then_some(())
    });
    let silent = house.hear(Duration::from_millis(300));
    let phone = silent[0].level_db(PHONE);
    assert!(
        phone < -70.0,
        "the phone is heard at {phone:.1} dB while held"
    );
    house.gateway.resume(call).expect("a resume");
    house.wait_for("our resume", |e| {
        matches!(e, Event::Resumed { .. }).then_some(())
    });
    house.run_for(Duration::from_millis(300));
    hears_the_phone(house, "after the hold");
    let info = house.gateway.call(call).expect("the call's figures");
    assert_eq!(info.suite, Some(suite));

    house.gateway.hang_up(call).expect("a BYE");
    let clean = house.wait_for("the end", |e| match e {
        Event::Ended { end, .. } => Some(end.is_clean()),
        _ => None,
    });
    assert!(clean);
    let recorded = recorded();
    let both = recorded.seconds_of_all(&TALKERS);
    assert!(
        both >= 0.5,
        "the phone heard the talkers for {both} of {} s",
        recorded.seconds()
    );
}

fn baresip(codec: Codec) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = Security::Dtls;
    options.hz = PHONE;
    let baresip = Baresip::start(&options);
    let mut house = House::new();
    let call = dial(&mut house, &baresip.uri(Transport::Udp), codec);
    check(&mut house, call, || baresip.heard());
}

fn linphone(codec: Codec) {
    if !installed(&["linphonec"]) {
        return;
    }
    let mut options = LinphoneOptions::new(codec);
    options.security = Security::Dtls;
    options.hz = PHONE;
    let linphone = Linphone::start(&options);
    let mut house = House::new();
    let call = dial(&mut house, &linphone.uri(), codec);
    check(&mut house, call, || linphone.heard());
}

#[test]
fn baresip_g711() {
    baresip(Codec::Pcmu);
    baresip(Codec::Pcma);
}

#[test]
fn baresip_g722() {
    baresip(Codec::G722);
}

/// RTCP on a port of its own wants a handshake of its own: reports cross under its keys.
#[test]
fn baresip_without_mux() {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(Codec::Pcmu);
    options.security = Security::Dtls;
    options.mux = Some(false);
    options.hz = PHONE;
    let mut baresip = Baresip::start(&options);
    let mut house = House::new();
    let call = dial(&mut house, &baresip.uri(Transport::Udp), Codec::Pcmu);
    house.run_for(Duration::from_millis(900));
    hears_the_phone(&mut house, "without mux");
    house.run_for(Duration::from_millis(6500));
    for port in ["audio/RTP", "audio/RTCP"] {
        let done = format!("DTLS-SRTP complete ({port})");
        assert!(baresip.log().contains(&done), "{done}");
    }
    let read = baresip
        .control
        .events()
        .iter()
        .rev()
        .find(|e| e.kind == "CALL_RTCP")
        .and_then(|e| e.number("/rtcp_stats/rx/sent"))
        .expect("reports");
    assert!(read > 100, "baresip read our sender reports: {read}");
    let info = house.gateway.call(call).expect("the call's figures");
    let path = info.media.as_ref().and_then(|media| media.path.as_ref());
    let received = path.map_or(0, |path| path.reports_received);
    assert!(received > 0, "we read baresip's");
}

#[test]
fn linphone_g711() {
    linphone(Codec::Pcma);
    linphone(Codec::Pcmu);
}

#[test]
fn linphone_g722_and_opus() {
    linphone(Codec::G722);
    linphone(Codec::Opus);
}
