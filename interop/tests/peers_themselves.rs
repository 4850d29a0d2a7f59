//! The harness against the peers alone: what fails here is not the fault of any crate of ours.

use interop::{
    Baresip, BaresipOptions, Codec, Direction, Security, Sipp, SippOptions, Transport, installed,
};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// baresip calls baresip: a tone each way, a key each way, hold and resume, and either end hangs up.
fn baresip_calls_baresip(
    codec: Codec,
    security: Security,
    transport: Transport,
    caller_ends: bool,
) {
    if !installed(&["baresip"]) {
        return;
    }
    let mut options = BaresipOptions::new(codec);
    options.security = security;
    let mut callee = Baresip::start(&options);
    options.hz = 440.0;
    let mut caller = Baresip::start(&options);

    caller.control.command("dial", &callee.uri(transport));
    caller.control.wait_for("CALL_ESTABLISHED", SOON);
    callee.control.wait_for("CALL_ESTABLISHED", SOON);
    std::thread::sleep(Duration::from_millis(2500));

    caller.control.command("sndcode", "5");
    assert_eq!(callee.control.wait_for("CALL_DTMF_START", SOON).param, "5");
    callee.control.command("sndcode", "#");
    assert_eq!(caller.control.wait_for("CALL_DTMF_START", SOON).param, "#");

    let flowing = callee.packets_within(Duration::from_millis(500));
    assert!(
        flowing.received >= 15 && flowing.sent >= 15,
        "before the hold: {flowing:?}"
    );
    caller.control.command("hold", "");
    std::thread::sleep(Duration::from_millis(200));
    let quiet = callee.packets_within(Duration::from_millis(500));
    assert_eq!((quiet.received, quiet.sent), (0, 0), "while held");
    caller.control.command("resume", "");
    std::thread::sleep(Duration::from_millis(200));
    let flowing = callee.packets_within(Duration::from_millis(500));
    assert!(
        flowing.received >= 15 && flowing.sent >= 15,
        "after the resume: {flowing:?}"
    );

    if caller_ends {
        caller.control.command("hangup", "")
    } else {
        callee.control.command("hangup", "")
    };
    caller.control.wait_for("CALL_CLOSED", SOON);
    callee.control.wait_for("CALL_CLOSED", SOON);

    let (heard, answered) = (callee.heard(), caller.heard());
    assert!(
        heard.seconds_of(440.0) >= 2.0,
        "the callee heard 440 Hz for {} s",
        heard.seconds_of(440.0)
    );
    assert!(
        answered.seconds_of(1020.0) >= 2.0,
        "the caller heard 1020 Hz for {} s",
        answered.seconds_of(1020.0)
    );
    let secured = callee.log().contains("a=crypto:") && caller.log().contains("a=crypto:");
    assert_eq!(secured, security != Security::Clear);
}

#[test]
fn pcmu_clear_udp() {
    baresip_calls_baresip(Codec::Pcmu, Security::Clear, Transport::Udp, true);
}

#[test]
fn opus_sdes_tcp() {
    baresip_calls_baresip(Codec::Opus, Security::Sdes, Transport::Tcp, false);
}

/// baresip dials a SIPp scenario that asks for a password, and the right one opens.
#[test]
fn sipp_challenges_baresip() {
    if !installed(&["baresip", "sipp"]) {
        return;
    }
    let sipp = Sipp::uas("uas_401_invite", &SippOptions::default());
    let mut options = BaresipOptions::new(Codec::Pcmu);
    options.credentials = Some(("alice".into(), "secret".into()));
    let mut baresip = Baresip::start(&options);
    baresip.control.command("dial", &sipp.uri());
    baresip.control.wait_for("CALL_ESTABLISHED", SOON);
    baresip.control.command("hangup", "");
    let outcome = sipp.wait().expect_passed();
    assert_eq!(outcome.with(Direction::Received, "INVITE").len(), 2);
    assert_eq!(outcome.with(Direction::Sent, "SIP/2.0 401").len(), 1);
}

/// A 200 that comes again brings baresip's ACK again.
#[test]
fn sipp_sends_its_200_again_to_baresip() {
    if !installed(&["baresip", "sipp"]) {
        return;
    }
    let mut options = SippOptions::default();
    options.more = vec!["-nr".into()];
    let sipp = Sipp::uas("uas_lost_ack", &options);
    let mut baresip = Baresip::start(&BaresipOptions::new(Codec::Pcmu));
    baresip.control.command("dial", &sipp.uri());
    baresip.control.wait_for("CALL_ESTABLISHED", SOON);
    std::thread::sleep(Duration::from_millis(1500));
    baresip.control.command("hangup", "");
    let outcome = sipp.wait().expect_passed();
    assert_eq!(outcome.with(Direction::Received, "ACK").len(), 3);
    assert_eq!(outcome.with(Direction::Received, "INVITE").len(), 1);
}

/// A scenario that waits against the one that calls.
fn pair(waits: &str, calls: &str, transport: Transport) {
    if !installed(&["sipp"]) {
        return;
    }
    let mut options = SippOptions::default();
    options.transport = transport;
    let uas = Sipp::uas(waits, &options);
    let uac = Sipp::uac(calls, "alice", uas.port(), &options);
    uac.wait().expect_passed();
    uas.wait().expect_passed();
}

#[test]
fn sipp_pairs() {
    let pairs = [
        ("uas_basic", "uac_basic"),
        ("uas_hold", "uac_held"),
        ("uas_held", "uac_hold"),
        ("uas_cancel", "uac_cancel"),
        ("uas_reject486", "uac_rejected"),
        ("uas_late_bye", "uac_late_bye"),
        ("uas_481", "uac_stray_bye_out_of_dialog"),
        ("uas_options", "uac_options"),
    ];
    // Most of the time is pauses, so they run beside one another.
    std::thread::scope(|scope| {
        for (waits, calls) in pairs {
            for transport in [Transport::Udp, Transport::Tcp] {
                scope.spawn(move || pair(waits, calls, transport));
            }
        }
    });
}

/// A caller whose password is wrong gets a second 401 and must give up. The same run fails where it is told to expect
/// the right password.
#[test]
fn sipp_refuses_a_wrong_password_of_baresip() {
    if !installed(&["baresip", "sipp"]) {
        return;
    }
    for expected in [true, false] {
        let mut options = SippOptions::default();
        if expected {
            options.more = ["-set", "wrong", "1"].map(String::from).to_vec();
        }
        let sipp = Sipp::uas("uas_401_invite", &options);
        let mut options = BaresipOptions::new(Codec::Pcmu);
        options.credentials = Some(("alice".into(), "guess".into()));
        let mut baresip = Baresip::start(&options);
        baresip.control.command("dial", &sipp.uri());
        baresip.control.wait_for("CALL_CLOSED", SOON);
        let outcome = sipp.wait();
        assert_eq!(outcome.passed, expected, "{}", outcome.errors);
        assert!(outcome.with(Direction::Sent, "SIP/2.0 200").is_empty());
        assert_eq!(outcome.with(Direction::Sent, "SIP/2.0 401").len(), 2);
    }
}
