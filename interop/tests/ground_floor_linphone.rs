//! The ground floor against Linphone, which shares no code with baresip: each codec, in the clear and with SDES
//! mandatory and offered, each suite of RFC 3711 and RFC 6188 that it has; called by us and calling us; sound and keys
//! both ways; hold and resume from both ends.

mod ground;

use ground::{OURS, Phone, SOON, THEIRS};
use interop::{Codec, Linphone, LinphoneOptions, Security, installed, wait_until};
use rtp_core::negotiate::{AudioStream, Hold};
use rtp_core::srtp::Suite;
use sip_core::{EndKind, EndedBy};
use std::time::Duration;

/// What arrives from Linphone within half a second, wanted or not.
fn arrives(phone: &mut Phone) -> u64 {
    let arrived = |phone: &mut Phone| {
        let stats = phone.media().path.stats();
        stats.packets_received + stats.dropped.held
    };
    let before = arrived(phone);
    phone.run_for(Duration::from_millis(500));
    arrived(phone) - before
}

/// For how many seconds of the last we heard it.
fn heard_lately(phone: &mut Phone) -> f64 {
    let heard = phone.media().heard();
    heard
        .part(heard.seconds() - 1.0, heard.seconds())
        .seconds_of(THEIRS)
}

struct Row {
    codec: Codec,
    security: Security,
    /// What we accept, and offer; Linphone has all four in counter mode.
    suite: Suite,
    we_call: bool,
    /// Whether the call ends in the clear: to an offer of RTP/AVP with keys beside it Linphone answers without.
    clear: bool,
    /// Whether our end moves in mid-call.
    moves: bool,
}

impl Row {
    fn new(codec: Codec, security: Security, suite: Suite) -> Self {
        Self {
            codec,
            security,
            suite,
            we_call: true,
            clear: security == Security::Clear,
            moves: false,
        }
    }
}

fn call(row: &Row) {
    if !installed(&["linphonec"]) {
        return;
    }
    let mut options = LinphoneOptions::new(row.codec);
    options.security = row.security;
    options.hz = THEIRS;
    let mut linphone = Linphone::start(&options);
    let mut phone = Phone::new(row.codec, row.security);
    phone.only(row.suite);
    if row.we_call {
        phone.dial(&linphone.uri());
    } else {
        linphone.command(&format!("call sip:room7@127.0.0.1:{}", phone.ua.port()));
    }
    phone.run_until("a stream", |p| p.media.is_some());
    phone.run_for(Duration::from_millis(1800));

    let stream = phone.media().stream.clone();
    assert!(
        stream
            .send
            .codec
            .name
            .eq_ignore_ascii_case(row.codec.name())
    );
    let suite = stream.srtp.map(|keys| keys.local.suite());
    assert_eq!(suite, (!row.clear).then_some(row.suite));
    let lately = heard_lately(&mut phone);
    assert!(lately >= 0.7, "we hear Linphone: {lately}");

    // Keys both ways, each once.
    phone.media().dtmf_out.queue("12#").expect("keys");
    linphone.command("4");
    phone.run_for(Duration::from_millis(600));
    linphone.command("2");
    phone.run_for(Duration::from_millis(600));
    assert_eq!(phone.media().keys, "42");
    wait_until("our keys at Linphone", SOON, || {
        (linphone.keys() == "12#").then_some(())
    });

    // We hold, it holds; each comes back.
    for hold in [Hold::SendOnly, Hold::Inactive] {
        phone.hold(Some(hold));
        phone.run_for(Duration::from_millis(200));
        assert_eq!(arrives(&mut phone), 0, "Linphone sends while held");
        phone.hold(None);
        phone.run_for(Duration::from_millis(300));
        assert!(arrives(&mut phone) >= 18, "after {hold:?}");
    }
    let sends = |phone: &Phone| {
        let media = phone.media.as_ref();
        media.is_some_and(|media| media.stream.direction.sends())
    };
    linphone.command("pause");
    phone.run_until("Linphone's hold", |p| !sends(p));
    phone.run_for(Duration::from_millis(200));
    linphone.command("resume");
    phone.run_until("Linphone's resume", sends);
    if row.moves {
        // Its ACK.
        phone.run_for(Duration::from_millis(200));
        moves(&mut phone);
    }
    phone.run_for(Duration::from_millis(1700));
    let lately = heard_lately(&mut phone);
    assert!(lately >= 0.6, "we hear Linphone again: {lately}");

    if row.we_call {
        phone.hang_up();
        assert_eq!(phone.over, Some((EndedBy::Local, EndKind::HungUp)));
    } else {
        linphone.command("terminate");
        phone.run_until("Linphone's BYE", |p| p.over.is_some());
        assert_eq!(phone.over, Some((EndedBy::Remote, EndKind::HungUp)));
    }
    let recorded = linphone.heard();
    let last = recorded.part(recorded.seconds() - 1.2, recorded.seconds());
    assert!(
        recorded.seconds_of(OURS) >= 2.0 && last.seconds_of(OURS) >= 0.6,
        "Linphone heard us for {} of {} s, {} of the last 1.2",
        recorded.seconds_of(OURS),
        recorded.seconds(),
        last.seconds_of(OURS)
    );
}

/// A re-INVITE with another address, other payload types and other keys.
fn moves(phone: &mut Phone) {
    let facts = |phone: &mut Phone| {
        let media = phone.media();
        (media.stream.clone(), media.path.ssrc())
    };
    let (before, ssrc) = facts(phone);
    phone.move_away(110..120);
    let (after, still) = facts(phone);
    assert_eq!(still, ssrc, "the stream goes on");
    assert_ne!(after.local, before.local);
    assert_eq!(before.receive[0].payload_type, 96);
    assert_eq!(after.receive[0].payload_type, 110);
    let keys = |stream: AudioStream| stream.srtp.expect("keys").local;
    assert_ne!(keys(before), keys(after));
}

#[test]
fn pcmu_clear() {
    call(&Row::new(
        Codec::Pcmu,
        Security::Clear,
        Suite::AesCm128HmacSha1_80,
    ));
}

#[test]
fn pcma_sdes_with_short_tags() {
    call(&Row::new(
        Codec::Pcma,
        Security::Sdes,
        Suite::AesCm128HmacSha1_32,
    ));
}

#[test]
fn pcmu_sdes_offered_and_declined() {
    call(&Row {
        clear: true,
        ..Row::new(
            Codec::Pcmu,
            Security::SdesOffered,
            Suite::AesCm128HmacSha1_80,
        )
    });
}

#[test]
fn pcma_sdes_offered_to_us_with_keys_of_256_bits() {
    call(&Row {
        we_call: false,
        ..Row::new(
            Codec::Pcma,
            Security::SdesOffered,
            Suite::AesCm256HmacSha1_32,
        )
    });
}

#[test]
fn g722_sdes_offered_to_us() {
    call(&Row {
        we_call: false,
        ..Row::new(Codec::G722, Security::Sdes, Suite::AesCm128HmacSha1_80)
    });
}

#[test]
fn opus_sdes_with_keys_of_256_bits_and_a_move_in_mid_call() {
    call(&Row {
        moves: true,
        ..Row::new(Codec::Opus, Security::Sdes, Suite::AesCm256HmacSha1_80)
    });
}
