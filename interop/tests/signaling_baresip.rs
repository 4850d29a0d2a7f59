//! A phone that nobody here wrote joins a session: `signaling`'s gateway dials baresip.
//!
//! For each codec, in the clear, with SDES or with DTLS over UDP, and over TCP: the session's two tones are in baresip's
//! recording and its own is not; what baresip plays is heard by both talkers and by nobody twice; keys go both ways,
//! each once; hold and resume work from both ends, three ways from ours; the call ends from both ends.

mod house;

use house::{House, PHONE, SOON, TALKERS};
use interop::{Baresip, BaresipOptions, Codec, Security, Transport, installed};
use signaling::net::Event;
use signaling::{Hold, Secure};
use sip_core::EndedBy;
use std::time::Duration;

/// How to make the call of one row of the matrix.
struct Row {
    codec: Codec,
    security: Security,
    transport: Transport,
    /// Offer only the row's codec, not all that we have.
    only: bool,
    we_hang_up: bool,
    /// Stay long enough for baresip's RTCP reports (it wants 5 s without a re-INVITE).
    for_reports: bool,
}

impl Row {
    fn new(codec: Codec, security: Security) -> Self {
        Self {
            codec,
            security,
            transport: Transport::Udp,
            only: false,
            we_hang_up: true,
            for_reports: false,
        }
    }
}

fn call(row: Row) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(row.codec);
    options.security = row.security;
    options.hz = PHONE;
    let mut baresip = Baresip::start(&options);
    let mut house = House::new();
    let call = house.dial(&baresip.uri(row.transport), |request| {
        request.secure = match row.security {
            Security::Clear => Secure::Off,
            Security::Sdes => Secure::Require,
            Security::SdesOffered => Secure::Allow,
            Security::Dtls => Secure::Dtls,
        };
        if row.only {
            request.codecs = Some(vec![row.codec.name().to_owned()]);
        }
    });
    house.wait_for("the answer", |e| {
        matches!(e, Event::Answered { .. }).then_some(())
    });
    assert!(baresip.log().contains("X-Room: 7"), "the custom header");
    let info = house.gateway.call(call).expect("the call's figures");
    assert!(
        info.codec.eq_ignore_ascii_case(row.codec.name()),
        "{}",
        info.codec
    );

    // Sound both ways: each talker hears the other and the phone, and never itself.
    house.run_for(Duration::from_millis(700));
    let heard = house.hear(Duration::from_millis(2000));
    for (i, heard) in heard.iter().enumerate() {
        let both = heard.seconds_of_all(&[TALKERS[1 - i], PHONE]);
        assert!(
            both >= 1.7,
            "talker {i} heard the other and the phone for {both} of {} s",
            heard.seconds()
        );
        let own = heard.level_db(TALKERS[i]) - heard.level_db(PHONE);
        assert!(own < -40.0, "talker {i} hears itself at {own:.1} dB");
    }
    let info = house.gateway.call(call).expect("the call's figures");
    assert_eq!(info.suite.is_some(), row.security != Security::Clear);
    // A busy baresip writes its file late.
    let recorded = house.run_until(|| {
        let recorded = baresip.heard();
        (recorded.seconds_of_all(&TALKERS) >= 1.8).then_some(recorded)
    });
    let recorded = recorded.unwrap_or_else(|| baresip.heard());
    let both = recorded.seconds_of_all(&TALKERS);
    assert!(
        both >= 1.8,
        "baresip heard the talkers for {both} of {} s",
        recorded.seconds()
    );
    let steady = recorded.part(recorded.seconds() - 1.2, recorded.seconds() - 0.2);
    let own = steady.level_db(PHONE) - steady.level_db(TALKERS[0]);
    assert!(own < -35.0, "baresip hears itself at {own:.1} dB");

    // Keys, each once.
    house.gateway.send_dtmf(call, "12#").expect("keys");
    baresip.control.command("sndcode", "4");
    house.run_for(Duration::from_millis(500));
    baresip.control.command("sndcode", "2");
    house.run_for(Duration::from_millis(900));
    assert_eq!(house.keys(), "42");
    assert_eq!(
        baresip.control.params_of("CALL_DTMF_START"),
        ["1", "2", "#"].map(String::from)
    );

    // We hold three ways.
    house.assert_flows(&mut baresip, "before the hold");
    for how in [Hold::SendOnly, Hold::Inactive, Hold::PortZero] {
        house.gateway.hold(call, how).expect("a hold");
        house.wait_for("our hold", |e| {
            matches!(e, Event::Held { .. }).then_some(())
        });
        house.run_for(Duration::from_millis(200));
        let (received, sent) = house.flow(&mut baresip);
        assert_eq!(sent, 0, "baresip sends although held by {how:?}");
        assert!(
            how == Hold::SendOnly || received == 0,
            "{received} packets to baresip while held by {how:?}"
        );
        let silent = house.hear(Duration::from_millis(300));
        let phone = silent[0].level_db(PHONE);
        assert!(
            phone < -70.0,
            "the phone is heard at {phone:.1} dB while held by {how:?}"
        );
        house.gateway.resume(call).expect("a resume");
        house.wait_for("our resume", |e| {
            matches!(e, Event::Resumed { .. }).then_some(())
        });
        house.run_for(Duration::from_millis(300));
        house.assert_flows(&mut baresip, &format!("after {how:?}"));
    }
    // baresip holds.
    baresip.control.command("hold", "");
    house.wait_for("baresip's hold", |e| {
        matches!(e, Event::Held { .. }).then_some(())
    });
    house.run_for(Duration::from_millis(200));
    assert_eq!(house.flow(&mut baresip), (0, 0), "while baresip holds");
    baresip.control.command("resume", "");
    house.wait_for("baresip's resume", |e| {
        matches!(e, Event::Resumed { .. }).then_some(())
    });
    house.run_for(Duration::from_millis(400));
    house.assert_flows(&mut baresip, "after baresip's resume");
    let back = house.hear(Duration::from_millis(600));
    assert!(
        back[0].seconds_of_all(&[TALKERS[1], PHONE]) >= 0.4,
        "the phone is heard again"
    );
    if row.for_reports {
        house.run_for(Duration::from_millis(6500));
        let reports = baresip
            .control
            .events()
            .iter()
            .rev()
            .find(|e| e.kind == "CALL_RTCP")
            .cloned()
            .expect("RTCP");
        let received = reports.number("/rtcp_stats/rx/sent").unwrap_or_default();
        assert!(
            received > 200,
            "baresip read our sender reports: {}",
            reports.json
        );
        assert_eq!(
            reports.number("/rtcp_stats/rx/lost"),
            Some(0),
            "{}",
            reports.json
        );
    }
    let info = house.gateway.call(call).expect("the call's figures");
    assert!(
        info.loss() < 0.02 && info.mos().is_some_and(|mos| mos > 3.5),
        "loss {}, MOS {:?}",
        info.loss(),
        info.mos()
    );

    if row.we_hang_up {
        house.gateway.hang_up(call).expect("a BYE");
    } else {
        baresip.control.command("hangup", "");
    }
    let end = house.wait_for("the end", |e| {
        if let Event::Ended { end, .. } = e {
            Some(end.clone())
        } else {
            None
        }
    });
    assert!(end.is_clean(), "{end}");
    assert_eq!(
        end.cause.by,
        if row.we_hang_up {
            EndedBy::Local
        } else {
            EndedBy::Remote
        }
    );
    baresip.control.wait_for("CALL_CLOSED", SOON);
    assert_eq!(
        house
            .gateway
            .session(house.session)
            .expect("the session")
            .participants()
            .len(),
        2,
        "the phone has left"
    );
}

#[test]
fn pcmu() {
    call(Row {
        for_reports: true,
        ..Row::new(Codec::Pcmu, Security::Clear)
    });
}

#[test]
fn pcmu_sdes() {
    call(Row {
        only: true,
        we_hang_up: false,
        ..Row::new(Codec::Pcmu, Security::Sdes)
    });
}

#[test]
fn pcma() {
    call(Row {
        we_hang_up: false,
        only: true,
        ..Row::new(Codec::Pcma, Security::Clear)
    });
}

#[test]
fn pcma_sdes() {
    call(Row {
        for_reports: true,
        ..Row::new(Codec::Pcma, Security::SdesOffered)
    });
}

#[test]
fn g722() {
    call(Row::new(Codec::G722, Security::Clear));
}

#[test]
fn g722_sdes() {
    call(Row {
        only: true,
        we_hang_up: false,
        ..Row::new(Codec::G722, Security::Sdes)
    });
}

#[test]
fn opus() {
    call(Row {
        we_hang_up: false,
        ..Row::new(Codec::Opus, Security::Clear)
    });
}

#[test]
fn opus_sdes() {
    call(Row::new(Codec::Opus, Security::Sdes));
}

#[test]
fn over_tcp() {
    call(Row {
        transport: Transport::Tcp,
        ..Row::new(Codec::Pcmu, Security::Sdes)
    });
}

/// Debian's baresip makes its certificate on RSA.
#[test]
fn opus_dtls() {
    call(Row::new(Codec::Opus, Security::Dtls));
}
