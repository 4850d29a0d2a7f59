//! Two gateways on loopback: one dials, the other is the phone.
#![cfg(feature = "net")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "gateway/shared.rs"]
mod shared;

use media_mix::{Rate, Tone};
use signaling::call::Side;
use signaling::engine::{PcmReader, Voice};
use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use signaling::{DialRequest, Hold, Ice, Random, Secure};
use sip_core::header::NameAddr;
use sip_core::{DigestPolicy, EndKind, StatusCode, Uninvited, auth::Account};
use std::time::Duration;
use token::Role;

fn random() -> Random {
    Random::new(|bytes| getrandom::fill(bytes).expect("the system has random bytes"))
}

fn config() -> GatewayConfig {
    GatewayConfig::new("127.0.0.1:0".parse().unwrap(), random())
}

fn request(phone: &Gateway, transport: &str) -> DialRequest {
    let uri = format!("sip:phone@{};transport={transport}", phone.sip_addr());
    let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
    DialRequest::new(uri.parse().unwrap(), from)
}

/// The share of the power of the last half second that is at `hz`.
fn share(reader: &mut PcmReader, hz: f64) -> f64 {
    let mut samples = Vec::new();
    reader.drain_into(&mut samples);
    let rate = f64::from(reader.rate().hz());
    let last = &samples[samples.len().saturating_sub(rate as usize / 2)..];
    let power: f64 = last.iter().map(|&s| f64::from(s).powi(2)).sum();
    let turn = std::f64::consts::TAU * hz / rate;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &s) in last.iter().enumerate() {
        re += f64::from(s) * (turn * i as f64).cos();
        im += f64::from(s) * (turn * i as f64).sin();
    }
    2.0 * (re * re + im * im) / last.len() as f64 / power.max(1.0)
}

/// Both gateways for a while; what the first says until `until` is true of it.
async fn drive(
    ours: &mut Gateway,
    phone: &mut Gateway,
    mut each: impl FnMut(bool, &mut Gateway, Event) -> bool,
) {
    let work = async {
        loop {
            let done = tokio::select! {
                event = ours.next_event() => each(true, ours, event),
                event = phone.next_event() => each(false, phone, event),
            };
            if done {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("nothing happens any more");
}

async fn wait(ours: &mut Gateway, phone: &mut Gateway, ms: u64) {
    let work = async {
        loop {
            tokio::select! { _ = ours.next_event() => {}, _ = phone.next_event() => {} }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(ms), work).await;
}

/// Runs both until the last half second is nearly all `hz`; a stall of the machine only costs time.
async fn until_heard(
    ours: &mut Gateway,
    phone: &mut Gateway,
    reader: &mut PcmReader,
    hz: f64,
    what: &str,
) {
    let mut last = 0.0;
    for _ in 0..15 {
        wait(ours, phone, 600).await;
        last = share(reader, hz);
        if last > 0.9 {
            return;
        }
    }
    panic!("{what}: {hz} Hz has a share of {last}");
}

/// Runs both until a tenth of a second is silent: under -60 dBFS, as a G.722 that codes zeros idles at -61 dBFS and 8 kHz.
async fn until_silent(ours: &mut Gateway, phone: &mut Gateway, reader: &mut PcmReader, what: &str) {
    let mut heard = Vec::new();
    for _ in 0..15 {
        wait(ours, phone, 300).await;
        heard.clear();
        reader.drain_into(&mut heard);
        if heard.len() >= 4800 && heard[heard.len() - 4800..].iter().all(|s| s.abs() < 32) {
            return;
        }
    }
    panic!(
        "{what}: it does not fall silent, the loudest sample is {:?}",
        heard.iter().map(|s| s.abs()).max()
    );
}

async fn call(transport: &str, secure: Secure, ice: Ice, codec: &str) {
    call_over(None, transport, secure, ice, codec).await;
}

async fn call_over(
    shared_port: Option<u16>,
    transport: &str,
    secure: Secure,
    ice: Ice,
    codec: &str,
) {
    let mut settings = config();
    settings.shared_port = shared_port;
    let mut ours = Gateway::bind(settings).await.unwrap();
    let mut settings = config();
    settings.shared_port = shared_port;
    settings.uninvited = Uninvited::Accept;
    settings.digest = Some(DigestPolicy::new("phone", [7; 32]).user("desk", "secret"));
    let mut phone = Gateway::bind(settings).await.unwrap();

    let session = ours
        .open_session("room", SessionOptions::default())
        .unwrap();
    let talker = Voice::tone(Tone::new(Rate::Khz48, 440.0, -12.0));
    let talker = ours
        .join(session, Join::new(Role::Publisher), talker)
        .unwrap();
    let mut talker_hears = ours.listen(session, talker, Rate::Khz48).unwrap();

    let home = phone
        .open_session("home", SessionOptions::default())
        .unwrap();
    let voice = Voice::tone(Tone::new(Rate::Khz48, 1020.0, -12.0));
    let person = phone.join(home, Join::new(Role::Publisher), voice).unwrap();
    let mut phone_hears = phone.listen(home, person, Rate::Khz48).unwrap();

    let mut request = request(&phone, transport)
        .account(Account::with_password("desk", "secret"))
        .header("X-Room", "7")
        .secure(secure)
        .ice(ice);
    request.codecs = Some(vec![codec.to_owned()]);
    let call = ours.dial(session, &request).unwrap();

    let (mut rang, mut answered, mut theirs) = (false, 0, None);
    drive(&mut ours, &mut phone, |is_ours, gateway, event| {
        match event {
            Event::Incoming {
                call,
                user,
                request,
                replaces,
            } => {
                assert_eq!(replaces, None);
                assert!(!is_ours);
                assert_eq!(user.as_deref(), Some("desk"));
                assert!(request.to_string().contains("X-Room: 7"));
                gateway.ring(call).unwrap();
                gateway
                    .answer(call, home, Join::new(Role::Publisher))
                    .unwrap();
                theirs = Some(call);
            }
            Event::Progress { status, .. } => rang |= status == StatusCode::RINGING,
            Event::Answered { .. } => answered += 1,
            _ => {}
        }
        answered == 2
    })
    .await;
    assert!(rang);
    until_heard(&mut ours, &mut phone, &mut phone_hears, 440.0, "answered").await;
    until_heard(&mut ours, &mut phone, &mut talker_hears, 1020.0, "answered").await;
    let info = ours.call(call).unwrap();
    assert_eq!(info.suite.is_some(), secure != Secure::Off);
    assert_eq!(info.dtls, secure == Secure::Dtls);
    assert_eq!(info.pair.is_some(), ice == Ice::Require);
    let pairs = usize::from(shared_port.is_none() || ice == Ice::Off);
    assert_eq!(ours.figures().ports, pairs);
    assert_eq!(phone.figures().ports, pairs);
    assert!(info.codec.eq_ignore_ascii_case(codec));
    assert!(info.mos().unwrap() > 3.5, "{info:?}");

    ours.send_dtmf(call, "12#").unwrap();
    phone.send_dtmf(theirs.unwrap(), "42").unwrap();
    let (mut here, mut there) = (String::new(), String::new());
    drive(&mut ours, &mut phone, |is_ours, _, event| {
        if let Event::Key { digit, .. } = event {
            if is_ours {
                here.push(digit)
            } else {
                there.push(digit)
            }
        }
        here.len() == 2 && there.len() == 3
    })
    .await;
    assert_eq!((here.as_str(), there.as_str()), ("42", "12#"));

    for how in [Hold::SendOnly, Hold::Inactive, Hold::PortZero] {
        ours.hold(call, how).unwrap();
        drive(&mut ours, &mut phone, |is_ours, _, event| {
            is_ours && matches!(event, Event::Held { by: Side::Us, .. })
        })
        .await;
        let what = format!("{how:?}");
        until_silent(&mut ours, &mut phone, &mut talker_hears, &what).await;
        until_silent(&mut ours, &mut phone, &mut phone_hears, &what).await;
        ours.resume(call).unwrap();
        drive(&mut ours, &mut phone, |is_ours, _, event| {
            is_ours && matches!(event, Event::Resumed { by: Side::Us, .. })
        })
        .await;
        let what = format!("{how:?}, resumed");
        until_heard(&mut ours, &mut phone, &mut talker_hears, 1020.0, &what).await;
        until_heard(&mut ours, &mut phone, &mut phone_hears, 440.0, &what).await;
    }

    ours.hang_up(call).unwrap();
    let mut ends = 0;
    drive(&mut ours, &mut phone, |_, _, event| {
        if let Event::Ended { end, .. } = event {
            assert!(end.is_clean(), "{end}");
            ends += 1;
        }
        ends == 2
    })
    .await;
    assert_eq!(ours.calls().count() + phone.calls().count(), 0);
    assert_eq!(ours.session(session).unwrap().participants().len(), 1);
}

#[tokio::test]
async fn a_call_over_udp_in_the_clear() {
    call("udp", Secure::Off, Ice::Off, "PCMU").await;
}

#[tokio::test]
async fn a_call_over_tcp_encrypted_with_opus() {
    // Without DTLS it is not offered; who allows it is not hurt.
    call("tcp", Secure::Require, Ice::Allow, "opus").await;
}

#[tokio::test]
async fn a_call_keyed_by_dtls() {
    call("udp", Secure::Dtls, Ice::Off, "G722").await;
}

#[tokio::test]
async fn a_call_whose_way_ice_finds() {
    call("tcp", Secure::Dtls, Ice::Require, "opus").await;
}

#[tokio::test]
async fn a_phone_without_ice_is_left_where_ice_is_required() {
    let mut ours = Gateway::bind(config()).await.unwrap();
    let mut settings = config();
    settings.uninvited = Uninvited::Accept;
    settings.ice = Ice::Off;
    let mut phone = Gateway::bind(settings).await.unwrap();
    let session = ours
        .open_session("room", SessionOptions::default())
        .unwrap();
    let home = phone
        .open_session("home", SessionOptions::default())
        .unwrap();
    let request = request(&phone, "udp")
        .secure(Secure::Dtls)
        .ice(Ice::Require);
    ours.dial(session, &request).unwrap();
    drive(
        &mut ours,
        &mut phone,
        |is_ours, gateway, event| match event {
            Event::Incoming { call, .. } => {
                gateway
                    .answer(call, home, Join::new(Role::Publisher))
                    .unwrap();
                false
            }
            Event::Ended { end, .. } if is_ours => {
                assert!(end.to_string().contains("without ICE"), "{end}");
                true
            }
            _ => false,
        },
    )
    .await;
}

/// From the first packet on: what is to be encrypted waits for its keys.
#[tokio::test]
async fn nothing_goes_in_the_clear_while_the_handshake_lasts() {
    let mut settings = config();
    settings.capture = true;
    let mut ours = Gateway::bind(settings).await.unwrap();
    let mut settings = config();
    settings.uninvited = Uninvited::Accept;
    let mut phone = Gateway::bind(settings).await.unwrap();
    let session = ours
        .open_session("room", SessionOptions::default())
        .unwrap();
    let tone = || Voice::tone(Tone::new(Rate::Khz48, 440.0, -12.0));
    ours.join(session, Join::new(Role::Publisher), tone())
        .unwrap();
    let home = phone
        .open_session("home", SessionOptions::default())
        .unwrap();
    phone
        .join(home, Join::new(Role::Publisher), tone())
        .unwrap();
    let mut request = request(&phone, "udp").secure(Secure::Dtls);
    request.codecs = Some(vec!["PCMU".to_owned()]);
    ours.dial(session, &request).unwrap();

    let (mut handshake, mut media) = (0, [0; 2]);
    drive(&mut ours, &mut phone, |is_ours, gateway, event| {
        match event {
            Event::Incoming { call, .. } => {
                gateway
                    .answer(call, home, Join::new(Role::Publisher))
                    .unwrap();
            }
            Event::Captured(packet) if is_ours && !packet.is_sip => match packet.bytes[0] {
                20..=63 => handshake += 1,
                128..=191 => {
                    assert!(handshake > 3, "media before the handshake");
                    // RTP of 20 ms PCMU is 172 bytes in the clear; either tag makes it longer.
                    let is_rtp = packet.bytes[1] & 0x7f == 0;
                    if is_rtp {
                        assert!(packet.bytes.len() > 172, "{} bytes", packet.bytes.len());
                        media[usize::from(packet.source < packet.destination)] += 1;
                    }
                }
                other => panic!("a packet that begins with {other}"),
            },
            _ => {}
        }
        media.iter().all(|&count| count > 20)
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_ends_the_call_and_names_realm_and_user() {
    let mut ours = Gateway::bind(config()).await.unwrap();
    let mut settings = config();
    settings.uninvited = Uninvited::Accept;
    settings.digest = Some(DigestPolicy::new("phone", [7; 32]).user("desk", "secret"));
    let mut phone = Gateway::bind(settings).await.unwrap();
    let session = ours
        .open_session("room", SessionOptions::default())
        .unwrap();
    let request = request(&phone, "udp").account(Account::with_password("desk", "wrong"));
    ours.dial(session, &request).unwrap();
    let mut text = String::new();
    drive(&mut ours, &mut phone, |_, _, event| match event {
        Event::Ended { end, .. } => {
            assert!(
                matches!(end.cause.kind, EndKind::AuthFailed { .. }),
                "{end:?}"
            );
            text = end.to_string();
            true
        }
        Event::Incoming { .. } => panic!("the phone must not ring"),
        _ => false,
    })
    .await;
    assert!(text.contains("desk") && text.contains("phone"), "{text}");
    assert_eq!(ours.session(session).unwrap().participants().len(), 0);
}

#[tokio::test]
async fn nobody_gets_in_uninvited() {
    let mut ours = Gateway::bind(config()).await.unwrap();
    let mut closed = Gateway::bind(config()).await.unwrap();
    let session = ours
        .open_session("room", SessionOptions::default())
        .unwrap();
    ours.dial(session, &request(&closed, "udp")).unwrap();
    drive(&mut ours, &mut closed, |is_ours, _, event| match event {
        Event::Ended { end, .. } => {
            assert!(is_ours);
            assert_eq!(end.cause.status, Some(StatusCode::FORBIDDEN));
            true
        }
        _ => false,
    })
    .await;
}
