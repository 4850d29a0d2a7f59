//! Calls between two sides on virtual time: what they agree on, what they hear, and how they end.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use media_mix::codec::Registry;
use media_mix::{Rate, Tone};
use rtp_core::dtls::Certificate;
use rtp_core::negotiate::{MediaProfile, RtcpMux};
use signaling::call::{CallError, CallEvent, CallState, EndReason, Side};
use signaling::engine::{RoomEvent, Voice};
use signaling::{Hold, Ice, Secure};
use sip_core::{EndKind, EndedBy, StatusCode};
use std::time::Duration;
use world::{Side as Party, World, heard};

const SECOND: Duration = Duration::from_secs(1);

fn only(names: &[&str]) -> Registry {
    let mut registry = Registry::default();
    assert!(registry.prefer(names).is_empty());
    registry
}

fn end_of(events: &[CallEvent]) -> &signaling::call::CallEnd {
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            CallEvent::Ended(end) => Some(end),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 1, "one end, told once: {events:?}");
    ends[0]
}

/// A tone of −12 dBov has −9 dBFS where a full-scale sine has 0.
#[test]
fn every_codec_in_the_clear_and_encrypted_carries_both_voices() {
    for codec in ["opus", "G722", "PCMU", "PCMA"] {
        for secure in [Secure::Off, Secure::Allow, Secure::Require] {
            let mut world = World::new();
            world.ours.registry = only(&[codec]);
            let request = world.request().secure(secure);
            world.dial(&request);
            world.run(SECOND);
            let (share, level) = heard(&mut world.phone.hears, 440.0);
            assert!(
                share > 0.98 && (level + 9.0).abs() < 1.0,
                "{codec} {secure:?}: {share} {level}"
            );
            let (share, level) = heard(&mut world.ours.hears, 1020.0);
            assert!(
                share > 0.98 && (level + 9.0).abs() < 1.0,
                "{codec} {secure:?}: {share} {level}"
            );
            let encrypted = world.ours.events.iter().any(
                |event| matches!(event, CallEvent::Media(Some(stream)) if stream.srtp.is_some()),
            );
            assert_eq!(encrypted, secure != Secure::Off);
        }
    }
}

/// Ours, the phone's, whether it has DTLS; what we fall back to, whether the call is encrypted, and by DTLS.
type Fallback = (
    Secure,
    Secure,
    bool,
    &'static [MediaProfile],
    Option<(bool, bool)>,
);

#[test]
fn what_a_phone_refuses_is_offered_weaker_until_it_fits_and_no_weaker_than_allowed() {
    let [here, there] = [(); 2].map(|()| Certificate::generate().unwrap());
    let rows: [Fallback; 8] = [
        (Secure::Allow, Secure::Dtls, true, &[], Some((true, true))),
        (Secure::Allow, Secure::Allow, true, &[], Some((true, true))),
        (
            Secure::Allow,
            Secure::Require,
            false,
            &[MediaProfile::Savp],
            Some((true, false)),
        ),
        (
            Secure::Allow,
            Secure::Off,
            false,
            &[MediaProfile::Savp, MediaProfile::Avp],
            Some((false, false)),
        ),
        (Secure::Require, Secure::Off, false, &[], None),
        (Secure::Dtls, Secure::Off, false, &[], None),
        (Secure::Off, Secure::Require, false, &[], None),
        (Secure::Off, Secure::Off, true, &[], Some((false, false))),
    ];
    for (ours, theirs, has_dtls, steps, up) in rows {
        let what = format!("{ours:?} to {theirs:?}");
        let mut world = World::new();
        world.ours.certificate = Some(here.clone());
        world.phone.certificate = has_dtls.then(|| there.clone());
        world.phone.secure = theirs;
        let request = world.request().secure(ours);
        world.dial(&request);
        let id = world.ours.call().id();
        // A handshake takes its part.
        world.run(2 * SECOND);
        let fallen = world.ours.events.iter().filter_map(|event| match event {
            CallEvent::FellBack { status, profile } => {
                assert_eq!(*status, StatusCode::NOT_ACCEPTABLE_HERE, "{what}");
                Some(*profile)
            }
            _ => None,
        });
        assert_eq!(fallen.collect::<Vec<_>>(), steps, "{what}");
        let Some((encrypted, dtls)) = up else {
            let end = end_of(&world.ours.events);
            assert_eq!(
                end.cause.status,
                Some(StatusCode::NOT_ACCEPTABLE_HERE),
                "{what}"
            );
            continue;
        };
        assert_eq!(world.ours.call().id(), id, "{what}");
        assert_eq!(world.ours.call().state(), CallState::Up, "{what}");
        let (share, _) = heard(&mut world.phone.hears, 440.0);
        assert!(share > 0.98, "{what}: {share}");
        let (share, _) = heard(&mut world.ours.hears, 1020.0);
        assert!(share > 0.98, "{what}: {share}");
        let stream = world
            .ours
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                CallEvent::Media(Some(stream)) => Some(stream),
                _ => None,
            });
        let stream = stream.unwrap();
        assert_eq!(
            stream.srtp.is_some() || stream.dtls.is_some(),
            encrypted,
            "{what}"
        );
        assert_eq!(stream.dtls.is_some(), dtls, "{what}");
    }
}

#[test]
fn hold_is_silent_both_ways_and_resume_brings_sound_back() {
    for (ours, how) in [true, false]
        .into_iter()
        .flat_map(|side| [Hold::SendOnly, Hold::Inactive, Hold::PortZero].map(|how| (side, how)))
    {
        let mut world = World::new();
        let request = world.request();
        world.dial(&request);
        world.run(SECOND);
        let now = world.now;
        let holder = if ours {
            &mut world.ours
        } else {
            &mut world.phone
        };
        holder
            .command(|call, endpoint| call.hold(now, endpoint, how))
            .unwrap();
        let again = holder.command(|call, endpoint| call.resume(now, endpoint));
        assert_eq!(again, Err(CallError::Busy));
        world.run(SECOND);
        let (holder, held) = if ours {
            (&mut world.ours, &mut world.phone)
        } else {
            (&mut world.phone, &mut world.ours)
        };
        assert!(holder.call().is_held(Side::Us) && held.call().is_held(Side::Peer));
        let (own, other) = if ours {
            (440.0, 1020.0)
        } else {
            (1020.0, 440.0)
        };
        assert!(
            heard(&mut holder.hears, other).1 < -80.0,
            "{how:?}: the holder hears nothing"
        );
        // While it sends, it sends silence: what the holder's room says is not for a phone on hold.
        assert!(
            heard(&mut held.hears, own).1 < -80.0,
            "{how:?}: the held side hears nothing"
        );
        let now = world.now;
        let holder = if ours {
            &mut world.ours
        } else {
            &mut world.phone
        };
        holder
            .command(|call, endpoint| call.resume(now, endpoint))
            .unwrap();
        world.run(SECOND);
        assert!(
            heard(&mut world.phone.hears, 440.0).0 > 0.9,
            "{how:?} ours={ours}"
        );
        assert!(
            heard(&mut world.ours.hears, 1020.0).0 > 0.9,
            "{how:?} ours={ours}"
        );
        let last = if ours { Side::Us } else { Side::Peer };
        assert!(world.ours.events.contains(&CallEvent::Resumed(last)));
    }
}

#[test]
fn who_is_held_hears_music_and_not_the_room_until_the_hold_ends() {
    let mut world = World::new();
    let request = world.request();
    world.dial(&request);
    world.run(SECOND);
    for (round, music) in [(0, Some(660.0)), (1, Some(880.0)), (2, None)] {
        let now = world.now;
        let ours = &mut world.ours;
        let id = ours.call().id();
        if let Some(hz) = music {
            let melody = Voice::tone(Tone::new(Rate::Khz16, hz, -12.0));
            ours.room.play_on_hold(id, melody).unwrap();
        }
        ours.command(|call, endpoint| call.hold(now, endpoint, Hold::SendOnly))
            .unwrap();
        world.run(SECOND);
        match music {
            Some(hz) => {
                let (share, level) = heard(&mut world.phone.hears, hz);
                assert!(
                    share > 0.98 && (level + 9.0).abs() < 1.0,
                    "round {round}: {share} {level}"
                );
            }
            None => assert!(heard(&mut world.phone.hears, 880.0).1 < -80.0),
        }
        assert!(
            heard(&mut world.ours.hears, music.unwrap_or(880.0)).1 < -80.0,
            "round {round}: the music is for the phone alone"
        );
        let now = world.now;
        world
            .ours
            .command(|call, endpoint| call.resume(now, endpoint))
            .unwrap();
        world.run(SECOND);
        let (share, _) = heard(&mut world.phone.hears, 440.0);
        assert!(share > 0.98, "round {round}: the room is back, {share}");
    }
}

#[test]
fn both_sides_hold_at_once_and_glare_resolves() {
    let mut world = World::new();
    let request = world.request();
    world.dial(&request);
    world.run(SECOND);
    let now = world.now;
    world
        .ours
        .command(|call, endpoint| call.hold(now, endpoint, Hold::SendOnly))
        .unwrap();
    world
        .phone
        .command(|call, endpoint| call.hold(now, endpoint, Hold::SendOnly))
        .unwrap();
    world.run(10 * SECOND);
    for side in [&mut world.ours, &mut world.phone] {
        assert!(side.call().is_held(Side::Us) && side.call().is_held(Side::Peer));
        assert!(
            !side
                .events
                .iter()
                .any(|event| matches!(event, CallEvent::ChangeRefused { .. }))
        );
    }
}

#[test]
fn no_common_codec_is_488_and_no_call() {
    let mut world = World::new();
    world.ours.registry = only(&["opus"]);
    world.phone.registry = only(&["PCMU"]);
    let request = world.request();
    world.dial(&request);
    let end = end_of(&world.ours.events);
    assert_eq!(end.cause.status, Some(StatusCode::NOT_ACCEPTABLE_HERE));
    assert_eq!(end.cause.kind, EndKind::Rejected);
    assert!(!end.is_clean());
}

#[test]
fn encryption_that_one_side_demands_and_the_other_lacks_is_no_call() {
    let mut world = World::new();
    world.phone.secure = Secure::Off;
    let request = world.request().secure(Secure::Require);
    world.dial(&request);
    assert_eq!(
        end_of(&world.ours.events).cause.status,
        Some(StatusCode::NOT_ACCEPTABLE_HERE)
    );
}

#[test]
fn a_call_lasts_as_long_as_it_may() {
    let mut world = World::new();
    let mut request = world.request();
    request.max_duration = 5 * SECOND;
    world.dial(&request);
    world.run(4 * SECOND);
    assert_eq!(world.ours.call().state(), CallState::Up);
    world.run(2 * SECOND);
    let end = end_of(&world.ours.events);
    assert_eq!(end.reason, Some(EndReason::MaxDuration));
    let theirs = end_of(&world.phone.events);
    assert_eq!(theirs.cause.by, EndedBy::Remote);
    assert_eq!(theirs.cause.q850, Some(31), "the BYE says why: {theirs:?}");
}

#[test]
fn a_phone_that_falls_silent_is_noticed_but_not_while_it_is_held() {
    let mut world = World::new();
    let request = world.request();
    world.dial(&request);
    world.run(SECOND);
    let inactive = |world: &World| {
        world
            .ours
            .room_events
            .iter()
            .filter(|event| matches!(event, RoomEvent::Inactive { .. }))
            .count()
    };
    let now = world.now;
    world
        .ours
        .command(|call, endpoint| call.hold(now, endpoint, Hold::Inactive))
        .unwrap();
    world.run(SECOND);
    world.sound = false;
    world.run(60 * SECOND);
    assert_eq!(inactive(&world), 0, "held: silence is what was asked for");
    let now = world.now;
    world
        .ours
        .command(|call, endpoint| call.resume(now, endpoint))
        .unwrap();
    world.run(21 * SECOND);
    assert_eq!(inactive(&world), 1, "told once");
    let now = world.now;
    world
        .ours
        .command(|call, endpoint| call.media_lost(now, endpoint))
        .unwrap();
    world.settle();
    assert_eq!(
        end_of(&world.ours.events).reason,
        Some(EndReason::MediaTimeout)
    );
}

#[test]
fn a_phone_that_holds_for_eleven_minutes_is_still_there() {
    let mut world = World::new();
    let request = world.request();
    world.dial(&request);
    world.run(SECOND);
    let now = world.now;
    world
        .phone
        .command(|call, endpoint| call.hold(now, endpoint, Hold::Inactive))
        .unwrap();
    world.settle();
    world.run(660 * SECOND);
    assert_eq!(world.ours.call().state(), CallState::Up);
    let silent = |event: &RoomEvent| matches!(event, RoomEvent::Inactive { .. });
    assert!(!world.ours.room_events.iter().any(silent));
    let now = world.now;
    world
        .phone
        .command(|call, endpoint| call.resume(now, endpoint))
        .unwrap();
    world.settle();
    world.run(SECOND);
    let (share, _) = heard(&mut world.ours.hears, 1020.0);
    assert!(share > 0.98, "{share}");
    let (share, _) = heard(&mut world.phone.hears, 440.0);
    assert!(share > 0.98, "{share}");
}

/// A call whose keys come from DTLS and whose way ICE finds.
fn with_a_way() -> World {
    with_ways([RtcpMux::Allow; 2])
}

/// The same, where each side wants RTCP as it does.
fn with_ways(mux: [RtcpMux; 2]) -> World {
    let mut world = World::new();
    [world.ours.mux, world.phone.mux] = mux;
    for side in [&mut world.ours, &mut world.phone] {
        side.certificate = Some(Certificate::generate().unwrap());
        side.ice = Ice::Allow;
    }
    let request = world.request().secure(Secure::Dtls).ice(Ice::Require);
    world.dial(&request);
    world.run(2 * SECOND);
    world
}

fn has_way(side: &Party) -> bool {
    let call = side.call.as_ref().unwrap().id();
    side.room.call_report(call).unwrap().pair.is_some()
}

fn assert_heard(world: &mut World) {
    let (share, _) = heard(&mut world.phone.hears, 440.0);
    assert!(share > 0.9, "the phone hears us: {share}");
    let (share, _) = heard(&mut world.ours.hears, 1020.0);
    assert!(share > 0.9, "we hear the phone: {share}");
}

fn ufrags(side: &Party) -> Vec<String> {
    let streams = side.events.iter().filter_map(|event| match event {
        CallEvent::Media(Some(stream)) => stream.ice.as_ref(),
        _ => None,
    });
    streams.map(|ice| ice.local.ufrag.clone()).collect()
}

#[test]
fn without_an_answer_for_half_a_minute_nothing_is_sent_and_then_the_call_is_given_up() {
    let mut world = with_a_way();
    assert!(has_way(&world.ours) && has_way(&world.phone));
    assert_heard(&mut world);
    world.sound = false;
    world.run(26 * SECOND);
    assert!(has_way(&world.ours), "a network may come back");
    world.run(5 * SECOND);
    assert!(!has_way(&world.ours));
    let sent = world.ours.sent;
    assert!(sent > 1000);
    let told = |world: &World| {
        let events = world.ours.room_events.iter();
        events
            .filter(|event| matches!(event, RoomEvent::Unreachable { .. }))
            .count()
    };
    assert_eq!(told(&world), 0);
    world.run(31 * SECOND);
    assert_eq!(world.ours.sent, sent, "no consent, no packet");
    assert_eq!(told(&world), 1);
    let now = world.now;
    world
        .ours
        .command(|call, endpoint| call.unreachable(now, endpoint))
        .unwrap();
    world.settle();
    assert_eq!(
        end_of(&world.ours.events).reason,
        Some(EndReason::Unreachable)
    );
}

#[test]
fn without_mux_reports_have_a_way_and_keys_of_their_own_and_sound_does_without_them() {
    let reports = |side: &Party| {
        let call = side.call.as_ref().unwrap().id();
        let report = side.room.call_report(call).unwrap();
        (report.rtcp_pair, report.path.unwrap().reports_received)
    };
    for mux in [
        [RtcpMux::Off; 2],
        [RtcpMux::Allow, RtcpMux::Off],
        [RtcpMux::Off, RtcpMux::Allow],
    ] {
        let mut world = with_ways(mux);
        assert!(has_way(&world.ours) && has_way(&world.phone));
        world.run(8 * SECOND);
        assert_heard(&mut world);
        for side in [&world.ours, &world.phone] {
            let (pair, received) = reports(side);
            let pair = pair.expect("a way for RTCP");
            assert_eq!((pair.local.port(), pair.remote.port()), (4001, 4001));
            assert!(received > 0, "{mux:?}");
        }
        if mux != [RtcpMux::Off; 2] {
            continue;
        }
        // A restart is one of both, on the same keys.
        let now = world.now;
        world
            .ours
            .command(|call, endpoint| call.restart_ice(now, endpoint))
            .unwrap();
        world.settle();
        world.run(8 * SECOND);
        let before = [reports(&world.ours).1, reports(&world.phone).1];
        assert!(before.iter().all(|received| *received > 1), "{before:?}");
        // The ports of RTCP fall silent: without consent no report goes out, and the call goes on.
        world.reports = false;
        world.run(70 * SECOND);
        for (side, before) in [&world.ours, &world.phone].into_iter().zip(before) {
            assert_eq!(reports(side), (None, before));
            assert!(has_way(side));
            let events = side.room_events.iter();
            let lost = events.filter(|event| matches!(event, RoomEvent::Unreachable { .. }));
            assert_eq!(lost.count(), 0);
        }
        assert_heard(&mut world);
    }
    // Where both share the port there is one way.
    let world = with_a_way();
    assert_eq!(reports(&world.ours).0, None);
}

#[test]
fn a_lost_way_is_found_again_by_a_restart_from_either_side() {
    for ours in [true, false] {
        let mut world = with_a_way();
        world.sound = false;
        world.run(35 * SECOND);
        assert!(!has_way(&world.ours) && !has_way(&world.phone));
        world.sound = true;
        let now = world.now;
        let side = if ours {
            &mut world.ours
        } else {
            &mut world.phone
        };
        side.command(|call, endpoint| call.restart_ice(now, endpoint))
            .unwrap();
        world.settle();
        world.run(2 * SECOND);
        assert!(has_way(&world.ours) && has_way(&world.phone));
        assert_heard(&mut world);
        for side in [&world.ours, &world.phone] {
            let ufrags = ufrags(side);
            assert_eq!(ufrags.len(), 2);
            assert_ne!(ufrags[0], ufrags[1], "other credentials");
        }
        // The handshake is that of before: its certificates are.
        let call = world.ours.call().id();
        assert!(world.ours.room.call_report(call).unwrap().suite.is_some());
    }
}

#[test]
fn a_stranger_is_not_heard_where_ice_knows_the_way() {
    let mut world = with_a_way();
    let call = world.phone.call().id();
    let before = world.phone.room.call_report(call).unwrap().path.unwrap();
    let from = std::net::SocketAddr::from(([198, 51, 100, 66], 4000));
    for n in 0..100u8 {
        let mut rtp = vec![0x80, 111, 0, n];
        rtp.resize(172, n);
        let path = rtp_core::transport::Path::rtp(from);
        world.phone.room.receive(world.now, call, path, &mut rtp);
        let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20];
        hello.resize(33, 1);
        world.phone.room.receive(world.now, call, path, &mut hello);
    }
    let after = world.phone.room.call_report(call).unwrap().path.unwrap();
    assert_eq!(after.packets_received, before.packets_received);
    assert_eq!(after.dropped, before.dropped, "the path never saw it");
    world.run(SECOND);
    assert_heard(&mut world);
}

#[test]
fn keys_cross_once_each() {
    let mut world = World::new();
    let request = world.request();
    world.dial(&request);
    world.run(SECOND);
    let id = world.ours.call().id();
    world.ours.room.press(id, "12#p*0D").unwrap();
    assert!(world.ours.room.press(id, "x").is_err());
    world.run(4 * SECOND);
    let keys: String = world
        .phone
        .room_events
        .iter()
        .filter_map(|event| match event {
            RoomEvent::Key { key, .. } => Some(key.digit.to_char()),
            _ => None,
        })
        .collect();
    assert_eq!(keys, "12#*0D");
    assert!(
        heard(&mut world.phone.hears, 440.0).0 > 0.9,
        "the voice goes on after the keys"
    );
}

#[test]
fn hanging_up_before_the_answer_is_a_cancel() {
    let mut world = World::new();
    world.phone.answers = false;
    let request = world.request();
    world.dial(&request);
    let now = world.now;
    world
        .phone
        .command(|call, endpoint| call.ring(now, endpoint))
        .unwrap();
    world.settle();
    assert_eq!(world.ours.call().state(), CallState::Ringing);
    world
        .ours
        .command(|call, endpoint| call.hang_up(now, endpoint))
        .unwrap();
    world.settle();
    assert_eq!(end_of(&world.ours.events).cause.by, EndedBy::Local);
    assert_eq!(end_of(&world.phone.events).cause.kind, EndKind::Cancelled);
}

#[test]
fn a_limit_of_zero_is_refused_before_anything_is_sent() {
    let mut world = World::new();
    let mut request = world.request();
    request.max_duration = Duration::ZERO;
    let can = signaling::call::capabilities(
        &world.ours.registry,
        world.ours.rtp.into(),
        Secure::Off,
        &[],
        None,
    );
    let refused = signaling::call::Call::dial(
        world.now,
        &mut world.ours.endpoint,
        &request,
        can,
        world::random(9),
    );
    assert!(matches!(refused, Err(CallError::ZeroLimit(_))));
    assert!(world.ours.endpoint.poll_transmit().is_none());
}

#[test]
fn machines_can_cross_threads() {
    fn send<T: Send>() {}
    send::<signaling::call::Call>();
    send::<signaling::engine::Room>();
    send::<Voice>();
    send::<signaling::engine::PcmReader>();
    send::<signaling::engine::PcmWriter>();
}
